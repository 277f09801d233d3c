"""Convolutions, transposed convolutions and pooling."""

import itertools

import numpy as np
from onnx import helper
from op_frame import Const, Row, rand, row


def conv(x, c_out, kernel, groups=1, bias=True, dtype="float32", const=True, op="Conv", **attrs):
    """A row with weights of the fitting shape. x: shape N C H W or N C W."""
    shape = (c_out, x[1] // groups, *kernel) if op == "Conv" else (x[1], c_out // groups, *kernel)
    w, b = rand(*shape, dtype=dtype, low=-1, high=1), rand(c_out, dtype=dtype)
    made = [Const(v) if const else v for v in ((w, b) if bias else (w,))]
    return row(op, rand(*x, dtype=dtype), *made, group=groups, rtol=5e-3 if dtype == "float16" else None, **attrs)


ROWS = [
    conv((1, 3, 8, 9), 4, (3, 3)),
    conv((1, 3, 8, 9), 4, (3, 3), bias=False),
    conv((2, 5, 7, 7), 9, (1, 1)),
    conv((1, 16, 12, 12), 24, (1, 1), strides=[2, 2]),
    conv((1, 8, 33, 17), 16, (3, 3), pads=[1, 1, 1, 1]),
    conv((1, 3, 32, 32), 16, (3, 3), pads=[1, 1, 1, 1], strides=[2, 2]),
    conv((1, 4, 9, 9), 6, (5, 3), pads=[2, 0, 1, 2], strides=[1, 2]),
    conv((1, 4, 15, 15), 6, (3, 3), dilations=[2, 3], pads=[2, 3, 2, 3]),
    conv((1, 4, 9, 9), 6, (3, 3), dilations=[2, 1], strides=[2, 1]),
    conv((1, 3, 20, 20), 5, (7, 7), pads=[3, 3, 3, 3], strides=[2, 2]),
    conv((1, 130, 5, 5), 67, (3, 3), pads=[1, 1, 1, 1]),
    conv((1, 1, 1, 1), 1, (1, 1)),
    conv((3, 4, 1, 6), 4, (1, 3)),
    conv((1, 4, 6, 6), 4, (2, 2), kernel_shape=[2, 2]),
    conv((0, 3, 8, 8), 4, (3, 3)),
    # groups, depthwise, depthwise with a multiplier
    conv((1, 6, 8, 8), 9, (3, 3), groups=3, pads=[1, 1, 1, 1]),
    conv((1, 8, 8, 8), 8, (3, 3), groups=8, pads=[1, 1, 1, 1]),
    conv((1, 8, 9, 9), 8, (5, 5), groups=8, pads=[2, 2, 2, 2], strides=[2, 2]),
    conv((1, 19, 9, 9), 19, (3, 3), groups=19, pads=[1, 1, 1, 1], dilations=[2, 2]),
    conv((1, 4, 8, 8), 12, (3, 3), groups=4, pads=[1, 1, 1, 1]),
    conv((1, 8, 8, 8), 8, (3, 3), groups=8, bias=False),
    conv((2, 8, 6, 6), 4, (1, 1), groups=4),
    # one spatial axis
    conv((1, 3, 20), 5, (3,)),
    conv((2, 4, 21), 6, (5,), strides=[2], pads=[2, 1], dilations=[2]),
    conv((1, 6, 17), 6, (3,), groups=6, pads=[1, 1]),
    # weights that are not constants
    conv((1, 3, 8, 9), 4, (3, 3), const=False),
    conv((1, 6, 8, 8), 6, (3, 3), groups=6, const=False),
    # half precision
    conv((1, 5, 8, 9), 7, (3, 3), dtype="float16", pads=[1, 1, 1, 1]),
    conv((1, 8, 8, 8), 8, (3, 3), groups=8, dtype="float16"),
]
ROWS += [
    conv((1, 3, h, w), 4, (k, k), auto_pad=p, strides=[s, s])
    for p in ("SAME_UPPER", "SAME_LOWER", "VALID")
    for s in (1, 2, 3)
    for k, h, w in ((3, 8, 9), (2, 7, 7))
]
ROWS += [conv((1, 3, 9, 9), 4, (3, 3), auto_pad="SAME_UPPER", dilations=[2, 2])]
# every tail of a 4 x 8 register tile
ROWS += [conv((1, c, 1, n), o, (1, 1)) for c, n, o in itertools.product((1, 4, 7), (1, 3, 4, 5), (1, 7, 8, 9))]


def residual(x, e, o, kernel=(3, 3), acts=("Relu", "Relu"), bias=True, add=False, **window):
    """Three convolutions that become one inverted_residual: 1x1 to e channels, depthwise, 1x1 to o."""
    inputs, calls = [rand(*x)], []  # calls: operator, inputs after the result before, attributes
    one = (1,) * (len(x) - 2)

    def call(op, *more, **attrs):
        if op:
            calls.append((op, range(len(inputs), len(inputs) + len(more)), attrs))
            inputs.extend(more)

    def conv(*shape, **attrs):
        call("Conv", Const(rand(*shape, low=-1, high=1)), *([Const(rand(shape[0]))] if bias else []), **attrs)

    def act(op):
        call(op, *([Const(np.float32(-0.5)), Const(np.float32(2))] if op == "Clip" else []))

    conv(e, x[1], *one)
    act(acts[0])
    conv(e, 1, *kernel, group=e, **window)
    act(acts[1])
    conv(o, e, *one)
    if add:
        call("Add", rand(x[0], o, *x[2:]))
        call("Relu")

    def nodes(names):
        ends = ["x0", *(f"t{k}" for k in range(len(calls) - 1)), "y0"]
        return [helper.make_node(op, [ends[k], *(names[i] for i in more)], [ends[k + 1]], name=f"node{k}", **attrs)
                for k, (op, more, attrs) in enumerate(calls)]

    facts = {"acts": acts, "kernel": kernel, "add": add, **window}
    return Row("residual", tuple(inputs), facts, dynamic=not add, nodes=nodes)


ROWS += [
    residual((1, 4, 9, 10), 12, 5, pads=[1, 1, 1, 1]),
    residual((2, 3, 8, 7), 8, 6, acts=("Clip", "HardSwish"), pads=[1, 0, 2, 1], strides=[2, 1]),
    residual((1, 8, 9, 9), 17, 8, (5, 5), ("HardSwish", ""), pads=[2, 2, 2, 2], add=True),
    residual((1, 3, 8, 9), 7, 2, (3, 2), ("", "Clip"), bias=False, auto_pad="SAME_UPPER", strides=[2, 3]),
    residual((1, 3, 8, 8), 7, 2, auto_pad="SAME_LOWER"),
    residual((1, 3, 9, 9), 7, 2, dilations=[2, 1], bias=False),
    residual((1, 4, 21), 6, 5, (3,), pads=[1, 1], strides=[2]),  # one spatial axis
    residual((0, 3, 8, 8), 7, 2),
    residual((1, 8, 50, 48), 80, 12, pads=[1, 1, 1, 1], strides=[2, 2]),  # with a ring of rows
    residual((2, 8, 30, 40), 80, 8, acts=("Relu", "Clip"), pads=[1, 1, 1, 1], add=True),
]

CT = "ConvTranspose"
ROWS += [
    conv((1, 3, 5, 6), 4, (3, 3), op=CT),
    conv((1, 3, 5, 6), 4, (3, 3), op=CT, bias=False),
    conv((1, 8, 5, 6), 4, (2, 2), op=CT, strides=[2, 2]),
    conv((2, 4, 5, 5), 6, (3, 3), op=CT, strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]),
    conv((1, 4, 5, 5), 6, (4, 4), op=CT, strides=[2, 2], pads=[1, 1, 1, 1]),
    conv((1, 4, 5, 5), 6, (3, 2), op=CT, strides=[3, 2], pads=[0, 1, 1, 0], dilations=[2, 1]),
    conv((1, 4, 5, 5), 6, (1, 1), op=CT, strides=[3, 3]),
    conv((1, 6, 5, 5), 9, (3, 3), op=CT, groups=3, strides=[2, 2]),
    conv((1, 6, 5, 5), 6, (3, 3), op=CT, groups=6, strides=[2, 2], pads=[1, 1, 1, 1]),
    conv((1, 4, 9), 6, (3,), op=CT, strides=[2], pads=[1, 0]),
    conv((1, 3, 5, 6), 4, (3, 3), op=CT, const=False),
    conv((1, 3, 5, 6), 4, (3, 3), op=CT, strides=[2, 2], auto_pad="SAME_UPPER"),
    conv((1, 3, 5, 6), 4, (3, 3), op=CT, strides=[2, 2], auto_pad="SAME_LOWER"),
]
# output_shape decides the pads from known sizes
ROWS += [row(CT, rand(1, 3, 5, 6), Const(rand(3, 4, 3, 3)), strides=[2, 2], output_shape=[10, 12], dynamic=False)]

