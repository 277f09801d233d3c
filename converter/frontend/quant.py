"""QuantizeLinear and DequantizeLinear. (Integer arithmetic is in integers.py.)

What the passes may rely on:
- QuantizeLinear is one node `quantize` (x f32, scale f32, zero point of the result's dtype); scale and zero point are
  scalars, or have sizes 1 up to the quantised axis so that they broadcast.
- DequantizeLinear is `mul(sub(cast(x, f32), zero), scale)`, or `mul(cast(x, f32), scale)` when the zero point is 0;
  `zero` is an f32 constant when the source's is constant.
"""
from __future__ import annotations

import numpy as np

from ..ir import Value
from .context import Context, Part, onnx_op
from .tensors import dtype_of

_QUANTISED = ("i8", "u8", "i16", "u16", "i32")


def _parameter(c: Context, v: Value, x: Value, axis: int) -> Value:
    """A scale or zero point as a scalar, or shaped to broadcast along `axis`."""
    if v.rank == 0:
        return v
    if v.rank == 1 and v.const is not None and v.const.size == 1 and x.shape[axis:axis + 1] != (1,):
        return c.reshape_const(v, ())
    if v.shape == (1,):
        return c.as_scalar(v, "a scale or zero point")
    if v.rank != 1 or x.rank == 0:
        raise c.refuse(f"a scale or zero point of shape {list(v.shape)} is not supported",
                       "quantise per tensor or per axis")
    size = x.shape[axis]
    if isinstance(size, int) and isinstance(v.shape[0], int) and size != v.shape[0]:
        raise c.refuse(f"there are {v.shape[0]} scales or zero points, axis {axis} has size {size}")
    return c.unsqueeze(v, list(range(1, x.rank - axis)))


def _spread(c: Context, v: Value, x: Value) -> Value:
    """A scale or zero point of blocks along an axis, repeated for each element of a block."""
    axis, block = c.axis(x.rank, 1), c.attr("block_size")
    size, blocks = x.shape[axis], v.shape[axis] if v.rank == x.rank else None
    if not isinstance(size, int) or not isinstance(blocks, int) or block < 1 or -(-size // block) != blocks:
        raise c.refuse(f"scales of shape {list(v.shape)} do not fit blocks of {block} along axis {axis} of "
                       f"{list(x.shape)}")
    times = [1] * (v.rank + 1)
    times[axis + 1] = block
    whole = c.reshape(c.add("tile", c.unsqueeze(v, [axis + 1]), c.ints_const(times)),
                      [blocks * block if i == axis else Part(i) for i in range(v.rank)], of=v)
    return whole if blocks * block == size else c.add("slice", whole, *(c.ints_const([k]) for k in (0, size, axis)))


def _parameters(c: Context, x: Value) -> tuple[Value, Value | None]:
    """Scale as f32 and zero point, shaped."""
    scale, zero = c.input(1), c.opt(2)
    if scale.dtype not in ("f32", "f16"):
        raise c.refuse(f"scales of dtype {scale.dtype} are not supported", "use f32")
    one = zero is not None and {zero.shape, scale.shape} <= {(), (1,)}  # onnxruntime mixes these two for biases
    differ = zero is not None and (zero.rank != scale.rank or any(
        isinstance(a, int) and isinstance(b, int) and a != b for a, b in zip(zero.shape, scale.shape, strict=True)))
    if differ and not one:
        raise c.refuse(f"the scale has shape {list(scale.shape)}, the zero point {list(zero.shape)}; they must agree")
    if scale.const is not None and not (np.isfinite(scale.const) & (scale.const > 0)).all():
        raise c.refuse("a scale is not a positive number", "the model is damaged")
    if c.attr("block_size", 0):
        return tuple(None if v is None else _spread(c, v, x) for v in (c.cast(scale, "f32"), zero))
    per_axis = scale.rank == 1 and scale.shape != (1,)
    axis = c.axis(x.rank, 1) if per_axis and x.rank else 0
    shaped = [None if v is None else _parameter(c, v, x, axis) for v in (scale, zero)]
    if shaped[0].const is not None and shaped[0].dtype == "f16":
        return c.graph.const(shaped[0].const.astype(np.float32)), shaped[1]
    return c.cast(shaped[0], "f32"), shaped[1]


@onnx_op("QuantizeLinear")
def quantize(c: Context) -> Value:
    x = c.input(0)
    scale, zero = _parameters(c, x)
    wanted = c.attr("output_dtype", 0)
    dtype = zero.dtype if zero is not None else dtype_of(wanted, "output_dtype") if wanted else "u8"
    if dtype not in _QUANTISED or wanted and dtype_of(wanted, "output_dtype") != dtype:
        raise c.refuse(f"quantising to {dtype} is not supported", f"use one of {', '.join(_QUANTISED)}")
    zero = c.scalar(0, dtype) if zero is None else zero
    return c.add("quantize", c.cast(x, "f32"), scale, zero)


@onnx_op("DequantizeLinear")
def dequantize(c: Context) -> Value:
    x = c.input(0)
    if x.dtype not in _QUANTISED:
        raise c.refuse(f"dequantising {x.dtype} is not supported", f"use one of {', '.join(_QUANTISED)}")
    scale, zero = _parameters(c, x)
    if zero is not None and zero.dtype != x.dtype:
        raise c.refuse(f"the zero point has dtype {zero.dtype}, the input {x.dtype}; they must agree")
    y = c.add("cast", x, to="f32")
    if zero is not None and zero.const is None:
        y = c.add("sub", y, c.cast(zero, "f32"))
    elif zero is not None and zero.const.any():
        y = c.add("sub", y, c.graph.const(zero.const.astype(np.float32)))
    y = c.add("mul", y, scale)
    wanted = c.attr("output_dtype", 0)
    return c.cast(y, dtype_of(wanted, "output_dtype") if wanted else c.input(1).dtype)
