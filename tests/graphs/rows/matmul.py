"""Matrix products, f32 and integer, and quantisation."""
from __future__ import annotations

from typing import Any

import numpy as np
from builder import Builder, Invalid, Tensor, row
from onnx import helper
from rows.images import window

I8, U8, F32 = np.dtype("int8"), np.dtype("uint8"), np.dtype("float32")


def right(g: Builder, x: Tensor, of: np.dtype) -> Tensor:
    """What x can be multiplied by."""
    k = x.shape[-1]
    if g.flag(20):
        return g.new(of, [k], const=50)
    batch = [d if g.flag(70) else 1 for d in x.shape[:-2]][g.draw(0, max(x.rank - 2, 0)):]
    return g.new(of, [*batch, k, g.size()], const=60)


@row("MatMul")
def matmul(g: Builder) -> None:
    x = g.some(rank=(1, 5))
    g.node(x, right(g, x, x.dtype))


@row("Gemm")
def gemm(g: Builder) -> None:
    x = g.some(rank=(2, 2))
    ta, tb = g.pick([None, 0, 1]), g.pick([None, 0, 1])
    k, m = (x.shape if ta else x.shape[::-1])
    n = g.size()
    b = g.new(x.dtype, [n, k] if tb else [k, n], const=70)
    c = None
    if g.opset < 11 or g.flag(70):
        c = g.some(x.dtype, shape=g.pick([[n], [m, n], [1, n], [m, 1], [], [1]]))
    g.node(x, b, c, alpha=g.pick([None, 0.5, 2.0]), beta=g.pick([None, 0.5, 2.0]), transA=ta, transB=tb)


@row("Einsum")
def einsum(g: Builder) -> None:
    text = g.pick(["ij,jk->ik", "bij,bjk->bik", "ij->ji", "ij->", "i,j->ij", "...ij->...ji", "bhid,bhjd->bhij", "ii->i",
                   "ij,jk", "ij,ij->i", "...i,...i->...", "bi,ij,bj->b"])
    sizes: dict[str, int] = {c: max(g.size(), 1) for c in "bhijdk"}
    dots = [2] if g.flag() else []
    t = g.type(0)
    terms = text.split("->")[0].split(",")
    g.node(*(g.new(t, [*(dots if "." in s else []), *(sizes[c] for c in s if c != ".")]) for s in terms), equation=text)


@row("MatMulInteger")
def matmul_integer(g: Builder) -> None:
    x = g.some(rank=(1, 4), make=lambda: g.shape(1, 4))
    y = right(g, x, g.pick(g.types(1)))
    a = g.new(x.dtype, [], low=0, high=9, const=80) if g.flag() else None
    b = None
    if g.flag():
        vector = y.rank >= 2 and g.flag()
        b = g.new(y.dtype, [y.shape[-1]] if vector and y.rank == 2 else [], low=0, high=9, const=80)
    g.node(x, y, a, b)


def around(g: Builder, x: Tensor, w: Tensor) -> dict[str, Any]:
    """Attributes of a convolution of an image."""
    kernel = list(w.shape[2:])
    return {**window(g, x, kernel), "kernel_shape": kernel if g.flag() else None}


