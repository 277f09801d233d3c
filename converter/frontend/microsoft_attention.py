"""onnxruntime's attention layers: softmax(scale q k^T + masks) v in f32, as the nodes that exporters write, which a
pass joins. Masks that leave keys out add a number (mask_filter_value, or the lowest one above the diagonal of causal
attention), so that a row of which nothing is left is what onnxruntime makes of it."""
from __future__ import annotations

import math

import numpy as np

from ..ir import Value
from .context import Context, Part
from .foreign import Needed, microsoft_op

LOWEST = float(np.finfo(np.float32).min)


# ---- shapes ----
def heads(c: Context, x: Value, n: int) -> Value:
    """[B S n*D] as [B n S D]."""
    if x.rank != 3 or not isinstance(x.shape[2], int) or x.shape[2] % n:
        raise c.refuse(f"an input of shape {list(x.shape)} is not supported; [batch sequence hidden] with a known "
                       f"hidden size that {n} heads divide is")
    return c.transpose(c.reshape(x, [Part(0), Part(1), n, x.shape[2] // n]), (0, 2, 1, 3))


def joined(c: Context, y: Value, dtype: str) -> Value:
    """[B n S D] as [B S n*D]."""
    y = c.transpose(y, (0, 2, 1, 3))
    n, d = y.shape[2:]
    if not isinstance(n, int) or not isinstance(d, int):
        raise c.refuse(f"heads of open shape {list(y.shape)} are not supported", "export them with fixed sizes")
    return c.cast(c.reshape(y, [Part(0), Part(1), n * d]), dtype)


def size_of(c: Context, v: Value, axis: int) -> Value:
    """A size as an i64 scalar."""
    return c.as_scalar(c.shape_vector(v, [Part(axis)]), "a size")


def count(c: Context, first: Value, end: Value) -> Value:
    """first, first + 1, ... before end"""
    return c.add("range", first, end, c.scalar(1, "i64"))


def after(c: Context, past: Value | None, v: Value) -> Value:
    """Keys or values behind those of the past; [B n T D]."""
    return v if past is None else c.add("concat", past, v, axis=2)


def past_of(c: Context, i: int, rank: int = 4) -> Value | None:
    """Input i, keys or values of before, in f32."""
    v = c.opt(i)
    if v is not None and v.rank != rank:
        raise c.refuse(f"the input {c.schema.inputs[i].name} has rank {v.rank}, {rank} is needed")
    return None if v is None else c.cast(v, "f32")


# ---- the formula ----
def attended(c: Context, q: Value, k: Value, v: Value, masks: list[Value | None], scale: float,
             cap: float = 0) -> Value:
    """[... S E] of q [... S D], k [... T D] and v [... T E]; masks broadcast to [... S T]. cap: of the scores."""
    swap = (*range(k.rank - 2), k.rank - 1, k.rank - 2)
    scores = c.add("matmul", q, c.add("transpose", k, perm=swap), None)
    scores = c.add("mul", scores, c.scalar(scale, "f32"))
    if cap:
        limit = c.scalar(cap, "f32")
        scores = c.add("mul", c.add("tanh", c.add("div", scores, limit)), limit)
    found = [m for m in masks if m is not None]
    for m in found[1:]:
        found[0] = c.add("add", found[0], m)
    scores = c.add("add", scores, found[0]) if found else scores
    return c.add("matmul", c.add("softmax", scores, axis=scores.rank - 1), v, None)


def scale_of(c: Context, q: Value) -> float:
    """The factor of the scores; 0 stands for the usual one."""
    if not isinstance(q.shape[-1], int):
        raise c.refuse("the size of a head is not known", "export it with a fixed size")
    return c.attr("scale", 0.0) or 1 / math.sqrt(q.shape[-1] or 1)


# ---- masks ----
def without(c: Context, allowed: Value, value: float) -> Value:
    """0 where allowed, else the value."""
    return c.add("select", allowed, c.scalar(0.0, "f32"), c.scalar(value, "f32"))


def causal_mask(c: Context, q: Value, k: Value) -> Value:
    """[S T]: row i of q is the key T - S + i."""
    s, t = size_of(c, q, 2), size_of(c, k, 2)
    rows, keys = count(c, c.add("sub", t, s), t), count(c, c.scalar(0, "i64"), t)
    return without(c, c.add("less_equal", keys, c.unsqueeze(rows, [1])), LOWEST)


def padding_mask(c: Context, i: int, k: Value) -> Value | None:
    """Input i as [B 1 1 T] or [B 1 S T]: 1 for keys that count, or how many these are, or their ends and starts."""
    m = c.opt(i)
    if m is None:
        return None
    if m.dtype != "i32" or m.rank not in (1, 2, 3):
        raise c.refuse(f"a mask of {m.dtype} and rank {m.rank} is not supported; i32 of ranks 1 to 3 is")
    value = c.attr("mask_filter_value", -10000.0)
    if m.rank > 1:
        if m.rank == 2 and m.shape[1] == 1:  # says nothing
            return None
        return without(c, c.add("greater", c.unsqueeze(m, [1, 2] if m.rank == 2 else [1]), c.scalar(0, "i32")), value)
    return without(c, _between(c, m, k), value)


def _between(c: Context, m: Value, k: Value) -> Value:
    """Whether keys are before the ends m [B], or with m [2 B] also not before the starts, its second half."""
    batch, n = k.shape[0], m.shape[0]
    keys = c.cast(count(c, c.scalar(0, "i64"), size_of(c, k, 2)), "i32")
    if isinstance(batch, int) and isinstance(n, int) and n not in (batch, 2 * batch):
        raise c.refuse(f"a mask of {n} numbers for a batch of {batch} is not supported; one or two for each are")
    if isinstance(batch, int) and n == 2 * batch:
        ends, starts = (c.add("reshape", v, c.ints_const([batch, 1, 1, 1]))
                        for v in c.add("split", m, axis=0, n_outputs=2))
        return c.add("and", c.add("less", keys, ends), c.add("greater_equal", keys, starts))
    return c.add("less", keys, c.reshape(m, [Part(0), 1, 1, 1], of=k))  # an error in a run unless m has B numbers


def score_bias(c: Context, i: int) -> Value | None:
    """Input i, which is added to the scores."""
    v = c.opt(i)
    if v is not None and v.rank != 4:
        raise c.refuse(f"attention_bias has rank {v.rank}, [batch heads sequence keys] is needed")
    return None if v is None else c.cast(v, "f32")


def flag(c: Context, name: str) -> bool:
    """An attribute of 0 or 1; onnxruntime takes other numbers for 0."""
    return c.attr_int(name, 0, 0, 1) == 1


def refuse_inputs(c: Context, *which: int) -> None:
    for i in which:
        if c.opt(i) is not None:
            raise c.refuse(f"the input {c.schema.inputs[i].name} is not supported", "export the model without it")


def refuse_attributes(c: Context, **usual: int | str) -> None:
    for name, value in usual.items():
        if c.attr(name, value) != value:
            raise c.refuse(f"the attribute {name} {c.attr(name)} is not supported; {value} is")


def float_dtype(c: Context) -> str:
    """The dtype of input 0, which is computed with in f32."""
    dtype = c.input(0).dtype
    if dtype not in ("f32", "f16"):
        raise c.refuse(f"dtype {dtype} is not supported", "use f32 or f16")
    return dtype


# ---- Attention ----
@microsoft_op("Attention", "input weights bias? mask_index? past? attention_bias? past_sequence_length?",
              "output present?", do_rotary=int, mask_filter_value=float, num_heads=Needed(int),
              past_present_share_buffer=int, qkv_hidden_sizes=[int], rotary_embedding_dim=int, scale=float,
              unidirectional=0)
def attention(c: Context) -> list[Value]:
    x, weights, bias, n = c.input(0), c.input(1), c.opt(2), c.attr_int("num_heads", 1, 1)
    dtype = float_dtype(c)
    refuse_attributes(c, do_rotary=0, past_present_share_buffer=0)
    refuse_inputs(c, 6)
    if x.rank != 3 or weights.rank != 2 or not isinstance(weights.shape[1], int):
        raise c.refuse(f"inputs of shapes {list(x.shape)} and {list(weights.shape)} are not supported; [batch sequence "
                       "hidden] and a matrix of known size are")
    sizes = c.attr("qkv_hidden_sizes") or [weights.shape[1] // 3] * 3
    if len(sizes) != 3 or sum(sizes) != weights.shape[1] or sizes[0] != sizes[1]:
        raise c.refuse(f"qkv_hidden_sizes {sizes} do not fit weights of {weights.shape[1]} columns")
    x32, w32, b32 = (None if v is None else c.cast(v, "f32") for v in (x, weights, bias))
    parts = c.add("split", c.add("matmul", x32, w32, b32), c.ints_const(sizes), axis=2, n_outputs=3)
    q, k, v = (heads(c, p, n) for p in parts)
    before = past_of(c, 4, 5)
    if before is not None:
        k, v = (after(c, c.add("gather", before, c.scalar(i, "i64"), axis=0), x) for i, x in ((0, k), (1, v)))
    masks = [padding_mask(c, 3, k), causal_mask(c, q, k) if flag(c, "unidirectional") else None, score_bias(c, 5)]
    y = joined(c, attended(c, q, k, v, masks, scale_of(c, q)), dtype)
    if not any(c.out_names[1:]):
        return [y]
    return [y, c.cast(c.add("concat", c.unsqueeze(k, [0]), c.unsqueeze(v, [0]), axis=0), dtype)]


# ---- MultiHeadAttention ----
def _projected(c: Context, n: int) -> list[Value]:
    """q, k and v as [B n S D], their bias added; k and v of rank 4 are so already, and have none."""
    if any(c.opt(i) is None or c.input(i).rank not in (3, 4) for i in range(3)):
        raise c.refuse("packed queries, keys or values are not supported, as onnxruntime's CPU kernels have none",
                       "export three separate inputs of ranks 3 or 4")
    found = [c.cast(c.input(i), "f32") for i in range(3)]
    if c.opt(3) is not None:
        wide = [x.shape[2] if x.rank == 3 else n * x.shape[3] if isinstance(x.shape[3], int) else None for x in found]
        if not all(isinstance(w, int) for w in wide):
            raise c.refuse("a bias of open size is not supported", "export the inputs with fixed hidden sizes")
        bias = c.add("split", c.cast(c.input(3), "f32"), c.ints_const(wide), axis=0, n_outputs=3)
        found = [c.add("add", x, b) if x.rank == 3 else x for x, b in zip(found, bias, strict=True)]
    return [x if x.rank == 4 and i else heads(c, x, n) for i, x in enumerate(found)]


@microsoft_op("MultiHeadAttention", "query key? value? bias? key_padding_mask? attention_bias? past_key? past_value? "
              "past_sequence_length? cache_indirection?", "output present_key? present_value? qk?",
              mask_filter_value=float, num_heads=Needed(int), scale=float, unidirectional=0)
def multi_head_attention(c: Context) -> list[Value]:
    dtype = float_dtype(c)
    refuse_inputs(c, 8, 9)
    if any(c.out_names[3:]):
        raise c.refuse("the output qk is not supported", "export the model without it")
    q, k, v = _projected(c, c.attr_int("num_heads", 1, 1))
    k, v = after(c, past_of(c, 6), k), after(c, past_of(c, 7), v)
    masks = [padding_mask(c, 4, k), causal_mask(c, q, k) if flag(c, "unidirectional") else None, score_bias(c, 5)]
    y = joined(c, attended(c, q, k, v, masks, scale_of(c, q)), dtype)
    return [y, c.cast(k, dtype), c.cast(v, dtype)] if any(c.out_names[1:]) else [y]
