"""Graphs as SVG: each graph of the file is a view, and so are the source nodes of each fused node."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from .layout import Layout, arrange
from .marks import cut, family, shape_text, tag

CHAR, LINE, PAD = 6.8, 15.0, 9.0  # width of a letter of 11 px in a wide font, height of a line, inner margin
TITLE = 8.0  # of a letter of a title
NARROW, WIDE, MOST = 84.0, 250.0, 38  # widths of a box; letters of a line
MOST_POSTS = 4  # post-ops that a box names
MOST_SOURCES = 100  # of a node, that are drawn
BAND = 1200.0  # height of a band


@dataclass
class Card:
    """A box to draw. kind: 'node' or 'port' (an input, output or state). key: of the node's facts in the page; opens:
    the view that its badge opens; heat: its part of the time; bad: its error is too large."""

    kind: str
    title: str
    lines: list[str]
    key: str = ""
    family: str = "port"
    opens: str = ""
    badge: str = ""
    heat: float = 0.0
    bad: bool = False
    search: str = ""

    @property
    def size(self) -> tuple[float, float]:
        width = max([TITLE * len(self.title) + self.badge_width, *(CHAR * _letters(text) for text in self.lines)])
        height = LINE * (1 + len(self.lines)) + 2 * 6 + (5 if self.heat else 0)
        return min(WIDE, max(NARROW, width + 2 * PAD)), height

    @property
    def badge_width(self) -> float:
        return (len(self.badge) + 3) * CHAR if self.badge else 0.0


def _letters(text: str) -> float:
    return len(text) + 0.4 * text.count("\N{MULTIPLICATION SIGN}")


@dataclass
class View:
    """One picture: its key, its name for the path above it, the view in which it is opened, and its SVG."""

    key: str
    title: str
    parent: str
    width: float = 0.0
    height: float = 0.0
    svg: Markup = field(default_factory=Markup)


def draw(view: View, cards: list[Card], nets: Sequence[tuple[int, Sequence[int], str]]) -> View:
    """Lays a view out and draws it. nets: (card, cards that read it, name of the tensor)."""
    plan = arrange([c.size for c in cards], [(s, t) for s, t, _ in nets])
    lines, boxes = _Bands(), _Bands()
    for i, (s, t, name) in enumerate(nets):
        ys = [y for piece in plan.nets[i] for y in (piece[1], piece[3])]
        lines.add(min(ys), max(ys), _net(plan, i, s, t, name))
    for i, c in enumerate(cards):
        (x, y), half = plan.places[i], c.size[1] / 2
        boxes.add(y - half, y + half, _card(c, i, x, y))
    view.width, view.height = plan.width, plan.height
    view.svg = tag("g", lines.group("nets"), boxes.group("boxes"))
    return view


class _Bands:
    """What is drawn, by its height in the picture: the page leaves out the bands that are not seen."""

    def __init__(self) -> None:
        self.found: dict[tuple[float, float], list[Markup]] = {}

    def add(self, top: float, bottom: float, drawn: Markup) -> None:
        first, last = top // BAND, bottom // BAND
        key = (first, last) if last - first < 2 else (first // 8 * 8, last // 8 * 8 + 7)  # long ones: coarser
        self.found.setdefault((key[0] * BAND, (key[1] + 1) * BAND), []).append(drawn)

    def group(self, name: str) -> Markup:
        return tag("g", *(tag("g", *drawn, class_="band", data_from=round(top), data_to=round(bottom))
                          for (top, bottom), drawn in sorted(self.found.items())), class_=name)


def _net(plan: Layout, i: int, source: int, targets: Sequence[int], name: str) -> Markup:
    d, straight = [], []
    for x0, y0, x1, y1 in plan.nets[i]:
        if abs(x0 - x1) < 1:
            straight.append((round(x0), y0, y1))
        else:
            m = (y0 + y1) / 2
            d.append(f"M{x0:.0f} {y0:.0f}C{x0:.0f} {m:.0f} {x1:.0f} {m:.0f} {x1:.0f} {y1:.0f}")
    end: tuple[int, float] | None = None
    for x, y0, y1 in sorted(straight):  # pieces that go on in each other are one
        if end and end[0] == x and y0 - end[1] < 1:
            d.pop()
        else:
            start = y0
        d.append(f"M{x} {start:.0f}V{y1:.0f}")
        end = (x, y1)
    return tag("path", tag("title", cut(name, 120)), d="".join(d),
               data_ends=" ".join(map(str, [source, *dict.fromkeys(targets)])))


def _card(c: Card, i: int, x: float, y: float) -> Markup:
    w, h = c.size
    letters = max(4, int((w - 2 * PAD) / CHAR))
    inside = [tag("title", c.search), tag("rect", width=round(w), height=round(h), rx=h / 2 if c.kind == "port" and
                                           not c.lines else 7.0)]
    if c.kind == "node":
        inside.append(tag("path", class_="stripe", d=f"M5 .3A7 7 0 0 0 0 7V{h - 7:.0f}A7 7 0 0 0 5 {h - .3:.1f}Z"))
    room = round((w - 2 * PAD - c.badge_width) / TITLE)
    inside.append(tag("text", cut(c.title, room), class_="t", x=round(PAD + 2), y=19))
    for k, line in enumerate(c.lines):
        inside.append(tag("text", cut(line, min(MOST, letters)), x=round(PAD + 2), y=round(19 + LINE * (k + 1))))
    if c.heat:
        inside.append(tag("rect", class_="heat", x=5, y=round(h - 5), height=5,
                          width=max(1, round((w - 5) * min(1.0, c.heat)))))
    if c.badge:
        wide = round((len(c.badge) + 2) * CHAR)
        inside.append(tag("g", tag("rect", width=wide, height=17, rx=8.5),
                          tag("text", c.badge, x=round(wide / 2), y=12),
                          class_="open", data_view=c.opens, transform=f"translate({w - wide - 5:.0f} 6)"))
    state = " bad" if c.bad else ""
    return tag("g", *inside, class_=f"box {c.kind} f-{c.family}{state}", data_i=i, data_key=c.key or None,
               tabindex=0 if c.key else None, transform=f"translate({x - w / 2:.0f} {y - h / 2:.0f})")


# ---- what is drawn ----
def graph_views(facts: dict[str, Any]) -> list[View]:
    """The main graph first, then all that can be opened."""
    views: list[View] = []
    owners = {i: (g, n) for g, graph in enumerate(facts["graphs"]) for n, node in enumerate(graph["nodes"])
              for i in node["graphs"]}
    for g, graph in enumerate(facts["graphs"]):
        owner = owners.get(g)
        parent = f"g{owner[0]}" if owner else ""
        title = "main graph"
        if owner:
            node = facts["graphs"][owner[0]]["nodes"][owner[1]]
            title = f"{body_name(node, node['graphs'].index(g))} of {cut(node['name'], 40)}"
        cards, nets = _graph(facts, g, graph)
        views.append(draw(View(f"g{g}", title, parent), cards, nets))
        for n, node in enumerate(graph["nodes"]):
            if opens_sources(facts, node):
                views.append(draw(View(f"s{g}-{n}", f"sources of {cut(node['name'], 40)}", f"g{g}"),
                                  *_sources(known_sources(facts, node))))
    return views


def body_name(node: dict[str, Any], k: int) -> str:
    return ("then" if k == 0 else "else") if node["op"] == "if" else "body"


def known_sources(facts: dict[str, Any], node: dict[str, Any]) -> list[dict[str, Any]]:
    """The source nodes of a node of which the source model says more than their names."""
    every = facts["sources"] or {}
    return [every[s] for s in node["sources"] if s in every]


def opens_sources(facts: dict[str, Any], node: dict[str, Any]) -> bool:
    """Whether a node's sources are a view."""
    return not node["graphs"] and 1 < len(known_sources(facts, node)) <= MOST_SOURCES


