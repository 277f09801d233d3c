"""ONNX graph -> Graph: scopes, functions, branches, and the collection of everything that is not supported."""
from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import onnx
from onnx.defs import OpSchema

from ..errors import ConvertError, Problem
from ..ir import Graph, Node, Shape, Value
from .context import OPS, Context, NotSupported
from .foreign import FOREIGN, MICROSOFT
from .foreign import Importer as Importing
from .lists import TensorList
from .structure import (
    Attributes,
    ModelError,
    attributes,
    body_of,
    check_signature,
    domain,
    exists,
    has_body,
    needs,
    opsets,
    ordered,
    schema_of,
    unique_tensors,
)
from .tensors import array_of, dtype_of, shape_of

MAX_DEPTH = 64  # of functions in functions and branches in branches
MAX_NODES = 200_000  # a few functions that call each other twice may mean more nodes than a machine holds
MAX_WORDS = 300  # of the reason for a problem
ABSENT = Value("", "", ())  # an optional input that is not given

@dataclass
class Body:
    """A subgraph, what it reads of the graph around it, and whether all of it could be imported. lists: those of its
    results that are sequences, by index; they are no outputs of the graph."""

    graph: Graph
    captured: dict[Value, Value]
    complete: bool
    lists: dict[int, TensorList]


def _definition(space: str, op: str, opset: int) -> tuple[OpSchema, Importing | None]:
    """Signature and importer of an operator; without an importer it is one that ONNX defines by others."""
    if space not in ("", MICROSOFT):
        raise NotSupported(f"operators of '{space}' are not supported", "export with ONNX's own operators")
    foreign = FOREIGN.get((space, op))
    if foreign is not None and (space or not exists(op, opset)):
        return foreign.schema, foreign.importer
    if not space:
        schema, importer = schema_of(op, opset), OPS.get(op)
        if importer is not None or has_body(schema):
            return schema, importer
    raise NotSupported("the operator is not supported", "replace it by supported ones, which docs/ops.md lists")


FunctionKey = tuple[str, str, str]  # domain, name, overload
Found = Value | None  # None: it could not be imported


@dataclass(eq=False)
class Scope:
    """The names visible in a graph or a function body."""

    parent: Scope | None
    opsets: dict[str, int]
    prefix: str = ""
    attrs: Attributes | None = None  # of the function call; None outside of functions
    depth: int = 0
    calls: frozenset[FunctionKey] = frozenset()
    values: dict[str, Found] = field(default_factory=dict)
    tensors: dict[str, onnx.TensorProto] = field(default_factory=dict)  # initializers, read when first used
    captured: dict[Value, Value] | None = None  # of a subgraph's own scope: outer values and the inputs they became

    def inner(self, prefix: str) -> Scope:
        """The scope of a branch: it sees the outer names."""
        if self.depth >= MAX_DEPTH:
            raise ModelError(f"node '{prefix[:80]}': graphs are nested more than {MAX_DEPTH} deep; simplify the model")
        return Scope(self, self.opsets, prefix, self.attrs, self.depth + 1, self.calls)


