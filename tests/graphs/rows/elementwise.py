"""Operators on each element, casts and choices."""
from __future__ import annotations

from builder import DTYPES, Builder, Invalid, row
from onnx import helper

UNARY = """Abs Acos Acosh Asin Asinh Atan Atanh BitwiseNot Ceil Cos Cosh Erf Exp Floor HardSwish Identity IsNaN Log Mish
Neg Not Reciprocal Relu Round Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Tan Tanh"""
BINARY = """Add And BitwiseAnd BitwiseOr BitwiseXor Div Equal Greater GreaterOrEqual Less LessOrEqual Mul Or Sub Xor"""
FLOATS = {"Celu": ("alpha",), "Elu": ("alpha",), "HardSigmoid": ("alpha", "beta"), "LeakyRelu": ("alpha",),
          "Selu": ("alpha", "gamma"), "Shrink": ("lambd", "bias"), "ThresholdedRelu": ("alpha",), "Swish": ("alpha",)}


@row(*UNARY.split())
def unary(g: Builder) -> None:
    g.node(g.some())


@row(*BINARY.split())
def binary(g: Builder) -> None:
    x = g.some()
    y = g.beside(x)
    if g.op == "Div" and x.dtype.kind in "iu" and not y.value.all():
        y = g.beside(x, low=1, strict=True)  # integers by zero are nobody's
    g.node(*((y, x) if g.op != "Div" and g.flag(30) else (x, y)))


@row(*FLOATS)
def with_floats(g: Builder) -> None:
    choices = [0.5, 1.0, 1.5, 0.0, 0.01, 2.0]
    x = g.some()
    if g.op == "Shrink" and x.dtype.kind == "u":  # what would be negative is nobody's
        choices = choices[:1]
    g.node(x, **{a: g.pick(choices) if g.flag() else None for a in FLOATS[g.op]})


@row("Gelu")
def gelu(g: Builder) -> None:
    g.node(g.some(), approximate=g.pick([None, "none", "tanh"]))


@row("IsInf")
def is_inf(g: Builder) -> None:
    g.node(g.some(), detect_positive=g.pick([None, 0, 1]), detect_negative=g.pick([None, 0, 1]))


@row("Sum", "Mean", "Max", "Min")
def variadic(g: Builder) -> None:
    x = g.some()
    more = [g.beside(x) for _ in range(g.draw(0, 2))]
    g.node(x, *more)


@row("PRelu")
def prelu(g: Builder) -> None:
    x = g.some(rank=(1, 5))
    shape = [d if g.flag(70) else 1 for d in x.shape][g.draw(0, x.rank - 1) if g.flag() else 0:]
    g.node(x, g.some(x.dtype, shape=shape))


@row("Pow")
def power(g: Builder) -> None:
    x = g.some(low=0.1, high=4)
    if g.opset < 12 or g.flag(60):
        y = g.beside(x, low=0 if x.dtype.kind in "iu" else -2, high=3, strict=True)
    else:
        y = g.new(g.type(1), [d if g.flag(70) else 1 for d in x.shape], low=0, high=3)
    g.node(x, y)


@row("Mod")
def mod(g: Builder) -> None:
    x = g.some()
    y = g.beside(x, low=1, strict=True)
    g.node(x, y, fmod=1 if x.dtype.kind == "f" else g.pick([None, 0, 1]))


@row("BitShift")
def bit_shift(g: Builder) -> None:
    x = g.some()
    g.node(x, g.beside(x, low=0, high=x.dtype.itemsize * 8 - 1, strict=True), direction=g.pick(["LEFT", "RIGHT"]))


@row("Where")
def where(g: Builder) -> None:
    x = g.some(1)
    y = g.beside(x)
    shape = [d if g.flag(70) else 1 for d in x.shape]
    g.node(g.some(0, shape=shape), *((y, x) if g.flag(30) else (x, y)))


@row("Cast", "CastLike")
def cast(g: Builder) -> None:
    x = g.some()
    to = g.pick([d for d in DTYPES.values() if d in (g.types("T2"))])
    if x.dtype.kind == "f" and to.kind in "iu":  # what does not fit is nobody's
        x = g.some(x.dtype, rank=(0, 4), low=0, high=100, strict=True)
    how = {a: v for a, v in (("saturate", 1), ("round_mode", "up")) if a in g.schema.attributes and g.flag(20)}
    if g.op == "Cast":
        g.node(x, to=helper.np_dtype_to_tensor_dtype(to), **how)
    else:
        g.node(x, g.new(to, g.shape(0, 2)), **how)


@row("Clip")
def clip(g: Builder) -> None:
    x = g.some()
    low, high = sorted((g.pick([0, 1, 2, 3, 6]), g.pick([0, 1, 2, 4, 6])))
    if g.opset < 11:
        g.node(x, min=float(low) if g.flag() else None, max=float(high) if g.flag() else None)
        return
    bounds = [g.given(v, dtype=x.dtype) if g.flag(70) else None for v in (low, high)]
    g.node(x, *bounds)


@row("BitCast")
def bit_cast(g: Builder) -> None:
    x = g.some()
    same = [d for d in g.types("T2") if d.itemsize == x.dtype.itemsize and d.kind != "b"]
    if not same or x.dtype.kind == "b":
        raise Invalid
    g.node(x, to=helper.np_dtype_to_tensor_dtype(g.pick(same)))
