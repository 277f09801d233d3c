"""onnxruntime's attention layers."""

from functools import partial

import numpy as np
from op_frame import Const, rand
from op_frame import row as any_row

row = partial(any_row, domain="com.microsoft", rtol=2e-5)
I32 = np.int32


def bits(*shape):
    """A mask that leaves something of each row."""
    m = rand(*shape, dtype="int32", low=0, high=1)
    m[..., 0] = 1
    return m


def packed(*, b=2, s=5, n=3, d=4, v=None, i=10, bias=True, mask=None, past=0, add=None, const=True, outputs=1,
           dynamic=None, **attrs):
    """Attention; v: size of a head of v, mask and add: inputs."""
    dynamic = {0: (0, 1), 3: (0, 1, 2), 4: (1, 3), 5: (0, 2, 3)} if dynamic is None else dynamic
    h, hv = n * d, n * (v or d)
    hold = Const if const else (lambda a: a)
    if v:
        attrs["qkv_hidden_sizes"] = [h, h, hv]
    return row("Attention", rand(b, s, i, low=-1, high=1), hold(rand(i, 2 * h + hv, low=-1, high=1)),
               hold(rand(2 * h + hv)) if bias else None, mask, rand(2, b, n, past, d) if past else None, add,
               num_heads=n, outputs=outputs, dynamic=dynamic, **attrs)


ROWS = [
    packed(), packed(bias=False), packed(unidirectional=1), packed(v=2, const=False), packed(scale=0.3),
    packed(mask=np.array([3, 5], I32)), packed(mask=np.array([3, 1], I32), mask_filter_value=-2.0),
    packed(mask=np.array([3, 5, 1, 2], I32), dynamic=False), packed(mask=bits(2, 5)),
    packed(mask=bits(2, 5), unidirectional=1), packed(mask=bits(2, 5, 5)), packed(mask=bits(2, 5, 5), unidirectional=1),
    packed(mask=np.array([[1], [0]], I32), dynamic=False), packed(mask=np.zeros((2, 5), I32), rtol=1e-3),
    packed(add=rand(1, 3, 5, 5)), packed(add=rand(2, 1, 5, 5), mask=bits(2, 5)),
    packed(past=3, unidirectional=1, outputs=2), packed(past=3, outputs=2),
    packed(past=3, unidirectional=1, outputs=2, mask=bits(2, 8)), packed(s=1, past=9, unidirectional=1, outputs=2),
    packed(b=1, s=50, n=2, d=32, i=64, mask=np.array([33], I32)), packed(outputs=2),
]


def multi(*, b=2, s=5, t=5, n=3, d=4, v=None, form="three", bias=False, mask=None, add=None, past=0, outputs=1,
          dynamic=None, **attrs):
    """MultiHeadAttention; form: how keys and values come."""
    h, hv = n * d, n * (v or d)
    k, val = (rand(b, n, t, d), rand(b, n, t, v or d)) if form == "past" else (rand(b, t, h), rand(b, t, hv))
    rest = (0, 2) if form == "past" else (0, 1)
    if dynamic is None:
        dynamic = {0: (0, 1), 1: rest, 2: rest, 4: (0, 1, 2), 5: (0, 2, 3), 6: (0, 2), 7: (0, 2)}
    return row("MultiHeadAttention", rand(b, s, h), k, val, Const(rand(2 * h + hv)) if bias else None, mask, add,
               *([rand(b, n, past, d), rand(b, n, past, v or d)] if past else []), num_heads=n, outputs=outputs,
               dynamic=dynamic, **attrs)


ROWS += [
    multi(), multi(t=7, bias=True), multi(v=2), multi(form="past", t=6), multi(form="past", t=6, bias=True),
    multi(unidirectional=1, bias=True), multi(scale=0.7), multi(t=7, mask=np.array([4, 6], I32)),
    multi(t=7, mask=bits(2, 7)), multi(t=7, mask=bits(2, 5, 7), mask_filter_value=-3.0),
    multi(t=7, add=rand(1, 3, 5, 7)), multi(t=7, add=rand(2, 1, 5, 7), mask=bits(2, 7), bias=True),
    multi(past=3, outputs=3), multi(past=4, outputs=3, bias=True, unidirectional=1, mask=bits(2, 9)),
    multi(s=1, t=1, past=8, outputs=3), multi(outputs=3, bias=True), multi(b=1, s=40, t=70, n=2, d=32),
]
