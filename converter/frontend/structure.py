"""The structure of ONNX graphs, checked: names, order, signatures, function bodies."""
from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

import onnx
from onnx.defs import OpSchema, SchemaError

from ..errors import ConvertError
from ..ir import Value
from .context import NotSupported
from .tensors import ONNX_DTYPES, subgraphs

Attributes = dict[str, onnx.AttributeProto]


class ModelError(ConvertError):
    """The model as a whole makes no sense; unlike other problems it ends the import at once."""


def domain(name: str) -> str:
    """The one spelling of a domain."""
    return "" if name == "ai.onnx" else name


def opsets(imports: Iterable[onnx.OperatorSetIdProto]) -> dict[str, int]:
    """Version of each domain."""
    return {domain(o.domain): int(o.version) for o in imports}


def unique_tensors(graph: onnx.GraphProto, where: str) -> dict[str, onnx.TensorProto]:
    """The initializers of a graph by name."""
    if graph.sparse_initializer:
        raise ModelError(f"{where}: sparse initializers are not supported; export the model with dense ones")
    tensors: dict[str, onnx.TensorProto] = {}
    for t in graph.initializer:
        if not t.name or t.name in tensors:
            raise ModelError(f"{where}: initializer '{t.name}' has no name of its own; the model is damaged")
        tensors[t.name] = t
    return tensors


def ordered(nodes: Sequence[onnx.NodeProto], taken: Iterable[str], where: str) -> list[onnx.NodeProto]:
    """The nodes such that each stands after those that it needs; otherwise in their own order.

    taken: names that the nodes must not define. ModelError for a name defined twice and for cycles.
    """
    taken = set(taken)
    producer: dict[str, int] = {}
    for i, node in enumerate(nodes):
        for o in node.output:
            if o and (o in producer or o in taken):
                raise ModelError(f"{where}: '{o}' is defined twice, the second time by a {node.op_type}; the model is "
                                 "damaged")
            if o:
                producer[o] = i
    before = [{producer[n] for n in needs(node) if n in producer} for node in nodes]
    users: list[list[int]] = [[] for _ in nodes]
    for i, found in enumerate(before):
        for j in found:
            users[j].append(i)
    missing = [len(found) for found in before]
    ready = [i for i, n in enumerate(missing) if n == 0]
    order: list[int] = []
    while ready:
        i = heapq.heappop(ready)
        order.append(i)
        for j in users[i]:
            missing[j] -= 1
            if missing[j] == 0:
                heapq.heappush(ready, j)
    if len(order) < len(nodes):
        node = nodes[next(i for i, n in enumerate(missing) if n)]
        raise ModelError(f"{where}: nodes need each other's results, for example node '{node.name}' ({node.op_type}); "
                         "the model is damaged")
    return [nodes[i] for i in order]


def needs(node: onnx.NodeProto) -> set[str]:
    """Names that a node reads, those that its subgraphs take from outside included."""
    names = set(node.input)
    for graph in subgraphs(node):
        inside = {n for inner in graph.node for n in needs(inner)} | {o.name for o in graph.output}
        names |= inside - {o for inner in graph.node for o in inner.output} \
            - {i.name for i in graph.input} - {t.name for t in graph.initializer}
    names.discard("")
    return names


def attributes(node: onnx.NodeProto, call: Attributes | None) -> Attributes:
    """The attributes of a node; inside a function, `call` holds those that it may refer to."""
    found: Attributes = {}
    for a in node.attribute:
        if a.name in found:
            raise NotSupported(f"attribute '{a.name}' is given twice", "the model is damaged")
        if not a.ref_attr_name:
            found[a.name] = a
        elif call is None:
            raise NotSupported(f"attribute '{a.name}' refers to a function's attribute, outside of a function",
                               "the model is damaged")
        elif a.ref_attr_name in call:
            found[a.name] = renamed(call[a.ref_attr_name], a.name)
    return found


