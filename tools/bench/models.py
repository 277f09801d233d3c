#!/usr/bin/env python3
"""A folder of models against the runtimes that are installed: medians, and the ratio of our time to theirs.

usage: models.py FOLDER [NAME ...] [--threads N] [--seconds S] [--peers onnxruntime,ncnn,...] [--json]

Takes each NAME.onnx of FOLDER: ours converts it (without the proof), onnxruntime reads it; ncnn, MNN and LiteRT run
when NAME.param and NAME.bin, NAME.mnn, NAME.tflite lie beside it, made by their own converters, in f32 and for the same
input. Every side is a process of its own, and they take turns: a warm-up run and then a block of timed ones, while the
others sleep; the order rotates. A ratio is the median of those of the rounds, below 1 when we are faster; in brackets
the range of its middle half. `wrong`: the side's outputs are not ours within 1 % of the largest value.
"""
from __future__ import annotations

import argparse
import json
import multiprocessing as mp
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Run = Callable[[], list[np.ndarray]]
BLOCK = 0.05  # seconds of timed runs in a turn
LIMIT = 1e-2


def ours(path: Path, feeds: dict[str, np.ndarray], threads: int) -> Run:
    import lite_runtime

    session = lite_runtime.Session(path, threads)
    return lambda: list(session.run(feeds).values())


def run_onnxruntime(path: Path, feeds: dict[str, np.ndarray], threads: int) -> Run:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 4
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, feeds)


def run_ncnn(path: Path, feeds: dict[str, np.ndarray], threads: int) -> Run:
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads, net.opt.use_vulkan_compute = threads, False
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    if net.load_param(str(path)) or net.load_model(str(path.with_suffix(".bin"))):
        raise RuntimeError("the model cannot be loaded")
    names, outputs = net.input_names(), net.output_names()
    arrays = [np.ascontiguousarray(a[0]) for a in feeds.values()]  # it knows no batches

    def run() -> list[np.ndarray]:
        extractor = net.create_extractor()
        for name, a in zip(names, arrays, strict=True):
            extractor.input(name, ncnn.Mat(a))
        return [np.array(extractor.extract(n)[1]) for n in outputs]

    return run


def run_mnn(path: Path, feeds: dict[str, np.ndarray], threads: int) -> Run:
    import MNN

    net = MNN.Interpreter(str(path))
    session = net.createSession({"backend": "CPU", "numThread": threads, "precision": "high"})
    inputs, outputs = net.getSessionInputAll(session), net.getSessionOutputAll(session)
    order, kind = MNN.Tensor_DimensionType_Caffe, MNN.Halide_Type_Float

    def run() -> list[np.ndarray]:
        for name, a in feeds.items():
            inputs[name].copyFrom(MNN.Tensor(a.shape, kind, a, order))
        net.runSession(session)
        results = []
        for t in outputs.values():
            host = MNN.Tensor(t.getShape(), kind, np.empty(t.getShape(), np.float32), order)
            t.copyToHostTensor(host)
            results.append(np.array(host.getNumpyData()))
        return results

    return run


def run_litert(path: Path, feeds: dict[str, np.ndarray], threads: int) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    net = Interpreter(str(path), num_threads=threads)
    net.allocate_tensors()
    pairs = []
    for port, a in zip(net.get_input_details(), feeds.values(), strict=True):
        turned = a.transpose(0, 2, 3, 1) if a.ndim == 4 and a.shape != tuple(port["shape"]) else a
        pairs.append((port["index"], np.ascontiguousarray(turned)))
    outputs = [o["index"] for o in net.get_output_details()]

    def run() -> list[np.ndarray]:
        for index, a in pairs:
            net.set_tensor(index, a)
        net.invoke()
        return [net.get_tensor(i) for i in outputs]

    return run


# module to import, what the file's name ends with, how it is run
PEERS: dict[str, tuple[str, str, Callable[[Path, dict[str, np.ndarray], int], Run]]] = {
    "onnxruntime": ("onnxruntime", ".onnx", run_onnxruntime), "ncnn": ("ncnn", ".param", run_ncnn),
    "mnn": ("MNN", ".mnn", run_mnn), "litert": ("ai_edge_litert", ".tflite", run_litert),
}


def worker(pipe: Any, make: Callable[..., Run], path: Path, feeds: dict[str, np.ndarray], threads: int) -> None:
    """Answers each message with the times of a block of runs; the first time with the outputs."""
    try:
        run = make(path, feeds, threads)
        pipe.send([np.array(a) for a in run()])
        while pipe.recv():
            run()
            times: list[float] = []
            end = time.perf_counter() + BLOCK
            while not times or time.perf_counter() < end:
                start = time.perf_counter()
                run()
                times.append(1e3 * (time.perf_counter() - start))
            pipe.send(times)
    except EOFError:
        pass
    except Exception as e:  # whatever a peer raises
        pipe.send(f"{type(e).__name__}: {' '.join(str(e).split())[:200]}")


