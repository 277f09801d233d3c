"""Sessions that are resized again and again give what a fresh session gives, and hold no more memory than it.

LR_RESIZES=200 runs that many sequences of sizes on each model (20 are the default).
"""
from __future__ import annotations

import os

import numpy as np
import onnx
import pytest

import lite_runtime

SEQUENCES, LENGTH = int(os.environ.get("LR_RESIZES", "20")), 12
HEAD = '<ir_version: 8, opset_import: ["" : 17]>\n'
RNG = np.random.default_rng(5)
LIMITS = {"n": 5}  # inputs that are numbers, and the first number that they are not
WEIGHTS = {
    "w": RNG.normal(size=(8, 3, 3, 3)), "d": RNG.normal(size=(8, 1, 3, 3)), "k": RNG.normal(size=(8, 5)),
    "q": RNG.normal(size=(12, 12)), "c": RNG.normal(size=(4, 3, 3)), "s": np.array([1, 1, 2, 2]),
}
# models whose sizes are open: an image net, attention, a signal net, sizes from values, a product of two inputs, a loop
MODELS = {
    "image": ("""m (float[N,3,H,W] x) => (float[N,5] y, float[N,8,P,Q] z) {
        a = Conv<pads=[1,1,1,1], strides=[2,2]>(x, w)
        b = Relu(a)
        g = Conv<pads=[1,1,1,1], group=8>(b, d)
        z = Resize<mode="linear">(g, , s)
        p = GlobalAveragePool(g)
        f = Flatten(p)
        y = MatMul(f, k)
    }""", lambda r: {"x": (r(1, 3), 3, r(4, 20), r(4, 20))}),
    "attention": ("""m (float[B,S,12] x) => (float[B,S,12] y) {
        q1 = MatMul(x, q)
        t = Transpose<perm=[0,2,1]>(x)
        a = MatMul(q1, t)
        p = Softmax<axis=-1>(a)
        y = MatMul(p, x)
    }""", lambda r: {"x": (r(1, 3), r(1, 40), 12)}),
    "signal": ("""m (float[B,3,T] x) => (float[B,4] y) {
        a = Conv<pads=[1,1]>(x, c)
        b = MaxPool<kernel_shape=[2], strides=[2]>(a)
        y = ReduceMean<axes=[2], keepdims=0>(b)
    }""", lambda r: {"x": (r(1, 3), 3, r(4, 60))}),
    "values": ("""m (float[A,B] x) => (int64[2,K] i, float[K] y) {
        i = NonZero(x)
        t = Transpose(i)
        y = GatherND(x, t)
    }""", lambda r: {"x": (r(1, 9), r(1, 9))}),
    "product": ("""m (float[M,K] a, float[K,N] b) => (float[M,N] y, float[M,N] z) {
        y = MatMul(a, b)
        p = Softmax<axis=1>(y)
        z = Mul(p, y)
    }""", lambda r: (lambda k: {"a": (r(1, 9), k), "b": (k, r(1, 9))})(r(1, 9))),
    "loop": ("""m (int64 n, float[A,3] x) => (float[A,3] y, float[K,A,3] z) {
        y, z = Loop(n, , x) <body = b (int64 i, bool go, float[A,3] v) => (bool more, float[A,3] next, float[A,3] out) {
                more = Identity(go)
                next = Tanh(v)
                out = Add(next, x)
            }>
    }""", lambda r: {"n": (), "x": (r(1, 50), 3)}),
}
# their sizes follow from values: a buffer for them stays as large as the largest that came
GROWING = {"values", "loop"}


def model(name: str) -> bytes:
    m = onnx.parser.parse_model(HEAD + MODELS[name][0])
    read = {n for node in m.graph.node for n in node.input}
    m.graph.initializer.extend(onnx.numpy_helper.from_array(v.astype(np.float32), n) for n, v in WEIGHTS.items()
                               if n in read)
    return lite_runtime.convert(m, verify=False)


def feeds(shapes: dict[str, tuple[int, ...]], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Normal numbers, a third of them zero; small integers."""
    numbers = {n: np.array(rng.integers(0, LIMITS[n]), np.int64) for n in shapes if n in LIMITS}
    return numbers | {n: (rng.normal(size=s) * (rng.random(s) < 0.7)).astype(np.float32)
                      for n, s in shapes.items() if n not in LIMITS}


@pytest.mark.parametrize("plans", [1, 2, 4])
@pytest.mark.parametrize("name", MODELS)
def test_sequences(name: str, plans: int) -> None:
    data, rng = model(name), np.random.default_rng(7)
    session = lite_runtime.Session(data, threads=2, plans=plans)
    for _ in range(SEQUENCES):
        made = [MODELS[name][1](lambda low, high: int(rng.integers(low, high + 1))) for _ in range(9)]
        sizes = list({str(z): z for z in made}.values())[:5]
        first = feeds(sizes[0], rng)
        for x in (*(feeds(z, rng) for z in sizes), first):
            session.run(x)
        held = session.memory
        for k in rng.integers(0, len(sizes), LENGTH).tolist():  # few sizes, so that they come again
            x = feeds(sizes[k], rng)
            got = session.run(x)
            with lite_runtime.Session(data, threads=1) as fresh:
                for n, want in fresh.run(x).items():
                    assert got[n].tobytes() == want.tobytes(), f"{name}: {n} at {sizes[k]}"
        last = (feeds(sizes[1], rng), first)
        for x in last:
            session.run(x)
        settled = session.memory
        for x in last:
            session.run(x)
        assert session.memory == settled and (settled == held or name in GROWING)
    session.close()


# a step of open sizes with scratch; a loop with a session of its own and stacked outputs
HOLDERS = {
    "scratch": """m (float[A,B] x) => (float[K,K] y) {
        i = NonZero(x)
        f = Cast<to=1>(i)
        t = Transpose(f)
        y = MatMul(t, f)
    }""",
    "loop": """m (float[A,B] x) => (float[K,A,B] y) {
        n = Constant<value_int=5>()
        w, y = Loop(n, , x) <body = b (int64 i, bool go, float[A,B] v)
                => (bool more, float[A,B] next, float[A,B] out) {
                more = Identity(go)
                next = Tanh(v)
                out = Add(next, x)
            }>
    }""",
}


@pytest.mark.parametrize("name", HOLDERS)
def test_kept_plans_hold_no_memory(name: str) -> None:
    """What a step asked for when it ran is given back with its plan: the limit is for one plan."""
    data = lite_runtime.convert(onnx.parser.parse_model(HEAD + HOLDERS[name]), verify=False)
    with lite_runtime.Session(data, threads=1) as fresh:
        fresh.run({"x": np.ones((20, 10), np.float32)})
        needed = fresh.memory
    held = []
    for plans in (1, 4):
        with lite_runtime.Session(data, threads=1, plans=plans) as session:
            for rows in (40, 30, 20):
                session.run({"x": np.ones((rows, 10), np.float32)})
            held.append(session.memory)
    assert held[1] == held[0] >= needed
