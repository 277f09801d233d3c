"""onnxruntime's attention layers."""

import numpy as np
from op_frame import Const, rand
from op_frame import row as any_row


def row(*inputs, rtol=2e-5, **attrs):
    return any_row(*inputs, rtol=rtol, domain="com.microsoft", **attrs)


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


# ---- decoders ----
def rotary(*shape, ids, pairs=4, rows=16, **attrs):
    return row("RotaryEmbedding", rand(*shape), np.array(ids, np.int64), Const(rand(rows, pairs)),
               Const(rand(rows, pairs)), dynamic={0: (0, 1) if len(shape) == 3 else (0, 2), 1: (0, 1)}, **attrs)


IDS = [[0, 1, 2], [5, 3, 2]]
ROWS += [
    rotary(2, 3, 32, ids=IDS), rotary(2, 3, 32, ids=[4]), rotary(2, 3, 32, ids=IDS, interleaved=1),
    rotary(2, 4, 3, 8, ids=IDS), rotary(2, 4, 3, 8, ids=[3], interleaved=1),
    rotary(2, 3, 32, ids=IDS, pairs=2, num_heads=4, rotary_embedding_dim=4),
    rotary(2, 3, 32, ids=IDS, pairs=2, num_heads=4, rotary_embedding_dim=4, interleaved=1),
]


def cached(*, b=2, s=3, n=4, kv=2, d=16, past=0, lengths=None, turn=False, packed=False, add=None, outputs=3,
           dtype="float32", **attrs):
    """GroupQueryAttention; lengths: of tokens, those of the past included."""
    lengths = [past + s] * b if lengths is None else lengths
    q, k, v = (rand(b, s, h * d, dtype=dtype) for h in (n, kv, kv))
    inputs = [np.concatenate([q, k, v], -1), None, None] if packed else [q, k, v]
    inputs += [rand(b, kv, past, d, dtype=dtype) if past else None for _ in range(2)]
    inputs += [np.array(lengths, I32) - 1, np.array(max(lengths), I32)]
    if turn or add is not None:
        inputs += [Const(rand(32, d // 2, dtype=dtype)) if turn else None for _ in range(2)] + [None, add]
    attrs |= {"do_rotary": 1} if turn else {}
    return row("GroupQueryAttention", *inputs, num_heads=n, kv_num_heads=kv, outputs=outputs,
               dynamic={0: (0, 1), 1: (0, 1), 2: (0, 1), 3: (0, 2), 4: (0, 2), 5: (0,), 10: (0, 2, 3)}, **attrs)


ROWS += [
    cached(), cached(turn=True), cached(turn=True, rotary_interleaved=1), cached(packed=True, turn=True),
    cached(kv=4), cached(kv=1), cached(softcap=2.0), cached(scale=0.3), cached(local_window_size=2), cached(outputs=1),
    cached(s=1, past=5, turn=True), cached(s=1, past=5, kv=4),
    cached(b=1, past=5), cached(b=1, past=5, turn=True),
    cached(b=1, past=5, local_window_size=3), cached(add=rand(1, 4, 3, 3)), cached(add=rand(2, 1, 3, 3), kv=4),
    cached(s=1, past=20, n=2, kv=2, local_window_size=4), cached(dtype="float16", rtol=4e-3),
    cached(dtype="float16", s=1, past=5, turn=True, rtol=4e-3),
]