# pooling
SHAPES = [
    ((1, 3, 9, 10), dict(kernel_shape=[3, 3])),
    ((2, 5, 8, 8), dict(kernel_shape=[2, 2], strides=[2, 2])),
    ((1, 3, 9, 10), dict(kernel_shape=[3, 2], strides=[2, 3], pads=[1, 0, 1, 1])),
    ((1, 17, 7, 7), dict(kernel_shape=[5, 5], pads=[2, 2, 2, 2])),
    ((1, 3, 10, 10), dict(kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)),
    ((1, 3, 7, 8), dict(kernel_shape=[2, 3], strides=[2, 3], pads=[0, 1, 0, 1], ceil_mode=1)),
    ((1, 3, 8, 9), dict(kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER")),
    ((1, 3, 8, 9), dict(kernel_shape=[2, 2], strides=[1, 1], auto_pad="SAME_LOWER")),
    ((1, 4, 21), dict(kernel_shape=[3], strides=[2], pads=[1, 0])),
    ((1, 2, 4, 4), dict(kernel_shape=[4, 4])),
]
for x, attrs in SHAPES:
    ROWS += [row("MaxPool", rand(*x), **attrs), row("AveragePool", rand(*x), **attrs)]
    ROWS += [row("AveragePool", rand(*x), count_include_pad=1, **attrs)] if "auto_pad" not in attrs else []
ROWS += [
    row("MaxPool", rand(1, 3, 12, 12), kernel_shape=[3, 3], dilations=[2, 3]),
    row("MaxPool", rand(1, 3, 8, 8, dtype="float16"), kernel_shape=[3, 3]),
    row("MaxPool", rand(1, 3, 8, 8, dtype="int8", low=-100, high=100), kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    row("MaxPool", rand(1, 3, 8, 8, dtype="uint8", high=200), kernel_shape=[2, 2], strides=[2, 2]),
    row("MaxPool", np.full((1, 2, 5, 5), -np.inf, np.float32), kernel_shape=[3, 3], pads=[1, 1, 1, 1], evaluator=True),
    row("AveragePool", rand(1, 3, 8, 8, dtype="float16"), kernel_shape=[3, 3]),
    row("AveragePool", rand(1, 3, 9, 9), kernel_shape=[3, 3], strides=[2, 2], opset=10),
]
for name in ("GlobalAveragePool", "GlobalMaxPool"):
    ROWS += [
        row(name, rand(2, 5, 7, 6)),
        row(name, rand(1, 3, 9)),
        row(name, rand(1, 70, 1, 1)),
        row(name, rand(1, 3, 40, 50)),
    ]
