"""onnxruntime's operators on quantised tensors. Each is rounded as its kernel does it: in f32, with the intermediate
values that are written here; halves go to even. What is `cast, sub, mul` and `quantize` is as quant.py writes it.
"""
from __future__ import annotations

import numpy as np

from ..ir import Value
from .context import Context, Part
from .foreign import Needed, microsoft_op
from .images import average_pool
from .integers import BYTE, dynamically_quantized, product
from .quant import dequantize, quantize

BINARY = "A A_scale A_zero_point? B B_scale B_zero_point? C_scale C_zero_point?"
UNARY = "X X_scale X_zero_point? Y_scale Y_zero_point?"


# of 16 bits before ONNX had them, in opset 21
microsoft_op("QuantizeLinear", "x y_scale y_zero_point?", "y", axis=int)(quantize)
microsoft_op("DequantizeLinear", "x x_scale x_zero_point?", "y", axis=int)(dequantize)


# ---- parameters ----
def scale_of(c: Context, v: Value, scalar: bool = True) -> Value:
    """A scale in f32, one number unless told otherwise."""
    if v.dtype not in ("f32", "f16"):
        raise c.refuse(f"scales of dtype {v.dtype} are not supported", "use f32")
    if v.const is not None and not (np.isfinite(v.const.astype(np.float64)) & (v.const > 0)).all():
        raise c.refuse("a scale is not a positive number", "the model is damaged")
    return c.cast(c.as_scalar(v, "a scale") if scalar else v, "f32")


def zero_of(c: Context, i: int, dtype: str) -> Value:
    """Input i, a zero point of one number; 0 when it is absent."""
    v = c.opt(i)
    if v is None:
        return c.scalar(0, dtype)
    if v.dtype != dtype:
        raise c.refuse(f"a zero point has dtype {v.dtype}, its tensor {dtype}; they must agree")
    return c.as_scalar(v, "a zero point")


def _bytes(c: Context, *values: Value) -> str:
    """The dtype of all of these, i8 or u8."""
    dtypes = [v.dtype for v in values]
    if dtypes[0] not in BYTE or len(set(dtypes)) > 1:
        raise c.refuse(f"tensors of {' and '.join(dict.fromkeys(dtypes))} are not supported", "one of i8 and u8 is")
    return dtypes[0]


def _centred(c: Context, x: Value, zero: Value) -> Value:
    """x - zero in f32, which holds it exactly."""
    y = c.add("cast", x, to="f32")
    return y if zero.const is not None and not zero.const.any() else c.add("sub", y, c.cast(zero, "f32"))


def _real(c: Context, x: Value, scale: Value, zero: Value) -> Value:
    return c.add("mul", _centred(c, x, zero), scale)


def _rounded(c: Context, y: Value, dtype: str) -> Value:
    """saturate(round(y)): where the zero point is added before rounding."""
    return c.add("quantize", y, c.scalar(1.0, "f32"), c.scalar(0, dtype))


# ---- elementwise ----
def _operands(c: Context) -> tuple[list[Value], list[Value], list[Value]]:
    """Tensors, scales and zero points of A and B; the latter two also of C."""
    dtype = _bytes(c, c.input(0), c.input(3))
    return [c.input(0), c.input(3)], [scale_of(c, c.input(i)) for i in (1, 4, 6)], \
        [zero_of(c, i, dtype) for i in (2, 5, 7)]


@microsoft_op("QLinearAdd", BINARY, "C")
def qlinear_add(c: Context) -> Value:
    """round(a sa / sc + b sb / sc + z), z = zc - (za sa / sc + zb sb / sc)"""
    (a, b), (sa, sb, sc), zeros = _operands(c)
    za, zb, zc = (c.cast(z, "f32") for z in zeros)
    ra, rb = c.add("div", sa, sc), c.add("div", sb, sc)
    offset = c.add("sub", zc, _fma(c, za, ra, c.add("mul", rb, zb)))
    return _rounded(c, _fma(c, a, ra, _fma(c, b, rb, offset)), a.dtype)


def _fma(c: Context, a: Value, b: Value, to: Value) -> Value:
    """a b + to of f32, rounded once: the product is exact in f64."""
    a, b, to = (c.cast(v, "f64") for v in (a, b, to))
    return c.cast(c.add("add", c.add("mul", a, b), to), "f32")


@microsoft_op("QLinearMul", BINARY, "C")
def qlinear_mul(c: Context) -> Value:
    """round((a - za) (b - zb) (sa sb / sc) + zc)"""
    (a, b), (sa, sb, sc), (za, zb, zc) = _operands(c)
    factor = c.add("div", c.add("mul", sa, sb), sc)
    y = c.add("mul", c.add("mul", _centred(c, a, za), _centred(c, b, zb)), factor)
    return _rounded(c, c.add("add", y, c.cast(zc, "f32")), a.dtype)


