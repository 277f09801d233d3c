"""Every operator with every element type that the newest ONNX allows for its first input: the answer of onnxruntime or
of ONNX's evaluator, or one sentence that refuses it; at sizes that are known and at symbolic ones."""
from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import lite_runtime
from lite_runtime.converter.errors import ConvertError
from lite_runtime.converter.frontend import OPS

NEWEST = onnx.defs.onnx_opset_version()
DTYPES = {f"tensor({n})": np.dtype(d) for n, d in (
    ("float", "float32"), ("float16", "float16"), ("double", "float64"), ("int8", "int8"), ("uint8", "uint8"),
    ("int16", "int16"), ("uint16", "uint16"), ("int32", "int32"), ("uint32", "uint32"), ("int64", "int64"),
    ("uint64", "uint64"), ("bool", "bool"))}
I64 = np.int64


class X:
    """Random values of the type of its type parameter; small ones whose sums fit, not zero where `positive`."""

    def __init__(self, *shape: int, positive: bool = False, unit: bool = False, whole: bool = False) -> None:
        self.shape, self.positive, self.unit, self.whole = shape, positive, unit, whole

    def make(self, rng: np.random.Generator, dtype: np.dtype) -> np.ndarray:
        if dtype.kind == "b":
            return rng.integers(0, 2, self.shape).astype(bool)
        if dtype.kind in "iu":
            low = 1 if self.positive else max(-4, np.iinfo(dtype).min)
            return rng.integers(low, 6, self.shape).astype(dtype)
        if self.whole:
            return rng.integers(-3, 4, self.shape).astype(dtype)
        low = 0.3 if self.positive else -0.9 if self.unit else -3
        return rng.uniform(low, 0.9 if self.unit else 3, self.shape).astype(dtype)


class C(X):
    """The same as a constant."""


