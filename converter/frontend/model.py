"""A whole model: its inputs, the options that change them, its outputs and states."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx

from ...spec.ops import MAX_DIM
from ..dtypes import to_numpy
from ..errors import ConvertError, Problem
from ..ir import Graph, Node, Shape, State, Value
from ..ranges import KEY, parse, split, to_metadata
from .importer import ABSENT, Importer
from .lists import TensorList
from .load import check_opset
from .structure import ModelError, unique_tensors
from .tensors import dtype_of, shape_of


@dataclass
class Options:
    """See import_model."""

    set: dict[str, Any] = field(default_factory=dict)
    state: dict[str, str] = field(default_factory=dict)
    dims: dict[str, int | str] = field(default_factory=dict)


def run(model: onnx.ModelProto, infer: Callable[[Node], list[tuple[str, Shape]]],
        options: Options) -> tuple[Graph, list[Problem]]:
    """The graph of a model (unfinished when there are problems) and what is not supported."""
    check_opset(model)
    g = model.graph
    if not g.node:
        raise ModelError("graph: it has no nodes; export the model again")
    if not g.output:
        raise ModelError("graph: it has no outputs; export the model again")
    tensors = unique_tensors(g, "graph")
    inputs = _unique_infos(g.input, "input")
    outputs = _unique_infos(g.output, "output")
    _check_options(options, inputs, outputs)
    importer = Importer(model, infer)
    graph = importer.graph
    graph.metadata = {p.key: p.value for p in model.metadata_props if isinstance(p.value, str)}
    for key in [k for k in graph.metadata if k.startswith("lite_runtime.")]:
        del graph.metadata[key]  # ours alone
    if declared := to_metadata(options.dims):
        graph.metadata[KEY] = declared
    importer.reserve([*inputs, *tensors, *(o for n in g.node for o in n.output)])
    given = {*options.set, *options.state.values()}
    importer.root.tensors = {name: t for name, t in tensors.items() if name not in given}
    dims = _state_dims(options, inputs, graph.notes)
    for name, info in inputs.items():
        if name not in importer.root.tensors:  # files of IR version 3 and older list constants as inputs too
            _input(importer, info, options, dims)
    importer.body(g.node, outputs, importer.root)
    _outputs(importer, outputs, options)
    if not importer.problems:
        _states(importer, options)
    return graph, importer.problems


def _unique_infos(infos: Any, what: str) -> dict[str, onnx.ValueInfoProto]:
    found: dict[str, onnx.ValueInfoProto] = {}
    for i in infos:
        if not i.name or i.name in found:
            raise ModelError(f"graph: {what} '{i.name}' has no name of its own; the model is damaged")
        found[i.name] = i
    return found


def _check_options(options: Options, inputs: dict, outputs: dict) -> None:
    """ConvertError for options that name what the model does not have."""
    for name in options.set:
        if name not in inputs:
            raise ConvertError(f"set '{name}': the model has no such input; it has {_list(inputs)}")
    for source, name in options.state.items():
        if source not in outputs:
            hint = f"; write {name}={source}" if source in inputs and name in outputs else f"; it has {_list(outputs)}"
            raise ConvertError(f"state '{source}={name}': the model has no output '{source}'{hint}")
        if name not in inputs:
            raise ConvertError(f"state '{source}={name}': the model has no input '{name}'; it has {_list(inputs)}")
        if name in options.set:
            raise ConvertError(f"state '{source}={name}': input '{name}' is also set to a constant; drop one option")
    twice = [n for n in options.state.values() if list(options.state.values()).count(n) > 1]
    if twice:
        raise ConvertError(f"state: input '{twice[0]}' is given two outputs; a state has one")
    symbols = {d.dim_param.strip() for i in inputs.values() for d in i.type.tensor_type.shape.dim if d.dim_param}
    for name, size in options.dims.items():
        if name not in symbols:
            raise ConvertError(f"dim '{name}': no input has a size of this name; there are {_list(symbols)}")
        if isinstance(size, str):
            parse(name, size)
        elif isinstance(size, bool) or not isinstance(size, (int, np.integer)) or not 1 <= size <= MAX_DIM:
            raise ConvertError(f"dim '{name}': {size!r} is not a size; give a number from 1 to {MAX_DIM}")


def _list(names: Any) -> str:
    names = sorted(names)
    return (", ".join(names[:20]) + (", ..." if len(names) > 20 else "")) or "none"


def _state_dims(options: Options, inputs: dict, notes: list[str]) -> dict[str, int]:
    """The sizes of symbols: those given, and 1 for those that a state needs and nobody gave."""
    dims, ranges = split(options.dims)
    for name in options.state.values():
        for d in shape_of(inputs[name].type.tensor_type, f"input '{name}'", dims):
            if isinstance(d, str) and d in ranges:
                raise ConvertError(f"dim '{d}': state '{name}' has this size, which the session keeps; give one size")
            if isinstance(d, str) and d not in dims:
                dims[d] = 1
                notes.append(f"state '{name}': size '{d}' is not given and becomes 1; use --dim {d}=N for another")
    return dims


def _input(importer: Importer, info: onnx.ValueInfoProto, options: Options, dims: dict[str, int]) -> None:
    """Adds one input, state or constant; what is not supported becomes a problem."""
    name, where, graph = info.name, f"input '{info.name}'", importer.graph
    kind = info.type.WhichOneof("value")
    importer.root.values[name] = None
    if kind != "tensor_type":
        importer.problems.append(Problem(name, "input", f"its type is {(kind or 'missing').replace('_type', '')}",
                                         "only tensors are supported"))
        return
    try:
        dtype = dtype_of(info.type.tensor_type.elem_type, where)
        shape = shape_of(info.type.tensor_type, where, dims)
    except ConvertError as e:
        importer.problems.append(Problem(name, "input", str(e).removeprefix(f"{where}: ")))
        return
    if name in options.set:
        importer.root.values[name] = graph.const(_set_value(name, options.set[name], dtype, shape), name)
    elif name in options.state.values():
        if None in shape:
            graph.notes.append(f"state '{name}': a size without a name becomes 1")
        value = Value(name, dtype, tuple(1 if d is None else d for d in shape))
        graph.states.append(State(value, value))  # `source` is known once the nodes are imported
        importer.root.values[name] = value
    else:
        importer.root.values[name] = graph.input(name, dtype, shape)


def _set_value(name: str, given: Any, dtype: str, shape: Shape) -> np.ndarray:
    """The constant that replaces an input, in the input's dtype and shape."""
    to = to_numpy(dtype)
    try:
        a = np.asarray(given)
        ok = a.dtype.kind in "biuf"
        with np.errstate(all="ignore"):
            y = a.astype(to) if ok else a
            ok = ok and (to.kind == "f" and a.dtype.kind != "b" or bool(np.array_equal(y, a)))
    except (ValueError, TypeError, OverflowError):
        ok = False
    if not ok:
        raise ConvertError(f"set '{name}': the value {str(given)[:60]} cannot be stored as {dtype}, the input's dtype")
    if y.ndim == 0 and all(d is None or isinstance(d, str) or d == 1 for d in shape):
        y = y.reshape([1] * len(shape))
    if y.ndim != len(shape) or any(isinstance(d, int) and d != n for d, n in zip(shape, y.shape, strict=True)):
        raise ConvertError(f"set '{name}': the value has shape {list(y.shape)}, the input {list(shape)}; give a "
                           "value of the input's shape")
    return y


