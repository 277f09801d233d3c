"""The memory plan as a picture: steps from left to right, addresses upwards, one rectangle for each tensor."""
from __future__ import annotations

from typing import Any

from markupsafe import Markup

from ..cli.output import human_bytes
from .marks import cut, family, percent, tag, ticks

HEIGHT = 340.0  # of the picture
LABEL = 0.07  # part of the width from which on a rectangle has its name written in it


def usage(facts: dict[str, Any]) -> list[int]:
    """Bytes in use at each step: of buffers with memory of their own in the plan, scratch included."""
    live = [0] * len(facts["steps"])
    for b in _own(facts):
        for i in range(max(0, b["first"]), min(len(live) - 1, b["last"]) + 1):
            live[i] += b["bytes"]
    return live


def picture(facts: dict[str, Any]) -> dict[str, Any] | None:
    """The picture's SVG, the labels of its axis, and what to say of it; None without a plan or memory."""
    size, steps = facts["plan_bytes"], len(facts["steps"])
    if not size or not steps:
        return None
    live = usage(facts)
    peak = live.index(max(live))
    shapes = [_rectangle(facts, i, b, size, steps) for i, b in enumerate(facts["buffers"]) if _drawn(b)]
    shapes.append(tag("line", class_="peak", x1=percent((peak + 0.5) / steps), x2=percent((peak + 0.5) / steps), y1=0,
                      y2=round(HEIGHT)))
    left = peak < 0.8 * steps
    shapes.append(tag("text", f"peak {human_bytes(max(live))}", class_="peaktext", x=percent((peak + 0.5) / steps),
                      y=12, dx=5 if left else -5, text_anchor="start" if left else "end"))
    node = facts["steps"][peak]["node"]
    return {
        "svg": tag("svg", *_grid(size), *shapes, _line(live, size), class_="plan", height=round(HEIGHT), role="img",
                   aria_label="memory of the plan: addresses over steps"),
        "axis": [(human_bytes(round(t)), HEIGHT - HEIGHT * t / size) for t in ticks(size)],
        "peak_step": peak, "peak_node": node, "peak_live": max(live), "size": size, "steps": steps,
        "height": round(HEIGHT),
    }


def _own(facts: dict[str, Any]) -> list[dict[str, Any]]:
    return [b for i, b in enumerate(facts["buffers"]) if b["where"] == "plan" and b["root"] == i and b["bytes"]
            and b["last"] >= 0]


def _drawn(b: dict[str, Any]) -> bool:
    return bool(b["where"] == "plan" and b["bytes"] and b["last"] >= 0)


def _grid(size: int) -> list[Markup]:
    return [tag("line", class_="grid", x1=0, x2="100%", y1=HEIGHT - HEIGHT * t / size, y2=HEIGHT - HEIGHT * t / size)
            for t in ticks(size)[1:]]


def _rectangle(facts: dict[str, Any], i: int, b: dict[str, Any], size: int, steps: int) -> Markup:
    first, last = max(0, b["first"]), min(steps - 1, b["last"])
    x, width = first / steps, (last - first + 1) / steps
    height = max(1.0, HEIGHT * b["span"] / size)
    y = HEIGHT - HEIGHT * b["offset"] / size - height
    step = facts["steps"][b["producer"]] if b["producer"] >= 0 else None
    what = "scratch of" if b["scratch"] else "in" if b["root"] != i else ""
    within = f" {cut(facts['buffers'][b['root']]['name'], 60)}: " if what == "in" else " "
    words = (f"{what}{within}{cut(b['name'], 80)}, {human_bytes(b['bytes'])} at {b['offset']}, steps {b['first']} to "
             f"{b['last']}").strip()
    kind = "scratch" if b["scratch"] else "part" if b["root"] != i else "whole"
    inside = [tag("title", words), tag("rect", width="100%", height="100%")]
    if width >= LABEL and height >= 13 and kind == "whole":
        inside.append(tag("text", cut(b["name"], 60), x=4, y=11))
    return tag("svg", *inside, class_=f"m {kind} f-{family(step['op']) if step else 'port'}", x=percent(x),
               width=percent(width), y=y, height=height, data_step=b["producer"] if step else None)


def _line(live: list[int], size: int) -> Markup:
    """What is in use at each step, as a line of stairs."""
    d = "".join(f"{'L' if i else 'M'}{i} {HEIGHT - HEIGHT * n / size:.1f}H{i + 1}" for i, n in enumerate(live))
    return tag("svg", tag("path", d=d), class_="usage", viewBox=f"0 0 {len(live)} {HEIGHT:.0f}", width="100%",
               height="100%", preserveAspectRatio="none")
