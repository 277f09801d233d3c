"""Charts of times and errors: bars whose places are percentages, so that they fit any width."""
from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup

from .marks import cut, duration, family, number, percent, tag, ticks

HEIGHT = 200.0
LOWEST = 1e-9  # smaller errors are drawn there


def operators(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Time of each operator and kernel, the longest first, with a bar."""
    bench = facts["bench"]
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for s in bench["steps"]:
        groups.setdefault((s["op"], s["kernel"]), []).append(s)
    rows = []
    for (op, kernel), steps in groups.items():
        ms, gflop = sum(s["ms"] for s in steps), sum(s["gflop"] or 0 for s in steps)
        peak = gflop / (1e-3 * ms * bench["peak_gflops"]) if gflop and ms and bench["peak_gflops"] else None
        rows.append({"op": op, "kernel": kernel, "steps": len(steps), "ms": ms, "family": family(op),
                     "share": sum(s["share"] for s in steps), "gflop": gflop or None, "peak": peak})
    rows.sort(key=lambda r: -r["ms"])
    most = max((r["share"] for r in rows), default=1.0) or 1.0
    return [r | {"bar": _bar(r["share"] / most, r["family"], r["peak"])} for r in rows]


def _bar(part: float, kind: str, peak: float | None) -> Markup:
    """The bar of a time, darker as far as the machine's peak was reached."""
    inside = [tag("rect", class_=f"f-{kind}", width=percent(part), height=14)]
    if peak is not None:
        inside.append(tag("rect", class_=f"f-{kind} reached", width=percent(part * min(1.0, peak)), height=14))
    return tag("svg", *inside, class_="bar", height=14)


def steps(facts: dict[str, Any]) -> dict[str, Any] | None:
    """A column for each step, as high as its time."""
    bench = facts["bench"]
    top = max((s["ms"] for s in bench["steps"]), default=0.0)
    if not top:
        return None
    n = len(bench["steps"])
    columns = []
    for k, s in enumerate(bench["steps"]):
        h = HEIGHT * s["ms"] / top
        reached = f", {100 * s['peak']:.1f} % of peak" if s["peak"] is not None else ""
        words = f"{s['index']}: {s['op']} {cut(s['node'], 60)}, {duration(s['ms'])}, {100 * s['share']:.1f} %{reached}"
        place = {"x": percent((k + 0.06) / n), "width": percent(0.88 / n), "class_": f"f-{family(s['op'])}"}
        inside = [tag("title", words),
                  tag("rect", x=place["x"], width=percent(1 / n), height=round(HEIGHT), class_="hit"),
                  tag("rect", y=HEIGHT - h, height=h, **place)]
        if s["peak"] is not None:
            r = h * min(1.0, s["peak"])
            inside.append(tag("rect", y=HEIGHT - r, height=r, **place | {"class_": place["class_"] + " reached"}))
        columns.append(tag("g", *inside, class_="col", data_step=s["index"]))
    axis = [(f"{number(1e3 * t)} µs" if top < 1 else f"{number(t)} ms", HEIGHT - HEIGHT * t / top)
            for t in ticks(top, 4)]
    grid = [tag("line", class_="grid", x1=0, x2="100%", y1=y, y2=y) for _, y in axis[1:]]
    return {"svg": tag("svg", *grid, *columns, class_="columns", height=round(HEIGHT), role="img",
                       aria_label="time of each step"), "axis": axis, "steps": n, "height": round(HEIGHT)}


def errors(facts: dict[str, Any]) -> dict[str, Any] | None:
    """The error of each layer on a logarithmic scale, with the limits; for quantised models 1 - cosine."""
    layers = [x for x in facts["layers"] or () if x["measure"] != "equal" or not x["ok"]]
    if not layers:
        return None
    values = [_value(x) for x in layers]
    limits = [_limit(x) for x in layers]
    low = math.floor(math.log10(max(LOWEST, min([v for v in values if v > LOWEST] + limits))))
    high = math.ceil(math.log10(max([v for v in values if math.isfinite(v)] + limits)) + 0.1)

    def y(v: float) -> float:
        return HEIGHT - HEIGHT * (math.log10(min(10.0**high, max(10.0**low, v))) - low) / (high - low)

    n = len(layers)
    marks = []
    for k, (x, v, limit) in enumerate(zip(layers, values, limits, strict=True)):
        said = x["why"] or f"{x['measure']} {x['value']:.3g} (limit {x['limit']:g})"
        words = f"{x['step']}: {x['op']} {cut(x['node'], 60)}, {cut(x['tensor'], 60)}: {said}"
        at = percent((k + 0.5) / n)
        marks.append(tag("g", tag("title", words),
                         tag("rect", class_="hit", x=percent(k / n), width=percent(1 / n), height=round(HEIGHT)),
                         tag("line", x1=at, x2=at, y1=round(HEIGHT), y2=y(v)), tag("circle", cx=at, cy=y(v), r=3.5),
                         tag("line", class_="limit", x1=percent(k / n), x2=percent((k + 1) / n), y1=y(limit),
                             y2=y(limit)),
                         class_="dot" if x["ok"] else "dot bad", data_step=x["step"]))
    every = max(1, math.ceil((high - low) / 6))
    axis = [(f"1e{p}", y(10.0**p)) for p in range(low, high + 1, every)]
    grid = [tag("line", class_="grid", x1=0, x2="100%", y1=at, y2=at) for _, at in axis]
    return {"svg": tag("svg", *grid, *marks, class_="dots", height=round(HEIGHT), role="img",
                       aria_label="error of each layer"), "axis": axis, "layers": n, "height": round(HEIGHT),
            "cosine": any(x["measure"] == "cosine" for x in layers)}


def _value(x: dict[str, Any]) -> float:
    if x["measure"] == "cosine":
        return max(0.0, 1 - x["value"])
    return math.inf if x["measure"] == "equal" else float(x["value"])


def _limit(x: dict[str, Any]) -> float:
    return 1 - x["limit"] if x["measure"] == "cosine" else x["limit"] or LOWEST