@row("ConvInteger")
def conv_integer(g: Builder) -> None:
    x = g.some(g.types(0), fits=lambda s: len(s) == 4 and 0 not in s, make=lambda: [1, g.pick([1, 2, 4]), 5, 6],
               low=0, high=100)
    groups = g.pick([1, 1, 2])
    if x.shape[1] % groups:
        raise Invalid
    w = g.new(g.pick(g.types(1)), [groups * g.pick([1, 2, 3]), x.shape[1] // groups, 3, g.pick([1, 3])], low=-100,
              high=100, const=80)
    zero = g.new(x.dtype, [], low=0, high=9, const=80) if g.flag() else None
    more = g.new(w.dtype, [], low=0, high=9, const=80) if g.flag() else None
    g.node(x, w, zero, more, group=groups if groups > 1 else None, **around(g, x, w))


def scale(g: Builder, shape: list[int] | tuple[int, ...] = (), dtype: np.dtype = F32) -> Tensor:
    return g.new(dtype, shape, low=0.05, high=0.3, const=85)


@row("QLinearMatMul")
def qlinear_matmul(g: Builder) -> None:
    tx, tw, ty = (g.pick([d for d in g.types(n) if d in (I8, U8)]) for n in ("T1", "T2", "T3"))
    k = max(g.size(), 1)
    x, w = g.new(tx, [*g.shape(0, 1), g.size(), k], low=-100, high=100), g.new(tw, [k, g.size()], low=-100, high=100)

    def zero(t: np.dtype) -> Tensor:
        return g.new(t, [], low=0, high=9, const=90)
    g.node(x, scale(g), zero(tx), w, scale(g), zero(tw), scale(g), zero(ty))


@row("QLinearConv")
def qlinear_conv(g: Builder) -> None:
    tx, tw, ty = (g.pick(g.types(n)) for n in ("T1", "T2", "T3"))
    groups = g.pick([1, 1, 2])
    c, out = groups * g.pick([1, 2, 4]), groups * g.pick([1, 2, 3])
    x = g.new(tx, [1, c, 5, 6], low=-100, high=100)
    w = g.new(tw, [out, c // groups, 3, 3], low=-100, high=100, const=90)

    def zero(t: np.dtype, low: int = 0) -> Tensor:
        return g.new(t, [], low=low, high=9, const=90)
    wide = g.flag()
    bias = g.new(np.dtype("int32"), [out], low=-999, high=999, const=90) if g.flag() else None
    w_zero = g.new(tw, [out] if wide else [], low=0, high=0, const=100)
    g.node(x, scale(g), zero(tx), w, scale(g, [out] if wide else []), w_zero, scale(g), zero(ty), bias,
           group=groups, **around(g, x, w))


@row("QuantizeLinear", "DequantizeLinear")
def quantize(g: Builder) -> None:
    first = g.op == "QuantizeLinear"
    x = g.some([d for d in g.types(0) if d.itemsize < 8], rank=(1, 4), make=lambda: g.shape(1, 4))
    if not np.isfinite(x.value).all():  # which integer that is, is nobody's
        raise Invalid
    per_axis = g.opset >= 13 and g.flag(40)
    axis = g.axis(x.rank) if per_axis else None
    shape = [x.shape[axis]] if per_axis else []
    kind = x.dtype if first and x.dtype.kind == "f" and g.opset >= 19 else F32
    s = scale(g, shape, kind)
    small = [d for d in (g.types(2) if first else [x.dtype]) if d.kind in "iu"]
    if not small:
        raise Invalid
    t = g.pick(small)
    zero = g.new(t, shape, low=0, high=0 if t == np.dtype("int32") else 9, const=90) if g.flag(70) else None
    attrs = {"saturate": g.pick([None, 1])} if first and g.opset >= 19 else {}
    if g.opset >= 21 and x.rank >= 2 and not per_axis and g.flag(10):
        axis = x.rank - 1
        attrs["block_size"] = max(x.shape[-1], 1)
        s = scale(g, [*x.shape[:-1], 1], kind)
        zero = g.new(t, s.shape, low=0, high=0, const=90) if zero is not None else None
    if g.opset >= (21 if first else 23) and g.flag(30):
        attrs["output_dtype"] = helper.np_dtype_to_tensor_dtype(t if first else kind)
    if first and g.opset >= 23 and g.flag(20):
        attrs["precision"] = helper.np_dtype_to_tensor_dtype(kind)
    g.node(x, s, zero, axis=axis, **attrs)


@row("DynamicQuantizeLinear")
def dynamic_quantize(g: Builder) -> None:
    x = g.some(rank=(1, 4), fits=lambda s: 0 not in s, make=lambda: [max(d, 1) for d in g.shape(1, 4)])
    if not np.isfinite(x.value).all():
        raise Invalid
    g.node(x, outputs=3)