class Importer:
    """Imports the nodes of one model into `graph`; what cannot be is collected in `problems`."""

    def __init__(self, model: onnx.ModelProto, infer: Callable[[Node], list[tuple[str, Shape]]]) -> None:
        self.model = model
        self.graph = Graph(infer)
        self.problems: list[Problem] = []
        self.root = Scope(None, opsets(model.opset_import))
        self._functions = {(domain(f.domain), f.name, f.overload): f for f in model.functions}
        self._names: set[str] = set()  # tensor names in use, over all scopes
        self._count = 0
        self._types: dict[str, onnx.TypeProto.Tensor] | None = None

    # names

    def reserve(self, names: Iterable[str]) -> None:
        """Names of the model's own graph, which inner ones must not take."""
        self._names.update(names)

    def _unique(self, name: str, scope: Scope) -> str:
        """The name of a tensor of an inner graph, made different from all others."""
        if not name or scope is self.root:
            return name
        unique, n = name, 1
        while unique in self._names:
            unique = f"{scope.prefix}/{name}" + (f".{n}" if n > 1 else "")
            n += 1
        self._names.add(unique)
        return unique

    def lookup(self, name: str, scope: Scope, where: str) -> Found:
        """The value of a name; initializers are read here. ModelError when nothing defines it."""
        if name in scope.values:
            return scope.values[name]
        if name in scope.tensors:
            scope.values[name] = None
            array = array_of(scope.tensors[name], f"initializer '{name}'")
            scope.values[name] = self.graph.const(array, self._unique(name, scope))
            return scope.values[name]
        if scope.parent is None:
            raise ModelError(f"{where}: no node, input or initializer defines '{name}'; the model is damaged")
        found = self.lookup(name, scope.parent, where)
        if scope.captured is not None and found is not None and found is not ABSENT:
            inside = partial(self._capture, scope.captured)
            found = scope.values[name] = found.mapped(inside) if isinstance(found, TensorList) else inside(found)
        return found

    def _capture(self, captured: dict[Value, Value], outer: Value) -> Value:
        """A value of an outer graph in the graph at hand: a constant once more, anything else through an input."""
        if outer not in captured:
            captured[outer] = Value(outer.name, outer.dtype, outer.shape, outer.const, perm=outer.perm)
        return captured[outer]

    # bodies

    def body(self, nodes: Sequence[onnx.NodeProto], results: Iterable[str], scope: Scope) -> None:
        """Imports the nodes of a graph or function with these results; each value is defined before its use."""
        self._count += len(nodes)
        if self._count > MAX_NODES:
            raise ModelError(f"model: it has more than {MAX_NODES} nodes once its functions are expanded; simplify it")
        used = {*results, *(n for node in nodes for n in needs(node))}
        for node in ordered(nodes, {*scope.values, *scope.tensors}, scope.prefix or "graph"):
            self._node(node, [o if o in used else "" for o in node.output], scope)

    def inline_graph(self, graph: onnx.GraphProto, c: Context) -> list[Found]:
        """The outputs of a branch, imported in place."""
        scope = c.scope.inner(c.name)
        scope.tensors = unique_tensors(graph, f"node '{c.name}'")
        if graph.input or len(graph.output) != len(c.node.output):
            raise c.refuse(f"a branch has {len(graph.input)} inputs and {len(graph.output)} outputs, none and "
                           f"{len(c.node.output)} are needed", "the model is damaged")
        start = len(self.graph.nodes)
        self.body(graph.node, [o.name for o in graph.output], scope)
        results = [self._result(o.name, scope, c.name) for o in graph.output]
        self._rename(results, c.out_names, start)
        return results

    def subgraph(self, graph: onnx.GraphProto, c: Context, types: Sequence[tuple[str, Shape] | TensorList],
                 drop: int = -1) -> Body:
        """A graph that runs on its own, with inputs of these types; lists, and input `drop`, which is always true, are
        no inputs of it. Its results are None when something in it cannot be imported."""
        if len(graph.input) != len(types):
            raise c.refuse(f"its graph has {len(graph.input)} inputs, {len(types)} are needed", "the model is damaged")
        scope = c.scope.inner(c.name)
        scope.tensors = unique_tensors(graph, f"node '{c.name}'")
        scope.captured = {}
        outside, self.graph = self.graph, Graph(self.graph.infer)
        try:
            for i, (info, t) in enumerate(zip(graph.input, types, strict=True)):
                scope.values[info.name] = t if isinstance(t, TensorList) else \
                    self.graph.const(np.array(True)) if i == drop else \
                    self.graph.input(self._unique(info.name, scope), *t)
            self.body(graph.node, [o.name for o in graph.output], scope)
            results = [self._result(o.name, scope, c.name) for o in graph.output]
            body = Body(self.graph, {o: i for o, i in scope.captured.items() if o.const is None}, None not in results,
                        {k: v for k, v in enumerate(results) if isinstance(v, TensorList)})
            for v, o in zip(results, graph.output, strict=True):
                if v is not None and not isinstance(v, TensorList):
                    self.graph.output(v, o.name)
            return body
        finally:
            self.graph = outside

    def _inline_function(self, f: onnx.FunctionProto, wanted: list[str], name: str, inputs: Sequence[Found],
                         attrs: Attributes, scope: Scope) -> list[Found]:
        """The outputs of a call of a function, imported in place. `inputs` may hold ABSENT."""
        key = (domain(f.domain), f.name, f.overload)
        if key in scope.calls:
            raise ModelError(f"node '{name[:80]}': function '{f.name}' calls itself; export the model without it")
        if len(inputs) > len(f.input) or len(wanted) > len(f.output):
            raise NotSupported(f"it has {len(inputs)} inputs and {len(wanted)} outputs, the function {len(f.input)} "
                               f"and {len(f.output)}", "the model is damaged")
        inner = scope.inner(name)
        inner.parent, inner.calls = None, scope.calls | {key}
        inner.opsets = opsets(f.opset_import) if f.opset_import else scope.opsets
        inner.attrs = {a.name: a for a in f.attribute_proto}
        inner.attrs.update((n, a) for n, a in attrs.items() if n in f.attribute or n in inner.attrs)
        inner.values = dict.fromkeys(f.input, ABSENT)
        inner.values.update(zip(f.input, inputs, strict=False))
        start = len(self.graph.nodes)
        self.body(f.node, f.output, inner)
        results = [self._result(o, inner, name) if used else None for o, used in zip(f.output, wanted, strict=False)]
        self._rename(results, [self._unique(o, scope) for o in wanted], start)
        return results

    def _rename(self, values: Sequence[Found], names: Sequence[str], start: int) -> None:
        """Gives results of an inlined body, whose nodes are those from `start` on, the names that the caller knows."""
        inside = set(map(id, self.graph.nodes[start:]))
        for v, name in zip(values, names, strict=True):
            if v is not None and name and id(v.node) in inside and v.perm is None:
                v.name = name

    def _result(self, name: str, scope: Scope, where: str) -> Found:
        v = self.lookup(name, scope, f"node '{where}': output of its body")
        if v is ABSENT:
            raise NotSupported("an output of its body is an input that is absent", "the model is damaged")
        return v

    # one node

    def _node(self, node: onnx.NodeProto, wanted: list[str], scope: Scope) -> None:
        """Imports a node; `wanted`: its outputs, "" for those that nobody reads."""
        name = node.name or f"{node.op_type}_{next((o for o in node.output if o), '')}"
        name = f"{scope.prefix}/{name}" if scope.prefix else name
        try:
            inputs = [self.lookup(i, scope, f"node '{name}' ({node.op_type})") if i else ABSENT for i in node.input]
            outputs = self._import(node, name, inputs, wanted, scope)
            if any(wanted[len(outputs):]):
                raise NotSupported(f"only {len(outputs)} of its {len(wanted)} outputs can be computed")
        except ModelError:
            raise
        except (NotSupported, ConvertError) as e:
            self._problem(name, node, e)
            outputs = [self._guess(o) if scope is self.root else None for o in wanted]
        scope.values.update((o, v) for o, v in zip(wanted, outputs, strict=False) if o)

    def _problem(self, name: str, node: onnx.NodeProto, e: Exception) -> None:
        op = f"{node.domain}.{node.op_type}" if domain(node.domain) else node.op_type
        why, fix = (e.why, e.fix) if isinstance(e, NotSupported) else (str(e), "")
        place, quote, rest = why.partition(f" '{name}': ")  # shape inference names the node; a Problem does so anyway
        why = rest if quote and " " not in place else why
        why = re.sub(r"(?<!')\bNone\b(?!')", "?", why)  # an open size
        why = why if len(why) <= MAX_WORDS else f"{why[:MAX_WORDS]}..."  # it may quote what the model says
        self.problems.append(Problem(name, op, why, fix))

    def _import(self, node: onnx.NodeProto, name: str, inputs: list[Found], wanted: list[str],
                scope: Scope) -> list[Found]:
        """The outputs of one node; all None when an input could not be imported and the node itself is fine."""
        attrs = attributes(node, scope.attrs)
        space = domain(node.domain)
        function = self._functions.get((space, node.op_type, node.overload))
        if function is not None:
            return self._inline_function(function, wanted, name, inputs, attrs, scope)
        opset = scope.opsets.get("", 0)
        schema, importer = _definition(space, node.op_type, opset)
        check_signature(schema, node, attrs)
        if None in inputs:
            return [None] * len(wanted)
        present = [None if v is ABSENT else v for v in inputs]
        if importer is None:
            if any(isinstance(v, TensorList) for v in present):
                raise NotSupported("an input is a sequence of tensors", "take tensors out of it before (SequenceAt)")
            function = body_of(schema, opset, node, attrs, present)
            return self._inline_function(function, wanted, name, inputs, attrs, scope)
        c = Context(self.graph, node, name, opset, present, attrs, schema, [self._unique(o, scope) for o in wanted],
                    self, scope)
        result = importer(c)
        outputs = result if isinstance(result, list) else [result]
        for v, out in zip(outputs, c.out_names, strict=False):
            if v is not None and not v.name:
                v.name = out
        return outputs

    def _guess(self, name: str) -> Found:
        """A stand-in for a value that could not be imported, so that the nodes after it can be checked too."""
        if self._types is None:
            # what the exporter wrote; onnx.shape_inference would know more, but some damaged models make it abort
            infos = [*self.model.graph.value_info, *self.model.graph.output]
            self._types = {i.name: i.type.tensor_type for i in infos if i.type.HasField("tensor_type")}
        found = self._types.get(name)
        try:
            return None if found is None else Value(name, dtype_of(found.elem_type, name), shape_of(found, name))
        except ConvertError:
            return None
