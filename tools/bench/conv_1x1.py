#!/usr/bin/env python3
"""How near the 1x1 convolutions of a network come to the machine's peak, each on its own.

usage: conv_1x1.py MODEL.onnx ... [--isa avx2] [--seconds S] [--json]

Makes a model of one layer for every different 1x1 convolution (groups 1) of a network, runs it with one thread, and
prints the time of its step and the part of the core's f32 multiply-adds that it reaches, measured in the same process;
then the sum over all of the network's layers. A shape counts as often as it stands in the network. Data is warm: this
is what the kernels and their driver can do, not what they do between other layers (`lite-opt bench` shows that).
On a busy machine run it with real-time priority (chrt -f 50), else preemption counts as time.
"""
from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

import lite_runtime
from lite_runtime.converter.frontend.load import load

Shape = tuple[int, int, int, int, int]  # input channels, height, width, output channels, stride


def layers(path: Path) -> Counter[Shape]:
    """The 1x1 convolutions of a network and how often each stands in it."""
    model = shape_inference.infer_shapes(load(str(path)))
    graph = model.graph
    dims = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in [*graph.value_info, *graph.input]}
    weights = {t.name: list(t.dims) for t in graph.initializer}
    found: Counter[Shape] = Counter()
    for n in graph.node:
        w = weights.get(n.input[1]) if n.op_type == "Conv" else None
        a = {x.name: helper.get_attribute_value(x) for x in n.attribute}
        if not w or w[2:] != [1, 1] or a.get("group", 1) != 1 or any(a.get("pads", [])):
            continue
        x = dims.get(n.input[0], [])
        if len(x) != 4 or not all(x):
            sys.exit(f"conv_1x1.py: {path.name}: the input of '{n.name}' has no fixed size")
        found[(w[1], x[2], x[3], w[0], a.get("strides", [1])[0])] += 1
    if not found:
        sys.exit(f"conv_1x1.py: {path.name}: there is no 1x1 convolution in it")
    return found


def one_layer(s: Shape) -> tuple[bytes, np.ndarray]:
    """A converted model of one layer, and an input."""
    c, h, w, o, stride = s
    r = np.random.default_rng(0)
    constants = [numpy_helper.from_array(r.normal(size=shape).astype(np.float32), name)
                 for name, shape in (("w", (o, c, 1, 1)), ("b", (o,)))]
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], kernel_shape=[1, 1], strides=[stride, stride])
    graph = helper.make_graph([node], "layer", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, c, h, w])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, o, None, None])],
                              constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return lite_runtime.convert(model, verify=False), r.normal(size=(1, c, h, w)).astype(np.float32)


def measure(s: Shape, seconds: float, mask: int | None) -> tuple[float, float, str]:
    """Milliseconds of the convolution's step, the core's GFLOP/s, and the kernel."""
    data, x = one_layer(s)
    result = lite_runtime.benchmark(data, {"x": x}, threads=1, seconds=seconds, cpu_mask=mask)
    step = next(t for t in result.steps if t.op == "conv")
    return step.ms, result.peak_gflops or 0.0, step.kernel


def network(path: Path, seconds: float, mask: int | None, quiet: bool) -> dict[str, Any]:
    """All layers of one network, and their sum."""
    total, least, rows = 0.0, 0.0, []
    for s, times in sorted(layers(path).items(), key=lambda item: item[0][1:3], reverse=True):
        c, h, w, o, stride = s
        ms, peak, kernel = measure(s, seconds, mask)
        out = (h + stride - 1) // stride * ((w + stride - 1) // stride)
        ideal = 2e-6 * out * c * o / peak if peak else 0.0
        total, least = total + times * ms, least + times * ideal
        rows.append({"shape": s, "times": times, "ms": ms, "part": ideal / ms})
        if not quiet:
            print(f"  {h}x{w} {c} -> {o}{f' stride {stride}' if stride > 1 else '':9} x{times:<2} {1e3 * ms:9.1f} us "
                  f"{100 * ideal / ms:5.1f} %  {kernel}", flush=True)
    if not quiet:
        print(f"{path.stem}: {sum(r['times'] for r in rows)} layers, {total:.3f} ms, "
              f"{100 * least / total:.1f} % of the peak", flush=True)
    return {"layers": rows, "ms": total, "part": least / total}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL.onnx")
    parser.add_argument("--isa", choices=sorted(lite_runtime.cpu_features()), help="use no more than this and its like")
    parser.add_argument("--seconds", type=float, default=0.2, help="for each shape")
    parser.add_argument("--json", action="store_true")
    a = parser.parse_args()
    mask = None
    if a.isa:
        bit = lite_runtime.cpu_features()[a.isa]
        mask = 2 * bit - 1  # bits are ordered: each needs those below it
    results = {p.stem: network(p, a.seconds, mask, a.json) for p in a.models}
    if a.json:
        print(json.dumps(results, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