class Side:
    """One process, with the times of its rounds."""

    def __init__(self, name: str, make: Callable[..., Run], *args: Any) -> None:
        context = mp.get_context("spawn")
        self.name, self.rounds, self.all = name, [], []
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=worker, args=(other, make, *args), daemon=True)
        self.process.start()
        other.close()
        self.failure = ""
        self.outputs = self.get()

    def get(self) -> list[Any]:
        try:
            answer = self.pipe.recv()
        except EOFError:
            answer = "the process died"
        if isinstance(answer, str):
            self.failure = answer
            return []
        return answer

    def turn(self) -> None:
        self.pipe.send(True)
        times = self.get()
        if times:
            self.rounds.append(statistics.median(times))
            self.all += times

    def close(self) -> None:
        if self.process.is_alive():
            self.pipe.close()
        self.process.join(5)


def agree(mine: list[np.ndarray], theirs: list[np.ndarray]) -> bool:
    """Each of our outputs is one of theirs, in whatever order and layout they have: compared as sorted numbers."""
    def near(a: np.ndarray, b: np.ndarray) -> bool:
        if a.size != b.size:
            return False
        x, y = np.sort(a, None).astype(float), np.sort(b, None).astype(float)
        return not a.size or float(np.max(np.abs(x - y))) <= LIMIT * max(1e-30, float(np.max(np.abs(x))))
    return all(any(near(a, b) for b in theirs) for a in mine)


def measure(path: Path, folder: Path, names: list[str], threads: int, seconds: float) -> dict[str, Any]:
    """One model: name of each side to its figures."""
    import lite_runtime
    from lite_runtime.converter.feeds import Port, make, sizes

    data = lite_runtime.convert(str(path), verify=False)
    converted = folder / (path.stem + ".lrm")
    converted.write_bytes(data)
    with lite_runtime.Session(data) as session:
        ports = [Port(t.name, t.dtype, t.shape) for t in session.inputs]
    feeds = make(ports, next(sizes(ports, {})), 0, "normal")
    sides = [Side("lite_runtime", ours, converted, feeds, threads)]
    for name in names:
        file = path.with_suffix(PEERS[name][1])
        if file.exists():
            sides.append(Side(name, PEERS[name][2], file, feeds, threads))
    end = time.monotonic() + seconds * len(sides)
    n = 0
    while not sides[0].failure and (n < 5 or time.monotonic() < end):
        live = [s for s in sides if not s.failure]
        for s in live[n % len(live):] + live[:n % len(live)]:
            s.turn()
        n += 1
    for s in sides:
        s.close()
    return {s.name: figures(s, sides[0]) for s in sides}


def figures(s: Side, mine: Side) -> dict[str, Any]:
    if s.failure:
        return {"failure": s.failure}
    result: dict[str, Any] = {"median_ms": statistics.median(s.all), "best_ms": min(s.all), "runs": len(s.all),
                              "agrees": agree(mine.outputs, s.outputs)}
    if s is not mine and not mine.failure:
        low, middle, high = statistics.quantiles([a / b for a, b in zip(mine.rounds, s.rounds, strict=False)], n=4)
        result |= {"ratio": middle, "low": low, "high": high}
    return result


def installed(name: str) -> bool:
    from importlib.util import find_spec
    return find_spec(PEERS[name][0]) is not None


def words(f: dict[str, Any]) -> str:
    if "failure" in f:
        return f["failure"]
    text = f"median {f['median_ms']:9.3f} ms, best {f['best_ms']:9.3f}"
    if "ratio" in f:
        text += f", we take {f['ratio']:.3f} of it ({f['low']:.3f} to {f['high']:.3f})"
    return text + ("" if f["agrees"] else ", wrong")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5, help="for each side of each model")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--json", action="store_true")
    a = parser.parse_args()
    unknown = sorted(set(a.peers.split(",")) - set(PEERS))
    if unknown:
        parser.error(f"--peers: '{unknown[0]}' is none of {', '.join(PEERS)}")
    peers = [p for p in a.peers.split(",") if installed(p)]
    paths = [p for p in sorted(a.folder.glob("*.onnx")) if not a.names or p.stem in a.names]
    if not paths:
        sys.exit(f"models.py: {a.folder}: has no such .onnx file")
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            results[path.stem] = measure(path, Path(folder), peers, a.threads, a.seconds)
            for name, f in results[path.stem].items():
                if not a.json:
                    print(f"{path.stem:24} {name:14} {words(f)}", flush=True)
    if a.json:
        print(json.dumps(results, indent=2))
    return any("failure" in f for r in results.values() for f in r.values())


if __name__ == "__main__":
    sys.exit(main())
