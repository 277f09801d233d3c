"""Winograd convolutions of random shapes against double precision: borders, tails, epilogues, threads.

LR_PROGRAM: the command that runs lite_run, maybe for another CPU; it is tested in place of the binding.
"""
from __future__ import annotations

import os

import check_models
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import lite_runtime

PROGRAM = os.environ.get("LR_PROGRAM", "")
# batch, h, w, channels in and out, pads (top, left, bottom, right), what follows
CASES = [
    (1, 24, 24, 32, 48, (1, 1, 1, 1), "none"),
    (1, 40, 37, 16, 96, (1, 1, 1, 1), "relu"),
    (2, 13, 14, 33, 50, (1, 1, 1, 1), "add"),
    (1, 26, 26, 24, 130, (0, 0, 0, 0), "silu"),
    (3, 9, 6, 64, 17, (2, 0, 1, 3), "none"),
    (1, 19, 21, 160, 200, (1, 2, 0, 1), "add"),  # large weights: threads share a group of tiles
    (1, 7, 7, 256, 256, (1, 1, 1, 1), "silu"),
    (1, 200, 5, 20, 19, (0, 1, 2, 0), "relu"),
    (2, 23, 22, 32, 45, (1, 1, 1, 1), "add part"),  # a residual with strides of its own
    (1, 18, 30, 48, 64, (1, 1, 1, 1), "add map"),  # one that all channels share is left to the epilogue
]


def random_cases(n: int) -> list[tuple]:
    rng = np.random.default_rng(5)
    out = []
    for _ in range(n):
        pads = tuple(int(v) for v in rng.integers(0, 3, 4))
        h, w = (int(v) for v in rng.integers(1, 41, 2))
        channels = [int(v) for v in rng.integers(1, 97, 2)]
        if h + pads[0] + pads[2] > 2 and w + pads[1] + pads[3] > 2:
            out.append((int(rng.integers(1, 4)), h, w, *channels, pads,
                        str(rng.choice(["none", "relu", "add", "add part", "add map", "silu"]))))
    return out


