"""What a row of the table of ONNX operators works with: a graph that grows by one valid node at a time.

    @row("Concat")
    def concat(g: Builder) -> None:
        x = g.some(0, rank=(1, 5))                   # a tensor of the graph or a new one, of a dtype of ONNX's input 0
        axis = g.axis(x.rank)
        g.node(x, g.like(x), axis=axis)              # computed at once, by onnxruntime or ONNX's evaluator

Everything random comes from one function `draw(low, high)`, so that hypothesis can shrink a graph.
"""
from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

FIRST_OPSET, NEWEST = 7, onnx.defs.onnx_opset_version()
# those of ONNX that tensors of the runtime can have
DTYPES = {f"tensor({n})": np.dtype(d) for n, d in (
    ("float", "float32"), ("float16", "float16"), ("double", "float64"), ("int8", "int8"), ("uint8", "uint8"),
    ("int16", "int16"), ("uint16", "uint16"), ("int32", "int32"), ("uint32", "uint32"), ("int64", "int64"),
    ("uint64", "uint64"), ("bool", "bool"))}
MAX_ELEMENTS = 60_000
Draw = Callable[[int, int], int]
Evaluate = Callable[[onnx.ModelProto, dict[str, np.ndarray]], "list[np.ndarray] | None"]


class Invalid(Exception):
    """No node can be made of what was drawn."""


@dataclass(eq=False)
class Tensor:
    """A value of the graph. `kind`: 'input', 'const' or 'node'. `recipe`: how to make other values of an input."""

    name: str
    value: np.ndarray
    kind: str
    recipe: dict[str, Any] | None = None
    sizes: list[int | str | None] = field(default_factory=list)  # of an input, as declared

    @property
    def dtype(self) -> np.dtype:
        return self.value.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def rank(self) -> int:
        return self.value.ndim


Row = Callable[["Builder"], None]
ROWS: dict[str, Row] = {}  # how to make a node, by ONNX operator


def row(*ops: str) -> Callable[[Row], Row]:
    """Registers how to make a node of these operators."""
    def register(f: Row) -> Row:
        ROWS.update(dict.fromkeys(ops, f))
        return f
    return register


def load_rows() -> dict[str, Row]:
    """The table, from all files of rows/."""
    for path in sorted((Path(__file__).parent / "rows").glob("*.py")):
        importlib.import_module(f"rows.{path.stem}")
    return ROWS


def values(rng: np.random.Generator, dtype: np.dtype, shape: Sequence[int], low: float | None = None,
           high: float | None = None, flavour: str = "plain") -> np.ndarray:
    """Random values, within low..high (both included) where these are given."""
    shape = tuple(shape)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        bounds = (info.min, info.max) if flavour in ("wide", "special") and low is None else \
            (-5 if low is None else int(low), 6 if high is None else int(high))
        return rng.integers(max(bounds[0], info.min), min(bounds[1], info.max), shape, dtype, endpoint=True)
    if low is not None or high is not None:
        return rng.uniform(-3 if low is None else low, 3 if high is None else high, shape).astype(dtype)
    if flavour == "whole":
        return rng.integers(-3, 4, shape).astype(dtype)
    if flavour == "wide":
        return (rng.normal(size=shape) * 10.0 ** rng.integers(-3, 4, shape)).astype(dtype)
    a = rng.uniform(-3, 3, shape).astype(dtype)
    if flavour == "special" and a.size:
        f = np.finfo(dtype)
        big = 1e3 if dtype == np.float16 else 1e9  # the largest ones overflow in sums, in some order or precision
        odd = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, f.smallest_subnormal, f.tiny, big, -big], dtype)
        where = rng.random(shape) < 0.25
        a = np.where(where, odd[rng.integers(0, len(odd), shape)], a).astype(dtype)
    return a