def renamed(attribute: onnx.AttributeProto, name: str) -> onnx.AttributeProto:
    """The attribute under another name."""
    if attribute.name == name:
        return attribute
    copy = onnx.AttributeProto()
    copy.CopyFrom(attribute)
    copy.name = name
    return copy


def schema_of(op: str, opset: int) -> OpSchema:
    """The definition of one of ONNX's own operators in an opset."""
    newest = onnx.defs.onnx_opset_version()
    try:
        return onnx.defs.get_schema(op, min(opset, newest), "")
    except SchemaError:
        raise NotSupported(f"opset {opset} has no such operator", "check the spelling, or upgrade onnx") from None


def exists(op: str, opset: int) -> bool:
    """Whether ONNX itself has the operator in an opset."""
    try:
        schema_of(op, opset)
    except NotSupported:
        return False
    return True


def check_signature(schema: OpSchema, node: onnx.NodeProto, attrs: Attributes) -> None:
    """NotSupported unless numbers of inputs and outputs and the attributes' names and types are those of the schema."""
    for what, n, low, high in (("inputs", len(node.input), schema.min_input, schema.max_input),
                               ("outputs", len(node.output), schema.min_output, schema.max_output)):
        if not low <= n <= high:
            many = f"{low}" if low == high else f"{low} or more" if high >= 2**31 - 1 else f"{low} to {high}"
            raise NotSupported(f"it has {n} {what}, {many} are needed", "the model is damaged")
    for name, a in attrs.items():
        known = schema.attributes.get(name)
        if known is None:
            raise NotSupported(f"it has no attribute '{name}' in opset {schema.since_version}", "export it again")
        if a.type != int(known.type.value):
            raise NotSupported(f"attribute '{name}' has type {_type_name(a.type)}, it should be {known.type.name}",
                               "export the model again")
    for name, known in schema.attributes.items():
        if known.required and name not in attrs:
            raise NotSupported(f"attribute '{name}' is missing", "export the model again")


def _type_name(code: int) -> str:
    try:
        return str(onnx.AttributeProto.AttributeType.Name(code))
    except ValueError:
        return f"number {code}"


def has_body(schema: OpSchema) -> bool:
    """Whether ONNX defines the operator by other operators."""
    return bool(schema.has_function or schema.has_context_dependent_function)


def body_of(schema: OpSchema, opset: int, node: onnx.NodeProto, attrs: Attributes,
            inputs: Sequence[Value | None]) -> onnx.FunctionProto:
    """The body that ONNX gives an operator, for these attributes and input types."""
    f = onnx.FunctionProto()
    version = max((v for v in schema.function_opset_versions if v <= opset), default=None)
    if version is not None:
        f.ParseFromString(schema.get_function_with_opset_version(version))
    else:
        version = max((v for v in schema.context_dependent_function_opset_versions if v <= opset), default=None)
        if version is None:
            raise NotSupported("the operator is not supported")
        call = onnx.NodeProto(op_type=node.op_type, domain="")
        call.input.extend("" if v is None else f"x{i}" for i, v in enumerate(inputs))
        call.output.extend(node.output)
        call.attribute.extend(attrs.values())
        types = [b"" if v is None else _type_of(v).SerializeToString() for v in inputs]
        try:
            f.ParseFromString(schema.get_context_dependent_function_with_opset_version(
                version, call.SerializeToString(), types))
        except (RuntimeError, ValueError, SchemaError):
            f.Clear()
    if not f.node:
        raise NotSupported("the operator is not supported with these attributes and inputs")
    if not f.opset_import:
        f.opset_import.add(domain="", version=version)
    given = {a.name for a in f.attribute_proto}
    for name, known in schema.attributes.items():  # the body may refer to an attribute that the call leaves out
        if name in f.attribute and name not in given and known.default_value.name:
            f.attribute_proto.append(known.default_value)
    return f


def _type_of(v: Value) -> onnx.TypeProto:
    shape = [d if isinstance(d, int) else None for d in v.shape]
    return onnx.helper.make_tensor_type_proto(ONNX_DTYPES.get(v.dtype, 0), shape)
