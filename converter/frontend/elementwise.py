"""Elementwise operators, casts and activations: nodes named like the post-ops of spec/postops.py."""
from __future__ import annotations

from collections.abc import Callable

from onnx import TensorProto

from ...spec.dtypes import DTYPES
from ..ir import Value
from .context import OPS, Context, onnx_op
from .tensors import dtype_of

_UNARY = {
    "Abs": "abs", "Acos": "acos", "Acosh": "acosh", "Asin": "asin", "Asinh": "asinh", "Atan": "atan", "Atanh": "atanh",
    "BitwiseNot": "bit_not", "Ceil": "ceil", "Cos": "cos", "Cosh": "cosh", "Erf": "erf", "Exp": "exp", "Floor": "floor",
    "HardSwish": "hard_swish", "IsNaN": "is_nan", "Log": "log", "Mish": "mish", "Neg": "neg", "Not": "not",
    "Reciprocal": "reciprocal", "Relu": "relu", "Round": "round", "Sigmoid": "sigmoid", "Sign": "sign", "Sin": "sin",
    "Sinh": "sinh", "Softplus": "softplus", "Softsign": "softsign", "Sqrt": "sqrt", "Tan": "tan", "Tanh": "tanh",
}
_BINARY = {
    "Add": "add", "And": "and", "BitwiseAnd": "bit_and", "BitwiseOr": "bit_or", "BitwiseXor": "bit_xor", "Div": "div",
    "Equal": "equal", "Greater": "greater", "GreaterOrEqual": "greater_equal", "Less": "less",
    "LessOrEqual": "less_equal", "Mul": "mul", "Or": "or", "Sub": "sub", "Xor": "xor",
}
# one tensor and attributes, which become scalar constants
_WITH_ATTRIBUTES = {
    "Celu": ("celu", ("alpha",)), "Elu": ("elu", ("alpha",)), "HardSigmoid": ("hard_sigmoid", ("alpha", "beta")),
    "LeakyRelu": ("leaky_relu", ("alpha",)), "Selu": ("selu", ("alpha", "gamma")),
    "ThresholdedRelu": ("thresholded_relu", ("alpha",)),
}


def _simple(op: str) -> Callable[[Context], Value]:
    return lambda c: c.add(op, c.input(0))


def _binary(op: str) -> Callable[[Context], Value]:
    return lambda c: c.add(op, *_broadcast(c))


def _broadcast(c: Context) -> tuple[Value, Value]:
    """Both inputs. Before opset 7 they have one shape, or the second is said to lie along axes of the first, from
    `axis` on (the last ones where it is not given)."""
    a, b = c.input(0), c.input(1)
    if "broadcast" not in c.schema.attributes:
        return a, b
    if not c.attr("broadcast"):
        if a.rank != b.rank or any(isinstance(x, int) and isinstance(y, int) and x != y
                                   for x, y in zip(a.shape, b.shape, strict=True)):
            raise c.refuse(f"its inputs have shapes {list(a.shape)} and {list(b.shape)}, which must be equal before "
                           "opset 7 unless broadcast is 1", "export with opset 7 or newer")
        return a, b
    axis = c.attr("axis")
    if axis is None or not b.rank:
        return a, b
    (axis,) = c.resolve_axes([axis], a.rank)
    if axis + b.rank > a.rank:
        raise c.refuse(f"an input of rank {b.rank} does not fit at axis {axis} of one of rank {a.rank}")
    return a, c.unsqueeze(b, list(range(b.rank, a.rank - axis)))


def _with_attributes(op: str, names: tuple[str, ...]) -> Callable[[Context], Value]:
    return lambda c: c.add(op, c.input(0), *(c.scalar(c.attr(a), c.input(0).dtype) for a in names))


OPS.update({name: _simple(op) for name, op in _UNARY.items()})
OPS.update({name: _binary(op) for name, op in _BINARY.items()})
OPS.update({name: _with_attributes(op, names) for name, (op, names) in _WITH_ATTRIBUTES.items()})


@onnx_op("PRelu")
def prelu(c: Context) -> Value:
    """Before opset 7 the slopes are one number or one per channel."""
    x, slope = c.input(0), c.input(1)
    if c.opset < 7 and slope.rank == 1 and slope.shape[0] != 1:
        slope = c.per_channel(slope, x.rank)
    if x.dtype[0] == "f":
        return c.add("leaky_relu", x, slope)
    return c.add("select", c.add("less", x, c.scalar(0, x.dtype)), c.add("mul", x, slope), x)


