"""Inverted residuals of random shapes: against double precision, and bit for bit against the three convolutions that
they are made of, by both ways of computing them, for any number of threads."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import lite_runtime
from lite_runtime.converter.errors import ConvertError
from lite_runtime.converter.frontend import import_model
from lite_runtime.converter.infer import Infer
from lite_runtime.converter.ir import Graph
from lite_runtime.converter.lower.writer import write
from lite_runtime.converter.passes import STAGES, Stage
from lite_runtime.converter.pipeline import run_pipeline

ROLLS, STEPS = "rolling_rows", "three_steps"


@dataclass(frozen=True)
class Block:
    """x [batch c h w] expanded to e channels, a window of (kh, kw), projected to o; pads: top, left, bottom, right."""

    batch: int
    h: int
    w: int
    c: int
    e: int
    o: int
    kernel: tuple[int, int] = (3, 3)
    stride: int = 1
    pads: tuple[int, int, int, int] = (1, 1, 1, 1)
    dilation: int = 1
    acts: tuple[str, str] = ("relu6", "relu6")
    end: str = "none"  # after the projection
    kernels: str = ""  # the way, where the case is there for it


CASES = [
    Block(1, 56, 56, 24, 144, 24, end="add", kernels=ROLLS),
    Block(1, 61, 47, 5, 96, 7, stride=2, acts=("hard_swish", "hard_swish"), kernels=ROLLS),
    Block(2, 30, 33, 16, 160, 24, (5, 5), 1, (2, 2, 2, 2), acts=("silu", "relu"), end="add_relu", kernels=ROLLS),
    Block(3, 40, 40, 8, 100, 12, (5, 3), 2, (0, 1, 4, 2), acts=("none", "relu6"), end="hard_swish", kernels=ROLLS),
    Block(1, 50, 40, 8, 97, 9, dilation=3, pads=(3, 3, 3, 3), acts=("relu", "none"), kernels=ROLLS),
    Block(1, 37, 70, 4, 140, 130, (1, 1), 3, (0, 0, 0, 0), kernels=ROLLS),
    Block(1, 300, 9, 3, 64, 5, (7, 3), 4, (9, 0, 8, 1), kernels=ROLLS),  # windows in the padding alone
    Block(1, 6, 500, 6, 64, 4, kernels=ROLLS),  # a band of one row
    Block(1, 28, 28, 96, 1024, 160, kernels=STEPS),  # large weights
    Block(1, 14, 14, 64, 384, 64, end="add", kernels=STEPS),
    Block(1, 7, 7, 16, 40, 8, (5, 5), 2, (2, 2, 2, 2), acts=("hard_swish", "relu"), kernels=STEPS),
    Block(2, 1, 1, 3, 8, 2, acts=("silu", "silu"), kernels=STEPS),
]


def random_cases(n: int) -> list[Block]:
    rng = np.random.default_rng(8)
    out = []
    for _ in range(n):
        kernel = tuple(int(v) for v in rng.choice([1, 2, 3, 5], 2))
        h, w = (int(v) for v in rng.integers(6, 61, 2))
        c = int(rng.integers(1, 33))
        e = c + int(rng.integers(1, 200))
        out.append(Block(int(rng.integers(1, 3)), h, w, c, e, int(rng.integers(1, e)), kernel, int(rng.integers(1, 4)),
                         tuple(int(v) for v in rng.integers(0, 4, 4)), 1,
                         tuple(str(v) for v in rng.choice(["none", "relu", "relu6", "hard_swish", "silu"], 2)),
                         str(rng.choice(["none", "add", "add_relu", "hard_swish"]))))
    return out


ACT = {
    "none": lambda v: v, "relu": lambda v: np.maximum(v, 0), "relu6": lambda v: np.clip(v, 0, 6),
    "hard_swish": lambda v: v * np.clip(v / 6 + 0.5, 0, 1), "silu": lambda v: v / (1 + np.exp(-v)),
}


def act_nodes(act: str, x: str, y: str) -> list[onnx.NodeProto]:
    if act == "silu":
        return [helper.make_node("Sigmoid", [x], [y + "s"]), helper.make_node("Mul", [x, y + "s"], [y])]
    name = {"none": "Identity", "relu": "Relu", "relu6": "Clip", "hard_swish": "HardSwish"}[act]
    return [helper.make_node(name, [x, "zero", "six"] if act == "relu6" else [x], [y])]


def make(b: Block) -> tuple[onnx.ModelProto, dict[str, np.ndarray], np.ndarray]:
    """The model, inputs, and the result in double."""
    rng = np.random.default_rng(b.h * 1000 + b.e)
    x = rng.normal(0, 1, (b.batch, b.c, b.h, b.w)).astype(np.float32)
    shapes = {"w1": (b.e, b.c, 1, 1), "b1": (b.e,), "w2": (b.e, 1, *b.kernel), "b2": (b.e,), "w3": (b.o, b.e, 1, 1)}
    f = {k: rng.normal(0, 0.5, s).astype(np.float32) for k, s in shapes.items()}
    wide = ACT[b.acts[0]](np.einsum("oc,nchw->nohw", *(v.astype(np.float64) for v in (f["w1"][:, :, 0, 0], x)))
                          + f["b1"][:, None, None].astype(np.float64))
    wide = np.pad(wide, ((0, 0), (0, 0), b.pads[::2], b.pads[1::2]))
    extent = [(k - 1) * b.dilation + 1 for k in b.kernel]
    oh, ow = ((wide.shape[2 + i] - extent[i]) // b.stride + 1 for i in (0, 1))
    y = np.zeros((b.batch, b.e, oh, ow)) + f["b2"][:, None, None]
    for i in range(b.kernel[0]):
        for j in range(b.kernel[1]):
            rows, columns = (slice(k * b.dilation, k * b.dilation + (n - 1) * b.stride + 1, b.stride)
                             for k, n in ((i, oh), (j, ow)))
            y += f["w2"][:, 0, i, j][:, None, None].astype(np.float64) * wide[:, :, rows, columns]
    y = np.einsum("oc,nchw->nohw", f["w3"][:, :, 0, 0].astype(np.float64), ACT[b.acts[1]](y))
    feeds = {"x": x}
    nodes = [helper.make_node("Conv", ["x", "w1", "b1"], ["a"], name="expand"), *act_nodes(b.acts[0], "a", "b"),
             helper.make_node("Conv", ["b", "w2", "b2"], ["c"], name="depthwise", group=b.e, pads=b.pads,
                              strides=[b.stride] * 2, dilations=[b.dilation] * 2), *act_nodes(b.acts[1], "c", "d"),
             helper.make_node("Conv", ["d", "w3"], ["e"], name="project")]
    if b.end.startswith("add"):
        feeds["r"] = rng.normal(size=y.shape).astype(np.float32)
        y = y + feeds["r"]
        nodes.append(helper.make_node("Add", ["e", "r"], ["f"]))
    last = b.end.removeprefix("add").removeprefix("_") or "none"
    nodes += act_nodes(last, "f" if "r" in feeds else "e", "y")
    f |= {"zero": np.float32(0), "six": np.float32(6)}
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info(k, TensorProto.FLOAT, v.shape) for k, v in feeds.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, y.shape)],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in f.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return model, feeds, ACT[last](y)


def convert(model: onnx.ModelProto, stages: list[Stage]) -> bytes:
    return write(run_pipeline(import_model(model, Infer()), stages=stages).graph)


@pytest.mark.parametrize("block", CASES + random_cases(40), ids=str)
def test_near_double(block: Block) -> None:
    model, feeds, want = make(block)
    one, three = (convert(model, stages) for stages in (STAGES, [s for s in STAGES if s.name != "residual"]))
    features, masks = lite_runtime.cpu_features(), [None, lite_runtime.CPU_PORTABLE]
    if "avx512" in features:  # the kernels of the CPUs without it
        masks.append(features["avx2"] | features["sse2"])
    for mask in masks:
        with lite_runtime.Session(three, threads=1, cpu_mask=mask) as s:
            bits = s.run(feeds)["y"].tobytes()
            assert sum(n.op == "conv" for n in s.steps()) == 3
        for threads in (1, 2, 3):
            with lite_runtime.Session(one, threads=threads, cpu_mask=mask) as s:
                got = s.run(feeds)["y"]
                assert np.abs(got - want).max() <= 3e-5 * np.abs(want).max()
                assert got.tobytes() == bits, f"not the bits of three convolutions with {threads} threads"
                steps = [n.kernel for n in s.steps() if n.op == "inverted_residual"]
            assert len(steps) == 1 and steps[0] in (ROLLS, STEPS)
            assert threads > 1 or not block.kernels or steps[0] == block.kernels


def test_both_ways_with_threads() -> None:
    """More threads expand more rows twice, so at some number of them three steps are cheaper."""
    def ways(block: Block, threads: tuple[int, ...]) -> list[str]:
        model, feeds, want = make(block)
        data, found = convert(model, STAGES), []
        for n in threads:
            with lite_runtime.Session(data, threads=n) as s:
                assert np.abs(s.run(feeds)["y"] - want).max() <= 3e-5 * np.abs(want).max()
                found += [step.kernel for step in s.steps() if step.op == "inverted_residual"]
        return found

    assert ways(Block(1, 56, 56, 24, 144, 24), (1, 16)) == [ROLLS, STEPS]
    assert ways(Block(1, 112, 112, 16, 96, 24, stride=2), (1, 2, 4)) == [ROLLS] * 3


def test_half_weights() -> None:
    model, feeds, want = make(Block(1, 40, 40, 16, 160, 24, end="add"))
    with lite_runtime.Session(lite_runtime.convert(model, weights="f16", verify=False), threads=1) as s:
        assert np.abs(s.run(feeds)["y"] - want).max() <= 1e-3 * np.abs(want).max()
        assert [n.kernel for n in s.steps() if n.op == "inverted_residual"] == [ROLLS]


def test_memory() -> None:
    """The expanded tensor has no memory of its own: 112 x 112 x 96 floats are 4.8 MB."""
    model, feeds, _ = make(Block(1, 112, 112, 16, 96, 24, stride=2))
    one, three = (convert(model, stages) for stages in (STAGES, [s for s in STAGES if s.name != "residual"]))
    used = []
    for data in (one, three):
        with lite_runtime.Session(data, threads=1) as s:
            s.run(feeds)
            used.append(s.memory)
    assert used[0] < used[1] - 4e6


@pytest.mark.parametrize("size", [(6, 7), (50, 40)])
@pytest.mark.parametrize("moving", [(1, 2, 3, 4, 5, 6), (1,), (4,), (5,)])
def test_weights_that_are_not_constants(size: tuple[int, int], moving: tuple[int, ...]) -> None:
    rng = np.random.default_rng(4)
    shapes = [(1, *size, 6), (100, 1, 1, 6), (100,), (100, 3, 3, 1), (100,), (7, 1, 1, 100), (7,)]
    arrays = [rng.normal(0, 0.5, s).astype(np.float32) for s in shapes]
    results = []
    for inputs in ((), moving):
        g = Graph(Infer())
        values = [g.input(f"i{k}", "f32", a.shape) if k in (0, *inputs) else g.const(a) for k, a in enumerate(arrays)]
        g.output(g.add("inverted_residual", *values, name="block", pad_top=1, pad_left=1, expand_act="relu"), "y")
        with lite_runtime.Session(write(g), threads=2) as s:
            results.append(s.run({f"i{k}": arrays[k] for k in (0, *inputs)})["y"].tobytes())
            assert s.steps()[0].kernel == (ROLLS if size[0] == 50 else STEPS)
    assert results[0] == results[1]


GOOD = ((1, 8, 8, 6), (10, 1, 1, 6), (10,), (10, 3, 3, 1), (10,), (7, 1, 1, 10), (7,))


@pytest.mark.parametrize(("place", "shape", "message"), [
    (1, (10, 1, 1, 5), "weights have 5 input channels, x has 6 with groups 1"),
    (1, (10, 3, 1, 6), "weights span 3 along h; they must span 1"),
    (1, (10, 1, 6), "weights have rank 3, x has rank 4"),
    (1, (1, 1, 1, 6), "it expands to 1 channels; 2 to"),
    (1, (0, 1, 1, 6), "it expands to 0 channels; 2 to"),
    (2, (9,), "b is f32 [9]; the weights have 10 output channels"),
    (3, (20, 3, 3, 1), "weights are for 20 channels of 1 each; they must be for 10 of 1"),
    (3, (10, 3, 3, 2), "weights have 2 input channels, x has 10 with groups 10"),
    (3, (10, 9, 3, 1), "the window spans 9 along h, but x with its padding has only 8"),
    (3, (10, 0, 3, 1), "the window has size 0 along h"),
    (5, (7, 1, 2, 10), "weights span 2 along w; they must span 1"),
    (5, (7, 1, 1, 9), "weights have 9 input channels, x has 10 with groups 1"),
    (6, (7, 1), "b is f32 [7 1]; the weights have 7 output channels"),
])
def test_static_checks(place: int, shape: tuple[int, ...], message: str) -> None:
    shapes = [*GOOD[:place], shape, *GOOD[place + 1:]]
    if place == 1 and shape[0] < 2:
        shapes[2:5] = (shape[0],), (shape[0], 3, 3, 1), None
    if shape[0] == 20:
        shapes[4] = (20,)
    g = Graph(Infer())
    values = [None if s is None else g.input(f"i{k}", "f32", s) for k, s in enumerate(shapes)]
    with pytest.raises(ConvertError) as e:
        g.add("inverted_residual", *values, name="block")
    assert message in str(e.value)


def test_dtypes() -> None:
    g = Graph(Infer())
    values = [g.input(f"i{k}", "f16", s) for k, s in enumerate(GOOD)]
    with pytest.raises(ConvertError, match="x is f16; it computes in f32"):
        g.add("inverted_residual", *values)
    with pytest.raises(ConvertError, match="w is f64; with x of f32 it must be f32"):
        g.add("inverted_residual", g.input("x", "f32", GOOD[0]), g.input("w", "f64", GOOD[1]), *values[2:])


def test_open_sizes() -> None:
    """Unknown sizes are not refused, and what follows from the weights is known."""
    g = Graph(Infer())
    values = [g.input("x", "f32", ("n", "h", "w", 6)), *(g.input(f"i{k}", "f32", s) for k, s in enumerate(GOOD) if k)]
    assert g.add("inverted_residual", *values, pad_top=1, pad_bottom=1, stride_w=2).shape[:2] == ("n", "h")
    unknown = [g.input(f"u{k}", "f32", (None,) * len(s)) for k, s in enumerate(GOOD)]
    assert len(g.add("inverted_residual", *unknown).shape) == 4
