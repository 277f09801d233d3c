"""Recurrent layers."""
from __future__ import annotations

from typing import Any

from builder import Builder, Tensor, row

F32 = "float32"
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
PLACES = {"LSTM": 3, "GRU": 2, "RNN": 1}
BOUNDED = ["Tanh", "Sigmoid", "Softsign", "HardSigmoid", "ScaledTanh"]  # others may grow without end over the steps


def attributes(g: Builder, directions: int) -> dict[str, Any]:
    attrs: dict[str, Any] = {}
    if g.flag(40):
        listed = [g.pick(BOUNDED) for _ in range(PLACES[g.op] * directions)]
        numbers = [0.5 + 0.125 * k for k, a in enumerate(listed) if a in ("HardSigmoid", "ScaledTanh")]
        attrs = {"activations": listed, "activation_alpha": numbers or None, "activation_beta": numbers or None}
    attrs["clip"] = 0.5 if g.flag(20) else None
    if g.op == "LSTM":
        attrs["input_forget"] = 1 if g.flag(20) else None
    if g.op == "GRU":
        attrs["linear_before_reset"] = g.draw(0, 1)
    return attrs


@row("LSTM", "GRU", "RNN")
def recurrent(g: Builder) -> None:
    plain = g.flag(60)  # what both references have; onnxruntime has no layout 1, the evaluator only that and forward
    layout = 1 if g.opset >= 14 and not plain and g.flag(10) else 0
    way = "forward" if layout or plain else g.pick(["forward", "reverse", "bidirectional"])
    d, h, gates = 2 if way == "bidirectional" else 1, g.pick([4, 1, 3, 16, 17]), GATES[g.op]
    x = g.some([g.types(0)[0]], rank=(3, 3), fits=lambda s: 0 not in s, make=lambda: [max(v, 1) for v in g.shape(3, 3)])
    s, b = x.shape[layout], x.shape[1 - layout]

    def new(*shape: int, const: int = 80) -> Tensor:
        return g.new(F32, shape, const=const, low=-0.7, high=0.7)
    first = (b, d, h) if layout else (d, b, h)
    lengths = None
    if not layout and not plain and g.flag(50):
        lengths = g.given(g.rng.integers(1, s + 1, b), dtype="int32", const=20)
    inputs = [x, new(d, gates * h, x.shape[2]), new(d, gates * h, h), new(d, 2 * gates * h) if g.flag() else None,
              lengths, new(*first, const=20) if g.flag() else None]
    if g.op == "LSTM":
        inputs += [new(*first, const=20) if g.flag() else None, new(d, 3 * h) if g.flag(30) else None]
    attrs: dict[str, Any] = {"layout": 1} if layout else {} if plain else attributes(g, d)
    if plain and g.op == "GRU":
        attrs["linear_before_reset"] = g.draw(0, 1)
    g.node(*inputs, outputs=3 if g.op == "LSTM" else 2, hidden_size=h, direction=way, **attrs)