def _unary(c: Context) -> tuple[Value, Value, Value]:
    """The real X, scale and zero point of Y."""
    x = c.input(0)
    dtype = _bytes(c, x)
    return _real(c, x, scale_of(c, c.input(1)), zero_of(c, 2, dtype)), scale_of(c, c.input(3)), zero_of(c, 4, dtype)


@microsoft_op("QLinearSigmoid", UNARY, "Y")
def qlinear_sigmoid(c: Context) -> Value:
    """onnxruntime has a table of the 256 results. As arithmetic it becomes one with what is before and behind it:
    ddddocr_det takes 139 ms, and 160 with tables that `gather` reads."""
    x, scale, zero = _unary(c)
    return c.add("quantize", c.add("sigmoid", x), scale, zero)


@microsoft_op("QLinearLeakyRelu", UNARY, "Y", alpha=0.01)
def qlinear_leaky_relu(c: Context) -> Value:
    x, scale, zero = _unary(c)
    return c.add("quantize", c.add("leaky_relu", x, c.scalar(c.attr("alpha"), "f32")), scale, zero)


@microsoft_op("QLinearSoftmax", "X X_scale x_zero_point? y_scale y_zero_point", "Y", axis=-1, opset=Needed(int))
def qlinear_softmax(c: Context) -> Value:
    """round(softmax floor(1 / sy)) + zy; before opset 13 of the axes from `axis` on as one"""
    real, scale, zero = _unary(c)
    if real.rank == 0:
        raise c.refuse("a scalar has no axis")
    axis = c.axis(real.rank, -1)
    flat = c.attr("opset") < 13 and any(d != 1 for d in real.shape[axis + 1:])
    y = c.add("softmax", c.add("flatten", real, axis=axis), axis=1) if flat else c.add("softmax", real, axis=axis)
    y = c.reshape(y, [Part(i) for i in range(real.rank)], of=real) if flat else y
    steps = c.add("floor", c.add("div", c.scalar(1.0, "f32"), scale))
    return c.add("quantize", c.add("mul", y, steps), c.scalar(1.0, "f32"), zero)


# ---- moves ----
def _same(a: Value, b: Value) -> bool:
    return a is b or a.const is not None and b.const is not None and bool(np.all(a.const == b.const))


def _requantized(c: Context, x: Value, own: tuple[Value, Value], to: tuple[Value, Value]) -> Value:
    """x with another scale and zero point."""
    if _same(own[0], to[0]) and _same(own[1], to[1]):
        return x
    return c.add("quantize", _real(c, x, *own), *to)


@microsoft_op("QLinearConcat", "Y_scale Y_zero_point inputs*", "Y", axis=Needed(int))
def qlinear_concat(c: Context) -> Value:
    if (len(c.inputs) - 2) % 3:
        raise c.refuse(f"it has {len(c.inputs)} inputs; 2 and 3 for each tensor are needed", "the model is damaged")
    tensors = [c.input(i) for i in range(2, len(c.inputs), 3)]
    dtype = _bytes(c, *tensors)
    to = scale_of(c, c.input(0)), zero_of(c, 1, dtype)
    parts = [_requantized(c, x, (scale_of(c, c.input(i + 1)), zero_of(c, i + 2, dtype)), to)
             for x, i in zip(tensors, range(2, len(c.inputs), 3), strict=True)]
    axis = c.axis(tensors[0].rank)
    return c.add("concat", *parts, axis=axis) if len(parts) > 1 else c.add("identity", parts[0])


@microsoft_op("QLinearWhere", "condition X x_scale x_zero_point Y y_scale y_zero_point z_scale z_zero_point", "Z")
def qlinear_where(c: Context) -> Value:
    condition, x, y = c.input(0), c.input(1), c.input(4)
    dtype = _bytes(c, x, y)
    if condition.dtype != "bool":
        raise c.refuse(f"the condition has dtype {condition.dtype}, it must be bool")
    to = scale_of(c, c.input(7)), zero_of(c, 8, dtype)
    both = [_requantized(c, v, (scale_of(c, c.input(i)), zero_of(c, i + 1, dtype)), to) for v, i in ((x, 2), (y, 5))]
    return c.add("select", condition, *both)


