"""Operators that move, repeat or make elements."""
from __future__ import annotations

import numpy as np
from builder import Builder, Invalid, row
from onnx import helper, numpy_helper


def factors(g: Builder, n: int) -> list[int]:
    """Sizes whose product is n."""
    if n == 0:
        return [0, *(g.size() for _ in range(g.draw(0, 2)))]
    sizes: list[int] = []
    while n > 1 and len(sizes) < 5:
        d = g.pick([d for d in range(2, n + 1) if n % d == 0][:6])
        sizes.append(d)
        n //= d
    return [*sizes, n] if n > 1 or not sizes or g.flag(20) else sizes


@row("Reshape")
def reshape(g: Builder) -> None:
    x = g.some()
    n = int(np.prod(x.shape))
    sizes = [*x.shape] if g.flag(20) else factors(g, n)
    zero = n == 0 and g.opset >= 14 and g.flag()
    if n and sizes and g.flag(50):
        sizes[g.draw(0, len(sizes) - 1)] = -1
    if not zero:
        for i, d in enumerate(sizes):
            if i < x.rank and d == x.shape[i] and g.flag(30):
                sizes[i] = 0
    g.node(x, g.given(np.array(sizes, np.int64)), allowzero=1 if zero else None)


@row("Flatten")
def flatten(g: Builder) -> None:
    x = g.some()
    axis = g.draw(0, x.rank)
    g.node(x, axis=axis - x.rank if g.opset >= 11 and axis < x.rank and g.flag(30) else axis)


@row("Transpose")
def transpose(g: Builder) -> None:
    x = g.some()
    perm = list(range(x.rank))
    for i in range(x.rank - 1):
        j = g.draw(i, x.rank - 1)
        perm[i], perm[j] = perm[j], perm[i]
    g.node(x, perm=perm if g.flag(85) and perm else None)


def with_axes(g: Builder, x, axes: list[int] | None) -> None:
    """The axes as an attribute, or from opset 13 as an input."""
    if g.opset < 13:
        low = g.opset < 11
        if axes and low:
            rank = x.rank + (len(axes) if g.op == "Unsqueeze" else 0)
            axes = [a % rank for a in axes]
        g.node(x, axes=axes)
    else:
        g.node(x, None if axes is None else g.given(axes))


@row("Squeeze")
def squeeze(g: Builder) -> None:
    x = g.some(fits=lambda s: 1 in s, make=lambda: [1, *g.shape(0, 4)] if g.flag() else [*g.shape(0, 4), 1])
    ones = [a for a in range(x.rank) if x.shape[a] == 1 and g.flag(70)]
    with_axes(g, x, [a - x.rank if g.flag(30) else a for a in ones] if ones else None)


@row("Unsqueeze")
def unsqueeze(g: Builder) -> None:
    x = g.some(rank=(0, 5))
    rank = x.rank + g.draw(1, 2)
    axes = [g.draw(0, x.rank)] if rank == x.rank + 1 else sorted({g.draw(0, 0), g.draw(1, rank - 1)})
    with_axes(g, x, [a - rank if g.flag(30) else a for a in axes])


@row("Concat")
def concat(g: Builder) -> None:
    x = g.some(rank=(1, 5))
    axis = g.axis(x.rank)
    if g.opset < 11:
        axis %= x.rank

    def make() -> list[int]:
        s = [*x.shape]
        s[axis] = g.size()
        return s

    def fits(s: tuple[int, ...]) -> bool:
        return len(s) == x.rank and all(s[i] == x.shape[i] for i in range(x.rank) if i != axis % x.rank)
    more = [g.some(x.dtype, fits=fits, make=make) for _ in range(g.draw(0, 3))]
    g.node(x, *more, axis=axis)


@row("Expand")
def expand(g: Builder) -> None:
    x = g.some(rank=(0, 4))
    target = [g.size() if d == 1 and g.flag(70) else d if g.flag(70) else 1 for d in x.shape]
    if g.flag(30):
        target = [g.size(), *target]
    g.node(x, g.given(target))


@row("Tile")
def tile(g: Builder) -> None:
    x = g.some(rank=(1, 5))
    g.node(x, g.given([g.pick([1, 2, 1, 3, 0, 2]) for _ in x.shape]))


@row("Shape")
def shape(g: Builder) -> None:
    x = g.some()
    late = g.opset >= 15
    g.node(x, start=g.draw(-x.rank - 1, x.rank) if late and g.flag() else None,
           end=g.draw(-x.rank - 1, x.rank + 1) if late and g.flag() else None)


