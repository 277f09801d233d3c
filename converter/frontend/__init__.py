"""ONNX models -> the converter's graph.

`load` reads a model and its external data; `import_model` makes a Graph of it or says all that is in the way; `check`
returns that list. One function per operator, in the table `context.OPS`, and for those that ONNX does not
define in `foreign.FOREIGN`.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import onnx

from ..errors import Problem, UnsupportedError
from ..ir import Graph, Node, Shape
from . import (  # noqa: F401  (fill OPS and FOREIGN)
    control,
    einsum,
    elementwise,
    images,
    indices,
    integers,
    loops,
    matmul,
    microsoft,
    microsoft_attention,
    microsoft_cache,
    microsoft_quant,
    microsoft_recurrent,
    norm,
    quant,
    recurrent,
    reduce,
    resize,
    scattering,
    sequences,
    shape,
    signal,
    slicing,
    vision,
)
from .context import OPS
from .load import load
from .model import Options, run

__all__ = ["OPS", "check", "import_model", "load"]

Infer = Callable[[Node], list[tuple[str, Shape]]]


def import_model(model: onnx.ModelProto, infer: Infer, *, set: Mapping[str, Any] | None = None,  # noqa: A002
                 state: Mapping[str, str] | None = None, dims: Mapping[str, int | str] | None = None) -> Graph:
    """The graph of a model that `load` returned.

    infer: (dtype, shape) of each output of an IR node.
    set: inputs that become constants, with their values. state: output name -> name of the input that it becomes in the
    next run; both leave the graph's inputs and outputs and are its `states`. dims: sizes of symbols, or ranges
    as text (see ranges.py).
    ConvertError when an option or the model is wrong, UnsupportedError with all that cannot be converted.
    """
    graph, problems = run(model, infer, Options(dict(set or {}), dict(state or {}), dict(dims or {})))
    if problems:
        raise UnsupportedError(problems)
    return graph


def check(model: onnx.ModelProto, infer: Infer, *, set: Mapping[str, Any] | None = None,  # noqa: A002
          state: Mapping[str, str] | None = None, dims: Mapping[str, int | str] | None = None) -> list[Problem]:
    """What `import_model` would refuse, as a list; ConvertError when an option or the model as a whole is wrong."""
    return run(model, infer, Options(dict(set or {}), dict(state or {}), dict(dims or {})))[1]
