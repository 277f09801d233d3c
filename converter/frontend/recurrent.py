"""LSTM, GRU and RNN: each direction is a product for the inputs of all steps and one `recurrent` node."""
from __future__ import annotations

import math
from typing import Any

from ..ir import Value
from .context import Context, Result, onnx_op

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
DEFAULT = {"LSTM": ("sigmoid", "tanh", "tanh"), "GRU": ("sigmoid", "tanh"), "RNN": ("tanh",)}
# ONNX's name in lower case -> ours, default of alpha and beta; None: the function has none, NaN: it must be given,
# since onnxruntime takes 0, and ONNX's text something else or nothing
NAN = float("nan")
ACTIVATIONS: dict[str, tuple[str, float | None, float | None]] = {
    "sigmoid": ("sigmoid", None, None), "tanh": ("tanh", None, None), "relu": ("relu", None, None),
    "affine": ("affine", NAN, NAN), "leakyrelu": ("leaky_relu", 0.01, None),
    "thresholdedrelu": ("thresholded_relu", NAN, None), "scaledtanh": ("scaled_tanh", NAN, NAN),
    "hardsigmoid": ("hard_sigmoid", 0.2, 0.5), "elu": ("elu", 1.0, None), "softsign": ("softsign", None, None),
    "softplus": ("softplus", None, None)}