@row("Size")
def size(g: Builder) -> None:
    g.node(g.some())


@row("Slice")
def slice_(g: Builder) -> None:
    x = g.some(rank=(1, 5))
    axes = [a for a in range(x.rank) if g.flag()] or [0]
    starts = [g.pick([0, 1, -1, -2, 2, -100, 100]) for _ in axes]
    ends = [g.pick([2**31 - 1, 3, -1, 2**63 - 1 if g.opset >= 10 else 5, 1, 0, -100]) for _ in axes]
    if g.opset < 10:
        g.node(x, starts=starts, ends=ends, axes=axes if axes != list(range(len(axes))) or g.flag() else None)
        return
    steps = [g.pick([1, 2, -1, 3, -2]) for _ in axes] if g.flag() else None
    if steps:
        ends = [-(2**31) if s < 0 and g.flag(70) else e for s, e in zip(steps, ends, strict=True)]
        starts = [-1 if s < 0 and g.flag(70) else b for s, b in zip(steps, starts, strict=True)]
    plain = axes == list(range(len(axes))) and g.flag()
    t = g.pick([np.int64, np.int64, np.int32])
    if t == np.int32:
        ends = [min(e, 2**31 - 1) for e in ends]
    named = None if plain and not steps else g.given([a - x.rank if g.flag(25) else a for a in axes], dtype=t)
    g.node(x, g.given(starts, dtype=t), g.given(ends, dtype=t), named,
           g.given(steps, dtype=t) if steps else None)


@row("Gather")
def gather(g: Builder) -> None:
    x = g.some(rank=(1, 4), fits=lambda s: 0 not in s, make=lambda: [max(d, 1) for d in g.shape(1, 4)])
    axis = g.axis(x.rank)
    n = x.shape[axis]
    low = -n if g.opset >= 11 else 0
    indices = g.some(g.types(1), low=low, high=n - 1, make=lambda: g.shape(0, 2), strict=True)
    g.node(x, indices, axis=axis if axis or g.flag() else None)


@row("Split")
def split(g: Builder) -> None:
    x = g.some(rank=(1, 5))
    axis = g.axis(x.rank)
    if g.opset < 11:
        axis %= x.rank
    n = x.shape[axis]
    if g.flag():  # equal parts
        counts = [k for k in range(1, 6) if (g.opset >= 18 and k <= n) or n % k == 0]
        k = g.pick(counts)
        g.node(x, outputs=k, axis=axis, num_outputs=k if g.opset >= 18 else None)
        return
    parts = []
    while n > 0 and len(parts) < 4:
        parts.append(g.draw(0, n))
        n -= parts[-1]
    parts.append(n)
    if g.opset < 13:
        g.node(x, outputs=len(parts), axis=axis, split=parts)
    else:
        g.node(x, g.given(parts), outputs=len(parts), axis=axis)


