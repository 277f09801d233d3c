#!/usr/bin/env python3
"""Fourier transforms against onnxruntime's and numpy's: STFT of 16 kHz speech, and DFT.

usage: spectra.py [--rounds N] [--isa avx2]

One thread; the three take turns in one process. Prints our median time and the medians of the ratios to us, from the
same rounds. numpy gets frames that are there already and multiplies with the window.
"""
from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

import lite_runtime

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import cpu_levels  # noqa: E402

RNG = np.random.default_rng(0)
Case = tuple[str, onnx.ModelProto, np.ndarray, Callable[[], object]]


def model(op: str, x: np.ndarray, constants: dict[str, np.ndarray], **attrs: int) -> onnx.ModelProto:
    node = helper.make_node(op, ["x", *constants], ["y"], **attrs)
    graph = helper.make_graph([node], "spectra", [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, x.shape)],
                              [helper.make_empty_tensor_value_info("y")],
                              [numpy_helper.from_array(v, k) for k, v in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def stft(seconds: int, frame: int, step: int) -> Case:
    x = RNG.normal(size=(1, 16000 * seconds, 1)).astype(np.float32)
    window = np.hanning(frame).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(x[..., 0], frame, 1)[:, ::step]
    return (f"STFT, {seconds} s, {frame} by {step}", model("STFT", x, {"step": np.array(step), "w": window}), x,
            lambda: np.fft.rfft(frames * window))


def dft(count: int, n: int, last: int) -> Case:
    x = RNG.normal(size=(count, n, last)).astype(np.float32)
    z = x[..., 0] if last == 1 else x[..., 0] + 1j * x[..., 1]
    transform = np.fft.rfft if last == 1 else np.fft.fft
    return (f"DFT, {count} of {n}, {'real' if last == 1 else 'complex'}", model("DFT", x, {}, onesided=2 - last), x,
            lambda: transform(z))


CASES: list[Callable[[], Case]] = [
    lambda: stft(1, 400, 160), lambda: stft(10, 400, 160), lambda: stft(10, 512, 160), lambda: stft(10, 480, 160),
    lambda: stft(10, 1024, 256), lambda: dft(64, 512, 1), lambda: dft(64, 1000, 2), lambda: dft(64, 1021, 2),
    lambda: dft(16, 4096, 2), lambda: dft(1, 4096, 2), lambda: dft(1, 65536, 2), lambda: dft(1, 1 << 20, 2)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=51)
    parser.add_argument("--isa", choices=list(cpu_levels.levels(lite_runtime.cpu_features())))
    args = parser.parse_args()
    mask = cpu_levels.levels(lite_runtime.cpu_features())[args.isa] if args.isa else None
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    print(f"{'':32} {'ours us':>9} {'onnxruntime':>12} {'numpy':>7}")
    for make in CASES:
        name, m, x, numpy = make()
        other = ort.InferenceSession(m.SerializeToString(), options, providers=["CPUExecutionProvider"])
        how = {} if mask is None else {"cpu_mask": mask}
        with lite_runtime.Session(lite_runtime.convert(m, verify=False), threads=1, **how) as session:
            runs = (partial(session.run, {"x": x}), partial(other.run, None, {"x": x}), numpy)
            times = np.zeros((args.rounds + 1, 3))
            for t in times:
                for k, run in enumerate(runs):
                    start = time.perf_counter()
                    run()
                    t[k] = time.perf_counter() - start
        ours, ratio = times[1:, 0], np.median(times[1:] / times[1:, :1], axis=0)
        print(f"{name:32} {np.median(ours) * 1e6:9.0f} {ratio[1]:12.2f} {ratio[2]:7.2f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
