"""onnxruntime's LSTM with weights of 8 bits."""

import numpy as np
from op_frame import Const, rand, row

BYTES = {"uint8": (0, 255), "int8": (-128, 127)}


def layer(dtype="int8", s=5, b=1, i=12, h=16, bias=True, state=True, peepholes=False, per_channel=False, zero=0,
          lengths=None, outputs=3, **attrs):
    """Batches of 1: of larger ones, onnxruntime takes the range of some rows at a time when it has several threads. Of
    many states, one may be so near to half an integer that the last bit of a float decides."""
    d = 2 if attrs.get("direction") == "bidirectional" else 1
    low, high = BYTES[dtype]
    sizes = (d, 4 * h) if per_channel else (d,)
    weights = [Const(rand(d, n, 4 * h, dtype=dtype, low=low, high=high)) for n in (i, h)]
    scales = [Const(rand(*sizes, low=0.001, high=0.003)) for _ in range(2)]
    zeros = [Const(np.full(sizes, zero, dtype)) for _ in range(2)]
    first = [rand(d, b, h, low=-0.7, high=0.7) if state else None for _ in range(2)]
    added = Const(rand(d, 8 * h, low=-0.5, high=0.5)) if bias else None
    return row("DynamicQuantizeLSTM", rand(s, b, i), *weights, added,
               None if lengths is None else np.array(lengths, np.int32), *first,
               Const(rand(d, 3 * h, low=-0.5, high=0.5)) if peepholes else None, scales[0], zeros[0], scales[1],
               zeros[1], outputs=outputs, domain="com.microsoft", rtol=2e-5 if s * b * h < 300 else 1e-2, hidden_size=h,
               **attrs)


ROWS = [
    layer(), layer(bias=False, state=False), layer("uint8", zero=128), layer("uint8", zero=120, h=23),
    layer(per_channel=True), layer("uint8", per_channel=True, zero=131), layer(zero=3, i=40, h=50),
    *(layer(direction=way) for way in ("reverse", "bidirectional")),
    layer(direction="bidirectional", per_channel=True, bias=False, outputs=1), layer(s=1, h=200), layer(lengths=[3]),
    layer(peepholes=True), layer(clip=0.4), layer(input_forget=1), layer(s=20, i=64, h=130),
    layer(activations=["HardSigmoid", "Softsign", "Tanh"], activation_alpha=[0.3], activation_beta=[0.4]),
]
