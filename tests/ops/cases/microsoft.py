"""onnxruntime's operators on floats."""

from functools import partial

import numpy as np
from op_frame import Const, rand
from op_frame import row as any_row

row = partial(any_row, domain="com.microsoft")


def const(*shape, **more):
    return Const(rand(*shape, **more))


ROWS = [
    # fused activations
    row("FusedConv", rand(2, 3, 9, 8), const(4, 3, 3, 3), const(4), activation="Relu", pads=[1, 1, 1, 1]),
    row("FusedConv", rand(2, 4, 9, 8), const(4, 2, 3, 2), None, rand(2, 4, 7, 7), activation="Relu", group=2),
    row("FusedConv", rand(2, 3, 9, 8), const(4, 3, 1, 1), const(4), rand(2, 4, 9, 8)),
    row("FusedConv", rand(1, 3, 9, 8), const(4, 3, 3, 3), activation="Clip", activation_params=[-1.0, 6.0],
        auto_pad="SAME_UPPER", strides=[2, 2], kernel_shape=[3, 3]),
    row("FusedConv", rand(1, 3, 9), const(4, 3, 3), const(4), activation="LeakyRelu", activation_params=[0.3],
        dilations=[2]),
    row("FusedConv", rand(1, 3, 9, 8), const(4, 3, 1, 1), activation="HardSigmoid", activation_params=[0.2, 0.4]),
    row("FusedConv", rand(1, 3, 9, 8), const(4, 3, 1, 1), activation="Sigmoid"),
    row("FusedConv", rand(1, 3, 9, 8), const(4, 3, 1, 1), activation="Tanh"),
    row("FusedGemm", rand(5, 7), const(7, 6), const(6), activation="Relu"),
    row("FusedGemm", rand(5, 7), rand(7, 6), rand(5, 1), activation="LeakyRelu", activation_alpha=0.2, alpha=0.5,
        beta=2.0),
    row("FusedGemm", rand(7, 5), const(6, 7), None, transA=1, transB=1, activation="Tanh"),
    row("FusedGemm", rand(5, 7), const(7, 6), const(6), activation="Sigmoid"),
    row("FusedGemm", rand(5, 7), const(7, 6), const(6), activation="HardSigmoid", activation_alpha=0.3,
        activation_beta=0.4),
    row("FusedGemm", rand(5, 7), const(7, 6), const(6), activation="Elu", activation_alpha=0.7),
    row("FusedGemm", rand(5, 7), const(7, 6), const(6), activation="ThresholdedRelu", activation_alpha=0.7),
    row("FusedGemm", rand(5, 7), const(7, 6), const(6), activation="Softplus"),
    row("FusedGemm", rand(5, 7), const(7, 6), const(6), activation="Softsign"),
    # products
    row("FusedMatMul", rand(2, 3, 5, 7), rand(2, 3, 7, 4), alpha=0.3),
    row("FusedMatMul", rand(2, 3, 7, 5), const(7, 4), transA=1),
    row("FusedMatMul", rand(3, 5, 7), const(3, 4, 7), transB=1, alpha=-2.0),
    row("FusedMatMul", rand(7, 5), rand(4, 7), transA=1, transB=1),
    row("FusedMatMul", rand(5, 2, 3, 7), rand(2, 3, 7, 4), transBatchA=1),
    row("FusedMatMul", rand(2, 3, 5, 7), rand(7, 2, 3, 4), transBatchB=1),
    row("FusedMatMul", rand(7, 2, 3, 5), rand(4, 2, 3, 7), transBatchA=1, transBatchB=1, transA=1, transB=1),
    row("FusedMatMul", rand(7, 2, 5), rand(4, 2, 7), transBatchA=1, transBatchB=1, transA=1, transB=1, alpha=0.5),
    row("FusedMatMul", rand(7), rand(3, 7, 4)),
    row("FusedMatMul", rand(3, 4, 7), rand(7), alpha=2.0),
    row("FusedMatMul", rand(3, 5, 7, dtype="float64"), rand(3, 4, 7, dtype="float64"), transB=1, alpha=0.5),
    row("TransposeMatMul", rand(3, 7, 5), rand(3, 4, 7), transA=1, transB=1, alpha=0.5),
    # activations
    row("Gelu", rand(3, 5, low=-6, high=6)),
    row("BiasGelu", rand(2, 3, 5, low=-6, high=6), const(5)),
    row("FastGelu", rand(2, 3, 5, low=-6, high=6)),
    row("FastGelu", rand(2, 3, 5, low=-6, high=6), rand(5)),
    row("FastGelu", rand(2, 3, 5, dtype="float16"), const(5, dtype="float16"), rtol=4e-3),
    row("QuickGelu", rand(3, 5, low=-6, high=6)),
    row("QuickGelu", rand(3, 5, low=-6, high=6), alpha=0.5),
    row("QuickGelu", rand(3, 5, low=-6, high=6), alpha=1.0),
    # normalisations
    row("SkipLayerNormalization", rand(2, 3, 16), rand(2, 3, 16), const(16), const(16)),
    row("SkipLayerNormalization", rand(2, 3, 16), rand(2, 3, 16), const(16), None, const(16), epsilon=1e-3),
    row("SkipLayerNormalization", rand(2, 3, 16), rand(1, 3, 16), rand(16), rand(16), rand(16)),
    row("SkipLayerNormalization", rand(2, 3, 16), const(3, 16), const(16), const(16)),
    row("SkipLayerNormalization", rand(3, 16), rand(3, 16), const(16), const(16)),
    row("SkipLayerNormalization", rand(2, 3, 16, dtype="float16"), rand(2, 3, 16, dtype="float16"),
        const(16, dtype="float16"), const(16, dtype="float16"), rtol=4e-3),
    row("SkipSimplifiedLayerNormalization", rand(2, 3, 16), rand(2, 3, 16), const(16)),
    row("SkipSimplifiedLayerNormalization", rand(2, 3, 16), rand(2, 3, 16), const(16), const(16), epsilon=1e-3),
    row("SkipSimplifiedLayerNormalization", rand(3, 16), rand(3, 16), rand(16)),
    any_row("SimplifiedLayerNormalization", rand(2, 3, 16), const(16)),
    any_row("SimplifiedLayerNormalization", rand(2, 3, 16), const(3, 16), outputs=2, axis=1, epsilon=1e-3),
    any_row("SimplifiedLayerNormalization", rand(3, 16), rand(16), stash_type=1),
    any_row("SimplifiedLayerNormalization", rand(3, 16, dtype="float16"), const(16, dtype="float16"), rtol=4e-3),
    any_row("LayerNormalization", rand(2, 3, 16), const(16), const(16), opset=12),
    any_row("LayerNormalization", rand(2, 3, 16), const(3, 16), outputs=3, opset=11, axis=1, epsilon=1e-3),
]