def _graph(facts: dict[str, Any], g: int, graph: dict[str, Any]) -> tuple[list[Card], list[Any]]:
    cards: list[Card] = []
    made: dict[int, int] = {}  # tensor to the card that makes it
    readers: dict[int, list[int]] = {}
    states = [s["state"] for s in graph["states"]]
    for i in dict.fromkeys([*graph["inputs"], *states]):
        made[i] = len(cards)
        cards.append(_port("state" if i in states else "input", graph["tensors"][i]))
    for n, node in enumerate(graph["nodes"]):
        for i in node["inputs"]:
            if i >= 0:
                readers.setdefault(i, []).append(len(cards))
        made |= dict.fromkeys(node["outputs"], len(cards))
        cards.append(_node(facts, g, n, graph, node))
    for word, tensors in (("output", graph["outputs"]), ("next state", [s["next"] for s in graph["states"]])):
        for i in tensors:
            readers.setdefault(i, []).append(len(cards))
            cards.append(_port(word, graph["tensors"][i]))
    nets = [(source, readers[i], f"{graph['tensors'][i]['name']} {graph['tensors'][i]['dtype']} "
             f"{shape_text(shape_of(graph['tensors'][i]))}") for i, source in made.items() if i in readers]
    return cards, nets


def shape_of(t: dict[str, Any]) -> list[Any]:
    """The shape in this plan, else what the file says."""
    return list(t.get("planned") or t["shape"])


