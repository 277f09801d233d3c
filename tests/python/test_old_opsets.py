"""Opsets 1 to 6, which onnxruntime does not run: each definition of these times against numpy."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import lite_runtime
from lite_runtime.converter.frontend import OPS

RNG = np.random.default_rng(5)
I64, F32 = np.int64, np.float32
A = RNG.uniform(-3, 3, (2, 3, 4, 5)).astype(F32)
P = np.abs(A) + F32(0.5)
M = RNG.uniform(-2, 2, (3, 4)).astype(F32)
Q = A[0, 0].copy()  # [4, 5]
C3 = RNG.uniform(0.5, 2, 3).astype(F32)
L = A > 0
FIRST, LAST = L[0], L[0, 0]
# operator, opset, attributes, inputs (those of i64 are constants), what numpy says
Row = tuple[str, int, dict[str, Any], list[np.ndarray], Any]
OLD = {"consumed_inputs": [0]}


def unary(op: str, f: Callable[[np.ndarray], np.ndarray], x: np.ndarray = A, **attrs: Any) -> list[Row]:
    """Both definitions; the first one has an attribute that says nothing."""
    return [(op, 1, {**OLD, **attrs}, [x], f(x)), (op, 6, attrs, [x], f(x))]


def arithmetic(op: str, f: Callable[..., np.ndarray], versions: tuple[int, ...] = (1, 6),
               x: np.ndarray = A) -> list[Row]:
    """Equal shapes, the last axes, axes from a given one on, and one number."""
    rows: list[Row] = []
    for v in versions:
        rows += [(op, v, {}, [x, x[::-1].copy()], f(x, x[::-1])),
                 (op, v, {"broadcast": 1}, [x, x[1, 2]], f(x, x[1, 2])),
                 (op, v, {"broadcast": 1, "axis": 1}, [x, x[1, :, 1, 1].copy()], f(x, x[1, :, 1, 1].reshape(3, 1, 1))),
                 (op, v, {"broadcast": 1, "axis": 1}, [x, x[1, :, :, 1].copy()], f(x, x[1, :, :, 1][..., None])),
                 (op, v, {"broadcast": 1}, [x, x[0, 0, 0, :1].copy()], f(x, x[0, 0, 0, 0]))]
    return rows


def variadic(op: str, f: Callable[..., np.ndarray]) -> list[Row]:
    return [(op, v, {**(OLD if v == 1 else {})}, [A, P, A * P], f(A, P, A * P)) for v in (1, 6)] + \
        [(op, v, {}, [A], A) for v in (1, 6)]


def reduce(op: str, f: Callable[..., np.ndarray], x: np.ndarray = P) -> list[Row]:
    wide = x.astype(np.float64)
    return [(op, 1, {"axes": [1, 2]}, [x], f(wide, axis=(1, 2), keepdims=True)),
            (op, 1, {"axes": [3], "keepdims": 0}, [x], f(wide, axis=3)), (op, 1, {}, [x], f(wide, keepdims=True))]


def softmax(x: np.ndarray, axis: int) -> np.ndarray:
    """Over all axes from `axis` on."""
    flat = x.reshape(math.prod(x.shape[:axis]), -1).astype(np.float64)
    e = np.exp(flat - flat.max(1, keepdims=True))
    return (e / e.sum(1, keepdims=True)).reshape(x.shape)


def hardmax(x: np.ndarray, axis: int) -> np.ndarray:
    flat = x.reshape(math.prod(x.shape[:axis]), -1)
    return (np.arange(flat.shape[1]) == flat.argmax(1)[:, None]).astype(x.dtype).reshape(x.shape)


def windows(x: np.ndarray, k: int, stride: int, pad: int, fill: float) -> np.ndarray:
    """[N C H W] as [N C OH OW k*k]."""
    x = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (pad, pad), (pad, pad)), constant_values=fill)
    v = np.lib.stride_tricks.sliding_window_view(x, (k, k), (2, 3))[:, :, ::stride, ::stride]
    return v.reshape(*v.shape[:4], k * k)


def conv(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    v = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], (2, 3))
    return np.einsum("nchwij,ocij->nohw", v, w) + b[:, None, None]


def conv_transpose(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    n, _, h, v = x.shape
    y = np.zeros((n, w.shape[1], h + w.shape[2] - 1, v + w.shape[3] - 1))
    for i in range(h):
        for j in range(v):
            y[:, :, i:i + w.shape[2], j:j + w.shape[3]] += np.einsum("nc,coij->noij", x[:, :, i, j], w)
    return y


def per_channel(v: np.ndarray) -> np.ndarray:
    return v.reshape(-1, 1, 1)


def normalised(x: np.ndarray, mean: np.ndarray, variance: np.ndarray, scale: np.ndarray,
               bias: np.ndarray) -> np.ndarray:
    return (x - mean) / np.sqrt(variance + 1e-5) * scale + bias


def lrn(x: np.ndarray, size: int) -> np.ndarray:
    sums = [(x[:, max(0, k - (size - 1) // 2):k + size // 2 + 1] ** 2).sum(1) for k in range(x.shape[1])]
    return x / (1 + 1e-4 / size * np.stack(sums, 1)) ** 0.75


def blocks(x: np.ndarray) -> np.ndarray:
    """DepthToSpace, blocks of 2."""
    n, c, h, w = x.shape
    return x.reshape(n, 2, 2, c // 4, h, w).transpose(0, 3, 4, 1, 5, 2).reshape(n, c // 4, h * 2, w * 2)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


DEEP = RNG.uniform(-1, 1, (1, 8, 2, 3)).astype(F32)
W, TW = RNG.uniform(-1, 1, (6, 3, 2, 3)).astype(F32), RNG.uniform(-1, 1, (3, 2, 2, 3)).astype(F32)
B6, C3B, E, E2 = RNG.uniform(-1, 1, 6).astype(F32), C3[::-1].copy(), P[0], P[1]
SELU = (1.6732, 1.0507)  # opset 1's
SELU6 = (1.67326319217681884765625, 1.05070102214813232421875)


def selu(x: np.ndarray, alpha: float, gamma: float) -> np.ndarray:
    return gamma * np.where(x > 0, x, alpha * np.expm1(x))


MEAN, VAR = A.mean((2, 3), keepdims=True), A.var((2, 3), keepdims=True)
NORM = [A, C3, C3B, C3 / 2, C3B * 2]
ROWS: list[Row] = [
    *unary("Abs", np.abs), *unary("Ceil", np.ceil), *unary("Exp", np.exp), *unary("Floor", np.floor),
    *unary("Log", np.log, P), *unary("Neg", np.negative), *unary("Reciprocal", np.reciprocal, P),
    *unary("Relu", lambda x: np.maximum(x, 0)), *unary("Sigmoid", sigmoid), *unary("Sqrt", np.sqrt, P),
    *unary("Tanh", np.tanh), *unary("Elu", lambda x: np.where(x > 0, x, 0.5 * np.expm1(x)), alpha=0.5),
    *unary("LeakyRelu", lambda x: np.where(x > 0, x, 0.01 * x)),
    *unary("HardSigmoid", lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
    *unary("Clip", lambda x: np.clip(x, -1, 2), min=-1.0, max=2.0), *unary("Clip", lambda x: np.maximum(x, 0), min=0.0),
    ("Selu", 1, OLD, [A], selu(A, *SELU)), ("Selu", 6, {}, [A], selu(A, *SELU6)),
    *[("PRelu", v, OLD if v == 1 else {}, [A, s], np.where(A > 0, A, A * s.reshape(-1, 1, 1)))
      for v in (1, 6) for s in (C3, C3[:1])],
    ("Softplus", 1, {}, [A], np.log1p(np.exp(A))), ("Softsign", 1, {}, [A], A / (1 + np.abs(A))),
    ("Not", 1, {}, [L], ~L), ("Identity", 1, {}, [A], A),
    *[(op, v, {**(OLD if v == 1 else {}), "is_test": 1}, [A], A) for op, v in (("Dropout", 1), ("Dropout", 6))],
    *arithmetic("Add", np.add), *arithmetic("Sub", np.subtract), *arithmetic("Mul", np.multiply),
    *arithmetic("Div", np.divide, x=P), *arithmetic("Pow", np.power, (1,), P), *arithmetic("Equal", np.equal, (1,),
                                                                                        A.astype(np.int32)),
    *arithmetic("Less", np.less, (1,)), *arithmetic("Greater", np.greater, (1,)),
    *arithmetic("And", np.logical_and, (1,), L), *arithmetic("Or", np.logical_or, (1,), L),
    *arithmetic("Xor", np.logical_xor, (1,), L),
    *variadic("Sum", lambda *x: sum(x)), *variadic("Mean", lambda *x: sum(x) / 3),
    *variadic("Max", lambda *x: np.max(x, 0)), *variadic("Min", lambda *x: np.min(x, 0)),
    *reduce("ReduceSum", np.sum), *reduce("ReduceMean", np.mean), *reduce("ReduceMax", np.max),
    *reduce("ReduceMin", np.min), *reduce("ReduceProd", np.prod, P / 2),
    *reduce("ReduceL1", lambda x, **k: np.abs(x).sum(**k), A),
    *reduce("ReduceL2", lambda x, **k: np.sqrt((x ** 2).sum(**k))),
    *reduce("ReduceLogSum", lambda x, **k: np.log(x.sum(**k))),
    *reduce("ReduceLogSumExp", lambda x, **k: np.log(np.exp(x).sum(**k))),
    *reduce("ReduceSumSquare", lambda x, **k: (x ** 2).sum(**k)),
    ("ArgMax", 1, {"axis": 2}, [A], A.argmax(2, keepdims=True)), ("ArgMin", 1, {"keepdims": 0}, [A], A.argmin(0)),
    *[(op, 1, {} if axis is None else {"axis": axis}, [A], f(A, 1 if axis is None else axis))
      for op, f in (("Softmax", softmax), ("LogSoftmax", lambda x, a: np.log(softmax(x, a))), ("Hardmax", hardmax))
      for axis in (None, 0, 2, 3)],
    ("LpNormalization", 1, {"axis": 1}, [A], A / np.sqrt((A ** 2).sum(1, keepdims=True))),
    ("LpNormalization", 1, {"p": 1}, [A], A / np.abs(A).sum(3, keepdims=True)),
    ("MatMul", 1, {}, [A, Q.T.copy()], A @ Q.T),
    *[("Gemm", v, {"broadcast": 1, "alpha": 0.5, "beta": 2.0}, [M, Q, Q[0]], M @ Q / 2 + 2 * Q[0]) for v in (1, 6)],
    *[("Gemm", v, {"transA": 1, "transB": 1}, [M, Q[:, :3].copy(), Q[:, :4].copy()],
       M.T @ Q[:, :3].T + Q[:, :4]) for v in (1, 6)],
    ("BatchNormalization", 1, {"consumed_inputs": [0, 0, 0, 1, 1], "is_test": 1}, NORM,
     normalised(A, *(per_channel(v) for v in (NORM[3], NORM[4], NORM[1], NORM[2])))),
    ("BatchNormalization", 6, {"is_test": 1}, NORM,
     normalised(A, *(per_channel(v) for v in (NORM[3], NORM[4], NORM[1], NORM[2])))),
    *[("BatchNormalization", v, {"consumed_inputs": [0, 0, 0, 1, 1]} if v == 1 else {}, [A, C3, C3B, C3 / 2, C3B * 2],
       normalised(A, *(per_channel(u) for u in (C3 / 2, C3B * 2, C3, C3B)))) for v in (1, 6)],
    ("BatchNormalization", 6, {"is_test": 1, "spatial": 0}, [A, E, E2, A[0], E + E2],
     normalised(A, A[0], E + E2, E, E2)),
    *[("InstanceNormalization", v, OLD if v == 1 else {}, [A, C3, C3B],
       normalised(A, MEAN, VAR, per_channel(C3), per_channel(C3B))) for v in (1, 6)],
    ("LRN", 1, {"size": 3}, [A], lrn(A, 3)),
    ("Conv", 1, {}, [A, W, B6], conv(A, W, B6)), ("ConvTranspose", 1, {}, [A, TW], conv_transpose(A, TW)),
    ("AveragePool", 1, {"kernel_shape": [3, 3], "pads": [1] * 4}, [A], np.nanmean(windows(A, 3, 1, 1, np.nan), -1)),
    ("MaxPool", 1, {"kernel_shape": [2, 2], "strides": [2, 2]}, [A], windows(A, 2, 2, 0, 0).max(-1)),
    ("LpPool", 1, {"kernel_shape": [2, 2]}, [A], np.sqrt((windows(A, 2, 1, 0, 0) ** 2).sum(-1))),
    ("LpPool", 2, {"kernel_shape": [2, 2], "p": 3, "pads": [1] * 4}, [A],
     (np.abs(windows(A, 2, 1, 1, 0)) ** 3).sum(-1) ** (1 / 3)),
    ("GlobalAveragePool", 1, {}, [A], A.mean((2, 3), keepdims=True)),
    ("GlobalMaxPool", 1, {}, [A], A.max((2, 3), keepdims=True)),
    ("GlobalLpPool", 1, {"p": 3.0}, [A], (np.abs(A) ** 3).sum((2, 3), keepdims=True) ** (1 / 3)),
    ("GlobalLpPool", 2, {}, [A], np.sqrt((A ** 2).sum((2, 3), keepdims=True))),
    ("DepthToSpace", 1, {"blocksize": 2}, [DEEP], blocks(DEEP)),
    ("SpaceToDepth", 1, {"blocksize": 2}, [blocks(DEEP)], DEEP),
    ("Upsample", 1, {"width_scale": 3.0, "height_scale": 2.0}, [A], A.repeat(2, 2).repeat(3, 3)),
    ("Cast", 1, {"to": "INT32"}, [A], A.astype(np.int32)), ("Cast", 1, {"to": "float16"}, [A], A.astype(np.float16)),
    ("Cast", 6, {"to": 7}, [A], A.astype(I64)), ("Cast", 6, {"to": 9}, [A], A != 0),
    ("Concat", 1, {}, [A, P], np.concatenate([A, P], 1)), ("Concat", 1, {"axis": 3}, [A, P], np.concatenate([A, P], 3)),
    ("Concat", 4, {"axis": 0}, [A, P], np.concatenate([A, P], 0)),
    ("Constant", 1, {"value": numpy_helper.from_array(M)}, [], M),
    ("Flatten", 1, {"axis": 2}, [A], A.reshape(6, 20)), ("Flatten", 1, {"axis": 0}, [A], A.reshape(1, -1)),
    ("Gather", 1, {"axis": 1}, [A, np.array([[2, 0]], I64)], A[:, [[2, 0]]]),
    ("Pad", 1, {"paddings": [0, 0, 1, 2, 0, 0, 0, 1], "value": 2.0}, [A],
     np.pad(A, ((0, 0), (0, 0), (1, 0), (2, 1)), constant_values=2)),
    ("Pad", 2, {"pads": [0, 0, 1, 2, 0, 0, 0, 1], "mode": "reflect"}, [A],
     np.pad(A, ((0, 0), (0, 0), (1, 0), (2, 1)), mode="reflect")),
    ("Reshape", 1, {"shape": [0, -1, 10], "consumed_inputs": [0]}, [A], A.reshape(2, 6, 10)),
    ("Reshape", 5, {}, [A, np.array([0, -1, 10], I64)], A.reshape(2, 6, 10)),
    ("Shape", 1, {}, [A], np.array(A.shape, I64)), ("Size", 1, {}, [A], np.array(A.size, I64)),
    ("Slice", 1, {"starts": [1, -3], "ends": [9, -1], "axes": [0, 3]}, [A], A[1:9, :, :, -3:-1]),
    ("Slice", 1, {"starts": [0, 1], "ends": [1, 3]}, [A], A[0:1, 1:3]),
    ("Split", 1, {"axis": 3, "split": [5]}, [A], A), ("Split", 1, {"axis": 3}, [A, np.array([5], I64)], A),
    ("Split", 2, {"axis": 3, "split": [5]}, [A], A),
    ("Squeeze", 1, {"axes": [0, 2]}, [M.reshape(1, 3, 1, 4)], M), ("Squeeze", 1, {}, [M.reshape(1, 3, 1, 4)], M),
    ("Unsqueeze", 1, {"axes": [0, 2]}, [M], M.reshape(1, 3, 1, 4)),
    ("Tile", 1, {}, [A, np.array(3, I64), np.array(2, I64)], np.tile(A, (1, 1, 3, 1))),
    ("Tile", 6, {}, [A, np.array([1, 2, 1, 3], I64)], np.tile(A, (1, 2, 1, 3))),
    ("TopK", 1, {"k": 2, "axis": 1}, [A], -np.sort(-A, 1)[:, :2]),
    ("Transpose", 1, {"perm": [0, 3, 1, 2]}, [A], A.transpose(0, 3, 1, 2)), ("Transpose", 1, {}, [A], A.T),
]
NOT_HERE = {("If", 1), ("Loop", 1), *((op, v) for op in ("GRU", "LSTM", "RNN") for v in (1, 3))}  # by themselves


def run(row: Row, symbolic: bool) -> np.ndarray:
    op, opset, attrs, arrays, _ = row
    names = [f"x{i}" for i in range(len(arrays))]
    kinds = [a.dtype == I64 for a in arrays]  # indices and sizes are constants
    infos = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype),
                                           [f"{n}_{i}" for i in range(a.ndim)] if symbolic and n == "x0" else a.shape)
             for n, a, k in zip(names, arrays, kinds, strict=True) if not k]
    constants = [numpy_helper.from_array(a, n) for n, a, k in zip(names, arrays, kinds, strict=True) if k]
    outs = ["y", "i"] if op == "TopK" else ["y"]
    graph = helper.make_graph([helper.make_node(op, names, outs, name="the_node", **attrs)], "g", infos,
                              [onnx.ValueInfoProto(name=o) for o in outs], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=3)
    with lite_runtime.Session(lite_runtime.convert(model, verify=False)) as s:
        return s.run({n: a for n, a, k in zip(names, arrays, kinds, strict=True) if not k})["y"]


@pytest.mark.parametrize("row", ROWS, ids=[f"{r[0]}-{r[1]}-{i}" for i, r in enumerate(ROWS)])
def test_row(row: Row) -> None:
    opset, want = row[1], np.asarray(row[4])
    assert onnx.defs.get_schema(row[0], opset, "").since_version == opset
    for symbolic in (False, True):
        try:
            y = run(row, symbolic)
        except lite_runtime.TensorValueError as e:  # a rank that depends on sizes
            assert symbolic and row[0] == "Squeeze" and not row[2] and "changes the rank of y" in str(e), str(e)
            continue
        assert y.shape == want.shape
        assert y.dtype == (F32 if want.dtype == np.float64 else want.dtype)
        np.testing.assert_allclose(y, want, rtol=1e-5, atol=1e-5)


def test_every_old_definition_has_a_row() -> None:
    old = {(s.name, s.since_version) for s in onnx.defs.get_all_schemas_with_history()
           if s.domain == "" and s.since_version <= 6 and s.name in OPS and not s.deprecated}
    assert old - NOT_HERE == {(r[0], r[1]) for r in ROWS}
