"""onnxruntime's operators on floats, most of which its optimiser makes of several of ONNX's."""
from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import to_numpy
from ..ir import Value
from .context import Context, Part
from .elementwise import swish
from .foreign import Needed, microsoft_op
from .images import convolution
from .matmul import product_with_bias
from .norm import layer_norm

# activation of a fused node -> our operator, its parameters and their defaults
ACTIVATIONS: dict[str, tuple[str, tuple[float | None, ...]]] = {
    "Relu": ("relu", ()), "Sigmoid": ("sigmoid", ()), "Tanh": ("tanh", ()), "Softplus": ("softplus", ()),
    "Softsign": ("softsign", ()), "LeakyRelu": ("leaky_relu", (None,)), "Elu": ("elu", (None,)),
    "ThresholdedRelu": ("thresholded_relu", (None,)), "HardSigmoid": ("hard_sigmoid", (None, None)),
    "Clip": ("clip", (None, None))}


def _activated(c: Context, y: Value, given: list[float]) -> Value:
    """y behind the node's activation with these parameters."""
    name = c.attr("activation", "")
    if not name:
        return y
    if name not in ACTIVATIONS:
        raise c.refuse(f"the activation '{name[:40]}' is not supported; {', '.join(ACTIVATIONS)} are")
    op, wanted = ACTIVATIONS[name]
    if len(given) < len(wanted):
        raise c.refuse(f"the activation {name} needs {len(wanted)} parameters, there are {len(given)}")
    return c.add(op, y, *(c.scalar(n, y.dtype) for n in given[:len(wanted)]))


@microsoft_op("FusedConv", "X W B? Z?", "Y", activation=str, activation_params=[float], auto_pad="NOTSET",
              dilations=[int], group=1, kernel_shape=[int], pads=[int], strides=[int])
def fused_conv(c: Context) -> Value:
    """activation(conv + Z)"""
    y = convolution(c)
    if c.opt(3) is not None:
        y = c.add("add", y, c.channels_last(c.input(3)))
    return c.channels_first(_activated(c, y, c.attr("activation_params") or []))


# ---- products ----
@microsoft_op("FusedGemm", "A B C?", "Y", activation=str, activation_alpha=float, activation_beta=float,
              activation_gamma=float, alpha=1.0, beta=1.0, transA=0, transB=0)
def fused_gemm(c: Context) -> Value:
    numbers = (c.attr(f"activation_{n}") for n in ("alpha", "beta", "gamma"))
    return _activated(c, product_with_bias(c), [n for n in numbers if n is not None])


def _swapped(rank: int, batch: Any, last: Any) -> tuple[int, ...]:
    """How FusedMatMul sees an input: batch moves the first axis behind the other batch axes, last swaps the two axes of
    the matrix."""
    order = list(range(rank))
    order = [*order[1:-1], 0, order[-1]] if batch else order
    return tuple([*order[:-2], order[-1], order[-2]] if last else order)


@microsoft_op("FusedMatMul", "A B", "Y", alpha=1.0, transA=0, transB=0, transBatchA=0, transBatchB=0)
@microsoft_op("TransposeMatMul", "A B", "Y", alpha=1.0, transA=0, transB=0)
def fused_matmul(c: Context) -> Value:
    a, b = c.input(0), c.input(1)
    if a.rank == 0 or b.rank == 0:
        raise c.refuse("an input is a scalar, vectors and matrices are supported")
    left, right = a.rank == 1, b.rank == 1
    both = []
    for v, vector, axis, end in ((a, left, 0, "A"), (b, right, 1, "B")):
        batch, last = c.attr(f"transBatch{end}"), c.attr(f"trans{end}") and not vector
        v = c.unsqueeze(v, [axis]) if vector else v
        if batch and v.rank < 3:
            raise c.refuse(f"transBatch{end} of an input of rank {v.rank} is not supported; 3 or more are")
        both.append(c.transpose(v, _swapped(v.rank, batch, last)) if batch or last else v)
    y = c.add("matmul", *both, None)
    y = y if c.attr("alpha") == 1 else c.add("mul", y, c.scalar(c.attr("alpha"), y.dtype))
    mask = (1 << y.rank - 2 if left else 0) | (1 << y.rank - 1 if right else 0)
    return c.add("squeeze", y, axes=mask) if mask else y