def embed(*, b=2, s=5, segment=True, mask=False, positions=None, outputs=2, **attrs):
    ids = rand(b, s, dtype="int32", low=0, high=19)
    return row("EmbedLayerNormalization", ids, rand(b, s, dtype="int32", low=0, high=1) if segment else None,
               const(20, 16), const(12, 16), const(2, 16) if segment else None, const(16), const(16),
               (np.arange(s) < np.arange(1, b + 1)[:, None]).astype(np.int32) if mask else None,
               None if positions is None else rand(positions, s, dtype="int32", low=0, high=11), outputs=outputs,
               **attrs)


ROWS += [embed(), embed(mask=True, outputs=3), embed(segment=False, epsilon=1e-3), embed(positions=2),
         embed(positions=1, mask=True, mask_index_type=1), embed(outputs=3)]


def nbits(*shape, n=24, k=64, bits=4, block=32, zeros=None, bias=False, dtype="float32", **attrs):
    """zeros: None, 'packed' or 'float'."""
    blocks = -(-k // block)
    size = -(-blocks * bits // 8)
    found = {None: None, "packed": const(n, size, dtype="uint8", low=0, high=255),
             "float": const(n, blocks, low=0, high=2**bits - 1, dtype=dtype)}[zeros]
    return row("MatMulNBits", rand(*shape, k, dtype=dtype),
               const(n, blocks, block * bits // 8, dtype="uint8", low=0, high=255),
               const(n, blocks, low=0.01, high=0.1, dtype=dtype), found, None, const(n, dtype=dtype) if bias else None,
               N=n, K=k, bits=bits, block_size=block, **attrs)


ROWS += [
    nbits(5), nbits(2, 3, zeros="packed"), nbits(5, block=16, zeros="packed", bias=True), nbits(1, k=200, n=33),
    nbits(5, k=96, block=64, zeros="packed"), nbits(5, bits=8), nbits(5, bits=8, zeros="packed", k=128, block=64),
    nbits(5, zeros="float"), nbits(5, bias=True, accuracy_level=1), nbits(5, k=48, block=16, zeros="packed"),
    nbits(2, 4, dtype="float16", rtol=4e-3),
]
