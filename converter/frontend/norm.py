"""Normalisations and softmax."""
from __future__ import annotations

import numpy as np

from ..dtypes import to_numpy
from ..ir import Value
from .context import Context, Part, onnx_op


@onnx_op("BatchNormalization")
def batch_norm(c: Context) -> Value:
    """x * s + t with s = scale / sqrt(variance + epsilon), t = bias - mean * s."""
    x = c.input(0)
    if x.rank < 2:
        raise c.refuse(f"an input of rank {x.rank} is not supported")
    if c.attr("training_mode", 0) or any(c.out_names[1:]):
        raise c.refuse("it is in training mode", "export the model for inference")
    params = [c.input(i) for i in range(1, 5)]
    shapes = [v.shape for v in params]
    own = x.shape[1:2] if c.attr("spatial", 1) else x.shape[1:]  # before opset 9 each element can have its own
    if any(len(s) != len(own) or any(isinstance(a, int) and isinstance(b, int) and a != b
                                     for a, b in zip(s, own, strict=True)) for s in shapes):
        raise c.refuse(f"its parameters have shapes {list(map(list, shapes))}; for this input they must be {list(own)}")
    epsilon = c.attr("epsilon")
    if all(v.const is not None for v in params):
        s, t = _fold_statistics(c, [v.const for v in params], epsilon)
        s, t = (c.graph.const(v.astype(to_numpy(x.dtype))) for v in (s, t))
    else:
        scale, bias, mean, variance = (c.cast(v, x.dtype) for v in params)
        s = c.add("div", scale, c.add("sqrt", c.add("add", variance, c.scalar(epsilon, x.dtype))))
        t = c.add("sub", bias, c.add("mul", mean, s))
    shaped = [_channels(c, v, x.rank) if len(own) == 1 else v for v in (s, t)]
    return c.add("add", c.add("mul", x, shaped[0]), shaped[1])


def _fold_statistics(c: Context, params: list[np.ndarray], epsilon: float) -> tuple[np.ndarray, np.ndarray]:
    """Factor and offset of a batch normalisation; in double, rounded once: the same bytes on every machine."""
    if any(p.shape != params[0].shape for p in params):
        raise c.refuse(f"its parameters have shapes {[list(p.shape) for p in params]}, equal ones are needed")
    with np.errstate(all="ignore"):
        scale, bias, mean, variance = (p.astype(np.float64) for p in params)
        s = scale / np.sqrt(variance + epsilon)
        t = bias - mean * s
    if not (np.all(np.isfinite(s)) and np.all(np.isfinite(t))):
        raise c.refuse("variance + epsilon is not positive, or a parameter is not finite", "the model is damaged")
    return s, t


def _channels(c: Context, v: Value, rank: int) -> Value:
    """[C] as [1 C 1 ...]."""
    if v.rank != 1:
        raise c.refuse(f"a parameter of rank {v.rank}, one number per channel is needed")
    return c.unsqueeze(v, [0, *range(2, rank)])


def _affine(c: Context, y: Value, scale: Value, bias: Value | None, rank: int) -> Value:
    """y * scale + bias, one number per channel."""
    y = c.add("mul", y, _channels(c, c.cast(scale, y.dtype), rank))
    return y if bias is None else c.add("add", y, _channels(c, c.cast(bias, y.dtype), rank))


@onnx_op("InstanceNormalization")
def instance_norm(c: Context) -> Value:
    x = c.input(0)
    if x.rank < 3:
        raise c.refuse(f"an input of rank {x.rank} is not supported")
    y = c.add("layer_norm", x, None, None, axis=2, epsilon=c.attr("epsilon"))
    return _affine(c, y, c.input(1), c.input(2), x.rank)