def activations(c: Context, cell: str, directions: int) -> list[dict[str, Any]]:
    """Attributes of each direction. The numbers are taken in order by the functions that have such a number, as
    onnxruntime does; ONNX's text leaves it open."""
    per = len(DEFAULT[cell])
    listed = c.attr("activations") if "activations" in c.attrs else None  # RNN's schema has two as the default
    names = [n.decode() if isinstance(n, bytes) else n for n in listed or DEFAULT[cell] * directions]
    if len(names) != per * directions:
        raise c.refuse(f"it has {len(names)} activations, {per * directions} are needed")
    alphas, betas = list(c.attr("activation_alpha") or ()), list(c.attr("activation_beta") or ())
    found: list[dict[str, Any]] = [{} for _ in range(directions)]
    for i, name in enumerate(names):
        if name.lower() not in ACTIVATIONS:
            raise c.refuse(f"the activation '{name[:40]}' is not known")
        ours, alpha, beta = ACTIVATIONS[name.lower()]
        place, attrs = "fgh"[i % per], found[i // per]
        attrs[place] = ours
        for what, usual, given in (("alpha", alpha, alphas), ("beta", beta, betas)):
            if usual is None:
                continue
            number = float(given.pop(0) if given else usual)
            if not math.isfinite(number):
                raise c.refuse(f"the activation {name} needs a finite {what}", f"set the attribute activation_{what}")
            attrs[f"{place}_{what}"] = number
    return found


def part(c: Context, v: Value | None, direction: int, axis: int = 0) -> Value | None:
    """The slice of one direction."""
    if v is None:
        return None
    if v.const is not None and axis == 0:
        return c.graph.const(v.const[direction], f"{v.name}[{direction}]" if v.name else "")
    return c.add("gather", v, c.scalar(direction, "i64"), axis=axis)


def halved(c: Context, b: Value | None) -> tuple[Value | None, Value | None]:
    """The bias of the inputs' product and that of the states'."""
    if b is None:
        return None, None
    if b.const is not None:
        n = b.const.shape[0] // 2
        return c.graph.const(b.const[:n]), c.graph.const(b.const[n:])
    first, second = c.add("split", b, axis=0, n_outputs=2)
    return first, second


def directions_of(c: Context) -> int:
    if c.attr("direction") not in ("forward", "reverse", "bidirectional"):
        raise c.refuse(f"the direction '{str(c.attr('direction'))[:40]}' is not known")
    return 2 if c.attr("direction") == "bidirectional" else 1


def sizes(c: Context, w: Value, r: Value) -> tuple[int, int]:
    """Directions and hidden size, checked against attributes and shapes."""
    directions = directions_of(c)
    if w.rank != 3 or r.rank != 3 or c.input(0).rank != 3:
        raise c.refuse("X, W and R must have rank 3")
    hidden = c.attr("hidden_size", r.shape[2])
    if not isinstance(hidden, int) or hidden < 1:
        raise c.refuse("the hidden size is not known", "set the attribute hidden_size")
    want = (directions, GATES[c.op] * hidden)
    for v, shape in ((w, want), (r, (*want, hidden)), (c.opt(3), (directions, 2 * want[1])),
                     (c.opt(7) if c.op == "LSTM" else None, (directions, 3 * hidden))):
        if v is None:
            continue
        if v.rank < len(shape) or any(isinstance(d, int) and d != s for d, s in zip(v.shape, shape, strict=False)):
            raise c.refuse(f"a weight has shape {list(v.shape)} where {list(shape)} is needed for {c.op} with "
                           f"{directions} directions and hidden size {hidden}")
    return directions, hidden


def clip_of(c: Context) -> float:
    clip = float(c.attr("clip", 0.0))
    if "clip" in c.attrs and clip <= 0:
        raise c.refuse(f"clip is {clip:g}; it must be above 0")
    return clip


@onnx_op("LSTM", "GRU", "RNN")
def recurrent(c: Context) -> Result:
    dtype = c.input(0).dtype
    if dtype not in ("f32", "f16"):
        raise c.refuse(f"dtype {dtype} is not supported", "convert the model to float32")
    x, w, r, b = (v if v is None else c.cast(v, "f32") for v in (c.opt(i) for i in range(4)))
    if w is None or r is None:
        raise c.refuse("input 1 (W) or 2 (R) is missing")
    directions, hidden = sizes(c, w, r)
    layout = c.attr_int("layout", 0, 0, 1)
    if c.attr("output_sequence", 1) == 0 and c.out_names and c.out_names[0]:
        raise c.refuse("output_sequence is 0, but the output Y is used", "export the model with opset 7 or newer")
    if layout:
        x = c.transpose(x, (1, 0, 2))
    states = [c.opt(5), c.opt(6) if c.op == "LSTM" else None, c.opt(7) if c.op == "LSTM" else None]
    states = [v if v is None else c.cast(v, "f32") for v in states]
    lengths = c.opt(4)
    attrs: dict[str, Any] = {"cell": c.op.lower(), "clip": clip_of(c),
                             "linear_before_reset": int(bool(c.attr("linear_before_reset", 0))),
                             "input_forget": int(bool(c.attr("input_forget", 0)))}
    made = []
    for d, functions in enumerate(activations(c, c.op, directions)):
        b_input, b_state = halved(c, part(c, b, d))
        share = c.add("matmul", x, part(c, w, d), b_input, trans_b=1)
        h, cell = (part(c, v, d, layout) for v in states[:2])
        weights = part(c, r, d)
        if any(not isinstance(size, int) for size in weights.shape):
            weights = c.reshape(weights, [GATES[c.op] * hidden, hidden])
        made.append(c.add("recurrent", share, weights, b_state, lengths, h, cell, part(c, states[2], d),
                          n_outputs=3, reverse=int(d == 1 or c.attr("direction") == "reverse"), **attrs, **functions))
    return outputs(c, made, layout, dtype)


def outputs(c: Context, made: list[list[Value]], layout: int, dtype: str) -> list[Value | None]:
    """ONNX's Y, Y_h and Y_c, those that somebody wants."""
    found: list[Value | None] = []
    for k, name in enumerate(c.out_names):
        if not name:
            found.append(None)
            continue
        # Y: [S B H] -> [S D B H] -> with layout 1 [B S D H]; states: [B H] -> [D B H] or [B D H]
        axis = layout if k else 1
        each = [c.unsqueeze(m[k], [axis]) for m in made]
        v = each[0] if len(each) == 1 else c.add("concat", *each, axis=axis)
        if layout and k == 0:
            v = c.transpose(v, (2, 0, 1, 3))
        found.append(c.cast(v, dtype))
    return found
