"""How to make a valid node of each operator: (inputs, attributes), or None where what there is does not fit."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from make import FLOATS, INTS, NUMBERS, Maker

Made = tuple[list[str], dict[str, Any]] | None
TABLE: dict[str, Callable[[Maker], Made]] = {}


def entry(*ops: str) -> Callable[[Callable[[Maker], Made]], Callable[[Maker], Made]]:
    def register(f: Callable[[Maker], Made]) -> Callable[[Maker], Made]:
        TABLE.update(dict.fromkeys(ops, f))
        return f
    return register


@entry("Abs", "Neg", "Sign", "Relu")
def unary(m: Maker) -> Made:
    return [m.x(dtypes=(*FLOATS, "int32", "int8"))], {}


@entry("Ceil", "Floor", "Round", "Sigmoid", "Tanh", "Exp", "Erf", "Sin", "Cos", "Softplus", "Softsign", "HardSwish",
       "Elu",
       "LeakyRelu", "HardSigmoid", "Selu", "Celu", "ThresholdedRelu", "Shrink", "Mish", "IsNaN", "Atan", "Sinh", "Cosh",
       "Asinh")
def unary_float(m: Maker) -> Made:
    return [m.x(dtypes=("float32",))], {}


@entry("Gelu")
def gelu(m: Maker) -> Made:
    return [m.x(dtypes=("float32",))], {"approximate": m.pick("none", "tanh")}


@entry("Add", "Sub", "Mul", "Max", "Min")
def binary(m: Maker) -> Made:
    x = m.x(dtypes=NUMBERS)
    return [x, m.like(x)], {}


@entry("Div")
def divide(m: Maker) -> Made:
    x = m.x(dtypes=("float32", *INTS))
    return [x, m.like(x, low=1, high=5)], {}


@entry("Mod")
def modulo(m: Maker) -> Made:
    x = m.x(dtypes=INTS)
    return [x, m.like(x, low=1, high=5)], {"fmod": int(m.flag())}


@entry("Pow")
def power(m: Maker) -> Made:
    x = m.tensor(m.shape(), m.pick("float32", "float64"), low=0.1, high=3, const=False)
    return [x, m.like(x)], {}


@entry("Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual")
def compare(m: Maker) -> Made:
    x = m.x(dtypes=NUMBERS)
    return [x, m.like(x)], {}


@entry("And", "Or", "Xor")
def logic(m: Maker) -> Made:
    x = m.x(dtypes=("bool",))
    return [x, m.like(x)], {}


@entry("Not")
def invert(m: Maker) -> Made:
    return [m.x(dtypes=("bool",))], {}


@entry("BitwiseAnd", "BitwiseOr", "BitwiseXor")
def bits(m: Maker) -> Made:
    x = m.x(dtypes=INTS)
    return [x, m.like(x)], {}


@entry("Where")
def where(m: Maker) -> Made:
    x = m.x(dtypes=NUMBERS)
    c = m.tensor(m.values[x].shape, "bool", const=False)
    return [c, x, m.like(x)], {}


@entry("Clip")
def clip(m: Maker) -> Made:
    x = m.x(dtypes=("float32", "float64", "int32", "int8"))
    d = m.values[x].dtype
    low, high = (m.given(np.array(v, d)) for v in (-1, 2))
    return [x, *([low] if m.flag() else [low, high])], {}


@entry("Cast")
def cast(m: Maker) -> Made:
    return [m.x(dtypes=("float32", "int32", "int64", "uint8", "bool"))], {"to": m.pick(1, 6, 7, 9, 10, 11, 2)}


@entry("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
       "ReduceLogSumExp")
def reduce(m: Maker) -> Made:
    x = m.x(1, 4, dtypes=("float32", "float64"))
    axes = sorted({m.axis(m.rank(x)) % m.rank(x) for _ in range(m.number(1, 2))})
    if m.values[x].size == 0:
        return None
    return [x, m.ints(*axes)] if m.flag() else [x], {"keepdims": int(m.flag())}


@entry("ArgMax", "ArgMin")
def arg(m: Maker) -> Made:
    x = m.x(1, 4, dtypes=("float32", "int32", "int8"))
    if m.values[x].size == 0:
        return None
    return [x], {"axis": m.axis(m.rank(x)), "keepdims": int(m.flag()), "select_last_index": int(m.flag())}


@entry("Softmax", "LogSoftmax", "Hardmax")
def softmax(m: Maker) -> Made:
    x = m.x(1, 4, dtypes=("float32",))
    return None if m.values[x].size == 0 else ([x], {"axis": m.axis(m.rank(x))})


@entry("CumSum")
def cumsum(m: Maker) -> Made:
    x = m.x(1, 4, dtypes=("float32", "int32", "int64"))
    axis = m.given(np.array(m.axis(m.rank(x)), np.int64))
    return [x, axis], {"exclusive": int(m.flag()), "reverse": int(m.flag())}


@entry("TopK")
def top_k(m: Maker) -> Made:
    x = m.x(1, 3, dtypes=("float32", "int64"))
    axis = m.axis(m.rank(x))
    if m.size(x, axis) == 0:
        return None
    k = m.number(0, m.size(x, axis))
    return [x, m.ints(k)], {"axis": axis, "largest": int(m.flag()), "outputs": 2}


@entry("MatMul")
def matmul(m: Maker) -> Made:
    x = m.x(2, 4, dtypes=("float32", "float64", "int32"))
    return [x, m.tensor((m.size(x, -1), m.number(1, 9)), m.values[x].dtype.name)], {}


@entry("Gemm")
def gemm(m: Maker) -> Made:
    x = m.x(2, 2, dtypes=("float32",))
    ta, tb, n = m.flag(), m.flag(), m.number(1, 9)
    k = m.size(x, 0 if ta else 1)
    b = m.tensor((n, k) if tb else (k, n))
    c = m.tensor(m.pick((n,), (1, n), (1,), ()))
    return [x, b, *([c] if m.flag() else [])], {"transA": int(ta), "transB": int(tb), "alpha": m.pick(1.0, 0.5)}


@entry("Transpose")
def transpose(m: Maker) -> Made:
    x = m.x(1, 5, dtypes=(*NUMBERS, "bool"))
    perm = list(range(m.rank(x)))
    for _ in range(2):
        i, j = m.number(0, len(perm) - 1), m.number(0, len(perm) - 1)
        perm[i], perm[j] = perm[j], perm[i]
    return [x], {"perm": perm}


@entry("Reshape")
def reshape(m: Maker) -> Made:
    x = m.x(dtypes=(*NUMBERS, "bool"))
    v = m.values[x]
    first = m.pick(*[d for d in (1, 2, 3, 4) if v.size % d == 0])
    return ([x, m.ints(first, -1)], {}) if v.size else None


@entry("Flatten")
def flatten(m: Maker) -> Made:
    x = m.x(1, 4)
    return [x], {"axis": m.number(-m.rank(x), m.rank(x))}


@entry("Squeeze")
def squeeze(m: Maker) -> Made:
    x = m.x(1, 5, dtypes=NUMBERS)
    ones = [i for i, d in enumerate(m.values[x].shape) if d == 1]
    return ([x, m.ints(m.pick(*ones))], {}) if ones else None


@entry("Unsqueeze")
def unsqueeze(m: Maker) -> Made:
    x = m.x(0, 4, dtypes=(*NUMBERS, "bool"))
    return [x, m.ints(m.number(-m.rank(x) - 1, m.rank(x)))], {}


@entry("Concat")
def concat(m: Maker) -> Made:
    x = m.x(1, 4, dtypes=NUMBERS)
    axis = m.axis(m.rank(x))
    shape = list(m.values[x].shape)
    shape[axis] = m.number(0, 4)
    return [x, m.tensor(shape, m.values[x].dtype.name)], {"axis": axis}


@entry("Split")
def split(m: Maker) -> Made:
    x = m.x(1, 4, dtypes=NUMBERS)
    axis = m.axis(m.rank(x))
    n = m.size(x, axis)
    a = m.number(0, n)
    return [x, m.ints(a, n - a)], {"axis": axis, "outputs": 2}


@entry("Slice")
def slice_(m: Maker) -> Made:
    x = m.x(1, 4, dtypes=(*NUMBERS, "bool"))
    step = m.pick(1, 1, 2, -1, -2)
    ends = [m.ints(m.number(-8, 8)), m.ints(m.number(-8, 8)), m.ints(m.axis(m.rank(x)))]
    return [x, *ends, m.ints(step)], {}


@entry("Gather")
def gather(m: Maker) -> Made:
    x = m.x(1, 4, dtypes=NUMBERS)
    axis = m.axis(m.rank(x))
    n = m.size(x, axis)
    if n == 0:
        return None
    return [x, m.tensor(m.shape(0, 2), m.pick("int64", "int32"), low=-n, high=n - 1)], {"axis": axis}


@entry("GatherElements")
def gather_elements(m: Maker) -> Made:
    x = m.x(1, 4, dtypes=NUMBERS)
    axis = m.axis(m.rank(x))
    n, shape = m.size(x, axis), list(m.values[x].shape)
    if n == 0:
        return None
    shape[axis] = m.number(1, 5)
    return [x, m.tensor(shape, "int64", low=-n, high=n - 1)], {"axis": axis}


@entry("ScatterElements")
def scatter_elements(m: Maker) -> Made:
    x = m.x(1, 3, dtypes=("float32", "int32"))
    axis = m.axis(m.rank(x))
    n = m.size(x, axis)
    if n == 0:
        return None
    shape = [d if i != axis % m.rank(x) else m.number(1, 5) for i, d in enumerate(m.values[x].shape)]
    index = m.tensor(shape, "int64", low=-n, high=n - 1)
    how = m.pick("none", "add", "mul", "max")
    return [x, index, m.tensor(shape, m.values[x].dtype.name)], {"axis": axis, "reduction": how}


@entry("Expand")
def expand(m: Maker) -> Made:
    x = m.x(0, 3, dtypes=NUMBERS)
    shape = [m.number(1, 3) if d == 1 else d for d in m.values[x].shape]
    return [x, m.ints(*([m.number(1, 3)] if m.flag() else []), *shape)], {}


@entry("Tile")
def tile(m: Maker) -> Made:
    x = m.x(1, 4, dtypes=NUMBERS)
    return [x, m.ints(*(m.number(0, 3) for _ in range(m.rank(x))))], {}


@entry("Pad")
def pad(m: Maker) -> Made:
    x = m.x(1, 4, dtypes=("float32", "int32"))
    mode = m.pick("constant", "constant", "edge", "reflect")
    if mode != "constant" and min(m.values[x].shape) < 3:
        return None
    pads = [m.number(0, 2) for _ in range(2 * m.rank(x))]
    return [x, m.ints(*pads)], {"mode": mode}


@entry("Trilu")
def trilu(m: Maker) -> Made:
    x = m.x(2, 4, dtypes=("float32", "int64"))
    k = m.given(np.array(m.number(-3, 3), np.int64))
    return [x, k], {"upper": int(m.flag())}


@entry("OneHot")
def one_hot(m: Maker) -> Made:
    x = m.tensor(m.shape(0, 2), "int64", low=-4, high=4, const=False)
    depth = m.given(np.array(m.number(1, 5), np.int64))
    return [x, depth, m.given(np.array([0, 1], np.float32))], {"axis": m.axis(m.rank(x) + 1)}


@entry("NonZero")
def non_zero(m: Maker) -> Made:
    return [m.x(1, 3, dtypes=("float32", "bool", "int32"))], {}


@entry("Shape", "Size")
def shape(m: Maker) -> Made:
    return [m.x(dtypes=(*NUMBERS, "bool"))], {}


def _image(m: Maker, spatial: int) -> str:
    fit = [n for n, v in m.values.items() if v.dtype == np.float32 and v.ndim == spatial + 2 and min(v.shape) > 0
           and n not in m.constants]
    if fit and m.flag():
        return m.pick(*fit)
    return m.tensor((m.number(1, 2), m.pick(1, 2, 3, 4, 8), *(m.number(3, 8) for _ in range(spatial))), const=False)


def _window(m: Maker, spatial: int, kernel: list[int]) -> dict[str, Any]:
    attrs: dict[str, Any] = {"strides": [m.number(1, 2) for _ in range(spatial)]}
    if m.flag():
        attrs["pads"] = [m.number(0, k - 1) for k in kernel * 2]
    return attrs


@entry("Conv")
def conv(m: Maker) -> Made:
    spatial = m.pick(1, 2, 2, 2, 3)
    x = _image(m, spatial)
    c = m.size(x, 1)
    group = m.pick(*[g for g in (1, 2, c) if c % g == 0])
    kernel = [m.number(1, min(3, d)) for d in m.values[x].shape[2:]]
    out = group * m.number(1, 4)
    w = m.tensor((out, c // group, *kernel), low=-1, high=1)
    return [x, w, *([m.tensor((out,))] if m.flag() else [])], {"group": group, **_window(m, spatial, kernel)}


@entry("ConvTranspose")
def conv_transpose(m: Maker) -> Made:
    x = _image(m, 2)
    kernel = [m.number(1, 3), m.number(1, 3)]
    return [x, m.tensor((m.size(x, 1), m.number(1, 4), *kernel), low=-1, high=1)], {"strides": [m.number(1, 2), 1]}


@entry("MaxPool", "AveragePool")
def pool(m: Maker) -> Made:
    spatial = m.pick(1, 2, 2, 3)
    x = _image(m, spatial)
    kernel = [m.number(1, min(3, d)) for d in m.values[x].shape[2:]]
    return [x], {"kernel_shape": kernel, **_window(m, spatial, kernel)}


@entry("GlobalAveragePool", "GlobalMaxPool")
def global_pool(m: Maker) -> Made:
    return [_image(m, m.pick(1, 2))], {}


@entry("BatchNormalization")
def batch_norm(m: Maker) -> Made:
    x = _image(m, m.pick(1, 2))
    c = m.size(x, 1)
    return [x, *(m.tensor((c,), low=0.5, high=2) for _ in range(4))], {}


@entry("LayerNormalization")
def layer_norm(m: Maker) -> Made:
    x = m.x(1, 4, dtypes=("float32",))
    n = m.size(x, -1)
    return ([x, m.tensor((n,)), m.tensor((n,))], {"axis": -1}) if m.values[x].size and n > 1 else None


@entry("Resize")
def resize(m: Maker) -> Made:
    x = _image(m, 2)
    scales = m.given(np.array([1, 1, m.pick(1.0, 2.0, 0.5), m.pick(1.0, 2.0)], np.float32))
    coordinates = m.pick("half_pixel", "asymmetric")
    return [x, "", scales], {"mode": m.pick("nearest", "linear"), "coordinate_transformation_mode": coordinates}


@entry("DepthToSpace")
def depth_to_space(m: Maker) -> Made:
    x = m.tensor((1, 8, m.number(1, 4), m.number(1, 4)), const=False)
    return [x], {"blocksize": 2, "mode": m.pick("DCR", "CRD")}


@entry("Einsum")
def einsum(m: Maker) -> Made:
    x = m.x(2, 2, dtypes=("float32",))
    y = m.tensor((m.size(x, 1), m.number(1, 5)))
    return [x, y], {"equation": m.pick("ij,jk->ik", "ij,jk->ki", "ij,jk->i", "ij,jk->ijk")}


@entry("QuantizeLinear")
def quantize(m: Maker) -> Made:
    x = m.x(dtypes=("float32",))
    return [x, m.given(np.array(0.05, np.float32)), m.given(np.array(m.number(0, 9), m.pick("uint8", "int8")))], {}


@entry("DequantizeLinear")
def dequantize(m: Maker) -> Made:
    x = m.x(dtypes=("uint8", "int8"))
    zero = m.given(np.array(m.number(0, 9), m.values[x].dtype))
    return [x, m.given(np.array(0.05, np.float32)), zero], {}


@entry("DynamicQuantizeLinear")
def dynamic_quantize(m: Maker) -> Made:
    x = m.x(1, 4, dtypes=("float32",))
    return ([x], {"outputs": 3}) if m.values[x].size else None


@entry("MatMulInteger")
def matmul_integer(m: Maker) -> Made:
    x = m.x(2, 3, dtypes=("uint8", "int8"))
    d = m.pick("uint8", "int8")
    zeros = [m.given(np.array(m.number(0, 5), t)) for t in (m.values[x].dtype, d)]
    return [x, m.tensor((m.size(x, -1), m.number(1, 5)), d, low=-9, high=9), *zeros], {}
