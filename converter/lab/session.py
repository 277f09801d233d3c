"""A model on a device: pushed once, then run."""
from __future__ import annotations

import json
import signal
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ... import Step, TensorInfo
from ..dtypes import DTYPES
from ..errors import ConvertError
from .device import Device, Facts, Result, last_line
from .program import program

LIMIT = 1800.0  # seconds for all runs of one command, unless --timeout says more
PROGRAM, MODEL = "lite_run", "model.lrm"


@dataclass(frozen=True)
class There:
    """What lite_run says of one command."""

    outputs: dict[str, np.ndarray]
    """Of the last run; empty after a benchmark."""
    steps: list[Step]
    """With times, when they were asked for."""
    facts: dict[str, Any]
    """Its JSON document."""
    counts: list[int]
    """Instructions executed at each marker; empty when they were not counted."""
    device: Facts
    """Where that was."""

    @property
    def times(self) -> list[float]:
        """Of each run in ms; none under an emulator, whose times say nothing."""
        return [] if self.device.emulated else self.facts.get("all_ms", [])

    @property
    def memory(self) -> int:
        """Of the session there, in bytes."""
        return self.facts["memory"]


class LabSession:
    """The program and the model in a device's folder. It must be closed before the device only in so far as the device
    removes all files at its end."""

    def __init__(self, device: Device, model: bytes, given: Path | None = None) -> None:
        """given: the program to use; None: lite_run, built when it has to be."""
        self.device = device
        executable = program(device.target, given)
        with tempfile.TemporaryDirectory(prefix="lite-lab-") as d:
            path = Path(d, MODEL)
            path.write_bytes(model)
            device.push(path, MODEL)
        device.push(executable, PROGRAM, executable=True)
        listed = self._checked(device.run([f"./{PROGRAM}", "--cpu"], LIMIT))
        self.facts = replace(device.describe(), features=tuple(line.split()[0] for line in listed.splitlines()))

    def run(self, feeds: Mapping[str, np.ndarray], threads: int | None = None, repeat: int = 1,
            timeout: float | None = None, profile: bool = False) -> There:
        """Runs `repeat` times; timeout in seconds for each."""
        words = ["--json", "--runs", str(repeat), "--output", "output"] + ["--profile"] * profile
        words += ["--timeout", str(timeout)] if timeout else []
        limit = max(LIMIT, 60 + 2 * (timeout or 0) * (repeat + profile))
        there = self._command(feeds, threads, words, limit, False)
        outputs = {o["name"]: self._output(k) for k, o in enumerate(there.facts["outputs"])}
        return replace(there, outputs=outputs)

    def bench(self, feeds: Mapping[str, np.ndarray], threads: int | None, seconds: float) -> There:
        """Times of runs and steps; on an emulated device instructions of one run and of its steps, by one thread."""
        counted = self.device.emulated
        words = ["--bench", "--profile", *(["--instructions"] if counted else ["--seconds", str(seconds)])]
        return self._command(feeds, 1 if counted else threads, words, LIMIT + 3 * seconds, counted)

    def _command(self, feeds: Mapping[str, np.ndarray], threads: int | None, words: list[str], limit: float,
                 counted: bool) -> There:
        argv = [f"./{PROGRAM}", MODEL, "--threads", str(threads or 0), *words]
        with tempfile.TemporaryDirectory(prefix="lite-lab-") as d:
            for k, (name, array) in enumerate(feeds.items()):
                path = Path(d, f"input.{k}.npy")
                np.save(path, np.ascontiguousarray(array).reshape(array.shape), allow_pickle=False)
                self.device.push(path, path.name)
                argv += ["--input", f"{name}={path.name}"]
        result, counts = self.device.count(argv, limit) if counted else (self.device.run(argv, limit), [])
        text = self._checked(result)
        try:
            facts = json.loads(text)
            steps = [_step(s) for s in facts.get("steps", [])]
        except (ValueError, KeyError, TypeError) as e:
            raise ConvertError(f"{self.device.name}: {PROGRAM} printed no document that this version reads; is "
                               "--program older?") from e
        return There({}, steps, facts, counts, self.facts)

    def _output(self, k: int) -> np.ndarray:
        name = f"output.{k}.npy"
        with tempfile.TemporaryDirectory(prefix="lite-lab-") as d:
            self.device.pull(name, Path(d, name))
            return np.load(Path(d, name), allow_pickle=False)

    def _checked(self, result: Result) -> str:
        """What the program printed; ConvertError with its sentence, or with what ended it."""
        if not result.code:
            return result.stdout
        if result.code > 0:
            said = last_line(result.stderr)
            raise ConvertError(f"{self.device.name}: {said.removeprefix(PROGRAM + ': ') or f'exit code {result.code}'}")
        raise ConvertError(f"{self.device.name}: {PROGRAM} was ended by {_signal(-result.code)}")


def _step(s: dict[str, Any]) -> Step:
    def info(t: dict[str, Any]) -> TensorInfo:
        # as Session.steps says it of types that numpy does not have
        return TensorInfo(t["name"], np.dtype(DTYPES[t["dtype"]].numpy or "V1"), tuple(t["shape"]))

    return Step(s["index"], s["node"], s["op"], s["device"], s["kernel"], s["reason"], s["ns"],
                tuple(info(t) for t in s["outputs"]))


def _signal(number: int) -> str:
    """A signal's name, and what it mostly means."""
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    means = {"SIGILL": ", an instruction that this CPU does not have; was the program built for a newer one?",
             "SIGKILL": "; maybe its memory was not enough"}
    return name + means.get(name, ", a bug; please report it with the model")
