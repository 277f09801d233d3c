"""Convolutions and pools of volumes [N D H W C], as those of images: a kernel of depth K is K kernels for images."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir import Value
from .context import Context, Part

if TYPE_CHECKING:
    from .images import Window


def _depth(c: Context, w: Window, x: Value) -> tuple[int, int]:
    """Pads along the depth."""
    if w.auto_pad == "explicit":
        return w.begin[0], w.end[0]
    size, k = x.shape[1], w.kernel[0] or 1
    if not isinstance(size, int) and w.stride[0] != 1:
        raise c.refuse("auto_pad of a volume of open depth with a stride is not supported", "export explicit pads")
    out = -(-size // w.stride[0]) if isinstance(size, int) else 0
    total = (k - 1) * w.dilation[0] if not isinstance(size, int) else \
        max((out - 1) * w.stride[0] + (k - 1) * w.dilation[0] + 1 - size, 0)
    small, large = total // 2, total - total // 2
    return (small, large) if w.auto_pad == "same_upper" else (large, small)


def _images(c: Context, x: Value) -> Value:
    """[N D H W C] as [N*D H W C]"""
    return c.reshape(x, [-1, Part(2), Part(3), Part(4)])


def _volumes(c: Context, y: Value, like: Value) -> Value:
    """[N*D H W C] as [N D H W C], N and D those of `like`."""
    parts = [c.shape_vector(like, [Part(0), Part(1)]), c.shape_vector(y, [Part(1), Part(2), Part(3)])]
    return c.add("reshape", y, c.add("concat", *parts, axis=0))


def _part(c: Context, w: Value, k: int) -> Value:
    """Kernel k of weights [O kd kh kw C]: [O kh kw C]."""
    if w.const is not None:
        return c.graph.const(np.ascontiguousarray(w.const[:, k]))
    return c.add("gather", w, c.scalar(k, "i64"), axis=1)


def _known_depth(c: Context, w: Window) -> int:
    if w.kernel[0] is None:
        raise c.refuse("the depth of the weights is not known", "export them as a constant")
    return w.kernel[0]


def _wide(c: Context, v: Value | None) -> Value | None:
    """v as f32: sums over the depth are rounded to f16 once, at the end."""
    if v is None or v.dtype != "f16":
        return v
    return c.cast(v, "f32") if v.const is None else c.graph.const(v.const.astype(np.float32))


def conv(c: Context, x: Value, w: Value, bias: Value | None, window: Window, groups: int) -> Value:
    """The sum over the kernel's depth of convolutions of the slices that it meets."""
    dtype = x.dtype
    x, w, bias = _wide(c, x), _wide(c, w), _wide(c, bias)
    depth, step, stride = _known_depth(c, window), window.dilation[0], window.stride[0]
    begin, end = _depth(c, window, x)
    if begin or end:
        x = c.add("pad", x, c.ints_const([0, begin, 0, 0, 0, 0, end, 0, 0, 0]))
    y: Value | None = None
    for k in range(depth):
        last = -(depth - 1 - k) * step or 2**31 - 1
        cut = c.add("slice", x, *(c.ints_const([v]) for v in (k * step, last, 1, stride)))
        part = c.add("conv", _images(c, cut), _part(c, w, k), bias if k == 0 else None, groups=groups,
                     **window.part(slice(1, 3)).attrs())
        y = part if y is None else c.add("add", y, part)
        like = cut
    assert y is not None
    return _volumes(c, c.cast(y, dtype), like)


def conv_transpose(c: Context, x: Value, w: Value, bias: Value | None, window: Window, groups: int) -> Value:
    """Transposed convolutions of all slices with each part of the kernel, laid over each other along the depth."""
    dtype = x.dtype
    x, w, bias = _wide(c, x), _wide(c, w), _wide(c, bias)
    depth = _known_depth(c, window)
    images = _images(c, x)
    parts = [_volumes(c, c.add("conv_transpose", images, _part(c, w, k), None, groups=groups,
                               **window.part(slice(1, 3)).attrs()), x) for k in range(depth)]  # [N D H W O]
    size = x.shape[1]
    if not isinstance(size, int):
        raise c.refuse("a transposed convolution of a volume of open depth is not supported", "fix it with --dim")
    out = (size - 1) * window.stride[0] + (depth - 1) * window.dilation[0] + 1 + window.output_pad[0] \
        - window.begin[0] - window.end[0]
    stacked = c.add("concat", *(c.unsqueeze(p, [1]) for p in parts), axis=1)
    moved = c.add("transpose", stacked, perm=(0, 3, 4, 5, 1, 2))  # [N H W O K D]
    columns = c.reshape(moved, [Part(0), -1, size])
    vectors = [[out], [depth], [window.stride[0]], [window.dilation[0]],
               [window.begin[0], max(window.end[0] - window.output_pad[0], 0)]]
    if window.output_pad[0] > window.end[0]:
        raise c.refuse("output_padding larger than the pads along the depth is not supported", "export explicit pads")
    summed = c.add("col2im", columns, *map(c.ints_const, vectors))  # [N H*W*O out]
    sizes = [c.shape_vector(parts[0], [Part(0), Part(2), Part(3), Part(4)]), c.ints_const([out])]
    y = c.add("transpose", c.add("reshape", summed, c.add("concat", *sizes, axis=0)), perm=(0, 4, 1, 2, 3))
    return c.cast(y if bias is None else c.add("add", y, bias), dtype)


def pool(c: Context, op: str, x: Value, window: Window, **attrs: Any) -> Value:
    """First over the images, then over the depth: the largest of largest, the mean of means (their counts multiply)."""
    images = c.add(op, _images(c, x), **window.part(slice(1, 3)).attrs(kernel=True), **attrs)
    flat = _volumes(c, images, x)
    rows = c.reshape(flat, [Part(0), Part(1), -1])
    y = c.add(op, rows, **window.part(slice(0, 1)).attrs(kernel=True), **attrs)
    sizes: Sequence[Value] = [c.shape_vector(y, [Part(0), Part(1)]), c.shape_vector(flat, [Part(2), Part(3), Part(4)])]
    return c.add("reshape", y, c.add("concat", *sizes, axis=0))