def make(case: tuple) -> tuple[bytes, dict[str, np.ndarray], np.ndarray]:
    """The model, its inputs, and its output in double, computed tap by tap."""
    batch, h, w, c, o, pads, after = case
    rng = np.random.default_rng(abs(hash(case[:5])) % 2**32)
    x = rng.standard_normal((batch, c, h, w)).astype(np.float32)
    f, b = (rng.standard_normal(s).astype(np.float32) for s in ((o, c, 3, 3), (o,)))
    wide = np.pad(x.astype(np.float64), ((0, 0), (0, 0), pads[0::2], pads[1::2]))
    oh, ow = wide.shape[2] - 2, wide.shape[3] - 2
    y = np.zeros((batch, o, oh, ow)) + b[:, None, None]
    for i in range(3):
        for j in range(3):
            tap = f[:, :, i, j].astype(np.float64)
            y += np.einsum("oc,nchw->nohw", tap, wide[:, :, i : i + oh, j : j + ow])
    # what is added is a 1x1 convolution of r, so that it is there in the layout of convolutions
    r = rng.standard_normal((batch, 3, oh, ow)).astype(np.float32)
    g = rng.standard_normal(({"add part": o + 5, "add map": 1}.get(after, o), 3, 1, 1)).astype(np.float32)
    q = np.einsum("oc,nchw->nohw", g[:, :, 0, 0].astype(np.float64), r.astype(np.float64))
    product = helper.make_node("Conv", ["r", "g"], ["q"])
    part = [helper.make_node("Slice", ["q", "from", "to", "axis"], ["p"])]
    add_p, add_q = ([helper.make_node("Add", ["t", v], ["u"]), helper.make_node("Relu", ["u"], ["y"])] for v in "pq")
    nodes = {
        "none": [helper.make_node("Identity", ["t"], ["y"])],
        "relu": [helper.make_node("Relu", ["t"], ["y"])],
        "add": add_q,
        "add part": [*part, *add_p],
        "add map": add_q,
        "silu": [helper.make_node("Sigmoid", ["t"], ["u"]), helper.make_node("Mul", ["t", "u"], ["y"])],
    }[after]
    feeds = {"x": x, "r": r} if after.startswith("add") else {"x": x}
    want = {"none": lambda: y, "relu": lambda: np.maximum(y, 0), "add": lambda: np.maximum(y + q, 0),
            "add part": lambda: np.maximum(y + q[:, 2 : 2 + o], 0), "add map": lambda: np.maximum(y + q, 0),
            "silu": lambda: y / (1 + np.exp(-y))}[after]()
    constants = {"f": f, "g": g, "b": b, "from": np.array([2]), "to": np.array([2 + o]), "axis": np.array([1])}
    graph = helper.make_graph(
        [product] * after.startswith("add")
        + [helper.make_node("Conv", ["x", "f", "b"], ["t"], pads=list(pads)), *nodes], "g",
        [helper.make_tensor_value_info(k, TensorProto.FLOAT, v.shape) for k, v in feeds.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, y.shape)],
        [onnx.numpy_helper.from_array(v, k) for k, v in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return lite_runtime.convert(model, verify=False), feeds, want


def kernels(session: lite_runtime.Session, feeds: dict[str, np.ndarray]) -> list[str]:
    return [s.kernel for s in session.profile(feeds) if s.op == "conv"]


@pytest.mark.skipif(not PROGRAM, reason="LR_PROGRAM is not set")
@pytest.mark.parametrize("case", CASES + random_cases(12), ids=str)
def test_near_double_program(case: tuple) -> None:
    data, feeds, want = make(case)
    for mask in (0, lite_runtime.CPU_PORTABLE):
        ((got,),) = check_models.run_program(PROGRAM, data, [[feeds]], mask)
        assert np.abs(got["y"] - want).max() <= 3e-5 * np.abs(want).max()


@pytest.mark.skipif(bool(PROGRAM), reason="LR_PROGRAM is tested")
@pytest.mark.parametrize("case", CASES + random_cases(40), ids=str)
def test_near_double(case: tuple) -> None:
    data, feeds, want = make(case)
    first = None
    for threads in (1, 2, 3):
        with lite_runtime.Session(data, threads=threads) as s:
            got = s.run(feeds)["y"]
        assert np.abs(got - want).max() <= 3e-5 * np.abs(want).max()
        first = got if first is None else first
        assert first.tobytes() == got.tobytes(), f"another result with {threads} threads"
    features = lite_runtime.cpu_features()
    if "avx512" in features:  # the kernels of the CPUs without it
        with lite_runtime.Session(data, threads=1, cpu_mask=features["avx2"] | features["sse2"]) as s:
            assert np.abs(s.run(feeds)["y"] - want).max() <= 3e-5 * np.abs(want).max()


@pytest.mark.skipif(bool(PROGRAM), reason="LR_PROGRAM is tested")
def test_choice() -> None:
    """Large maps take tiles of 4 x 4, few tiles with large weights 2 x 2; few channels and plain C take neither."""
    def chosen(case: tuple, mask: int | None = None) -> str:
        data, feeds, _ = make(case)
        with lite_runtime.Session(data, threads=1, cpu_mask=mask) as s:
            return kernels(s, feeds)[0]

    large, few = (1, 56, 56, 64, 64, (1, 1, 1, 1), "none"), (1, 7, 7, 512, 512, (1, 1, 1, 1), "none")
    if chosen(large).endswith("__c"):
        pytest.skip("this CPU has plain C products only")
    assert chosen(large) == "winograd_4x4"
    assert chosen(few) == "winograd_2x2"
    assert not chosen(large, lite_runtime.CPU_PORTABLE).startswith("winograd")
    assert not chosen((1, 56, 56, 4, 8, (1, 1, 1, 1), "none")).startswith("winograd")