def _outputs(importer: Importer, outputs: dict[str, onnx.ValueInfoProto], options: Options) -> None:
    graph = importer.graph
    for name in outputs:
        v = importer.lookup(name, importer.root, f"output '{name}'")
        if v is None or v is ABSENT:
            if not importer.problems:
                raise ModelError(f"output '{name}': nothing computes it; the model is damaged")
        elif isinstance(v, TensorList):
            importer.problems.append(Problem(name, "output", "it is a sequence of tensors",
                                             "let the model give tensors (ConcatFromSequence, SequenceAt)"))
        elif name not in options.state:
            graph.outputs.append(v)
            graph.output_names.append(name)


def _states(importer: Importer, options: Options) -> None:
    """Completes the states: what each becomes after a run. ConvertError when dtype or shape differ."""
    sources = {name: importer.root.values[source] for source, name in options.state.items()}
    for s in importer.graph.states:
        s.source = sources[s.value.name]
        where = f"state '{s.value.name}'"
        if s.source.dtype != s.value.dtype:
            raise ConvertError(f"{where}: its input has dtype {s.value.dtype}, its output {s.source.dtype}; give a "
                               "pair that agrees")
        same = s.source.rank == s.value.rank and all(
            not isinstance(b, int) or a == b for a, b in zip(s.value.shape, s.source.shape, strict=True))
        if not same:
            raise ConvertError(f"{where}: its input has shape {list(s.value.shape)}, its output "
                               f"{list(s.source.shape)}; give a pair that agrees")
