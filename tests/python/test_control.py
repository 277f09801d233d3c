"""If, Loop and Scan that run their subgraphs, against onnxruntime."""
from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper

import lite_runtime
from lite_runtime.converter.errors import ConvertError

HEAD = '<ir_version: 8, opset_import: ["" : 17]>\n'
TEXTS = {
    "if": """m (bool c, float[2,N] x) => (float[2,N] y) {
        a = Relu(x)
        y = If(c) <then_branch = t () => (float[2,N] p) { k = Sigmoid(a) p = Add(k, x) },
                   else_branch = e () => (float[2,N] q) { q = Neg(x) }>
    }""",
    "sizes": """m (bool c, float[2,N] x) => (float[2,M] y) {
        y = If(c) <then_branch = t () => (float[2,A] p) { p = Concat<axis=1>(x, x) },
                   else_branch = e () => (float[2,B] q) { q = Identity(x) }>
    }""",
    "nested": """m (bool c, bool d, float[N] x) => (float[N] y, float[N] z) {
        w = Exp(x)
        y, z = If(c) <then_branch = t () => (float[N] p, float[N] p2) {
                p = If(d) <then_branch = tt () => (float[N] r) { r = Add(w, x) },
                           else_branch = te () => (float[N] s) { s = Mul(w, x) }>
                p2 = Sub(p, w)
            }, else_branch = e () => (float[N] q, float[N] q2) { q = Neg(w) q2 = Identity(x) }>
    }""",
    "loop": """m (int64 n, float[3] x) => (float[3] y, float[K,3] s) {
        one = Constant<value_float=1.0>()
        y, s = Loop(n, , x) <body = b (int64 i, bool go, float[3] v) => (bool more, float[3] next, float[3] out) {
                more = Identity(go)
                f = Cast<to=1>(i)
                g = Add(f, one)
                next = Mul(v, g)
                out = Add(next, x)
            }>
    }""",
    "until": """m (float x, float limit) => (float y) {
        yes = Constant<value_int=1>()
        c = Cast<to=9>(yes)
        y = Loop(, c, x) <body = b (int64 i, bool go, float v) => (bool more, float next) {
                next = Add(v, v)
                more = Less(next, limit)
            }>
    }""",
    "growing": """m (int64 n, float[1,2] x) => (float[R,2] y) {
        y = Loop(n, , x) <body = b (int64 i, bool go, float[A,2] v) => (bool more, float[B,2] next) {
                more = Identity(go)
                e = Exp(x)
                next = Concat<axis=0>(v, e)
            }>
    }""",
    "scan": """m (float[2] h, float[T,2] x) => (float[2] y, float[T,2] s) {
        y, s = Scan(h, x) <num_scan_inputs=1, body = b (float[2] v, float[2] e) => (float[2] next, float[2] out) {
                w = Add(v, e)
                next = Tanh(w)
                out = Identity(next)
            }>
    }""",
    "backwards": """m (float[2] h, float[2,T] x) => (float[2] y, float[2,T] s) {
        y, s = Scan(h, x) <num_scan_inputs=1, scan_input_axes=[1], scan_input_directions=[1], scan_output_axes=[1],
                    scan_output_directions=[1], body = b (float[2] v, float[2] e) => (float[2] next, float[2] out) {
                w = Add(v, e)
                next = Tanh(w)
                out = Identity(next)
            }>
    }""",
    "one element of two ranks": """m (bool c, float[1] x) => (float[1] y) {
        a = If(c) <then_branch = t () => (p) { z = Constant<value_ints=[0]>() p = Squeeze(x, z) },
                   else_branch = e () => (q) { q = Neg(x) }>
        y = Mul(a, x)
    }""",
    "carried in two ranks": """m (int64 n, float[1] x) => (y) {
        one = Constant<value_float=1.0>()
        y = Loop(n, , one) <body = b (int64 i, bool go, v) => (bool more, next) {
                more = Identity(go)
                next = Add(v, x)
            }>
    }""",
    "last values": """m (float[2,3] x) => (last, float[2,3] y) {
        n = Constant<value_int=3>()
        zero = Constant<value_float=0.0>()
        last, y = Loop(n, , zero, x) <body = b (int64 i, bool go, old, float[2,3] v)
                => (bool more, now, float[2,3] next) {
                more = Identity(go)
                now = Transpose(v)
                next = Add(v, v)
            }>
    }""",
}


def parse(text: str) -> onnx.ModelProto:
    return onnx.parser.parse_model(HEAD + text)


