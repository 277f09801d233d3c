"""ONNX element types, tensors and shapes -> ours."""
from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator

import numpy as np
import onnx
from onnx import TensorProto

from ...spec.ops import MAX_DIM, MAX_RANK
from ..dtypes import to_numpy
from ..errors import ConvertError
from ..ir import Shape

DTYPES = {
    TensorProto.FLOAT: "f32", TensorProto.FLOAT16: "f16", TensorProto.DOUBLE: "f64", TensorProto.BOOL: "bool",
    TensorProto.INT8: "i8", TensorProto.UINT8: "u8", TensorProto.INT16: "i16", TensorProto.UINT16: "u16",
    TensorProto.INT32: "i32", TensorProto.UINT32: "u32", TensorProto.INT64: "i64", TensorProto.UINT64: "u64",
}
ONNX_DTYPES = {name: code for code, name in DTYPES.items()}

# Names that exporters write for "some size"; two of them are not the same size.
_UNNAMED = {"", "?", "-1", "*", "None", "none", "unk", "unknown", "dynamic"}


def type_name(code: int) -> str:
    """ONNX's name of an element type code, for messages."""
    try:
        return str(TensorProto.DataType.Name(code))
    except ValueError:
        return f"number {code}"


def dtype_of(code: int, where: str) -> str:
    """Our dtype of an ONNX element type; ConvertError when we have none."""
    name = DTYPES.get(code)
    if name is None:
        raise ConvertError(f"{where}: element type {type_name(code)} is not supported; use one of "
                           f"{', '.join(type_name(c) for c in DTYPES)}")
    return name


def array_of(tensor: onnx.TensorProto, where: str) -> np.ndarray:
    """The values of a tensor, whose data must be in the message; ConvertError when they do not fit type and shape."""
    dtype = to_numpy(dtype_of(tensor.data_type, where))
    if tensor.data_location == TensorProto.EXTERNAL:
        raise ConvertError(f"{where}: its values are in another file; pass the path of the model, not its bytes")
    dims = [int(d) for d in tensor.dims]
    if len(dims) > MAX_RANK or any(d < 0 or d > MAX_DIM for d in dims):
        raise ConvertError(f"{where}: shape {dims} is not valid; ranks are 0 to {MAX_RANK}, sizes 0 to {MAX_DIM}")
    count = math.prod(dims)
    if tensor.HasField("raw_data"):
        if len(tensor.raw_data) != count * dtype.itemsize:
            raise ConvertError(f"{where}: shape {dims} needs {count * dtype.itemsize} bytes, the file has "
                               f"{len(tensor.raw_data)}; the file is damaged")
        if dtype == np.bool_:  # a hostile file may hold bytes other than 0 and 1
            return (np.frombuffer(tensor.raw_data, np.uint8) != 0).reshape(dims)
        return np.frombuffer(tensor.raw_data, dtype.newbyteorder("<")).astype(dtype, copy=False).reshape(dims)
    field = onnx.helper.tensor_dtype_to_field(tensor.data_type)
    items = getattr(tensor, field)
    if len(items) != count:
        raise ConvertError(f"{where}: shape {dims} needs {count} values, there are {len(items)}; the file is damaged")
    return _typed(items, dtype, where).reshape(dims)


def _typed(items: object, dtype: np.dtype, where: str) -> np.ndarray:
    """A typed field (int32_data for small integers, f16 as bit patterns, ...) as `dtype`."""
    if dtype == np.float16:
        wide = np.array(items, np.int64)
        if wide.size and (wide.min() < 0 or wide.max() > 0xFFFF):
            raise ConvertError(f"{where}: a value is not a float16 bit pattern; the file is damaged")
        return wide.astype(np.uint16).view(np.float16)
    if dtype.kind == "f":
        return np.array(items, dtype)
    wide = np.array(items, np.uint64 if dtype == np.uint64 else np.int64)
    low, high = (0, 1) if dtype == np.bool_ else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if wide.size and (int(wide.min()) < low or int(wide.max()) > high):
        raise ConvertError(f"{where}: a value is out of the range {low} to {high}; the file is damaged")
    return wide.astype(dtype)


def shape_of(tensor: onnx.TypeProto.Tensor, where: str, dims: dict[str, int] | None = None) -> Shape:
    """Sizes, symbols and None; `dims` fixes symbols. ConvertError when the rank is unknown or too large."""
    if not tensor.HasField("shape"):
        raise ConvertError(f"{where}: its rank is not known; export the model with shapes (sizes may stay dynamic)")
    if len(tensor.shape.dim) > MAX_RANK:
        raise ConvertError(f"{where}: rank {len(tensor.shape.dim)} is not supported; the largest is {MAX_RANK}")
    return tuple(_dim(d, where, dims or {}) for d in tensor.shape.dim)


def _dim(dim: onnx.TensorShapeProto.Dimension, where: str, dims: dict[str, int]) -> int | str | None:
    if dim.HasField("dim_param"):
        name = dim.dim_param.strip()
        if name in _UNNAMED or name[0] in "~-0123456789" or len(name) > 128 or not name.isprintable():
            return None  # "~" marks the symbols that shape inference makes up
        return dims.get(name, name)
    if dim.dim_value > MAX_DIM:
        raise ConvertError(f"{where}: size {dim.dim_value} is too large; the largest is {MAX_DIM}")
    return int(dim.dim_value) if dim.dim_value > 0 else None  # old exporters write 0 or -1 for "unknown"


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """The graphs in a node's attributes (not those inside them)."""
    for a in node.attribute:
        if a.type == onnx.AttributeProto.GRAPH:
            yield a.g
        elif a.type == onnx.AttributeProto.GRAPHS:
            yield from a.graphs


def all_tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every dense tensor of a model: initializers and attributes, in all graphs and functions."""
    todo: list[onnx.GraphProto | onnx.FunctionProto] = [model.graph, *model.functions]
    while todo:
        body = todo.pop()
        if isinstance(body, onnx.GraphProto):
            yield from body.initializer
        for node in body.node:
            for a in node.attribute:
                if a.type == onnx.AttributeProto.TENSOR:
                    yield a.t
                yield from a.tensors
            todo.extend(subgraphs(node))


def has_controls(text: str) -> bool:
    """Whether a text has control characters, which no name has and which could deceive a terminal."""
    return any(unicodedata.category(c) == "Cc" for c in text)