UNARY = """
Abs Acos Asin Asinh Atan Atanh BitwiseNot Ceil Celu Cos Cosh Elu Erf Exp Floor Gelu HardSigmoid HardSwish Identity
IsInf IsNaN LeakyRelu Mish Neg Not Relu Round Selu Shape Shrink Sigmoid Sign Sin Sinh Size Softplus Softsign Swish Tan
Tanh ThresholdedRelu NonZero Hardmax LogSoftmax Softmax Flatten Transpose LpNormalization
""".split()
BINARY = """
Add And BitwiseAnd BitwiseOr BitwiseXor Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min Mul Or Sub Sum Xor
""".split()
REDUCE = """
ReduceL1 ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare
""".split()
ROWS: dict[str, list[tuple[dict[str, Any], list[Any]]]] = {
    **{op: [({}, [X(3, 4, unit=op in ("Acos", "Asin", "Atanh"))]), ({}, [X(0, 4)])] for op in UNARY},
    **{op: [({}, [X(3, 4), X(4)]), ({}, [X(), X()]), ({}, [X(1, 2, 1, 2, 1, 2, 1, 2), X(2, 1, 1, 1, 1, 1, 1)])]
       for op in BINARY},
    **{op: [({}, [X(3, 4, 2), np.array([1], I64)]), ({"keepdims": 0}, [X(3, 4)]), ({}, [X(2, 1, 3),
            np.array([-1, 0], I64)])]
       for op in REDUCE},
    "Acosh": [({}, [X(3, 4, positive=True)])], "Sqrt": [({}, [X(3, 4, positive=True)])],
    "Log": [({}, [X(3, 4, positive=True)])], "Reciprocal": [({}, [X(3, 4, positive=True)])],
    "ReduceLogSum": [({}, [X(3, 4, positive=True), np.array([1], I64)])],
    "ArgMax": [({}, [X(3, 4)]), ({"axis": 1, "select_last_index": 1, "keepdims": 0}, [X(3, 9)])],
    "ArgMin": [({}, [X(3, 4)]), ({"axis": -1, "select_last_index": 1}, [X(3, 9)])],
    "Div": [({}, [X(3, 4), X(4, positive=True)])],
    "Mod": [({}, [X(3, 4), X(4, positive=True)]), ({"fmod": 1}, [X(3, 4), X(4, positive=True)])],
    "Pow": [({}, [X(3, 4, positive=True), X(4, positive=True)]), ({}, [X(3, 4), np.array(2, np.float32)]),
            ({}, [X(3, 4), np.array(2, I64)])],
    "PRelu": [({}, [X(3, 4), X(4)])], "BitShift": [({"direction": d}, [X(3, 4), X(4)]) for d in ("LEFT", "RIGHT")],
    "Clip": [({}, [X(3, 4), C(), C()]), ({}, [X(3, 4), X()]), ({}, [X(3, 4), None, X()])],
    "Where": [({}, [np.array([True, False, True, False]), X(3, 4), X(1, 4)])],
    "AveragePool": [({"kernel_shape": [3, 2], "pads": [1, 0, 1, 1], "count_include_pad": 1}, [X(2, 3, 5, 6)]),
                    ({"kernel_shape": [2], "ceil_mode": 1, "strides": [2]}, [X(2, 3, 5)]),
                    ({"kernel_shape": [2, 2, 3], "auto_pad": "SAME_LOWER"}, [X(1, 2, 5, 6, 4)]),
                    ({"kernel_shape": [2, 2, 3], "dilations": [2, 2, 1]}, [X(1, 2, 5, 6, 4)])],
    "MaxPool": [({"kernel_shape": [3, 2], "pads": [1, 0, 1, 1]}, [X(2, 3, 5, 6)]),
                ({"kernel_shape": [2], "ceil_mode": 1, "strides": [2]}, [X(2, 3, 5)]),
                ({"kernel_shape": [2, 2, 3], "auto_pad": "SAME_UPPER", "dilations": [1, 2, 1]}, [X(1, 2, 5, 6, 4)])],
    "LpPool": [({"kernel_shape": [3, 2], "pads": [1, 0, 1, 1], "p": 3}, [X(2, 3, 5, 6)]),
               ({"kernel_shape": [2], "ceil_mode": 1, "strides": [2]}, [X(2, 3, 5)]),
               ({"kernel_shape": [2, 2, 3], "dilations": [1, 2, 1], "p": 1}, [X(1, 2, 5, 6, 4)])],
    "GlobalAveragePool": [({}, [X(2, 3, 4)]), ({}, [X(2, 3, 4, 5)]), ({}, [X(2, 3, 2, 3, 4)])],
    "GlobalMaxPool": [({}, [X(2, 3, 4)]), ({}, [X(2, 3, 4, 5)]), ({}, [X(2, 3, 2, 3, 4)])],
    "GlobalLpPool": [({}, [X(2, 3, 4)]), ({"p": 1}, [X(2, 3, 4, 5)]), ({"p": 3}, [X(2, 3, 2, 3, 4)])],
    "LRN": [({"size": 3}, [X(2, 5, 4, 3)]), ({"size": 4, "alpha": 0.5, "bias": 2.0}, [X(2, 5, 4)]),
            ({"size": 3}, [X(1, 5, 2, 3, 2)])],
    "Conv": [({}, [X(2, 4, 7), C(6, 4, 3), C(6)]), ({"group": 2}, [X(2, 4, 7), C(6, 2, 3), C(6)]),
             ({"strides": [2, 1], "pads": [1, 0, 2, 1]},
             [X(2, 3, 6, 5), C(4, 3, 3, 2)]),
             ({"auto_pad": "SAME_UPPER", "strides": [2, 1, 2]}, [X(1, 2, 5, 4, 6), C(3, 2, 3, 2, 2), C(3)]),
             ({"group": 4, "dilations": [1, 2, 1]}, [X(1, 4, 4, 6, 5), C(4, 1, 2, 2, 3)]),
             ({}, [X(0, 3, 6, 5), C(4, 3, 3, 2)]), ({}, [X(2, 3, 6, 5), X(4, 3, 3, 2)])],
    "ConvTranspose": [({"strides": [2]}, [X(2, 4, 7), C(4, 2, 3), C(2)]),
                      ({"strides": [2, 3], "output_padding": [1, 2], "pads": [1, 0, 0, 1]},
                                    [X(2, 3, 4, 5), C(3, 2, 3, 3)]),
                      ({"strides": [2, 1, 2], "dilations": [1, 2, 1]}, [X(1, 2, 3, 4, 2), C(2, 3, 3, 2, 2), C(3)]),
                      ({"strides": [2, 2, 2], "auto_pad": "SAME_LOWER"}, [X(1, 2, 3, 4, 2), C(2, 3, 3, 2, 2)]),
                      ({"strides": [2, 2, 2], "output_shape": [7, 8, 5]}, [X(1, 2, 3, 4, 2), C(2, 3, 3, 2, 2)]),
                      ({"group": 2, "strides": [1, 2, 2]}, [X(1, 4, 3, 4, 2), C(4, 3, 3, 2, 2), C(6)])],
    "MatMul": [({}, [X(3, 4), C(4, 5)]), ({}, [X(2, 3, 4), X(2, 4, 5)]), ({}, [X(4), X(4)]), ({}, [X(3, 0), X(0, 2)])],
    "Gemm": [({}, [X(3, 4), C(4, 5), C(5)]), ({"transA": 1, "alpha": 2.0}, [X(4, 3), X(4, 5)]),
             ({"transB": 1, "beta": 3.0}, [X(3, 4), X(5, 4), X(3, 1)])],
    "BatchNormalization": [({}, [X(*s), C(3), C(3), C(3), C(3, positive=True)])
                           for s in ((2, 3), (2, 3, 4), (2, 3, 4, 2), (2, 3, 2, 3, 2))],
    "InstanceNormalization": [({}, [X(*s), C(3), C(3)]) for s in ((2, 3, 4), (2, 3, 4, 2), (2, 3, 2, 3, 2))],
    "GroupNormalization": [({"num_groups": 2}, [X(*s), C(4), C(4)])
                           for s in ((2, 4, 4), (2, 4, 4, 2), (2, 4, 2, 3, 2))],
    "LayerNormalization": [({}, [X(3, 8), C(8), C(8)]), ({"axis": 1}, [X(2, 3, 4), C(3, 4)])],
    "RMSNormalization": [({}, [X(3, 8), C(8)])],
    "Reshape": [({}, [X(3, 4), np.array([2, -1], I64)]), ({}, [X(0, 4), np.array([0, 2, 2], I64)])],
    "Squeeze": [({}, [X(1, 3, 1), np.array([0, -1], I64)])], "Unsqueeze": [({}, [X(3, 4), np.array([0, -1], I64)])],
    "Concat": [({"axis": 1}, [X(3, 4), X(3, 2)]), ({"axis": -1},
               [X(1, 1, 1, 1, 1, 1, 1, 3), C(1, 1, 1, 1, 1, 1, 1, 0)])],
    "Split": [({"num_outputs": 1}, [X(4, 3)])], "Slice": [({}, [X(5, 4), np.array([4], I64), np.array([-9], I64),
              np.array([0], I64), np.array([-2], I64)])],
    "Pad": [({"mode": m}, [X(3, 4), np.array([1, 2, 0, 1], I64)]) for m in ("constant", "reflect", "edge", "wrap")] +
           [({}, [X(3, 4), np.array([1, 2, 0, 1], I64), C()]), ({}, [X(3, 4), np.array([1, 2, 0, -1], I64)])],
    "Tile": [({}, [X(2, 3), np.array([2, 1], I64)])], "Expand": [({}, [X(3, 1), np.array([2, 1, 4], I64)])],
    "Gather": [({"axis": 1}, [X(3, 4), np.array([[0, -1], [2, 1]], I64)])],
    "GatherElements": [({"axis": 1}, [X(3, 4), np.array([[0, -1], [2, 1]], I64)])],
    "GatherND": [({}, [X(3, 4), np.array([[0, -1], [2, 1]], I64)])],
    "ScatterElements": [({"axis": 1, "reduction": r}, [X(2, 4), np.array([[0, -1], [2, 1]], I64), X(2, 2)])
                        for r in ("none", "add", "mul", "max", "min")],
    "ScatterND": [({"reduction": r}, [X(5), np.array([[0], [-1]], I64), X(2)]) for r in ("none", "add", "mul", "max",
                  "min")],
    "DepthToSpace": [({"blocksize": 2, "mode": m}, [X(1, 8, 2, 3)]) for m in ("DCR", "CRD")],
    "SpaceToDepth": [({"blocksize": 2}, [X(1, 2, 4, 6)])],
    "Resize": [({"mode": m}, [X(1, 2, 3, 4), None, np.array([1, 1, 2, 1.5], np.float32)])
               for m in ("nearest", "linear", "cubic")],
    # a fraction that the type cannot hold is undefined; here it saturates (docs/ops.md)
    "Cast": [({"to": t}, [X(3, 4, positive=t in (2, 4, 12, 13))]) for t in (1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13)],
    "CastLike": [({}, [X(3, 4), np.zeros(1, np.int8)])],
    "CumSum": [({"exclusive": e, "reverse": r}, [X(3, 4), np.array(1, I64)]) for e in (0, 1) for r in (0, 1)],
    "CumProd": [({}, [X(3, 4), np.array(1, I64)])], "TopK": [({}, [X(3, 7), np.array([3], I64)])],
    "Trilu": [({}, [X(3, 4)]), ({"upper": 0}, [X(2, 3, 4), np.array(-1, I64)])], "EyeLike": [({}, [X(3, 4)])],
    "Compress": [({"axis": 1}, [X(3, 4), np.array([True, False, True])])],
    "ReverseSequence": [({}, [X(4, 3), np.array([1, 4, 2], I64)])], "Unique": [({}, [X(12)])],
    "Dropout": [({}, [X(3, 4)])], "Det": [({}, [X(2, 3, 3)])],
    "Range": [({}, [np.array(v, np.int64) for v in (1, 9, 3)])],
    "DFT": [({}, [X(2, 5, 12, 2)]), ({"onesided": 1}, [X(2, 7, 1), np.array(9, I64)]),
            ({"inverse": 1}, [X(2, 7, 1), None, np.array(0, I64)])],
    "STFT": [({"onesided": 1}, [X(2, 30, 1), np.array(4, I64), X(8)]),
             ({"onesided": 0}, [X(1, 30, 2), np.array(7, I64), X(9)])],
    **{op: [({}, [np.array(9, I64)]), ({"periodic": 0}, [np.array(12, I64)])]
       for op in ("HannWindow", "HammingWindow", "BlackmanWindow")},
    "MelWeightMatrix": [({}, [*(np.array(v, I64) for v in (8, 64, 8000)), *(np.float32(v) for v in (50, 3900))])],
    "ConstantOfShape": [({}, [np.array([2, 3], I64)])],
    "OneHot": [({}, [X(3, 4, whole=True), np.array(5, I64), np.float32([0, 1])])],
    "CenterCropPad": [({}, [X(5, 4), np.array([3, 6], I64)])],
    "Einsum": [({"equation": "ij,jk->ik"}, [X(3, 4), X(4, 2)])],
    "GridSample": [({"mode": m}, [X(1, 2, 4, 5), np.float32(np.linspace(-1.2, 1.2, 24)).reshape(1, 3, 4, 2)])
                   for m in ("linear", "nearest", "cubic")],
    "QuantizeLinear": [({}, [X(3, 4), np.float32(0.5), np.int8(1)])],
    "DequantizeLinear": [({}, [X(3, 4), np.float32(0.5)])],
}
# tested by themselves: tests/ops, tests/graphs or tests/python
ELSEWHERE = {"BitCast", "Col2Im", "Constant", "ConvInteger", "DeformConv", "DynamicQuantizeLinear", "GRU", "If", "LSTM",
             "Loop", "MatMulInteger", "MaxUnpool", "NonMaxSuppression", "QLinearConv", "QLinearMatMul", "RNN",
             "RoiAlign", "Scan", "Scatter", "TensorScatter", "Upsample",
             # sequences are of any dtype
             "ConcatFromSequence", "SequenceAt", "SequenceConstruct", "SequenceEmpty", "SequenceErase",
             "SequenceInsert", "SequenceLength", "SplitToSequence"}


