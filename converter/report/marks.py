"""SVG and HTML from Python: elements whose texts and attributes are escaped, and the few words of a picture."""
from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from markupsafe import Markup, escape

# families of operators, each of which has a colour in report.css; a test fails while an operator is in none
FAMILIES = {
    "conv": ("conv", "conv_transpose", "inverted_residual", "deform_columns", "col2im"),
    "matmul": ("matmul", "attention", "recurrent", "det", "dft", "stft"),
    "math": ("elementwise",),
    "norm": ("softmax", "layer_norm", "cumulative"),
    "pool": ("max_pool", "avg_pool", "max_pool_indices", "reduce", "arg_reduce", "roi_align"),
    "control": ("if", "loop", "delegate", "custom"),
    "move": ("transpose", "reshape", "squeeze", "unsqueeze", "flatten", "concat", "slice", "gather", "shape", "expand",
             "pad", "resize", "split", "identity", "top_k", "non_zero", "unique", "range", "bit_cast",
             "gather_elements", "gather_nd", "scatter_elements", "scatter_nd", "non_max_suppression", "grid_sample",
             "tile"),
}
FAMILY = {op: name for name, ops in FAMILIES.items() for op in ops}
WORDS = {"conv": "convolution", "matmul": "matrix product", "math": "elementwise", "norm": "normalisation",
         "pool": "pooling, reduction", "control": "control", "move": "moves, selects"}


def family(op: str) -> str:
    return FAMILY.get(op, "move")


def tag(name: str, *inside: Any, **attributes: Any) -> Markup:
    """An element. class_ is class, data_x is data-x; None leaves an attribute out; numbers get one decimal."""
    words = [name]
    for key, value in attributes.items():
        if value is not None:
            words.append(f'{key.rstrip("_").replace("_", "-")}="{escape(number(value))}"')
    body = Markup("").join(inside)
    return Markup(f"<{' '.join(words)}>{body}</{name}>")


def number(x: Any) -> str:
    return f"{x:.1f}".removesuffix(".0") if isinstance(x, float) else str(x)


def duration(ms: float) -> str:
    return f"{ms:.2f} ms" if ms >= 1 else f"{1e3 * ms:.1f} µs"


def percent(part: float) -> str:
    return f"{100 * part:.3f}".rstrip("0").rstrip(".") + "%"


def cut(text: str, most: int) -> str:
    """The text in so many characters, its end kept: the ends of names differ."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return text if len(text) <= most else text[: most // 3] + "\N{HORIZONTAL ELLIPSIS}" + text[-(most - most // 3 - 1):]


def shape_text(shape: Iterable[Any]) -> str:
    """1×3×h×?"""
    return "\N{MULTIPLICATION SIGN}".join("?" if d is None else str(d) for d in shape) or "scalar"


def ticks(top: float, most: int = 5) -> list[float]:
    """Round values from 0 to at most `top`."""
    if not top > 0:
        return [0.0]
    power = 10.0 ** math.floor(math.log10(top / most))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power * most >= top * (1 - 1e-9))
    return [i * step for i in range(int(top / step + 1e-9) + 1)]
