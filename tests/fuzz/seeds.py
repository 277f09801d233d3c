#!/usr/bin/env python3
"""Writes small converted models for lr_fuzz to damage: composed ones and rows of the operator tests.

usage: seeds.py OUT      needs the package installed
"""
from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import parser

import lite_runtime
from lite_runtime.converter.infer import Infer
from lite_runtime.converter.ir import Graph
from lite_runtime.converter.lower.reader import read
from lite_runtime.converter.lower.writer import assemble, write

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "ops"))
import op_frame  # noqa: E402

HEAD = '<ir_version: 8, opset_import: ["" : 17]>\n'
# in ONNX's own text form; a constant that is not written out is in WEIGHTS
TEXTS = {
    "cnn": """cnn (float[N,3,16,W] x) => (float[N,10] y) {
        a = Conv<kernel_shape=[3,3], pads=[1,1,1,1], strides=[2,2]>(x, w1, b1)
        b = Relu(a)
        c = Conv<kernel_shape=[3,3], pads=[1,1,1,1], group=8>(b, w2)
        d = MaxPool<kernel_shape=[2,2], strides=[2,2]>(c)
        e = Resize<mode="nearest">(d, , scales)
        f = Concat<axis=1>(e, b)
        g = Sigmoid(f)
        h = Mul(f, g)
        i = GlobalAveragePool(h)
        j = Flatten(i)
        k = Gemm(j, w3, b3)
        y = Softmax<axis=1>(k)
    }""",
    "residual": """residual (float[N,4,H,24] x) => (float[N,4,H,24] y) {
        a = Conv(x, e1, b1)
        b = HardSwish(a)
        c = Conv<kernel_shape=[3,3], pads=[1,1,1,1], group=8>(b, w2, b1)
        d = Relu(c)
        e = Conv(d, e3)
        y = Add(e, x)
    }""",
    "rolling": """rolling (float[1,4,40,60] x) => (float[1,4,20,30] y) {
        a = Conv(x, e4)
        b = Relu(a)
        c = Conv<kernel_shape=[3,3], pads=[1,1,1,1], strides=[2,2], group=64>(b, w5)
        y = Conv(c, e6)
    }""",
    "text": """text (int64[B,S] ids) => (float[B,S,8] y) {
        a = Gather(table, ids)
        q = MatMul(a, wq)
        t = Transpose<perm=[0,2,1]>(a)
        s = MatMul(q, t)
        p = Softmax<axis=-1>(s)
        v = MatMul(p, a)
        r = Add(v, a)
        y = LayerNormalization<axis=-1>(r, gamma, beta)
    }""",
    "attention": """attention (float[B,S,12] x, float[B,1,1,S] m) => (float[B,S,12] y) {
        r = Reshape(x, heads)
        q = Transpose<perm=[0,2,1,3]>(r)
        t = Transpose<perm=[0,2,3,1]>(r)
        s = MatMul(q, t)
        u = Mul(s, half)
        w = Add(u, m)
        p = Softmax<axis=-1>(w)
        a = MatMul(p, q)
        b = Transpose<perm=[0,2,1,3]>(a)
        y = Reshape(b, flat)
    }""",
    "branches": """branches (float[N] x, bool c, int64 n) => (float[N] y, float[K,N] s) {
        a = Exp(x)
        b = If(c) <then_branch = t () => (float[N] p) { p = Add(a, x) },
                   else_branch = e () => (float[N] q) { q = Neg(a) }>
        y, s = Loop(n, , b) <body = l (int64 i, bool go, float[N] v) => (bool more, float[N] next, float[N] out) {
                more = Identity(go)
                next = Mul(v, a)
                out = Add(next, x)
            }>
    }""",
    "steps": """steps (float[T,1,2] x, float[2] h, float[1,8,2] r) => (float[T,1,1,2] y, float[2] z, float[T,2] s) {
        r2 = Exp(r)
        y = LSTM<hidden_size=2>(x, wl, r2)
        f = Reshape(y, pairs)
        z, s = Scan(h, f) <num_scan_inputs=1, body = b (float[2] v, float[2] e) => (float[2] next, float[2] out) {
                next = Add(v, e)
                out = Tanh(next)
            }>
    }""",
    "values": """values (float[A,B] x, int64[2] starts, int64[2] ends, int64[K] where, int64[4] pads)
            => (float[P,Q] y, int64[R] z) {
        a = Slice(x, starts, ends)
        b = Gather<axis=1>(x, where)
        c = Concat<axis=1>(b, b)
        d = Pad(a, pads)
        y = Add(d, d)
        n = Shape(c)
        z = Mod(where, where)
    }""",
    "choices": """choices (float[A,B] x, int64[1] k, int64[1] axis, int64[2] repeats, int64 from, int64 to, int64 by,
            bool[A] c, int64[A] lengths)
            => (float[P,Q] y, int64[R] z, float[S] u, int64[T] v, float[U,V] w, int64[W] i, float[X,B] m) {
        a, z0 = TopK<axis=0>(x, k)
        b = CumSum(a, axis)
        y = Tile(b, repeats)
        z = Range(from, to, by)
        u, p, q, v = Unique(x)
        d = Trilu(x, k)
        e = ReverseSequence<batch_axis=0, time_axis=1>(d, lengths)
        w = Einsum<equation="ij,kj->ik">(e, x)
        i = ArgMax<axis=1, keepdims=0>(x)
        m = Compress<axis=0>(x, c)
    }""",
    "spectra": """spectra (float[A,B,2] x, int64[1] n, float[C,D] s, int64[1] step, float[W] w)
            => (float[A,N,2] y, float[A,N,1] z, float[C,F,K,2] u) {
        y = DFT(x, n)
        z = DFT<inverse=1, onesided=1>(x, n)
        u = STFT(s, step, w)
    }""",
    "quantized": """quantized (float[1,4,8,8] x) => (float[1,6,6,6] y) {
        a = QuantizeLinear(x, xs, xz)
        b = DequantizeLinear(a, xs, xz)
        c = DequantizeLinear<axis=0>(qw, ws, wz)
        d = Conv<kernel_shape=[3,3]>(b, c)
        e = QuantizeLinear(d, ys, yz)
        y = DequantizeLinear(e, ys, yz)
    }""",
    "shapes": """shapes (float[N,C,H] x) => (float[P,Q] y) {
        s = Shape(x)
        n = Gather(s, zero)
        h = Gather(s, two)
        k = Mul(n, h)
        l = Concat<axis=0>(k, minus)
        a = Reshape(x, l)
        y = Relu(a)
    }""",
    "stream": """stream (float[1,6] x, float[1,6] s) => (float[1,6] y, float[1,6] n) {
        a = MatMul(x, ws6)
        b = Add(a, s)
        n = Tanh(b)
        y = Mul(n, x)
    }""",
}