@onnx_op("GroupNormalization")
def group_norm(c: Context) -> Value:
    x, scale, bias = c.input(0), c.input(1), c.input(2)
    groups, channels = c.attr_int("num_groups", 1, 1), x.shape[1] if x.rank >= 3 else None
    if x.rank < 3 or not isinstance(channels, int) or channels % groups:
        raise c.refuse(f"an input of shape {list(x.shape)} cannot be split into {groups} groups of channels")
    if not all(isinstance(d, int) for d in x.shape[2:]):
        size = c.add("reshape", x, c.shape_vector(x, [Part(0), groups, -1]))
    else:
        size = c.reshape(x, [Part(0), groups, channels // groups * int(np.prod(x.shape[2:], dtype=np.int64))])
    y = c.add("layer_norm", size, None, None, axis=2, epsilon=c.attr("epsilon"))
    if c.opset < 21:  # one number per group
        y = _affine(c, y, scale, bias, 3)
    y = c.reshape(y, [Part(i) for i in range(x.rank)], of=x)
    return y if c.opset < 21 else _affine(c, y, scale, bias, x.rank)


@onnx_op("LayerNormalization", "RMSNormalization")
def layer_norm(c: Context) -> list[Value | None]:
    x = c.input(0)
    axis = c.axis(x.rank, -1)
    return [_layer_norm(c, x, c.input(1), c.opt(2), axis), *(_statistics(c, x, axis) if any(c.out_names[1:]) else ())]


def _statistics(c: Context, x: Value, axis: int) -> tuple[Value, Value]:
    """Mean and 1 / sqrt(variance + epsilon) over the axes from `axis` on, in f32."""
    x, over = c.cast(x, "f32"), {"axes": sum(1 << a for a in range(axis, x.rank)), "keep_dims": 1}
    mean = c.add("reduce", x, kind="mean", **over)
    centred = c.add("sub", x, mean)
    variance = c.add("reduce", c.add("mul", centred, centred), kind="mean", **over)
    deviation = c.add("sqrt", c.add("add", variance, c.scalar(c.attr("epsilon"), "f32")))
    return mean, c.add("reciprocal", deviation)


def _layer_norm(c: Context, x: Value, scale: Value, bias: Value | None, axis: int) -> Value:
    attrs = {"axis": axis, "epsilon": c.attr("epsilon"), "kind": "rms" if c.op == "RMSNormalization" else "layer"}
    if all(v is None or _matches(v, x, axis) for v in (scale, bias)):
        return c.add("layer_norm", x, scale, bias, **attrs)
    y = c.add("layer_norm", x, None, None, **attrs)
    y = c.add("mul", y, c.cast(scale, y.dtype))
    return y if bias is None else c.add("add", y, c.cast(bias, y.dtype))


def _matches(v: Value, x: Value, axis: int) -> bool:
    """Whether v has x's dtype and the shape of its axes from `axis` on, without broadcasting."""
    return v.dtype == x.dtype and v.rank == x.rank - axis and all(
        a == b or not isinstance(b, int) and a != 1 for a, b in zip(v.shape, x.shape[axis:], strict=True))


@onnx_op("LpNormalization")
def lp_norm(c: Context) -> Value:
    x, p = c.input(0), c.attr("p")
    if p not in (1, 2):
        raise c.refuse(f"p = {p} is not supported; 1 and 2 are")
    norm = c.add("reduce", x, kind=f"l{p}", axes=1 << c.axis(x.rank, -1), keep_dims=1)
    zero = c.add("equal", norm, c.scalar(0, x.dtype))  # zeros stay zeros
    return c.add("div", x, c.add("select", zero, c.scalar(1, x.dtype), norm))


def _rounded_softmax(c: Context, x: Value, axis: int) -> Value:
    """ONNX defines Softmax by its function body, each step of which is rounded to f16."""
    along = {"axes": 1 << axis, "keep_dims": 1}
    e = c.add("exp", c.add("sub", x, c.add("reduce", x, kind="max", **along)))
    return c.add("div", e, c.add("reduce", e, kind="sum", **along))


@onnx_op("Softmax", "LogSoftmax")
def softmax(c: Context) -> Value:
    x, attrs = c.input(0), {"log": 1} if c.op == "LogSoftmax" else {}
    if x.rank == 0:
        raise c.refuse("a scalar has no axis")
    axis = c.axis(x.rank)
    if x.dtype == "f16" and c.op == "Softmax" and c.opset >= 13:
        return _rounded_softmax(c, x, axis)
    # before opset 13 the input is seen as a matrix: the axes before `axis`, and the rest
    if c.opset >= 13 or all(d == 1 for d in x.shape[axis + 1:]):
        return c.add("softmax", x, axis=axis, **attrs)
    y = c.add("softmax", c.add("flatten", x, axis=axis), axis=1, **attrs)
    return c.reshape(y, [Part(i) for i in range(x.rank)], of=x)
