"""onnxruntime's LSTM with weights of 8 bits, whose inputs and states are quantised by the range of their values."""
from __future__ import annotations

from typing import Any

from ..ir import Value
from .context import Context, Result
from .foreign import microsoft_op
from .integers import BYTE, dynamically_quantized, product
from .microsoft_quant import scale_of
from .recurrent import activations, clip_of, directions_of, halved, outputs, part


def _sizes(c: Context) -> tuple[int, int]:
    """Directions and hidden size, checked against the shapes of weights and their parameters."""
    directions, (x, w, r) = directions_of(c), (c.input(i) for i in range(3))
    if x.dtype != "f32" or w.dtype not in BYTE or r.dtype not in BYTE:
        raise c.refuse(f"X, W and R of {x.dtype}, {w.dtype}, {r.dtype} are not supported; f32 and twice i8 or u8 are")
    hidden = c.attr("hidden_size", r.shape[1] if r.rank == 3 else None)
    if x.rank != 3 or w.rank != 3 or r.rank != 3 or not isinstance(hidden, int) or hidden < 1:
        raise c.refuse("X, W and R must have rank 3 and a known hidden size", "set the attribute hidden_size")
    gates = 4 * hidden
    shapes: dict[int, list[tuple[Any, ...]]] = {
        1: [(directions, x.shape[2], gates)], 2: [(directions, hidden, gates)], 3: [(directions, 2 * gates)],
        **{i: [(directions, x.shape[1], hidden)] for i in (5, 6)}, 7: [(directions, 3 * hidden)],
        **{i: [(directions,), (directions, gates)] for i in (8, 9, 10, 11)}}
    for i, wanted in shapes.items():
        v = c.opt(i)
        if v is not None and not any(_fits(v, shape) for shape in wanted):
            raise c.refuse(f"input {i} ({c.schema.inputs[i].name}) has shape {list(v.shape)}, it must have "
                           f"{list(wanted[-1])}")
    return directions, hidden


def _fits(v: Value, shape: tuple[Any, ...]) -> bool:
    return v.rank == len(shape) and all(not isinstance(a, int) or not isinstance(b, int) or a == b
                                        for a, b in zip(v.shape, shape, strict=True))


def _of_gates(c: Context, v: Value, direction: int, gates: int) -> Value:
    """The numbers of one direction, one for each gate's unit."""
    v = part(c, v, direction)
    return c.add("expand", v, c.ints_const([gates])) if v.rank == 0 else v


def _computed(c: Context) -> Value:
    """The steps of X that some row of the batch has: their range counts."""
    x, lengths = c.input(0), c.opt(4)
    if lengths is None:
        return x
    end = c.cast(c.add("reduce", lengths, kind="max", axes=1, keep_dims=1), "i64")
    return c.add("slice", x, c.ints_const([0]), end, c.ints_const([0]))


@microsoft_op("DynamicQuantizeLSTM", "X W R B? sequence_lens? initial_h? initial_c? P? W_scale W_zero_point R_scale "
              "R_zero_point", "Y? Y_h? Y_c?", activation_alpha=[float], activation_beta=[float], activations=[str],
              clip=float, direction="forward", hidden_size=int, input_forget=0)
def dynamic_lstm(c: Context) -> Result:
    directions, hidden = _sizes(c)
    x, sx, zx = dynamically_quantized(c, c.input(0), _computed(c))
    attrs: dict[str, Any] = {"cell": "lstm", "clip": clip_of(c), "input_forget": int(bool(c.attr("input_forget")))}
    made = []
    for d, functions in enumerate(activations(c, "LSTM", directions)):
        b_input, b_state = halved(c, part(c, c.opt(3), d))
        share = c.cast(product(c, x, part(c, c.input(1), d), zx, part(c, c.input(9), d)), "f32")
        share = c.add("mul", share, c.add("mul", sx, scale_of(c, part(c, c.input(8), d), False)))
        share = share if b_input is None else c.add("add", share, b_input)
        h, cell = (part(c, c.opt(i), d) for i in (5, 6))
        scale = _of_gates(c, scale_of(c, c.input(10), False), d, 4 * hidden)
        zero = _of_gates(c, c.cast(c.input(11), "i32"), d, 4 * hidden)
        weights = c.transpose(part(c, c.input(2), d), (1, 0))
        made.append(c.add("recurrent", share, weights, b_state, c.opt(4), h, cell, part(c, c.opt(7), d), scale, zero,
                          n_outputs=3, reverse=int(d == 1 or c.attr("direction") == "reverse"), **attrs, **functions))
    return outputs(c, made, 0, "f32")