class Builder:
    """A graph under construction; `op` and `schema` are those of the node that is being made."""

    def __init__(self, draw: Draw, evaluate: Evaluate, opset: int) -> None:
        self.draw, self.evaluate, self.opset = draw, evaluate, opset
        self.rng = np.random.default_rng(draw(0, 2**20))
        self.flavour = self.pick(["plain"] * 7 + ["whole", "wide", "special"])
        self.tensors: list[Tensor] = []
        self.nodes: list[onnx.NodeProto] = []
        self.op, self.schema = "", None
        self._new: list[Tensor] = []
        self._count = 0

    # ---- choices

    def pick(self, items: Sequence[Any]) -> Any:
        return items[self.draw(0, len(items) - 1)]

    def flag(self, percent: int = 50) -> bool:
        return self.draw(0, 99) >= 100 - percent  # 0, which hypothesis shrinks to, is no

    def size(self) -> int:
        return self.pick([2, 3, 1, 4, 5, 2, 3, 1, 4, 8, 17, 2, 3, 6, 7, 1, 2, 3, 4, 0])

    def shape(self, low: int = 0, high: int = 5) -> tuple[int, ...]:
        ranks = [r for r in (2, 3, 1, 4, 0, 2, 3, 4, 5, 6, 7) if low <= r <= high]
        return tuple(self.size() for _ in range(self.pick(ranks or [low])))

    def axis(self, rank: int, end: int = 0) -> int:
        """An axis, sometimes counted from the back. `end` 1: the place after the last is one too."""
        if rank + end <= 0:
            raise Invalid
        a = self.draw(0, rank + end - 1)
        return a - rank - end if self.flag(30) else a

    def axes(self, rank: int, low: int = 1) -> list[int]:
        """Distinct axes, some counted from the back."""
        chosen = [a for a in range(rank) if self.flag()]
        if len(chosen) < low:
            chosen = [self.draw(0, rank - 1)] if rank and low == 1 else []
        if len(chosen) < low:
            raise Invalid
        return [a - rank if self.flag(25) else a for a in chosen]

    def types(self, of: int | str) -> list[np.dtype]:
        """dtypes that ONNX allows for an input (by number) or type parameter (by name) in this opset."""
        text = of
        if isinstance(of, int):
            formal = self.schema.inputs
            text = formal[min(of, len(formal) - 1)].type_str
        allowed = next((c.allowed_type_strs for c in self.schema.type_constraints if c.type_param_str == text), [text])
        found = [DTYPES[t] for t in DTYPES if t in allowed]
        if not found:
            raise Invalid
        return found

    def type(self, of: int | str) -> np.dtype:
        """One of them, f32 every second time."""
        found = self.types(of)
        return found[0] if self.flag(50) else self.pick(found)

    # ---- tensors

    def some(self, of: int | np.dtype | Sequence[np.dtype] = 0, rank: tuple[int, int] = (0, 6),
             shape: Sequence[int] | None = None, fits: Callable[[tuple[int, ...]], bool] | None = None,
             make: Callable[[], Sequence[int]] | None = None, **recipe: Any) -> Tensor:
        """A tensor that the graph has, or a new one. of: the input's number, or dtypes. fits: which shapes are right;
        make: one of them."""
        types = self.types(of) if isinstance(of, int) else [of] if isinstance(of, np.dtype) else list(of)
        found = [t for t in self.tensors if t.dtype in types and (t.shape == tuple(shape) if shape is not None else
                 rank[0] <= t.rank <= rank[1] and (fits is None or fits(t.shape)))]
        if recipe:  # values matter: only those that have the right ones
            found = [t for t in found if t.kind == "node" and t.dtype.kind == "f" and not recipe.get("strict")]
        if found and self.flag(75):
            return self.pick(found)
        recipe.pop("strict", None)
        dtype = self.type(of) if isinstance(of, int) else types[0] if self.flag() else self.pick(types)
        return self.new(dtype, shape if shape is not None else make() if make else self.shape(*rank), **recipe)

    def new(self, dtype: np.dtype, shape: Sequence[int], const: int = 25, **recipe: Any) -> Tensor:
        """A new input, or with `const` percent a constant."""
        recipe.setdefault("flavour", self.flavour)
        return self._keep(values(self.rng, np.dtype(dtype), shape, **recipe), self.flag(const), recipe)

    def given(self, value: Any, const: int = 80, dtype: Any = np.int64) -> Tensor:
        """A parameter: a constant, or an input that always has this value."""
        return self._keep(np.asarray(value, dtype), self.flag(const), None)

    def _keep(self, value: np.ndarray, const: bool, recipe: dict[str, Any] | None) -> Tensor:
        if value.size > MAX_ELEMENTS:
            raise Invalid
        self._count += 1
        t = Tensor(f"{'c' if const else 'x'}{self._count}", value, "const" if const else "input", recipe)
        self._new.append(t)
        return t

    def like(self, x: Tensor, **recipe: Any) -> Tensor:
        """A tensor of the same dtype and shape."""
        return self.some(x.dtype, shape=x.shape, **recipe)

    def beside(self, x: Tensor, **recipe: Any) -> Tensor:
        """A tensor of the same dtype that broadcasts with x."""
        def fits(s: tuple[int, ...]) -> bool:
            try:
                return int(np.prod(np.broadcast_shapes(s, x.shape))) <= MAX_ELEMENTS
            except ValueError:
                return False

        def make() -> list[int]:
            s = [self.size() if d == 1 and self.flag(20) else d if self.flag(70) else 1 for d in x.shape]
            s = s[self.draw(0, len(s)) if self.flag(25) else 0:]
            return [self.size(), *s] if len(s) < 5 and self.flag(10) else s
        return self.some(x.dtype, fits=fits, make=make, **recipe)

    # ---- nodes

    def start(self, op: str) -> None:
        """A node of this operator is made next."""
        self.op, self.schema = op, onnx.defs.get_schema(op, self.opset, "")
        self._new = []

    def node(self, *inputs: Tensor | None, outputs: int = 1, also: Sequence[Tensor] = (), **attrs: Any) -> list[Tensor]:
        """Adds the node, with the attributes that are not None, and computes it; Invalid when it cannot be. also: what
        its branches use."""
        given = list(inputs)
        while given and given[-1] is None:
            given.pop()
        names = [f"y{len(self.nodes)}_{i}" for i in range(outputs)]
        attrs = {k: v for k, v in attrs.items() if v is not None}
        node = helper.make_node(self.op, ["" if t is None else t.name for t in given], names,
                                name=f"{self.op}_{len(self.nodes)}", **attrs)
        return self.chain([node], [*(t for t in given if t is not None), *also], names)

    def chain(self, nodes: list[onnx.NodeProto], inputs: Sequence[Tensor], names: list[str]) -> list[Tensor]:
        """Adds nodes that give the tensors `names`, and computes them; Invalid when they cannot be."""
        used = {t.name: t for t in inputs}
        results = self.evaluate(model_of(nodes, list(used.values()), [], self.opset, names),
                                {t.name: t.value for t in used.values() if t.kind != "const"})
        if results is None or any(r.dtype not in DTYPES.values() or r.size > MAX_ELEMENTS for r in results):
            raise Invalid
        made = [Tensor(n, r, "node") for n, r in zip(names, results, strict=True)]
        self.tensors += [t for t in self._new if t.name in used] + made
        self._new = []
        self.nodes += nodes
        return made


def info(name: str, dtype: np.dtype, sizes: Sequence[Any] | None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), sizes)


def model_of(nodes: list[onnx.NodeProto], leaves: list[Tensor], outputs: list[Tensor], opset: int,
             names: Sequence[str] = ()) -> onnx.ModelProto:
    """A model of nodes, their inputs and constants, and typed outputs (or untyped ones, given by name)."""
    inputs = [info(t.name, t.dtype, t.sizes or t.shape) for t in leaves if t.kind != "const"]
    ends = [info(t.name, t.dtype, [None] * t.rank) for t in outputs]
    ends += [onnx.ValueInfoProto(name=n) for n in names]
    constants = [numpy_helper.from_array(np.ascontiguousarray(t.value).reshape(t.shape), t.name)
                 for t in leaves if t.kind == "const"]
    graph = helper.make_graph(nodes, "random", inputs, ends, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)],
                             ir_version=8 if opset < 19 else 10)
