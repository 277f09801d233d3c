"""How models, sessions and measurements show: one line of text, and tables for notebooks."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .arrays import Step
    from .model import TensorInfo
    from .timing import Benchmark

SLOWEST = 10  # steps of a benchmark in its table


def shape_text(shape: Iterable[int | str | None]) -> str:
    """As `1 x 3 x h x w`; `?` where nothing is known about a dim."""
    return " x ".join("?" if d is None else str(d) for d in shape) or "scalar"


def signature(kind: str, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]) -> str:
    """As `<Model: x float32 [1 x 3 x h x w] -> y float32 [1 x 5]>`."""
    def side(infos: Sequence[TensorInfo]) -> str:
        return ", ".join(f"{t.name} {t.dtype} [{shape_text(t.shape)}]" for t in infos) or "nothing"

    return f"<{kind}: {side(inputs)} -> {side(outputs)}>"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """An HTML table; all texts are escaped."""
    def line(cell: str, values: Sequence[object]) -> str:
        return "<tr>" + "".join(f"<{cell}>{escape(str(v))}</{cell}>" for v in values) + "</tr>"

    return "<table>" + line("th", head) + "".join(line("td", r) for r in rows) + "</table>"


def model_html(title: str, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo],
               states: Sequence[TensorInfo]) -> str:
    """What goes in, what comes out and what stays."""
    rows = [(role, t.name, t.dtype, shape_text(t.shape))
            for role, infos in (("input", inputs), ("output", outputs), ("state", states)) for t in infos]
    return f"<p>{escape(title)}</p>" + table(("", "name", "dtype", "shape"), rows)


def steps_html(steps: Sequence[Step]) -> str:
    """How many steps of each operator a plan has, by which kernels."""
    kernels: dict[tuple[str, str], list[str]] = {}
    for s in steps:
        kernels.setdefault((s.op, s.device), []).append(s.kernel)
    rows = [(op, device, len(k), ", ".join(dict.fromkeys(name for name in k if name)))
            for (op, device), k in sorted(kernels.items(), key=lambda item: -len(item[1]))]
    return f"<p>{len(steps)} steps</p>" + table(("operator", "device", "steps", "kernels"), rows)


def benchmark_html(b: Benchmark) -> str:
    """The times, and the steps that take longest."""
    slow = sorted(b.steps, key=lambda s: -s.ms)[:SLOWEST]
    rows = [(s.node, s.op, s.kernel, f"{s.ms:.3f}", f"{100 * s.share:.1f} %",
             "" if s.peak is None else f"{100 * s.peak:.0f} %") for s in slow]
    more = f"<p>the {len(slow)} slowest of {len(b.steps)} steps</p>" if len(slow) < len(b.steps) else ""
    return f"<p>{escape(repr(b))}</p>" + more + table(("node", "operator", "kernel", "ms", "share", "of peak"), rows)