# ---- activations ----
@microsoft_op("Gelu", "X", "Y")
def gelu(c: Context) -> Value:
    return c.add("gelu", c.input(0))


@microsoft_op("BiasGelu", "A B", "C")
def bias_gelu(c: Context) -> Value:
    return c.add("gelu", c.add("add", c.input(0), c.input(1)))


@microsoft_op("FastGelu", "X bias?", "Y")
def fast_gelu(c: Context) -> Value:
    x = c.input(0)
    return c.add("gelu_tanh", x if c.opt(1) is None else c.add("add", x, c.input(1)))


microsoft_op("QuickGelu", "X", "Y", alpha=1.702)(swish)  # x sigmoid(alpha x)


# ---- normalisations ----
def _normalised(c: Context, x: Value, axis: int, scale: Value, bias: Value | None, kind: str) -> Value:
    for v in (scale, bias):
        if v is not None and (v.rank != x.rank - axis or v.dtype != x.dtype):
            raise c.refuse(f"its scale or bias is {v.dtype} {list(v.shape)}, which the input {x.dtype} {list(x.shape)} "
                           "does not fit")
    return c.add("layer_norm", x, scale, bias, axis=axis, epsilon=c.attr("epsilon"), kind=kind)


# before ONNX had it, in opset 17
microsoft_op("LayerNormalization", "X Scale B?", "Y Mean? InvStdDev?", onnx_too=True, axis=-1, epsilon=1e-5,
             stash_type=1)(layer_norm)


@microsoft_op("SimplifiedLayerNormalization", "X scale", "Y inv_std_var?", onnx_too=True, axis=-1, epsilon=1e-5,
              stash_type=1)
def rms_norm(c: Context) -> list[Value | None]:
    x = c.input(0)
    axis = c.axis(x.rank, -1)
    found: list[Value | None] = [_normalised(c, x, axis, c.input(1), None, "rms")]
    if any(c.out_names[1:]):
        wide = c.cast(x, "f32")
        mean = c.add("reduce", c.add("mul", wide, wide), kind="mean", axes=sum(1 << a for a in range(axis, x.rank)))
        found.append(c.add("reciprocal", c.add("sqrt", c.add("add", mean, c.scalar(c.attr("epsilon"), "f32")))))
    return found


def _skip(c: Context, beta: Value | None, bias: Value | None, kind: str) -> list[Value | None]:
    """The norm of input + skip + bias, and that sum as the fourth output."""
    if any(c.out_names[1:3]):
        raise c.refuse("the outputs mean and inv_std_var are used, which onnxruntime has for training only",
                       "export the model for inference")
    x, skip = c.input(0), c.input(1)
    if x.rank not in (2, 3):
        raise c.refuse(f"an input of rank {x.rank} is not supported; 2 and 3 are")
    total = c.add("add", x, skip)
    total = total if bias is None else c.add("add", total, bias)
    y = _normalised(c, total, total.rank - 1, c.input(2), beta, kind)
    return [y, None, None, total] if any(c.out_names[3:]) else [y]


@microsoft_op("SkipLayerNormalization", "input skip gamma beta? bias?",
              "output mean? inv_std_var? input_skip_bias_sum?", epsilon=1e-12)
def skip_layer_norm(c: Context) -> list[Value | None]:
    return _skip(c, c.opt(3), c.opt(4), "layer")


@microsoft_op("SkipSimplifiedLayerNormalization", "input skip gamma bias?",
              "output mean? inv_std_var? input_skip_bias_sum?", epsilon=1e-12)
def skip_rms_norm(c: Context) -> list[Value | None]:
    return _skip(c, None, c.opt(3), "rms")


@microsoft_op("EmbedLayerNormalization", "input_ids segment_ids? word_embedding position_embedding segment_embedding? "
              "gamma beta mask? position_ids?", "output mask_index? embedding_sum?", epsilon=1e-12, mask_index_type=int)
