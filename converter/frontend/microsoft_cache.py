"""onnxruntime's layers of decoders: rotary positions, and attention with a cache of keys and values whose rows hold
different numbers of tokens."""
from __future__ import annotations

import numpy as np

from ..ir import Value
from .context import Context, Part
from .foreign import Needed, microsoft_op
from .microsoft_attention import (
    LOWEST,
    attended,
    count,
    flag,
    float_dtype,
    heads,
    joined,
    past_of,
    refuse_attributes,
    refuse_inputs,
    scale_of,
    score_bias,
    size_of,
    without,
)


# ---- rotation ----
def rotated(c: Context, x: Value, cos: Value, sin: Value, interleaved: bool) -> Value:
    """x [B n S D] whose first numbers are pairs, turned by the angles of cos and sin [B S pairs]; a pair is two
    neighbours, or one number of each half."""
    if cos.rank != 3 or sin.rank != 3:
        raise c.refuse("its tables of cosines and sines are not matrices", "the model is damaged")
    pairs, d = cos.shape[2], x.shape[3]
    if not isinstance(pairs, int) or not isinstance(d, int) or 2 * pairs > d:
        raise c.refuse(f"tables of {list(cos.shape)} do not fit heads of {d}", "export them with fixed sizes")
    cos, sin = (c.unsqueeze(c.cast(v, x.dtype), [1]) for v in (cos, sin))
    rest: list[Value] = []
    whole = x
    if 2 * pairs < d:
        x, *rest = c.add("split", x, c.ints_const([2 * pairs, d - 2 * pairs]), axis=3, n_outputs=2)
    if interleaved:
        split = c.reshape(x, [Part(0), Part(1), Part(2), pairs, 2])
        a, b = (c.add("gather", split, c.scalar(i, "i64"), axis=4) for i in (0, 1))
    else:
        a, b = c.add("split", x, c.ints_const([pairs, pairs]), axis=3, n_outputs=2)
    u = c.add("sub", c.add("mul", a, cos), c.add("mul", b, sin))
    v = c.add("add", c.add("mul", b, cos), c.add("mul", a, sin))
    if interleaved:
        both = c.add("concat", c.unsqueeze(u, [4]), c.unsqueeze(v, [4]), axis=4)
        y = c.reshape(both, [Part(0), Part(1), Part(2), 2 * pairs], of=whole)
        return c.add("concat", y, *rest, axis=3) if rest else y
    return c.add("concat", u, v, *rest, axis=3)


@microsoft_op("RotaryEmbedding", "input position_ids cos_cache sin_cache", "output", interleaved=int,
              is_packed_batching=int, num_heads=int, rotary_embedding_dim=int, scale=float)
def rotary_embedding(c: Context) -> Value:
    x, ids, tables = c.input(0), c.input(1), (c.input(2), c.input(3))
    refuse_attributes(c, is_packed_batching=0, scale=1.0)
    if x.rank not in (3, 4) or ids.rank not in (1, 2) or any(t.rank != 2 for t in tables):
        raise c.refuse(f"inputs of ranks {x.rank}, {ids.rank}, {tables[0].rank}, {tables[1].rank} are not supported")
    n, width, hidden = c.attr_int("num_heads"), tables[0].shape[1], x.shape[-1]
    if x.rank == 3 and not n:
        if not isinstance(width, int) or not isinstance(hidden, int) or min(width, hidden) < 1 or \
                hidden % (2 * width):
            raise c.refuse(f"tables of {list(tables[0].shape)} do not fit an input of {list(x.shape)}",
                           "set the attribute num_heads")
        n = hidden // (2 * width)
    y = heads(c, x, n) if x.rank == 3 else x
    if ids.rank == 1:  # where all rows begin
        first = c.as_scalar(ids, "position_ids of rank 1")
        ids = c.unsqueeze(count(c, first, c.add("add", first, size_of(c, y, 2))), [0])
    cos, sin = (c.add("gather", t, ids, axis=0) for t in tables)
    y = rotated(c, y, cos, sin, flag(c, "interleaved"))
    return joined(c, y, x.dtype) if x.rank == 3 else y


# ---- GroupQueryAttention ----
def _projections(c: Context, n: int, kv: int) -> list[Value]:
    """q [B n S D], k and v [B kv S D] in f32."""
    q, k, v = c.cast(c.input(0), "f32"), c.opt(1), c.opt(2)
    if k is None or v is None:
        hidden = q.shape[2] if q.rank == 3 else None
        if not isinstance(hidden, int) or hidden % (n + 2 * kv):
            raise c.refuse(f"a packed input of shape {list(q.shape)} does not fit {n} + 2 * {kv} heads")
        d = hidden // (n + 2 * kv)
        q, k, v = c.add("split", q, c.ints_const([n * d, kv * d, kv * d]), axis=2, n_outputs=3)
    return [heads(c, q, n), *(heads(c, c.cast(x, "f32"), kv) for x in (k, v))]