def _port(word: str, t: dict[str, Any]) -> Card:
    return Card("port", word, [t["name"], f"{t['dtype']} {shape_text(shape_of(t))}"], search=f"{word} {t['name']}")


def _node(facts: dict[str, Any], g: int, n: int, graph: dict[str, Any], node: dict[str, Any]) -> Card:
    outputs = [graph["tensors"][i] for i in node["outputs"]]
    lines = [node["name"]]
    if outputs:
        lines.append(f"{outputs[0]['dtype']} {shape_text(shape_of(outputs[0]))}"
                     + (f" +{len(outputs) - 1}" if len(outputs) > 1 else ""))
    post = node["post"]
    if post:
        lines.append(("+ " if node["op"] != "elementwise" else "") + ", ".join(post[:MOST_POSTS])
                     + (f" +{len(post) - MOST_POSTS}" if len(post) > MOST_POSTS else ""))
    opens, badge = "", ""
    if node["graphs"]:
        opens, badge = f"g{node['graphs'][0]}", "open"
    elif opens_sources(facts, node):
        opens, badge = f"s{g}-{n}", f"{len(node['sources'])}"
    bench, step = facts["bench"], node["step"]
    shares = {s["index"]: s["share"] for s in bench["steps"]} if bench else {}
    top = max(shares.values(), default=0.0)
    heat = shares.get(step, 0.0) / top if top else 0.0
    bad = any(not x["ok"] for x in facts["layers"] or () if step is not None and x["step"] == step)
    name = title(graph, node)
    words = dict.fromkeys([name, node["op"], *node["post"], node["name"], *node["sources"][:MOST_SOURCES]])
    return Card("node", name, lines, f"g{g}n{n}", family(node["op"]), opens, badge, heat, bad,
                " ".join(words))


def title(graph: dict[str, Any], node: dict[str, Any]) -> str:
    """The operator, with the size of a convolution's window."""
    if node["op"] in ("conv", "conv_transpose") and len(node["inputs"]) > 1:
        w = graph["tensors"][node["inputs"][1]]["shape"]
        depthwise = node["op"] == "conv" and len(w) == 4 and w[-1] == 1 and node["attrs"].get("groups", 1) > 1
        return f"{'depthwise' if depthwise else node['op']} {shape_text(w[1:-1])}"
    return str(node["attrs"].get("kind") or node["op"]) if node["op"] == "reduce" else str(node["op"])


def _sources(known: list[dict[str, Any]]) -> tuple[list[Card], list[Any]]:
    """The source nodes in the model's order, with what they read from others."""
    made = {o: s["name"] for s in known for o in s["outputs"] if o}
    outside = list(dict.fromkeys(i for s in known for i in s["inputs"]
                                 if i and i not in made and i not in s["constants"]))
    cards = [Card("port", "from", [name], search=name) for name in outside]
    place = {name: k for k, name in enumerate(outside)}
    known = _in_order(known, made)
    for s in known:
        place |= {o: len(cards) for o in s["outputs"] if o}
        attrs = ", ".join(f"{k}={v}" for k, v in s["attrs"].items())
        cards.append(Card("node", s["op"], [s["name"], *([attrs] if attrs else [])], "", "source",
                          search=f"{s['op']} {s['name']}"))
    readers: dict[str, list[int]] = {}
    for k, s in enumerate(known):
        for i in dict.fromkeys(s["inputs"]):
            if i in place:
                readers.setdefault(i, []).append(len(outside) + k)
    return cards, [(place[name], to, name) for name, to in readers.items()]


def _in_order(known: list[dict[str, Any]], made: dict[str, str]) -> list[dict[str, Any]]:
    """So that each comes behind those it reads; a file may name its sources in another order."""
    left, done, out = list(known), set(), []
    while left:
        ready = [s for s in left if all(i not in made or made[i] in done or made[i] == s["name"] for i in s["inputs"])]
        for s in ready or left:  # a damaged model may have a circle
            out.append(s)
            done.add(s["name"])
        left = [s for s in left if s["name"] not in done]
    return out