@onnx_op("Sum", "Mean", "Max", "Min")
def variadic(c: Context) -> Value:
    op = {"Max": "max", "Min": "min"}.get(c.op, "add")
    y = c.input(0)
    for i in range(1, len(c.inputs)):
        y = c.add(op, y, c.input(i))
    if c.op == "Mean" and len(c.inputs) > 1:
        y = c.add("div", y, c.scalar(len(c.inputs), y.dtype))
    return c.add("identity", y) if len(c.inputs) == 1 else y


@onnx_op("Where")
def where(c: Context) -> Value:
    if c.input(0).dtype != "bool":
        raise c.refuse(f"the condition has dtype {c.input(0).dtype}, it must be bool")
    return c.add("select", c.input(0), c.input(1), c.input(2))


def _wanted(c: Context) -> int:
    """The element type that Cast makes; before opset 6 it is a name."""
    to = c.attr("to")
    if not isinstance(to, str):
        return int(to)
    if to.upper() not in TensorProto.DataType.keys():  # noqa: SIM118 (not a dict)
        raise c.refuse(f"there is no element type '{to}'", "the model is damaged")
    return int(TensorProto.DataType.Value(to.upper()))


@onnx_op("Cast", "CastLike")
def cast(c: Context) -> Value:
    to = c.input(1).dtype if c.op == "CastLike" else dtype_of(_wanted(c), "the dtype to cast to")
    return c.add("cast", c.input(0), to=to)


@onnx_op("Clip")
def clip(c: Context) -> Value:
    x = c.input(0)
    if c.opset < 11:
        low, high = (None if c.attr(a) is None else c.scalar(c.attr(a), x.dtype) for a in ("min", "max"))
    else:
        low, high = (v if v is None else c.as_scalar(v, "a bound") for v in (c.opt(1), c.opt(2)))
    if low is not None and high is not None:
        return c.add("clip", x, low, high)
    if low is not None:
        return c.add("max", x, low)
    return c.add("min", x, high) if high is not None else c.add("identity", x)


@onnx_op("Pow")
def power(c: Context) -> Value:
    x, y = _broadcast(c)
    if x.dtype == y.dtype:
        return c.add("pow", x, y)
    if DTYPES[x.dtype].name[0] == "f" or y.dtype[0] != "f":
        return c.add("pow", x, c.cast(y, x.dtype))
    return c.add("cast", c.add("pow", c.cast(x, y.dtype), y), to=x.dtype)  # an integer to a fractional power


@onnx_op("Mod")
def mod(c: Context) -> Value:
    return c.add("fmod" if c.attr("fmod") else "mod", c.input(0), c.input(1))


@onnx_op("BitShift")
def bit_shift(c: Context) -> Value:
    direction = c.attr("direction")
    if direction not in ("LEFT", "RIGHT"):
        raise c.refuse(f"direction '{direction}' is not LEFT or RIGHT")
    return c.add(f"shift_{direction.lower()}", c.input(0), c.input(1))


@onnx_op("IsInf")
def is_inf(c: Context) -> Value:
    x = c.input(0)
    wanted = [c.scalar(1 if c.attr(a) else 0, x.dtype) for a in ("detect_positive", "detect_negative")]
    return c.add("is_inf", x, *wanted)


@onnx_op("Gelu")
def gelu(c: Context) -> Value:
    kinds = {"none": "gelu", "tanh": "gelu_tanh"}
    kind = c.attr("approximate")
    if kind not in kinds:
        raise c.refuse(f"approximation '{kind}' is not one of {', '.join(kinds)}")
    return c.add(kinds[kind], c.input(0))


@onnx_op("Shrink")
def shrink(c: Context) -> Value:
    x = c.input(0)
    wide = x if x.dtype[0] == "f" else c.cast(x, "f64")  # the attributes have fractions, integers lose these afterwards
    y = c.add("shrink", wide, *(c.scalar(c.attr(a), wide.dtype) for a in ("lambd", "bias")))
    return c.cast(y, x.dtype)


@onnx_op("Swish")
def swish(c: Context) -> Value:
    x, alpha = c.input(0), c.attr("alpha")
    if alpha == 1:
        return c.add("silu", x)
    return c.add("mul", x, c.add("sigmoid", c.add("mul", x, c.scalar(alpha, x.dtype))))
