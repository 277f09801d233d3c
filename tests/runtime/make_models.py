#!/usr/bin/env python3
"""Writes the models of the C runtime tests and, beside each, inputs and the outputs of an independent reference.

usage: make_models.py OUT      needs the package installed, with onnxruntime
"""
from __future__ import annotations

import shutil
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper, parser

import lite_runtime
from lite_runtime.converter.infer import Infer
from lite_runtime.converter.ir import Graph
from lite_runtime.converter.lower.writer import write
from lite_runtime.spec.dtypes import BY_NUMPY

Arrays = dict[str, np.ndarray]
HEAD = '<ir_version: 8, opset_import: ["" : 17]>\n'
rng = np.random.default_rng(5)


def normal(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def save(out: Path, name: str, data: bytes, runs: list[tuple[Arrays, Arrays]]) -> None:
    """NAME.lrm and NAME.io: for each run its tensors as role, index, dtype, rank, dims[8], bytes, data (support.h)."""
    (out / f"{name}.lrm").write_bytes(data)
    session = lite_runtime.Session(data) if name != "custom" else None
    order = [[t.name for t in ports] for ports in (session.inputs, session.outputs)] if session else [["x"], ["y"]]
    parts = [struct.pack("<i", len(runs))]
    for feeds, want in runs:
        items = [(role, order[role].index(n), a) for role, arrays in ((0, feeds), (1, want)) for n, a in arrays.items()]
        parts.append(struct.pack("<i", len(items)))
        for role, index, a in items:
            dims = list(a.shape) + [0] * (8 - a.ndim)
            head = struct.pack("<4i8qq", role, index, BY_NUMPY[a.dtype.name].code, a.ndim, *dims, a.nbytes)
            parts.append(head + np.ascontiguousarray(a).tobytes())
    (out / f"{name}.io").write_bytes(b"".join(parts))


def model(text: str, weights: Arrays | None = None) -> onnx.ModelProto:
    m = parser.parse_model(HEAD + text)
    for name, a in (weights or {}).items():
        m.graph.initializer.append(numpy_helper.from_array(np.asarray(a), name))
    return m


def reference(m: onnx.ModelProto, feeds: list[Arrays],
              state: dict[str, str] | None = None) -> list[tuple[Arrays, Arrays]]:
    """onnxruntime's outputs, without its graph optimisations; states are fed back from zero."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    s = ort.InferenceSession(m.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [o.name for o in s.get_outputs()]
    states = {i.name: np.zeros(i.shape, np.float32) for i in s.get_inputs() if i.name in (state or {}).values()}
    runs = []
    for x in feeds:
        y = dict(zip(names, s.run(None, {**x, **states}), strict=True))
        states = {i: y.pop(o) for o, i in (state or {}).items()}
        runs.append((x, y))
    return runs


def convnet(out: Path) -> None:
    m = model("""convnet (float[batch,3,height,width] x) => (float[batch,C,h,w] y) {
        a = Conv<pads=[1,1,1,1], strides=[2,2]>(x, w1, b1)
        b = Relu(a)
        c = Conv<pads=[1,1,1,1], group=16>(b, w2)
        d = Clip(c, zero, six)
        e = Conv(d, w3, b3)
        f = Add(e, b)
        g = Concat<axis=1>(f, b)
        y = MaxPool<kernel_shape=[2,2], strides=[2,2]>(g)
    }""", {"w1": normal(16, 3, 3, 3) / 5, "b1": normal(16), "w2": normal(16, 1, 3, 3) / 3,
           "w3": normal(16, 16, 1, 1) / 4, "b3": normal(16), "zero": np.float32(0), "six": np.float32(6)})
    m.metadata_props.add(key="author", value="test")
    shapes = [(1, 3, 40, 36), (2, 3, 17, 23), (1, 3, 8, 8)]
    save(out, "convnet", lite_runtime.convert(m), reference(m, [{"x": normal(*s)} for s in shapes]))


def deep(out: Path) -> None:
    """What convnet lacks: Winograd, programs behind a convolution, 5x5 depthwise, upsampling, a transposed one."""
    m = model("""deep (float[n,16,h,w] x) => (float[n,12,p,q] y, float[n,8] z) {
        a = Conv<pads=[1,1,1,1]>(x, w1, b1)
        b = HardSwish(a)
        c = Conv<pads=[2,2,2,2], group=24>(b, w2)
        d = Sigmoid(c)
        e = Mul(d, b)
        f = AveragePool<kernel_shape=[2,2], strides=[2,2]>(e)
        g = Resize<mode="linear">(f, none, scales)
        h1 = ConvTranspose<strides=[2,2], pads=[0,0,1,1]>(g, w3)
        y = LeakyRelu(h1)
        i = GlobalAveragePool(e)
        j = Flatten(i)
        k = Gemm<transB=1>(j, w4, b4)
        z = Softmax(k)
    }""", {"w1": normal(24, 16, 3, 3) / 8, "b1": normal(24), "w2": normal(24, 1, 5, 5) / 5,
           "none": np.zeros(0, np.float32), "scales": np.array([1, 1, 1.5, 1.5], np.float32),
           "w3": normal(24, 12, 3, 3) / 8, "w4": normal(8, 24), "b4": normal(8)})
    data = lite_runtime.convert(m)
    kernels = {s.kernel for s in _steps(data, {"x": normal(1, 16, 20, 24)})}
    assert any(k.startswith("winograd") for k in kernels), f"no Winograd convolution: {kernels}"
    save(out, "deep", data, reference(m, [{"x": normal(*s)} for s in ((1, 16, 20, 24), (2, 16, 10, 8))]))


def text(out: Path) -> None:
    """An embedding, attention and a pooled result, on as many tokens as a value says."""
    m = model("""text (int64[n] ids, int64[1] length) => (float[k,16] y, float[16] z) {
        a = Gather(table, ids)
        b = Slice(a, zero, length, zero)
        c = MatMul(b, wq)
        d = Add(c, bq)
        e = LayerNormalization(d, scale, bias)
        f = Transpose<perm=[1,0]>(e)
        g = MatMul(e, f)
        h = Softmax(g)
        i = MatMul(h, b)
        j = Tanh(i)
        y = Add(j, d)
        z = ReduceMax<axes=[0], keepdims=0>(y)
    }""", {"table": normal(50, 16), "zero": np.zeros(1, np.int64), "wq": normal(16, 16) / 4, "bq": normal(16),
           "scale": normal(16), "bias": normal(16)})
    feeds = [{"ids": rng.integers(0, 50, n), "length": np.array([k], np.int64)} for n, k in ((9, 5), (9, 9), (40, 33))]
    save(out, "text", lite_runtime.convert(m), reference(m, feeds))


def blocks(out: Path) -> None:
    """Operators that are many of the source's: an inverted residual and attention."""
    m = model("""blocks (float[1,8,h,w] x, float[b,2,n,8] q) => (float[1,8,h,w] y, float[b,2,n,8] z) {
        a = Conv(x, w1, b1)
        c = Clip(a, zero, six)
        d = Conv<pads=[1,1,1,1], group=48>(c, w2, b1)
        e = Clip(d, zero, six)
        f = Conv(e, w3)
        y = Add(f, x)
        k = Transpose<perm=[0,1,3,2]>(q)
        s = MatMul(q, k)
        t = Mul(s, scale)
        p = Softmax(t)
        z = MatMul(p, q)
    }""", {"w1": normal(48, 8, 1, 1) / 3, "b1": normal(48), "w2": normal(48, 1, 3, 3) / 3,
           "w3": normal(8, 48, 1, 1) / 7, "zero": np.float32(0), "six": np.float32(6), "scale": np.float32(8**-0.5)})
    data = lite_runtime.convert(m)
    feeds = [{"x": normal(1, 8, *s), "q": normal(b, 2, n, 8)} for s, b, n in (((20, 24), 1, 13), ((7, 5), 3, 70))]
    ops = {s.op for s in _steps(data, feeds[0])}
    assert {"inverted_residual", "attention"} <= ops, f"not all of them: {ops}"
    save(out, "blocks", data, reference(m, feeds))


def streaming(out: Path) -> None:
    m = model("""streaming (float[1,8] x, float[1,8] h) => (float[1,8] y, float[1,8] hn) {
        a = MatMul(x, w)
        b = MatMul(h, u)
        c = Add(a, b)
        hn = Tanh(c)
        y = Mul(hn, two)
    }""", {"w": normal(8, 8) / 3, "u": normal(8, 8) / 3, "two": np.float32(2)})
    state = {"hn": "h"}
    runs = reference(m, [{"x": normal(1, 8)} for _ in range(20)], state)
    save(out, "streaming", lite_runtime.convert(m, state=state), runs)


def qdq_conv(out: Path) -> None:
    scales = rng.uniform(0.01, 0.02, 6).astype(np.float32)
    m = model("""qdq (float[1,4,h,w] x) => (float[1,6,h,w] y) {
        a = QuantizeLinear(x, xs, xz)
        b = DequantizeLinear(a, xs, xz)
        c = DequantizeLinear<axis=0>(q, ws, wz)
        d = DequantizeLinear<axis=0>(bias, bs, bz)
        e = Conv<pads=[1,1,1,1]>(b, c, d)
        f = Relu(e)
        g = QuantizeLinear(f, ys, yz)
        y = DequantizeLinear(g, ys, yz)
    }""", {"xs": np.float32(0.05), "xz": np.uint8(120), "q": rng.integers(-127, 128, (6, 4, 3, 3)).astype(np.int8),
           "ws": scales, "wz": np.zeros(6, np.int8), "bias": rng.integers(-999, 999, 6).astype(np.int32),
           "bs": scales * np.float32(0.05), "bz": np.zeros(6, np.int32), "ys": np.float32(0.1), "yz": np.uint8(3)})
    data = lite_runtime.convert(m)
    ops = [(s.op, s.outputs[0].dtype) for s in _steps(data, {"x": normal(1, 4, 9, 7)})]
    assert ("conv", np.dtype(np.uint8)) in ops, f"the convolution is not computed in int8: {ops}"
    save(out, "qdq_conv", data, reference(m, [{"x": normal(1, 4, *s) * 2} for s in ((9, 7), (16, 16))]))


def _steps(data: bytes, feeds: Arrays) -> list[Any]:
    with lite_runtime.Session(data) as s:
        return s.profile(feeds)


def half(out: Path) -> None:
    m = model("""half (float16[n,24] x, float16[24] b) => (float16[n,24] y, float16[n,24] z) {
        a = Add(x, b)
        c = Mul(a, x)
        y = Relu(c)
        z = Max(c, b)
    }""")
    feeds = [{"x": normal(n, 24).astype(np.float16), "b": normal(24).astype(np.float16)} for n in (5, 1, 33)]
    runs = []
    for f in feeds:  # numpy rounds each result to f16, as the model says
        c = (f["x"] + f["b"]) * f["x"]
        runs.append((f, {"y": np.maximum(c, np.float16(0)), "z": np.maximum(c, f["b"])}))
    save(out, "half", lite_runtime.convert(m), runs)


def values(out: Path) -> None:
    m = model("""values (float[a,b] x, int64[2] starts, int64[2] ends) => (float[p,q] y, int64[2] z) {
        s = Slice(x, starts, ends)
        e = Exp(s)
        y = Concat<axis=0>(e, s)
        z = Shape(s)
    }""")
    i64 = np.int64
    cuts = [((0, 1), (3, 5)), ((1, 0), (2, 1)), ((0, 0), (6, 8)), ((2, 2), (2, 9))]
    save(out, "values", lite_runtime.convert(m),
         reference(m, [{"x": normal(6, 8), "starts": np.array(s, i64), "ends": np.array(e, i64)} for s, e in cuts]))


def views(out: Path) -> None:
    m = model("""views (float[n,12] x) => (float[n,30] y, float[12,n] t, float[n,2,6] r) {
        a, b, c = Split<axis=1>(x, sizes)
        d = Relu(a)
        e = Neg(b)
        f = Concat<axis=1>(d, e, c, d)
        g = Slice(f, one, nine, one)
        h = Sigmoid(g)
        i = Concat<axis=1>(h, f, e)
        y = Abs(i)
        t = Transpose<perm=[1,0]>(x)
        s = Reshape(x, shape)
        r = Exp(s)
    }""", {"sizes": np.array([4, 6, 2], np.int64), "one": np.array([1], np.int64), "nine": np.array([9], np.int64),
           "shape": np.array([0, 2, 6], np.int64)})
    save(out, "views", lite_runtime.convert(m), reference(m, [{"x": normal(n, 12)} for n in (7, 1, 64)]))


def gather(out: Path) -> None:
    m = model("""gather (int64[n] i) => (float[n,3] y) {
        y = Gather(table, i)
    }""", {"table": normal(10, 3)})
    m.graph.node[0].name = "pick"
    save(out, "gather", lite_runtime.convert(m), reference(m, [{"i": np.array([0, -1, 9, 4], np.int64)}]))


def product(out: Path) -> None:
    """A product of two inputs, of which one is packed in each run: into several times its size when it is narrow."""
    m = model("""product (float[m,k] a, float[k,n] b) => (float[m,n] y) {
        y = MatMul(a, b)
    }""")
    save(out, "product", lite_runtime.convert(m),
         reference(m, [{"a": normal(m, k), "b": normal(k, n)} for m, k, n in ((3, 5, 2), (1, 40, 1))]))


def custom(out: Path) -> None:
    g = Graph(Infer())
    x = g.input("x", "f32", ("n", 4))
    a = g.add("neg", x, name="before")
    b = g.add("custom", a, name="mine", types=[("f32", ("n", 4))])
    b.node.custom_name, b.node.custom_data = "square", struct.pack("<f", 0.5)
    g.output(g.add("relu", b, name="after"), "y")
    xs = [normal(n, 4) for n in (3, 8)]
    save(out, "custom", write(g), [({"x": x}, {"y": x * x + np.float32(0.5)}) for x in xs])


def heavy(out: Path) -> None:
    """One step, of as much work as its input is large, for stopping in the middle; the reference is for a small one."""
    m = model("""heavy (float[1,24,h,w] x) => (float[1,24,h,w] y) {
        y = Conv<pads=[2,2,2,2]>(x, w1)
    }""", {"w1": normal(24, 24, 5, 5) / 25})
    data = lite_runtime.convert(m)
    assert len([s for s in _steps(data, {"x": normal(1, 24, 9, 9)}) if s.kernel.startswith("lr_f32_gemm")]) == 1
    save(out, "heavy", data, reference(m, [{"x": normal(1, 24, 9, 11)}]))


def prepacked(out: Path) -> None:
    """A convolution whose weight is in the file twice: as it is, and in panels of 8 channels (packing.h)."""
    w = normal(13, 1, 1, 20)
    g = Graph(Infer())
    x = g.input("x", "f32", (1, "h", "w", 20))
    g.output(g.add("conv", x, g.const(w, "w"), name="product"), "y")
    feeds = [normal(1, *s, 20) for s in ((5, 3), (1, 1))]
    runs = [({"x": x}, {"y": (x.astype(np.float64) @ w[:, 0, 0].T).astype(np.float32)}) for x in feeds]
    save(out, "plain", write(g), runs)
    save(out, "prepacked", write(g, prepack={"product": (8, 1)}), runs)


def delegate(out: Path) -> None:
    body = Graph(Infer())
    p = body.input("p", "f32", ("n", 6))
    body.output(body.add("relu", body.add("mul", p, body.const(np.float32(2)), name="double"), name="positive"), "q")
    g = Graph(Infer())
    x = g.input("x", "f32", ("n", 6))
    a = g.add("add", x, g.const(np.float32(1)), name="before")
    d = g.add("delegate", a, name="accelerated", types=[("f32", ("n", 6))])
    d.node.bodies = [body]
    g.output(g.add("sub", d, g.const(np.float32(3)), name="after"), "y")
    xs = [normal(n, 6) for n in (4, 9)]
    save(out, "delegate", write(g), [({"x": x}, {"y": np.maximum((x + 1) * 2, 0) - 3}) for x in xs])


def control(out: Path) -> None:
    """A loop with carried, stacked and captured values whose sizes grow, a scan of slices, an If with two sizes."""
    m = model("""control (float[n,6] x, int64 trips, bool on) => (float[k,6] last, float[t,6] sums, float[n,6] y,
                                                                   float[p,q] z) {
        first = Slice(x, zero, one, zero)
        last, sums = Loop(trips, , first) <body = step (int64 i, bool go, float[r,6] v) =>
                (bool go_on, float[s,6] w, float[6] sum) {
            go_on = Identity(on_always)
            a = MatMul(v, weight)
            b = Concat<axis=0>(a, first)
            w = Tanh(b)
            sum = ReduceMax<axes=[0], keepdims=0>(w)
        }>
        seen, y = Scan<num_scan_inputs=1, body = walk (float[6] state, float[6] slice) =>
                (float[6] next, float[6] row) {
            c = Mul(slice, weight_row)
            next = Add(state, c)
            row = Abs(next)
        }>(nothing, x)
        z = If(on) <then_branch = yes () => (float[p,q] t) { t = Transpose<perm=[1,0]>(x) },
                    else_branch = no () => (float[p,q] e) { h = Sigmoid(x)
                                                            e = Concat<axis=0>(h, last) }>
    }""", {"zero": np.zeros(1, np.int64), "one": np.ones(1, np.int64), "weight": normal(6, 6) / 3,
           "weight_row": normal(6), "nothing": np.zeros(6, np.float32), "on_always": np.array(True)})
    feeds = [{"x": normal(n, 6), "trips": np.array(t), "on": np.array(on)}
             for n, t, on in ((5, 3, True), (2, 0, False), (9, 7, False), (1, 1, True))]
    save(out, "control", lite_runtime.convert(m), reference(m, feeds))


def main() -> None:
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for make in (convnet, deep, blocks, text, streaming, qdq_conv, half, values, views, gather, product, custom,
                 heavy, prepacked, delegate, control):
        make(out)
    other = out / "größe 模型"
    other.mkdir(exist_ok=True)
    shutil.copy(out / "convnet.lrm", other)


main()
