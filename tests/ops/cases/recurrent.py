"""LSTM, GRU and RNN. The truth is onnxruntime; ONNX's evaluator for layout 1, which onnxruntime lacks (the evaluator
has no clip, lengths, input_forget, other activations or directions)."""

import numpy as np
from op_frame import Const, rand, row

ROWS = []
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
ACTIVATIONS = [
    "Relu",
    "Tanh",
    "Sigmoid",
    "Affine",
    "LeakyRelu",
    "ThresholdedRelu",
    "ScaledTanh",
    "HardSigmoid",
    "Elu",
    "Softsign",
    "Softplus",
]
ALPHA = ("Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu")
BETA = ("Affine", "ScaledTanh", "HardSigmoid")


def small(*shape):
    return rand(*shape, low=-0.7, high=0.7)


def layer(op, s=5, b=3, i=4, h=6, bias=True, lengths=None, state=False, peepholes=False, const=True, layout=0, **attrs):
    """A row; lengths: values, or 'const'. const: weights are constants."""
    d, g = 2 if attrs.get("direction") == "bidirectional" else 1, GATES[op]
    weight = (lambda a: Const(a)) if const else (lambda a: a)
    x = small(b, s, i) if layout else small(s, b, i)
    first = (b, d, h) if layout else (d, b, h)
    r = small(d, g * h, h) * np.float32(min(1, 2 / h**0.5))  # else many units make differences grow from step to step
    inputs = [x, weight(small(d, g * h, i)), weight(r), weight(small(d, 2 * g * h)) if bias else None]
    inputs += [None if lengths is None else np.array(lengths, np.int32), small(*first) if state else None]
    if op == "LSTM":
        inputs += [small(*first) if state else None, weight(small(d, 3 * h)) if peepholes else None]
    while inputs[-1] is None:
        inputs.pop()
    if layout:
        attrs["layout"] = 1
    opset = attrs.pop("opset", 17)
    return row(op, *inputs, outputs=3 if op == "LSTM" else 2, opset=opset, dynamic=const, hidden_size=h, **attrs)


for op in GATES:
    ROWS += [layer(op, direction=way, state=True) for way in ("forward", "reverse", "bidirectional")]
    ROWS += [
        layer(op, bias=False),
        layer(op, direction="bidirectional", lengths=[5, 1, 3], state=True),
        layer(op, direction="reverse", lengths=[0, 2, 5], state=True),
        layer(op, s=1, b=1, h=16, state=True),
        layer(op, clip=0.3, state=True),
        layer(op, layout=1, state=True),
        layer(op, layout=1),
        layer(op, const=False, state=True, direction="bidirectional"),
        layer(op, s=3, b=7, i=20, h=200, lengths=[3, 1, 2, 3, 3, 1, 2], state=True),
        layer(op, opset=7, state=True),
        layer(op, opset=22, state=True),
    ]
ROWS += [layer("GRU", linear_before_reset=1, direction=way, state=True) for way in ("forward", "bidirectional")]
ROWS += [
    layer("GRU", s=3, b=7, h=200, linear_before_reset=1, lengths=[3, 1, 2, 3, 3, 0, 2], state=True),
    layer("GRU", linear_before_reset=1, clip=0.2),
    layer("LSTM", input_forget=1, state=True),
    layer("LSTM", peepholes=True, state=True, direction="bidirectional", lengths=[5, 1, 3]),
    layer("LSTM", peepholes=True, state=True, clip=0.3),
    layer("LSTM", peepholes=True, state=True, input_forget=1),
]
for at, name in enumerate(ACTIVATIONS):
    other = ACTIVATIONS[at - 4]
    for op, listed in (("RNN", [name]), ("GRU", [other, name]), ("LSTM", [name, other, ACTIVATIONS[at - 2]])):
        numbers = {
            "activation_alpha": [0.5 + 0.125 * k for k, a in enumerate(listed) if a in ALPHA],
            "activation_beta": [0.25 + 0.125 * k for k, a in enumerate(listed) if a in BETA],
        }
        ROWS.append(layer(op, s=2, activations=listed, **{k: v for k, v in numbers.items() if v}))
    if name not in ("Affine", "ScaledTanh", "ThresholdedRelu"):
        ROWS.append(layer("RNN", activations=[name]))