@row("Pad")
def pad(g: Builder) -> None:
    x = g.some(rank=(1, 5))
    modes = ["constant", "reflect", "edge"] + (["wrap"] if g.opset >= 19 else [])
    mode = g.pick(modes)
    most = [3 if mode == "constant" else d - 1 if mode == "reflect" else d for d in x.shape]
    if min(most) < 0 or (mode != "constant" and 0 in x.shape):
        raise Invalid
    axes = [a for a in range(x.rank) if g.flag()] if g.opset >= 18 and g.flag(30) else None
    where = range(x.rank) if axes is None else axes
    pads = [g.draw(0, min(most[a], 3)) if not g.flag(15) else -min(1, x.shape[a] // 2) if mode == "constant" else 0
            for _ in range(2) for a in where]
    how = {"mode": mode if mode != "constant" or g.flag() else None}
    if g.opset < 11:
        g.node(x, pads=pads, value=g.pick([None, 0.0, 1.5]) if mode == "constant" else None, **how)
        return
    value = g.given(1 if x.dtype.kind == "b" else 3, dtype=x.dtype) if g.flag() and mode == "constant" else None
    named = None if axes is None else g.given([a - x.rank if g.flag(25) else a for a in axes])
    g.node(x, g.given(pads), value, named, **how)


@row("Dropout")
def dropout(g: Builder) -> None:
    x = g.some()
    outputs = 2 if g.flag(30) else 1
    if g.opset < 12:
        g.node(x, outputs=outputs, ratio=g.pick([None, 0.25]))
    else:
        ratio = g.given(0.25, dtype=np.float32, const=100) if g.flag() else None
        g.node(x, ratio, g.given(False, dtype=bool, const=100) if g.flag(30) else None, outputs=outputs,
               seed=g.pick([None, 3]))


@row("Constant")
def constant(g: Builder) -> None:
    kind = g.pick(["value", "value_int", "value_ints", "value_float", "value_floats"]) if g.opset >= 12 else "value"
    made = g.new(g.type("T"), g.shape(0, 4), const=100).value
    g._new.clear()
    g.node(**{kind: {"value": numpy_helper.from_array(made), "value_int": 3, "value_ints": [1, 2, 3],
                     "value_float": 1.5, "value_floats": [0.5, 1.5]}[kind]})


@row("ConstantOfShape")
def constant_of_shape(g: Builder) -> None:
    value = None
    if g.flag(70):
        t = g.type("T2")
        value = numpy_helper.from_array(np.array([g.pick([0, 1, 3])], t))
    g.node(g.given(np.array(g.shape(0, 4), np.int64)), value=value)


@row("Range")
def range_(g: Builder) -> None:
    t = g.type(0)
    delta = g.pick([1, 2, 3]) if not g.flag(30) or t.kind == "u" else -1
    start = g.pick([0, 1, 5])
    g.node(*(g.given(v, dtype=t) for v in (start, max(start + delta * g.draw(0, 6), 0), delta)),
           stash_type=1 if g.opset >= 27 and g.flag(20) else None)


@row("DepthToSpace", "SpaceToDepth")
def shuffle(g: Builder) -> None:
    b = g.pick([2, 1, 3])
    n, c, h, w = (g.pick([1, 2, 3]) for _ in range(4))
    if g.op == "DepthToSpace":
        shape = [n, c * b * b, h, w]
        x = g.some(fits=lambda s: len(s) == 4 and s[1] % (b * b) == 0, make=lambda: shape)
        g.node(x, blocksize=b, mode=g.pick([None, "DCR", "CRD"]) if g.opset >= 11 else None)
    else:
        x = g.some(fits=lambda s: len(s) == 4 and s[2] % b == 0 and s[3] % b == 0, make=lambda: [n, c, h * b, w * b])
        g.node(x, blocksize=b, mode=g.pick([None, "DCR", "CRD"]) if "mode" in g.schema.attributes else None)


@row("ReverseSequence")
def reverse_sequence(g: Builder) -> None:
    x = g.some(rank=(2, 5))
    t, b = g.pick([(0, 1), (1, 0)])
    lengths = g.new(np.dtype("int64"), [x.shape[b]], low=min(1, x.shape[t]), high=x.shape[t])
    g.node(x, lengths, time_axis=t, batch_axis=b)


@row("Trilu")
def trilu(g: Builder) -> None:
    x = g.some(rank=(2, 5))
    g.node(x, g.given(g.pick([0, 1, -1, 3, -7])) if g.flag() else None, upper=g.pick([None, 0, 1]))


@row("EyeLike")
def eye_like(g: Builder) -> None:
    x = g.some(rank=(2, 2))
    g.node(x, k=g.pick([None, 0, 1, -1]),
           dtype=helper.np_dtype_to_tensor_dtype(g.type("T2")) if g.flag() else None)


@row("OneHot")
def one_hot(g: Builder) -> None:
    depth = g.pick([3, 1, 5])
    indices = g.some(0, make=lambda: g.shape(0, 3), low=0, high=depth - 1, strict=True)
    given = g.given(depth, dtype=g.pick([np.int64, np.int32, np.float32]))
    t = g.type("T3")
    g.node(indices, given, g.new(t, [2]), axis=g.axis(indices.rank, 1) if g.flag() else None)


@row("CenterCropPad")
def center_crop_pad(g: Builder) -> None:
    x = g.some(rank=(1, 4))
    axes = g.axes(x.rank) if g.flag() else None
    n = x.rank if axes is None else len(axes)
    g.node(x, g.given([g.pick([1, 2, 3, 4, 5, 6]) for _ in range(n)]), axes=axes)


@row("Compress")
def compress(g: Builder) -> None:
    x = g.some(rank=(1, 4))
    axis = g.axis(x.rank) if g.flag() else None
    n = int(np.prod(x.shape)) if axis is None else x.shape[axis]
    g.node(x, g.new(np.dtype(bool), [g.draw(0, n)]), axis=axis)