def weights() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)

    def f(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.3, shape).astype(np.float32)

    return {
        "w1": f(8, 3, 3, 3), "b1": f(8), "w2": f(8, 1, 3, 3), "e1": f(8, 4, 1, 1), "e3": f(4, 8, 1, 1),
        "e4": f(64, 4, 1, 1), "w5": f(64, 1, 3, 3), "e6": f(4, 64, 1, 1), "scales": np.array([1, 1, 2, 2], np.float32),
        "w3": f(16, 10), "b3": f(10), "table": f(20, 8), "wq": f(8, 8), "gamma": f(8), "beta": f(8),
        "xs": np.float32(0.05), "xz": np.uint8(128), "ys": np.float32(0.1), "yz": np.uint8(120),
        "qw": rng.integers(-99, 99, (6, 4, 3, 3)).astype(np.int8), "ws": np.full(6, 0.01, np.float32),
        "wz": np.zeros(6, np.int8), "ws6": f(6, 6), "zero": np.array([0]), "two": np.array([2]),
        "minus": np.array([-1]), "heads": np.array([0, 0, 3, 4]), "flat": np.array([0, 0, 12]), "half": np.float32(0.5),
        "wl": f(1, 8, 2), "pairs": np.array([-1, 2]),
    }


def composed() -> dict[str, onnx.ModelProto]:
    """The models of TEXTS with their constants."""
    models, arrays = {}, weights()
    for name, text in TEXTS.items():
        m = parser.parse_model(HEAD + text)
        used = {i for n in m.graph.node for i in n.input}
        constants = [onnx.numpy_helper.from_array(np.asarray(a), n) for n, a in arrays.items() if n in used]
        m.graph.initializer.extend(constants)
        models[name] = m
    return models


def rare() -> bytes:
    """A file with what the converter does not write yet: quantised tensors, a delegate with a vendor's program."""
    body = Graph(Infer())
    p = body.input("p", "f32", ("n", 6))
    body.output(body.add("mul", p, body.const(np.ones((4, 6), np.float32), "w"), name="by"), "q")
    g = Graph(Infer())
    d = g.add("delegate", g.input("x", "f32", ("n", 6)), name="accelerated", types=[("f32", ("n", 6))])
    d.node.bodies = [body]
    g.output(d, "y")
    data = write(g)
    model = read(data)
    section = model["sections"][0]
    scales = {"axis": 0, "scales": [0.5, 1, 2, 4], "zero_points": [0, 1, -1, 3]}
    blocks = {"axis": 1, "block": 3, "scales": [1.0] * 8}
    for i, t in enumerate(t for s in model["subgraphs"] for t in s["tensors"] if t["encodings"]):
        t["quantization"] = blocks if i % 2 else scales
    for n in model["subgraphs"][0]["nodes"]:
        n["blobs"] = [{"vendor": "v", "soc": "s", "sdk": "1", "section": 0, "offset": 0, "size": 16}]
    return assemble(model, data[section["offset"]:section["offset"] + section["size"]])


def takes_any_size(data: bytes) -> bool:
    """Whether each open size may be what it likes: the driver draws them one by one."""
    with lite_runtime.Session(data, threads=1) as session:
        for step in range(1, 6):
            numbers = (2 + k * step % 7 for k in range(100))
            try:
                session.resize({t.name: tuple(d if isinstance(d, int) else next(numbers) for d in t.shape)
                                for t in session.inputs})
                session.steps()
            except lite_runtime.Error:
                return False
    return True


def main() -> int:
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for name, m in composed().items():
        state = {"n": "s"} if name == "stream" else {}
        (out / f"{name}.lrm").write_bytes(lite_runtime.convert(m, verify=False, state=state))
    (out / "rare.lrm").write_bytes(rare())
    rows = op_frame.rows()
    firsts = {r.op: i for i, r in reversed(list(enumerate(rows)))}.values()  # each operator once, and more of some
    for i in sorted({*firsts, *range(0, len(rows), 40)}):
        r = rows[i]
        wanted = op_frame.reference(r)
        data = lite_runtime.convert(op_frame.model(r, symbolic=False, outputs=wanted), verify=False)
        if i % 2 == 0 and r.dynamic:
            loose = lite_runtime.convert(op_frame.model(r, symbolic=True, outputs=wanted), verify=False)
            data = loose if takes_any_size(loose) else data
        if takes_any_size(data):  # not one whose inputs have no elements, which is written as an open size
            (out / f"row{i}.lrm").write_bytes(data)
    print(f"{len(list(out.glob('*.lrm')))} seeds, {sum(p.stat().st_size for p in out.glob('*.lrm'))} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
