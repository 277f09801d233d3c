"""Inputs and outputs in another form than the source model's: a picture of bytes instead of a normalised tensor.

A form is text: words between commas, in any order.

  u8 i8 f16 f32           the dtype that the caller gives or gets
  nhwc nchw               its order of axes (nwc, ncw for three); the source model's is N C ...
  rgb bgr                 inputs: bgr reverses the channels, rgb says that they are in the model's order
  mean=A:B:C std=A:B:C    inputs: the model's x is (value - mean) / std, one number or one per channel

Only nodes are added in front of and behind the model; the passes then do with them what they do with any others: the
arithmetic becomes one step, the transposition meets those of the layout.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .dtypes import to_numpy
from .errors import ConvertError
from .ir import Graph, Shape, Value

KEYS = {"input": "lite_runtime.input.", "output": "lite_runtime.output."}  # of the metadata; then comes the name
DTYPES = ("u8", "i8", "f16", "f32")
LAYOUTS = {"nhwc": True, "nwc": True, "nchw": False, "ncw": False}


@dataclass(frozen=True)
class Form:
    """How the caller's tensor differs from the source model's. dtype "": as it is. last: channels last."""

    text: str
    dtype: str = ""
    last: bool = False
    reversed: bool = False
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def shape(self, source: Shape) -> Shape:
        return (source[0], *source[2:], source[1]) if self.last else source

    def to_source(self, x: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """What the source model gets for a tensor of this form; in double. The reference of the proof uses it."""
        y = np.moveaxis(x, -1, 1) if self.last else x
        y = y[:, ::-1] if self.reversed else y
        y = y.astype(np.float64) if self.mean or self.std else y
        per_channel = (-1, *[1] * (y.ndim - 2))
        if self.mean:
            y = y - np.reshape(self.mean, per_channel)
        if self.std:
            y = y / np.reshape(self.std, per_channel)
        return np.ascontiguousarray(y.astype(dtype))

    def from_source(self, y: np.ndarray) -> np.ndarray:
        """What an output of the source model is in this form."""
        y = np.moveaxis(y, 1, -1) if self.last else y
        return y.astype(to_numpy(self.dtype)) if self.dtype else y


def parse(kind: str, name: str, text: object) -> Form:
    """A form from its text; ConvertError with what can be written. kind: input or output."""
    where = f"{kind} '{name}'"
    if not isinstance(text, str) or not text:
        raise ConvertError(f"{where}: {text!r} is not a form; write for example u8,nhwc,mean=127.5,std=127.5")
    found: dict[str, object] = {}
    for word in text.split(","):
        key, equal, numbers = word.strip().partition("=")
        made: tuple[str, object]
        if equal and key in ("mean", "std") and kind == "input":
            made = key, _numbers(where, key, numbers)
        elif not equal and key in DTYPES and (kind == "input" or key[0] == "f"):
            made = "dtype", key
        elif not equal and key in LAYOUTS:
            made = "last", LAYOUTS[key]
        elif not equal and key in ("rgb", "bgr") and kind == "input":
            made = "reversed", key == "bgr"
        else:
            known = "u8, i8, f16, f32, nhwc, nchw, nwc, ncw, rgb, bgr, mean=, std=" if kind == "input" else \
                "f16, f32, nhwc, nchw, nwc, ncw"
            raise ConvertError(f"{where}: '{word}' is not one of {known}")
        if made[0] in found:
            raise ConvertError(f"{where}: '{word}' says again what another word says; drop one")
        found[made[0]] = made[1]
    return Form(text, **found)  # type: ignore[arg-type]


def _numbers(where: str, key: str, text: str) -> tuple[float, ...]:
    try:
        values = tuple(float(t) for t in text.split(":"))
    except ValueError:
        raise ConvertError(f"{where}: '{key}={text}' is not one number, or several with colons between them") from None
    most = float(np.finfo(np.float32).max)  # what is computed with is f32
    if not all(abs(v) <= most and (key == "mean" or abs(v) >= 1 / most) for v in values):
        raise ConvertError(f"{where}: '{key}={text}' has a number that is not possible")
    return values


def forms(kind: str, given: Mapping[str, str] | None) -> dict[str, Form]:
    """All forms of one kind."""
    return {name: parse(kind, name, text) for name, text in (given or {}).items()}


# ---- in the graph ----
def adapt(g: Graph, inputs: Mapping[str, Form], outputs: Mapping[str, Form]) -> None:
    """Gives inputs and outputs of a graph other forms. ConvertError when one does not fit."""
    for name, form in inputs.items():
        old = next((v for v in g.inputs if v.name == name), None)
        if old is None:
            have = ", ".join(v.name for v in g.inputs) or "none"
            raise ConvertError(f"input '{name}': there is no such input; there are {have}")
        _input(g, old, form)
        g.metadata[KEYS["input"] + name] = form.text
    for name, form in outputs.items():
        if name not in g.output_names:
            have = ", ".join(g.output_names) or "none"
            raise ConvertError(f"output '{name}': there is no such output; there are {have}")
        k = g.output_names.index(name)
        g.outputs[k] = _output(g, g.outputs[k], name, form)
        g.metadata[KEYS["output"] + name] = form.text


def declared(metadata: Mapping[str, str], kind: str) -> dict[str, Form]:
    """The forms that a file says its inputs or outputs have."""
    found = {k[len(KEYS[kind]):]: text for k, text in metadata.items() if k.startswith(KEYS[kind])}
    return forms(kind, found)


def _check(where: str, v: Value, form: Form) -> None:
    """The form must fit the tensor."""
    channels = v.shape[1] if v.rank > 1 else None
    many = max(len(form.mean), len(form.std))
    if v.dtype not in ("f32", "f16", "u8", "i8"):
        raise ConvertError(f"{where}: it is {v.dtype}, which cannot be made of another form; f32, f16, u8 and i8 can")
    if many and v.dtype[0] != "f":
        raise ConvertError(f"{where}: the model takes {v.dtype} here, and mean and std make fractions; leave them out")
    if (form.last or form.reversed or many > 1) and v.rank not in (3, 4, 5):
        raise ConvertError(f"{where}: it has rank {v.rank}; a layout or channels need rank 3, 4 or 5, N C ...")
    if many > 1 and channels != many or len({len(form.mean), len(form.std)} - {0, 1}) > 1:
        have = channels if isinstance(channels, int) else "an unknown number of"
        raise ConvertError(f"{where}: mean has {len(form.mean)} and std {len(form.std)} numbers, the tensor has {have} "
                           "channels; give one, or one each")


def _input(g: Graph, old: Value, form: Form) -> None:
    where = f"input '{old.name}'"
    _check(where, old, form)
    new = Value(old.name, form.dtype or old.dtype, form.shape(old.shape))
    first = g.nodes[0] if g.nodes else None
    sources = {"name": f"input_{old.name}", "before": first}
    y = new if new.dtype == "f32" else g.add("cast", new, to="f32", **sources)
    tail = [1] * (0 if form.last else old.rank - 2)  # numbers per channel broadcast from the last axis

    def numbers(values: tuple[float, ...]) -> Value:
        a = np.array(values, np.float32)[:: -1 if form.reversed else 1]  # the caller's channels may be reversed
        return g.const(a.reshape((a.size, *tail) if a.size > 1 else ()))

    if form.mean:
        y = g.add("sub", y, numbers(form.mean), **sources)
    if form.std:
        inverse = numbers(tuple(1 / v for v in form.std))
        y = g.add("mul", y, inverse, **sources)
    if form.reversed:
        axis = old.rank - 1 if form.last else 1
        size = old.shape[1]
        if not isinstance(size, int):
            raise ConvertError(f"{where}: its number of channels is not known, so they cannot be reversed")
        y = g.add("gather", y, g.const(np.arange(size)[::-1].astype(np.int64)), axis=axis, **sources)
    if form.last:
        y = g.add("transpose", y, perm=(0, old.rank - 1, *range(1, old.rank - 1)), **sources)
    y = y if y.dtype == old.dtype else g.add("cast", y, to=old.dtype, **sources)
    g.inputs[g.inputs.index(old)] = new
    if y is new:
        y = g.add("identity", new, **sources)
    g.replace(old, y)
    y.name, y.perm = "", None


def _output(g: Graph, y: Value, name: str, form: Form) -> Value:
    _check(f"output '{name}'", y, form)
    if form.last:
        y = g.add("transpose", y, name=f"output_{name}", perm=(0, *range(2, y.rank), 1))
    return g.add("cast", y, name=f"output_{name}", to=form.dtype) if form.dtype and form.dtype != y.dtype else y