def types(op: str) -> list[str]:
    """What ONNX allows for the type parameter of a row's first random input, of those that a tensor here can have."""
    schema = onnx.defs.get_schema(op)
    row = ROWS[op][0][1]
    first = next((i for i, a in enumerate(row) if isinstance(a, X)), None)
    if first is None:
        return ["tensor(int64)"]
    return [t for t in schema.inputs[min(first, len(schema.inputs) - 1)].types if t in DTYPES]


def model_of(op: str, attrs: dict[str, Any], row: list[Any], dtype: np.dtype, symbolic: bool,
             ) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    rng = np.random.default_rng(7)
    feed, constants, names, infos = {}, [], [], []
    for i, a in enumerate(row):
        name = f"x{i}"
        names.append(name if a is not None else "")
        if isinstance(a, X) and not isinstance(a, C):
            feed[name] = a.make(rng, dtype)
            dims = [f"d{i}_{k}" for k in range(len(a.shape))] if symbolic and i == 0 else a.shape
            infos.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), dims))
        elif a is not None:
            constants.append(numpy_helper.from_array(np.asarray(a.make(rng, dtype) if isinstance(a, C) else a), name))
    n = len([o for o in onnx.defs.get_schema(op).outputs
             if o.option == onnx.defs.OpSchema.FormalParameterOption.Single])
    outs = [f"y{i}" for i in range(max(n, 1))]
    graph = helper.make_graph([helper.make_node(op, names, outs, name="the_node", **attrs)], "g", infos,
                              [onnx.ValueInfoProto(name=o) for o in outs], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", NEWEST)], ir_version=10), feed


def shapes(model: onnx.ModelProto) -> list[tuple[int, ...]]:
    """Of the outputs, by ONNX's rules; -1 where these do not say."""
    done = onnx.shape_inference.infer_shapes(model, data_prop=True)
    return [tuple(d.dim_value if d.HasField("dim_value") else -1 for d in o.type.tensor_type.shape.dim)
            if o.type.tensor_type.HasField("shape") else (-1,) for o in done.graph.output]


def valid(answers: list[np.ndarray], model: onnx.ModelProto) -> bool:
    """Whether these have the types and shapes that ONNX demands; not all of the evaluator's do."""
    done = onnx.shape_inference.infer_shapes(model)
    types = [o.type.tensor_type.elem_type for o in done.graph.output]
    return all((not t or helper.tensor_dtype_to_np_dtype(t) == a.dtype) and
               (s == (-1,) or len(s) == a.ndim and all(d in (-1, e) for d, e in zip(s, a.shape, strict=True)))
               for a, t, s in zip(answers, types, shapes(model), strict=True))


def references(model: onnx.ModelProto, feed: dict[str, np.ndarray]) -> list[list[np.ndarray]]:
    """The answers of those that can run it."""
    found = []
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    for run in (lambda: onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, feed),
                lambda: ReferenceEvaluator(model).run(None, feed)):
        try:
            with np.errstate(all="ignore"):
                answers = [np.asarray(a) for a in run()]
            if valid(answers, model):
                found.append(answers)
        except Exception:  # noqa: BLE001 (whatever a reference cannot run, it raises)
            continue
    return found