# ---- pools ----
@microsoft_op("QLinearGlobalAveragePool", "X x_scale x_zero_point y_scale y_zero_point", "Y", channels_last=0)
def qlinear_global_pool(c: Context) -> Value:
    """round(sum (x - zx) (sx / (sy n))) + zy, the sum in i32"""
    x = c.input(0)
    dtype = _bytes(c, x)
    if x.rank < 3:
        raise c.refuse(f"an input of rank {x.rank} is not supported")
    axes = range(1, x.rank - 1) if c.attr("channels_last") else range(2, x.rank)
    centred = c.add("sub", c.cast(x, "i32"), c.cast(zero_of(c, 2, dtype), "i32"))
    total = c.add("reduce", centred, kind="sum", axes=sum(1 << a for a in axes), keep_dims=1)
    sizes = c.shape_vector(x, [Part(a) for a in axes])
    n = c.add("reduce", sizes, kind="prod", axes=1, keep_dims=0)
    factor = c.add("div", scale_of(c, c.input(1)), c.add("mul", scale_of(c, c.input(3)), c.cast(n, "f32")))
    y = c.add("mul", c.cast(total, "f32"), factor)
    return c.add("quantize", y, c.scalar(1.0, "f32"), zero_of(c, 4, dtype))


@microsoft_op("QLinearAveragePool", "X x_scale x_zero_point? y_scale y_zero_point?", "Y", auto_pad="NOTSET",
              ceil_mode=0, channels_last=0, count_include_pad=0, kernel_shape=Needed([int]), pads=[int], strides=[int])
def qlinear_pool(c: Context) -> Value:
    x, scale, zero = _unary(c)
    if x.rank not in (3, 4, 5):
        raise c.refuse(f"an input of rank {x.rank} is not supported")
    last = c.attr("channels_last")
    y = average_pool(c, c.transpose(x, (0, x.rank - 1, *range(1, x.rank - 1))) if last else x, x.rank - 2)
    y = c.add("quantize", y, scale, zero)
    return y if last else c.channels_first(y)


# ---- products ----
def _biased(c: Context, y: Value, bias: Value | None) -> Value:
    return y if bias is None else c.add("add", y, c.cast(bias, y.dtype))


@microsoft_op("DynamicQuantizeMatMul", "A B b_scale b_zero_point? bias?", "Y")
def dynamic_matmul(c: Context) -> Value:
    """sum (a - za) (b - zb) (sa sb) + bias, A quantised by the range of its values"""
    if c.input(0).dtype != "f32":
        raise c.refuse(f"A has dtype {c.input(0).dtype}, f32 is supported")
    a, sa, za = dynamically_quantized(c, c.input(0))
    y = c.cast(product(c, a, c.input(1), za, c.opt(3)), "f32")
    return _biased(c, c.add("mul", y, c.add("mul", sa, scale_of(c, c.input(2), False))), c.opt(4))


@microsoft_op("MatMulIntegerToFloat", "A B a_scale b_scale a_zero_point? b_zero_point? bias?", "Y")
def matmul_to_float(c: Context) -> Value:
    """sum (a - za) (b - zb) (sa sb) + bias"""
    dtype = c.input(2).dtype
    y = c.cast(product(c, c.input(0), c.input(1), c.opt(4), c.opt(5)), "f32")
    scale = c.add("mul", scale_of(c, c.input(2)), scale_of(c, c.input(3), False))
    return c.cast(_biased(c, c.add("mul", y, scale), c.opt(6)), dtype)


@microsoft_op("QGemm", "A a_scale a_zero_point B b_scale b_zero_point C? y_scale? y_zero_point?", "Y", alpha=1.0,
              transA=0, transB=0)
def qgemm(c: Context) -> Value:
    """(sum (a - za) (b - zb) + C) (alpha sa sb): real without the scale y_scale, else divided by it and rounded"""
    a, b, bias = c.input(0), c.input(3), c.opt(6)
    if a.rank != 2 or b.rank != 2:
        raise c.refuse(f"its inputs have ranks {a.rank} and {b.rank}, matrices are needed")
    if bias is not None and bias.dtype != "i32":
        raise c.refuse(f"C has dtype {bias.dtype}, i32 is needed")
    a, b = (c.transpose(v, (1, 0)) if c.attr(name) else v for v, name in ((a, "transA"), (b, "transB")))
    y = c.cast(_biased(c, product(c, a, b, c.input(2), c.input(5)), bias), "f32")
    scale = c.add("mul", c.add("mul", c.scalar(c.attr("alpha"), "f32"), scale_of(c, c.input(1))),
                  scale_of(c, c.input(4), False))
    if c.opt(7) is None:
        return c.add("mul", y, scale)
    y = c.add("mul", y, c.add("div", scale, scale_of(c, c.input(7))))
    zero = c.input(8)
    return c.add("quantize", y, c.scalar(1.0, "f32"), zero_of(c, 8, _bytes(c, zero)))