def _cached(c: Context, past: Value | None, new: Value, before: Value, total: Value) -> Value:
    """Keys or values [B kv T D]: the first `before` [B 1] of the past, then the new ones; T is the larger of the
    cache and `total`."""
    if past is None or past.shape[2] == 0:
        return new
    capacity, s = size_of(c, past, 2), size_of(c, new, 2)
    keys = count(c, c.scalar(0, "i64"), c.add("max", capacity, total))
    one = c.scalar(1, "i64")
    at = c.add("min", c.add("sub", keys, before), c.add("sub", s, one))  # unused room behind holds the last token
    at = c.add("select", c.add("less", keys, before), keys, c.add("add", at, capacity))  # [B T]
    both = c.add("concat", past, new, axis=2)
    for_heads = c.graph.const(np.zeros((1, new.shape[1], 1, 1), np.int64))
    return c.add("gather_nd", both, c.add("add", c.unsqueeze(at, [1, 3]), for_heads), batch_dims=2)


def _visible(c: Context, rows: Value, k: Value) -> Value:
    """The mask [B 1 S T]: tokens rows [B S] see themselves and what is before, within the window."""
    keys, rows = count(c, c.scalar(0, "i64"), size_of(c, k, 2)), c.unsqueeze(rows, [1, 3])
    seen, window = c.add("less_equal", keys, rows), c.attr_int("local_window_size", -1, -1)
    if window == 0:
        raise c.refuse("a window of 0 tokens is not supported", "-1 stands for no window")
    if window >= 0:
        seen = c.add("and", seen, c.add("greater", keys, c.add("sub", rows, c.scalar(window, "i64"))))
    return without(c, seen, LOWEST)


def _grouped(c: Context, v: Value, kv: int, n: int) -> Value:
    """[B n S D] as [B kv n/kv S D], or with an axis of 1 where there is one for all heads or for each of kv."""
    if v.shape[1] in (1, kv):
        return c.unsqueeze(v, [2])
    return c.reshape(v, [Part(0), kv, n // kv, Part(2), Part(3)])


@microsoft_op("GroupQueryAttention", "query key? value? past_key? past_value? seqlens_k total_sequence_length "
              "cos_cache? sin_cache? position_ids? attention_bias? head_sink? k_scale? v_scale? q_norm_weight? "
              "k_norm_weight? query_seqlens?", "output present_key? present_value? output_qk?", causal=1, do_rotary=int,
              k_norm_epsilon=float, k_quant_type="NONE", kv_cache_bit_width=int, kv_num_heads=Needed(int),
              local_window_size=-1, num_heads=Needed(int), q_norm_epsilon=float, qk_norm_epsilon=1e-6, qk_output=0,
              rotary_interleaved=int, scale=float, sliding_window_cache=0, smooth_softmax=-1, softcap=float,
              v_quant_type="NONE")
def group_query_attention(c: Context) -> list[Value]:
    n, kv, dtype = c.attr_int("num_heads", 1, 1), c.attr_int("kv_num_heads", 1, 1), float_dtype(c)
    refuse_attributes(c, causal=1, k_quant_type="NONE", v_quant_type="NONE", kv_cache_bit_width=0, qk_output=0,
                      sliding_window_cache=0)
    refuse_inputs(c, 9, *range(11, 17))
    if n % kv:
        raise c.refuse(f"{n} heads cannot share {kv} heads of keys evenly")
    if c.attr("smooth_softmax") not in (-1, 0):
        raise c.refuse("a smooth softmax is not supported")
    if c.attr("softcap", 0.0) < 0:
        raise c.refuse(f"softcap is {c.attr('softcap')}; it must not be negative")
    if any(c.out_names[3:]):
        raise c.refuse("the output of the scores is not supported")
    q, k, v = _projections(c, n, kv)
    lengths, total = (c.cast(c.input(i), "i64") for i in (5, 6))
    s, one = size_of(c, q, 2), c.scalar(1, "i64")
    before = c.add("max", c.add("sub", c.add("add", c.reshape(lengths, [-1, 1]), one), s), c.scalar(0, "i64"))
    rows = c.add("add", before, count(c, c.scalar(0, "i64"), s))  # [B S]
    if flag(c, "do_rotary"):
        tables = [c.add("gather", c.input(i), rows, axis=0) for i in (7, 8)]
        q, k = (rotated(c, x, *tables, flag(c, "rotary_interleaved")) for x in (q, k))
    total = c.as_scalar(total, "total_sequence_length")
    k, v = (_cached(c, past_of(c, i), x, before, total) for i, x in ((3, k), (4, v)))
    masks = [_visible(c, rows, k), score_bias(c, 10)]
    found, scale = [q, k, v], scale_of(c, q)
    if n != kv:
        found, masks = ([None if x is None else _grouped(c, x, kv, n) for x in group] for group in (found, masks))
    y = attended(c, *found, masks, scale, c.attr("softcap", 0.0))
    y = c.reshape(y, [Part(0), n, Part(2), Part(3)], of=q) if n != kv else y
    return [joined(c, y, dtype), *((c.cast(k, dtype), c.cast(v, dtype)) if any(c.out_names[1:]) else ())]