def f(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


X = np.arange(6, dtype=np.float32).reshape(2, 3) - 2
CASES = [
    ("if", {"c": np.array(True), "x": X}), ("if", {"c": np.array(False), "x": X}),
    ("sizes", {"c": np.array(True), "x": X}), ("sizes", {"c": np.array(False), "x": X}),
    *(("nested", {"c": np.array(c), "d": np.array(d), "x": f(1, -2, 3)}) for c in (True, False) for d in (True, False)),
    *(("loop", {"n": np.array(n, np.int64), "x": f(1, 2, 3)}) for n in (1, 4, 0)),
    ("until", {"x": np.array(1.5, np.float32), "limit": np.array(40, np.float32)}),
    *(("growing", {"n": np.array(n, np.int64), "x": f(1, 2).reshape(1, 2)}) for n in (3, 0, 7)),
    *(("scan", {"h": f(0.5, -1), "x": (np.arange(2 * t) / 7).astype(np.float32).reshape(t, 2)}) for t in (1, 5)),
    *(("one element of two ranks", {"c": np.array(c), "x": f(3)}) for c in (True, False)),
    *(("carried in two ranks", {"n": np.array(n, np.int64), "x": f(3)}) for n in (1, 3)),
    ("last values", {"x": X}),
    ("backwards", {"h": f(0.5, -1), "x": (np.arange(8) / 7).astype(np.float32).reshape(2, 4)}),
]


@pytest.mark.parametrize(("name", "feeds"), CASES, ids=[f"{i}-{n}" for i, (n, _) in enumerate(CASES)])
def test_as_onnxruntime(name: str, feeds: dict[str, np.ndarray]) -> None:
    m = parse(TEXTS[name])
    want = ort.InferenceSession(m.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, feeds)
    with lite_runtime.Session(lite_runtime.convert(m, verify=False)) as session:
        for _ in range(2):
            got = session.run(feeds)
            for o, w in zip(m.graph.output, want, strict=True):
                assert got[o.name].shape == np.shape(w)
                np.testing.assert_allclose(got[o.name], w, rtol=1e-6)


def test_all_in_one_session() -> None:
    """Subgraphs keep nothing of the values that they had before."""
    data = lite_runtime.convert(parse(TEXTS["growing"]), verify=False)
    with lite_runtime.Session(data) as session:
        for n in (3, 9, 0, 3, 1):
            x = f(n, 1).reshape(1, 2)
            got = session.run({"n": np.array(n, np.int64), "x": x})["y"]
            np.testing.assert_allclose(got, np.concatenate([x] + [np.exp(x)] * n), rtol=1e-6)


def test_a_loop_can_be_stopped() -> None:
    forever = parse(TEXTS["until"].replace("more = Less(next, limit)", "more = Identity(go)"))
    with lite_runtime.Session(lite_runtime.convert(forever, verify=False)) as session, \
            pytest.raises(lite_runtime.CancelledError, match="time limit"):
        session.run({n: np.array(1, np.float32) for n in ("x", "limit")}, timeout=0.05)


def test_a_loop_counts_against_the_limit() -> None:
    data = lite_runtime.convert(parse(TEXTS["growing"]), verify=False)
    with lite_runtime.Session(data, memory_limit=20000) as session, pytest.raises(lite_runtime.Error, match="limit"):
        session.run({"n": np.array(10**6, np.int64), "x": f(1, 2).reshape(1, 2)})


def test_slices_that_differ() -> None:
    m = parse("""m (int64 n, float[2] x) => (float[K,L] s) {
        y, s = Loop(n, , x) <body = b (int64 i, bool go, float[A] v) => (bool more, float[B] next, float[C] out) {
                more = Identity(go)
                next = Concat<axis=0>(v, x)
                out = Identity(next)
            }>
    }""")
    with lite_runtime.Session(lite_runtime.convert(m, verify=False)) as session, \
            pytest.raises(lite_runtime.Error, match="cannot be stacked"):
        session.run({"n": np.array(2, np.int64), "x": f(1, 2)})


def test_what_is_refused() -> None:
    ranks = parse("""m (bool c, float[2] x) => (float y) {
        y = If(c) <then_branch = t () => (float[2] p) { p = Neg(x) },
                   else_branch = e () => (float[1,2] q) { a = Constant<value_ints=[0]>() q = Unsqueeze(x, a) }>
    }""")
    with pytest.raises(ConvertError, match="rank 1 and f32 of rank 2"):
        lite_runtime.convert(ranks, verify=False)
    inside = parse(TEXTS["if"])
    branch = next(a.g for n in inside.graph.node for a in n.attribute if a.name == "else_branch")
    branch.node.insert(0, helper.make_node("Multinomial", ["x"], ["q2"], name="draw"))
    branch.node[1].input[0] = "q2"
    with pytest.raises(ConvertError, match="Multinomial 'If_y/draw'"):
        lite_runtime.convert(inside, verify=False)
