"""A child process that may crash: runs models in the references or in the converter and the runtime.

As a program it answers pickled requests on its standard input; `Worker` is the other end.
"""
from __future__ import annotations

import os
import pickle
import select
import struct
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

Feeds = dict[str, np.ndarray]
SECONDS = 30


class Died(Exception):
    """The process died, or gave no answer in time; the message says which."""


class Worker:
    """A process that is started when needed, and again after it died."""

    def __init__(self, seconds: int = SECONDS) -> None:
        self.seconds = seconds  # for one request
        self.process: subprocess.Popen[bytes] | None = None

    def ask(self, what: str, *args: Any) -> Any:
        """The answer of the function `what` below. Died when there is none."""
        if self.process is None:
            self.process = subprocess.Popen([sys.executable, "-X", "faulthandler", __file__], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        p = self.process
        assert p.stdin is not None and p.stdout is not None
        data = pickle.dumps((what, args))
        try:
            p.stdin.write(struct.pack("<q", len(data)) + data)
            p.stdin.flush()
            if not select.select([p.stdout], [], [], self.seconds)[0]:
                self.close()
                raise Died(f"no answer in {self.seconds} s")
            head = p.stdout.read(8)
            if len(head) == 8:
                return pickle.loads(p.stdout.read(struct.unpack("<q", head)[0]))
        except BrokenPipeError:
            pass
        code = p.wait()
        self.process = None
        raise Died(f"died with signal {-code}" if code < 0 else f"ended with code {code}")

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


# ---- in the child ----
def first_line(e: BaseException) -> str:
    return next((line.strip() for line in str(e).splitlines() if line.strip()), type(e).__name__)[:300]


def onnxruntime(model: bytes, feeds: list[Feeds], flush: bool = False) -> list[Any]:
    """Per feed the outputs, or why there are none. flush: denormals count as zero, as they do with us."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.set_denormal_as_zero", str(int(flush)))
    try:
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as e:  # whatever it raises
        return [first_line(e)] * len(feeds)
    quiet = ort.RunOptions()
    quiet.log_severity_level = 4
    return [attempt(lambda f=f: session.run(None, f, quiet)) for f in feeds]


def onnxruntime_flushed(model: bytes, feeds: list[Feeds]) -> list[Any]:
    return onnxruntime(model, feeds, flush=True)


def evaluator(model: bytes, feeds: list[Feeds]) -> list[Any]:
    """As onnxruntime, by ONNX's own evaluator."""
    import onnx

    from lite_runtime.converter.reference import Clock, Evaluator

    try:
        found = Evaluator(onnx.load_from_string(model), Clock(SECONDS)).evaluator
    except Exception as e:  # whatever it raises
        return [first_line(e)] * len(feeds)
    return [attempt(lambda f=f: found.run(None, f)) for f in feeds]


def attempt(run: Any) -> list[np.ndarray] | str:
    try:
        with np.errstate(all="ignore"):
            return [np.asarray(y) for y in run()]
    except Exception as e:  # whatever it raises
        return first_line(e)


def either(model: bytes, feeds: list[Feeds]) -> list[Any]:
    """onnxruntime's outputs, else the evaluator's."""
    found = onnxruntime(model, feeds)
    return evaluator(model, feeds) if isinstance(found[0], str) else found


def ours(model: bytes, feeds: list[Feeds]) -> tuple[str, Any]:
    """('refused', message), ('failed', what is wrong with that), or ('ran', per feed outputs or the error's class and
    message)."""
    import lite_runtime
    from lite_runtime.converter.errors import ConvertError

    try:
        data = lite_runtime.convert(model, verify=False)
    except (ConvertError, lite_runtime.OutOfMemoryError) as e:
        return "refused", str(e)
    except Exception as e:  # a bug
        return "failed", f"convert raises {type(e).__name__}: {e}"
    try:
        session = lite_runtime.Session(data, threads=2)
    except Exception as e:  # a bug
        return "failed", f"what convert wrote is refused: {type(e).__name__}: {e}"
    results: list[Any] = []
    for f in feeds:
        try:
            results.append([np.asarray(y) for y in session.run({t.name: f[t.name] for t in session.inputs}).values()])
        except Exception as e:  # judged by who asked
            results.append((type(e).__name__, str(e)))
    return "ran", results


def check(model: bytes) -> tuple[str, Any]:
    """('accepted', []), ('problems', list of them) or ('error', message) of `lite-opt check`."""
    from lite_runtime.converter.cli import check as command
    from lite_runtime.converter.errors import ConvertError

    try:
        problems = command.problems(model)
    except ConvertError as e:
        return "error", str(e)
    return ("problems", [vars(p) for p in problems]) if problems else ("accepted", [])


FUNCTIONS = {f.__name__: f for f in (onnxruntime, onnxruntime_flushed, evaluator, either, ours, check)}


def main() -> None:
    warnings.filterwarnings("ignore")
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what others print
    while head := sys.stdin.buffer.read(8):
        what, args = pickle.loads(sys.stdin.buffer.read(struct.unpack("<q", head)[0]))
        data = pickle.dumps(FUNCTIONS[what](*args))
        out.write(struct.pack("<q", len(data)) + data)
        out.flush()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
