"""Nodes of onnxruntime's operators that are refused, and what the sentence says. docs/ops.md quotes them."""
from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from cases.microsoft import embed, nbits
from cases.microsoft_attention import bits, cached, multi, packed, rotary
from cases.microsoft_quant import SA, SB, q, z
from cases.microsoft_recurrent import layer
from op_frame import Const, Row, rand
from op_frame import row as any_row

row = partial(any_row, domain="com.microsoft")
IDS = [[0, 1, 2], [5, 3, 2]]


def given(r: Row, i: int, value: Any) -> Row:
    """The row with another input i."""
    inputs = [*r.inputs, *[None] * (i + 1 - len(r.inputs))]
    return replace(r, inputs=(*inputs[:i], value, *inputs[i + 1:]))


A, B = q("uint8", 4, 4), q("int8", 4, 4)
ROWS: list[tuple[Row, str]] = [
    (row("NoSuchOperator", rand(3)), "the operator is not supported"),
    (row("QLinearAdd", A, SA, None, B, SB, None, SA), "tensors of u8 and i8"),
    (row("QLinearMul", A, SA, z(3, "int8"), A, SB, None, SA), "zero point has dtype i8"),
    (row("QLinearSigmoid", A, Const(np.float32([0.1, 0.2])), None, SB), "a scale has shape [2]"),
    (row("QLinearLeakyRelu", A, Const(np.float32(-1)), None, SB), "a scale is not a positive number"),
    (row("QLinearConcat", SA, z(0, "uint8"), A, SA, axis=0), "2 and 3 for each tensor"),
    (row("QLinearConcat", SA, z(0, "uint8"), A, SA, z(0, "uint8"), axis=5), "axis 5 is out of range"),
    (row("QLinearWhere", A, A, SA, z(0, "uint8"), A, SA, z(0, "uint8"), SA, z(0, "uint8")), "it must be bool"),
    (row("QLinearGlobalAveragePool", A, SA, z(0, "uint8"), SA, z(0, "uint8")), "rank 2"),
    (row("QLinearAveragePool", A, SA, z(0, "uint8"), SA, kernel_shape=[2, 2]), "rank 2"),
    (row("QGemm", A, SA, z(0, "uint8"), B, SB, z(0, "int8"), Const(rand(4))), "C has dtype f32"),
    (row("MatMulIntegerToFloat", rand(4, 4), B, SA, SB), "products of f32 and i8"),
    (row("DynamicQuantizeMatMul", rand(4, 4, dtype="float16"), B, SB), "A has dtype f16"),
    (given(layer(), 8, Const(np.float32([0.1, 0.2]))), "input 8 (W_scale) has shape [2]"),
    (layer(clip=-1.0), "clip is -1"),
    (row("FusedConv", rand(1, 3, 9, 8), Const(rand(4, 3, 1, 1)), activation="Mish"), "the activation 'Mish'"),
    (row("FusedConv", rand(1, 3, 9, 8), Const(rand(4, 3, 1, 1)), activation="Clip"), "Clip needs 2 parameters"),
    (row("FusedGemm", rand(4, 4), Const(rand(4, 4)), activation="Elu"), "Elu needs 1 parameters"),
    (row("FusedMatMul", rand(4, 4), rand(4, 4), transBatchA=1), "transBatchA of an input of rank 2"),
    (row("FusedMatMul", rand(4, 4), rand(4, 4), gamma=1.0), "it has no attribute 'gamma'"),
    (row("SkipLayerNormalization", rand(2, 3, 8), rand(2, 3, 8), Const(rand(8)), outputs=2), "for training only"),
    (row("SkipSimplifiedLayerNormalization", rand(2, 3, 8), rand(2, 3, 8), Const(rand(2, 8))), "does not fit"),
    (given(embed(), 1, None), "must both be there"),
    (given(nbits(5), 4, Const(np.zeros(64, np.int32))), "g_idx"),
    (nbits(5, weight_prepacked=1), "packed for one device"),
    (replace(nbits(5), attrs={"N": 24, "K": 64, "bits": 2, "block_size": 32}), "2 bits in blocks of 32"),
    (replace(nbits(5), attrs={"N": 25, "K": 64, "bits": 4, "block_size": 32}), "they do not fit N 25"),
    (given(nbits(5), 1, rand(24, 2, 16, dtype="uint8")), "input 1 (B) is not constant"),
    (packed(do_rotary=1), "do_rotary 1"),
    (packed(past_present_share_buffer=1), "past_present_share_buffer 1"),
    (packed(mask=bits(2, 1, 8, 8)), "a mask of i32 and rank 4"),
    (packed(mask=np.array([1, 2, 3], np.int32)), "a mask of 3 numbers for a batch of 2"),
    (packed(qkv_hidden_sizes=[12, 12, 11]), "do not fit weights of 36 columns"),
    (given(multi(), 1, rand(2, 5, 3, 2, 4)), "packed queries, keys or values"),
    (given(multi(), 8, np.array([3], np.int32)), "the input past_sequence_length"),
    (multi(outputs=4), "the output qk"),
    (replace(multi(), attrs={"num_heads": 5}), "that 5 heads divide"),
    (cached(k_quant_type="PER_TENSOR"), "k_quant_type PER_TENSOR"),
    (cached(smooth_softmax=1), "a smooth softmax"),
    (cached(causal=0), "causal 0"),
    (cached(local_window_size=0), "a window of 0 tokens"),
    (packed(unidirectional=2), "'unidirectional' is 2"),
    (given(cached(), 11, Const(rand(4))), "the input head_sink"),
    (rotary(2, 3, 32, ids=IDS, is_packed_batching=1), "is_packed_batching 1"),
    (rotary(2, 3, 33, ids=IDS), "do not fit an input of [2, 3, 33]"),
]