def embed_layer_norm(c: Context) -> list[Value | None]:
    """The norm of word + position + segment, each a row of a table; and how long each row of the batch is."""
    ids, segment, mask = c.input(0), c.opt(1), c.opt(7)
    if ids.rank != 2:
        raise c.refuse(f"input_ids have rank {ids.rank}, [batch sequence] is needed")
    if (segment is None) != (c.opt(4) is None):
        raise c.refuse("segment_ids and segment_embedding must both be there, or neither")
    total = c.add("add", c.add("gather", c.input(2), ids, axis=0), _positions(c, ids))
    if segment is not None:
        total = c.add("add", total, c.add("gather", c.input(4), segment, axis=0))
    y = _normalised(c, total, 2, c.input(5), c.input(6), "layer")
    index: Value | None = None
    if any(c.out_names[1:2]) and mask is not None:
        index = c.add("reduce", c.cast(c.add("equal", mask, c.scalar(1, mask.dtype)), "i32"), kind="sum", axes=2,
                      keep_dims=0)
    elif any(c.out_names[1:2]):
        index = c.add("expand", c.scalar(0, "i32"), c.shape_vector(ids, [Part(0)]))
    return [y, index, total]


def _positions(c: Context, ids: Value) -> Value:
    """Rows of the table of positions: those asked for, or the first ones."""
    table, positions = c.input(3), c.opt(8)
    if positions is not None:
        return c.add("gather", table, positions, axis=0)
    rows = c.add("slice", table, c.ints_const([0]), c.shape_vector(ids, [Part(1)]), c.ints_const([0]))
    return c.unsqueeze(rows, [0])


# ---- weights of few bits ----
@microsoft_op("MatMulNBits", "A B scales zero_points? g_idx? bias?", "Y", K=Needed(int), N=Needed(int), bits=4,
              accuracy_level=0, block_size=Needed(int), weight_prepacked=0)
def matmul_nbits(c: Context) -> Value:
    """A W^T + bias, where W is kept as the f32 that its numbers stand for (f16 with `weights="f16"`, or where A is)."""
    a, bias = c.input(0), c.opt(5)
    if c.opt(4) is not None:
        raise c.refuse("the input g_idx (rows in another order) is not supported", "quantise the model without it")
    if c.attr("weight_prepacked"):
        raise c.refuse("weights packed for one device are not supported", "export them with weight_prepacked 0")
    weights = c.graph.const(_dequantised(c).astype(to_numpy(a.dtype)))
    flat = c.unsqueeze(a, [0]) if a.rank == 1 else a
    y = c.add("matmul", flat, weights, bias, trans_b=1)
    return c.add("squeeze", y, axes=1) if a.rank == 1 else y


def _dequantised(c: Context) -> np.ndarray:
    """(q - zero) * scale as [N K], in f32."""
    k, n, size = (c.attr_int(name, 1, 1) for name in ("K", "N", "block_size"))
    bits, blocks = c.attr("bits"), -(-k // size)
    if bits not in (4, 8) or size < 16 or size & (size - 1):
        raise c.refuse(f"{bits} bits in blocks of {size} are not supported",
                       "4 and 8 bits are, in blocks of 16 or a larger power of two")
    c.input(1), c.input(2)
    packed, scales, zeros = c.const(1), c.const(2), c.const(3)
    if packed.dtype != np.uint8 or packed.size != n * blocks * size * bits // 8 or scales.size != n * blocks:
        raise c.refuse(f"B has shape {list(packed.shape)} and scales {list(scales.shape)}; they do not fit N {n}, "
                       f"K {k}, {bits} bits in blocks of {size}")
    q = _unpacked(packed.reshape(n, -1), bits).reshape(n, blocks, size).astype(np.float32)
    zero = np.full((n, blocks), 1 << bits - 1, np.float32)
    if zeros is not None and zeros.dtype == np.uint8:
        if zeros.size != n * -(-blocks * bits // 8):
            raise c.refuse(f"zero_points have shape {list(zeros.shape)}, which N {n} and {blocks} blocks do not fit")
        zero = _unpacked(zeros.reshape(n, -1), bits)[:, :blocks].astype(np.float32)
    elif zeros is not None:
        if zeros.size != n * blocks or zeros.dtype.kind != "f":
            raise c.refuse(f"zero_points of {zeros.dtype} and shape {list(zeros.shape)} are not supported")
        zero = zeros.reshape(n, blocks).astype(np.float32)
    w = (q - zero[:, :, None]) * scales.reshape(n, blocks, 1).astype(np.float32)
    return w.reshape(n, -1)[:, :k]


def _unpacked(rows: np.ndarray, bits: int) -> np.ndarray:
    """The numbers of rows of bytes; of 4 bits, the lower half of a byte comes first."""
    return rows if bits == 8 else np.stack([rows & 15, rows >> 4], -1).reshape(rows.shape[0], -1)