def lp_norm(x: np.ndarray, p: int = 2) -> np.ndarray:
    return (np.abs(x.astype(np.float64)) ** p).sum(tuple(range(2, x.ndim)), keepdims=True) ** (1 / p)


def lrn(x: np.ndarray, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0) -> np.ndarray:
    wide, n = x.astype(np.float64), x.shape[1]
    sums = [(wide[:, max(0, k - (size - 1) // 2):min(n, k + size // 2 + 1)] ** 2).sum(1) for k in range(n)]
    return wide / (bias + alpha / size * np.stack(sums, 1)) ** beta


def max_pool(x: np.ndarray) -> np.ndarray:
    return x.max(tuple(range(2, x.ndim)), keepdims=True)


def sum_square(x: np.ndarray, axes: np.ndarray | None = None, keepdims: int = 1) -> np.ndarray:
    over = None if axes is None else tuple(axes)
    return (x * x).sum(over, x.dtype, keepdims=bool(keepdims))


# where the references miss ranks or types
COPIES = {"Pad", "Resize"}  # which move elements: in f32, where they are not implemented for a type
NAIVE = {"GlobalLpPool": lp_norm, "GlobalMaxPool": max_pool, "LRN": lrn, "ReduceSumSquare": sum_square}
# both references compute these in f32, or with a constant of f32; we in double, as test_double_is_double says
IN_F32 = {"Erf", "Gelu", "GroupNormalization", "HardSwish"}


# What is refused: for these element types, in at least one row, in words of this kind (at open sizes alone: "open").
INTEGERS = "int8 uint8 int16 uint16 int32 uint32 int64 uint64"
VOLUMES = r"auto_pad of a volume of open depth with a stride is not supported; export explicit pads"
CONV = r"x is f64; convolutions compute in f32, f16, i8 and u8"
GRID = r"an input of dtype \w+ is not supported; use f32 or f16"
RESIZE = r"x is \w+; all but nearest resizing without a crop is for f32 and f16"
GROUPS = r"an input of shape .* cannot be split into 2 groups of channels"
SCATTER = r"it cannot combine bool; use reduction none"
REFUSED: dict[str, list[tuple[str, str, str]]] = {
    "AveragePool": [("double", "", r"x is f64; f32 and f16 are possible")],
    "Conv": [("double", "", CONV), ("double float float16", "open", VOLUMES)],
    "ConvTranspose": [
        ("double", "", CONV),
        ("float float16", "open", r"a transposed convolution of a volume of open depth is not supported; .* --dim"),
        ("double float float16", "open", r"output_shape needs an input of known size; fix the input's size")],
    "GridSample": [(f"double bool {INTEGERS}", "", GRID)],
    "GroupNormalization": [("double float float16", "open", GROUPS)],
    "LRN": [("double", "", r"x is f64; f32 and f16 are possible")],
    "LpPool": [("double", "", r"x is f64; f32 and f16 are possible")],
    "MaxPool": [("double", "", r"x is f64; f32, f16, i8 and u8 are possible")],
    "Resize": [(f"double bool {INTEGERS}", "", RESIZE)],
    "ScatterElements": [("bool", "", SCATTER)], "ScatterND": [("bool", "", SCATTER)],
}


class Refusals:
    """Of one operator: which of REFUSED were seen, and what is not among them."""

    def __init__(self, op: str) -> None:
        self.op = op
        self.expected = {(t, how, words) for types, how, words in REFUSED.get(op, []) for t in types.split()}
        self.seen: set[tuple[str, str, str]] = set()

    def wrong(self, e: ConvertError, dtype: str, symbolic: bool) -> bool:
        lines = str(e).splitlines()
        sentence = lines[1] if len(lines) == 2 else ""
        fits = {x for x in self.expected if x[0] == dtype and (symbolic or x[1] != "open")
                and re.search(rf"{self.op} 'the_node': {x[2]}", sentence)}
        self.seen |= fits
        return not fits


def agree(got: list[np.ndarray], want: list[np.ndarray], op: str = "") -> bool:
    for g, w in zip(got, want, strict=True):
        if g.shape != w.shape or g.dtype != w.dtype:
            return False
        if g.dtype.kind == "f":
            t = {2: 4e-3, 4: 2e-5, 8: 1e-6 if op in IN_F32 else 1e-12}[g.dtype.itemsize]
            if not np.allclose(g, w, rtol=t, atol=t, equal_nan=True):
                return False
        elif not np.array_equal(g, w):
            return False
    return True


def differ(got: list[np.ndarray], want: list[list[np.ndarray]]) -> str:
    """The first elements that differ, in a line."""
    for w in want:
        for g, r in zip(got, w, strict=True):
            if g.shape != r.shape or g.dtype != r.dtype:
                return f"{g.dtype}{g.shape} instead of {r.dtype}{r.shape}"
            for i in np.flatnonzero(g.ravel() != r.ravel()):
                if not agree([g.ravel()[i]], [r.ravel()[i]]):
                    return f"{g.ravel()[i]!r} instead of {r.ravel()[i]!r} at {i} of {g.size}"
    return "?"


@pytest.mark.parametrize("op", sorted(ROWS))
def test_every_element_type(op: str) -> None:
    wrong, refusals = [], Refusals(op)
    for attrs, row in ROWS[op]:
        for t in types(op):
            for symbolic in (False, True):
                model, feed = model_of(op, attrs, row, DTYPES[t], symbolic)
                what = f"{t} {attrs} {[getattr(a, 'shape', a) for a in row]} symbolic={symbolic}"
                try:
                    data = lite_runtime.convert(model, verify=False)
                except ConvertError as e:
                    if refusals.wrong(e, t[7:-1], symbolic):
                        wrong.append(f"{what}: refused: {e}")
                    continue
                want = references(model, feed)
                if op in NAIVE:
                    want.append([NAIVE[op](feed["x0"], *row[1:], **attrs).astype(feed["x0"].dtype)])
                if not want and op in COPIES:
                    other = model_of(op, attrs, row, np.dtype(np.float32), symbolic)[0]
                    found = references(other, {n: a.astype(np.float32) for n, a in feed.items()})
                    want = [[a.astype(DTYPES[t]) for a in w] for w in found]
                if not want:
                    wrong.append(f"{what}: nothing to compare with")
                with lite_runtime.Session(data) as s:
                    try:
                        got = [np.asarray(a) for a in s.run(feed).values()]
                    except lite_runtime.Error as e:
                        wrong.append(f"{what}: {e}")
                        continue
                if want and not any(agree(got, w, op) for w in want):
                    wrong.append(f"{what}: {differ(got, want)}")
    wrong += [f"{x}: no longer refused; take it out of REFUSED" for x in sorted(refusals.expected - refusals.seen)]
    assert not wrong, "\n".join(wrong)


def in_double(op: str) -> tuple[np.ndarray, np.ndarray]:
    """x and what becomes of it."""
    model, feed = model_of(op, *ROWS[op][0], np.dtype(np.float64), False)
    with lite_runtime.Session(lite_runtime.convert(model, verify=False)) as s:
        return feed["x0"], next(iter(s.run(feed).values()))


def test_double_is_double() -> None:
    for op, f in (("Erf", math.erf), ("Gelu", lambda v: v * (1 + math.erf(v / math.sqrt(2))) / 2),
                  ("HardSwish", lambda v: v * max(0, min(1, v / 6 + 0.5)))):
        x, y = in_double(op)
        np.testing.assert_allclose(y, np.vectorize(f)(x), rtol=1e-13)


def test_same_pads_count_dilations() -> None:
    """SAME keeps the size by ONNX's text and shapes; onnxruntime's AveragePool forgets the dilations there."""
    model, feed = model_of("AveragePool", {"kernel_shape": [2, 2, 3], "auto_pad": "SAME_LOWER", "dilations": [1, 2, 1]},
                           [X(1, 2, 5, 6, 4)], np.dtype(np.float32), False)
    padded = np.pad(feed["x0"], ((0, 0), (0, 0), (1, 0), (1, 1), (1, 1)), constant_values=np.nan)
    taps = [padded[:, :, i:i + 5, 2 * j:2 * j + 6, k:k + 4] for i in range(2) for j in range(2) for k in range(3)]
    with lite_runtime.Session(lite_runtime.convert(model, verify=False)) as s:
        np.testing.assert_allclose(next(iter(s.run(feed).values())), np.nanmean(taps, 0), rtol=1e-5, atol=1e-6)


def test_every_operator_has_a_row() -> None:
    assert set(OPS) - ELSEWHERE == set(ROWS)
