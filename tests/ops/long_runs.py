"""Runs of one operator each that are long in one piece: large tensors of one axis, rows as long as the whole tensor,
one window as large as the image. For stopping in the middle of them (test_stop.py, tools/bench/cancel_ops.py)."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto, helper
from op_frame import Const, Row, row

M = 1 << 20
_RNG = np.random.default_rng(11)


def f32(*shape: int) -> np.ndarray:
    return _RNG.random(shape, np.float32) - np.float32(0.5)


def i64(*shape: int, below: int = 256) -> np.ndarray:
    return _RNG.integers(0, below, shape)


def i8(*shape: int, dtype: str = "int8") -> np.ndarray:
    return _RNG.integers(0, 100, shape).astype(dtype)


def c(values: Any, dtype: str = "int64") -> Const:
    return Const(np.array(values, dtype))


def loop(x: np.ndarray) -> Row:
    """Four iterations: x is carried and its halves are stacked."""
    def nodes(names: list[str]) -> list[Any]:
        def value(name: str, t: int, shape: list[Any]) -> Any:
            return helper.make_tensor_value_info(name, t, shape)

        body = helper.make_graph(
            [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Neg", ["v"], ["w"]),
             helper.make_node("Abs", ["v"], ["z"])], "body",
            [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, []),
             value("v", TensorProto.FLOAT, [None])],
            [value("go_on", TensorProto.BOOL, []), value("w", TensorProto.FLOAT, [None]),
             value("z", TensorProto.FLOAT, [None])])
        return [helper.make_node("Loop", [names[1], "", names[0]], ["last", "y0"], name="node", body=body)]

    return Row("Loop", (x, c(4)), {}, nodes=nodes)


def branch(x: np.ndarray) -> Row:
    """An If that gives one of two tensors back."""
    def nodes(names: list[str]) -> list[Any]:
        out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [None])
        then, other = (helper.make_graph([helper.make_node(op, [names[0]], ["out"])], op, [], [out])
                       for op in ("Neg", "Abs"))
        return [helper.make_node("If", [names[1]], ["y0"], name="node", then_branch=then, else_branch=other)]

    return Row("If", (x, np.array(True)), {}, nodes=nodes)


ROWS: dict[str, Callable[[], Row]] = {
    # elementwise and copies
    "add": lambda: row("Add", f32(24 * M), f32(24 * M)),
    "erf": lambda: row("Erf", f32(16 * M)),
    "power of integers": lambda: row("Pow", i64(8 * M), i64(8 * M, below=9)),
    "quotient of integers": lambda: row("Div", i64(8 * M), i64(8 * M) + 1),
    "cast": lambda: row("Cast", f32(24 * M), to=TensorProto.INT64),
    "where": lambda: row("Where", f32(24 * M) > 0, f32(24 * M), f32(24 * M)),
    "where of one": lambda: row("Where", f32(24 * M) > 0, f32(1), f32(24 * M)),
    "outer sum": lambda: row("Add", f32(8192, 1), f32(1, 4096)),
    "dynamic quantize": lambda: row("DynamicQuantizeLinear", f32(24 * M), outputs=3),
    "quantize": lambda: row("QuantizeLinear", f32(24 * M), c(0.1, "float32"), c(7, "uint8")),
    "transpose": lambda: row("Transpose", f32(4096, 4096), perm=[1, 0]),
    "reverse": lambda: row("Slice", f32(32 * M), [-1], [-(2**40)], [0], [-1]),
    "every third": lambda: row("Slice", i8(96 * M), [0], [2**40], [0], [3]),
    "expand": lambda: row("Expand", f32(1), [48 * M]),
    "concat": lambda: row("Concat", f32(16 * M), f32(16 * M), axis=0),
    "split": lambda: row("Split", f32(32 * M), c([8 * M, 24 * M]), outputs=2, axis=0),
    "identity": lambda: row("Identity", f32(32 * M)),
    "tile of one": lambda: row("Tile", f32(1), [48 * M]),
    "tile": lambda: row("Tile", f32(3 * M), [16]),
    "depth to space": lambda: row("DepthToSpace", f32(1, 64, 512, 512), blocksize=4),
    "range": lambda: row("Range", np.array(0, np.int64), np.array(24 * M, np.int64), np.array(1, np.int64)),
    **{f"pad {mode}": lambda mode=mode: row("Pad", f32(20 * M), [10 * M, 10 * M], mode=mode, opset=19)
       for mode in ("constant", "reflect", "edge", "wrap")},
    "pad one": lambda: row("Pad", f32(1), [0, 40 * M]),
    "pad bytes": lambda: row("Pad", i8(1), [0, 128 * M]),
    "pad rows": lambda: row("Pad", f32(2, 8 * M), [1, 0, 1, 0], mode="reflect"),
    "trilu": lambda: row("Trilu", f32(4096, 4096)),
    "one hot": lambda: row("OneHot", i64(4 * M, below=8), c(8), c([0, 1], "float32")),
    # chosen elements
    "gather": lambda: row("Gather", f32(16 * M), i64(16 * M, below=16 * M)),
    "gather rows": lambda: row("Gather", f32(2, 8 * M), i64(4, below=2)),
    "gather columns": lambda: row("Gather", f32(2, 8 * M), i64(4 * M, below=8 * M), axis=1),
    "gather elements": lambda: row("GatherElements", f32(8 * M), i64(8 * M, below=8 * M), axis=0),
    "gather elements of columns": lambda: row("GatherElements", f32(2, 8 * M), i64(2, 8 * M, below=2), axis=0),
    "gather nd": lambda: row("GatherND", f32(8 * M), i64(8 * M, 1, below=8 * M)),
    "gather nd of slices": lambda: row("GatherND", f32(2, 8 * M), i64(4, 1, below=2)),
    "scatter elements": lambda: row("ScatterElements", f32(8 * M), i64(8 * M, below=8 * M), f32(8 * M)),
    "scatter, sums": lambda: row("ScatterElements", f32(8 * M), i64(8 * M, below=8 * M), f32(8 * M), reduction="add",
                                 opset=18),
    "scatter nd": lambda: row("ScatterND", f32(8 * M), i64(8 * M, 1, below=8 * M), f32(8 * M)),
    "scatter slices": lambda: row("ScatterND", f32(2, 8 * M), i64(2, 1, below=2), f32(2, 8 * M)),
    "scatter slices, sums": lambda: row("ScatterND", f32(2, 8 * M), i64(4, 1, below=2), f32(4, 8 * M), reduction="add",
                                        opset=18),
    "reverse sequence": lambda: row("ReverseSequence", f32(4 * M, 4), i64(4, below=4 * M), batch_axis=1, time_axis=0),
    "compress": lambda: row("Compress", f32(16 * M), f32(16 * M) > 0),
    "non zero": lambda: row("NonZero", (f32(12 * M) > 0)),
    "unique": lambda: row("Unique", f32(2 * M), outputs=4),
    "unique, slices": lambda: row("Unique", i8(4, 8 * M), outputs=4, axis=0),
    "unique, equal slices": lambda: row("Unique", np.zeros((8, 4 * M), np.int8), outputs=4, axis=0),
    "unique, few": lambda: row("Unique", i64(2 * M, below=4), outputs=4, sorted=0),
    # order
    "top k of a row": lambda: row("TopK", f32(24 * M), [7], outputs=2),
    "top k, half": lambda: row("TopK", f32(4 * M), [2 * M], outputs=2),
    "top k, all": lambda: row("TopK", np.sort(f32(4 * M)), [4 * M], outputs=2),
    "top k of columns": lambda: row("TopK", f32(2 * M, 8), [7], outputs=2, axis=0),
    "arg max": lambda: row("ArgMax", f32(32 * M), axis=0),
    "arg min of columns": lambda: row("ArgMin", f32(4 * M, 8), axis=0),
    "cumulative sum": lambda: row("CumSum", f32(24 * M), [0]),
    "cumulative sum of columns": lambda: row("CumSum", f32(64 * 1024, 256), [0]),
    "suppression": lambda: row("NonMaxSuppression", f32(1, 2 * M, 4) * 1e-3 + i64(1, 2 * M, 1, below=9999).astype("f4"),
                               f32(1, 1, 2 * M), [40], c(0.5, "float32"), c(-1, "float32")),
    "suppression, many": lambda: row("NonMaxSuppression", f32(1, 20000, 4) + np.arange(20000, dtype="f4")[:, None] * 3,
                                     f32(1, 1, 20000), [20000], c(0.5, "float32"), c(-1, "float32")),
    # reductions
    **{f"{op} of a row": lambda op=op: row(op, f32(32 * M), opset=13)
       for op in ("ReduceMax", "ReduceMean", "ReduceProd", "ReduceL2", "ReduceLogSumExp")},
    "sum of columns": lambda: row("ReduceSum", f32(64 * 1024, 256), [0]),
    "sum of bytes": lambda: row("ReduceMax", i8(96 * M), opset=13),
    "softmax of a row": lambda: row("Softmax", f32(16 * M), axis=0),
    "softmax of half a row": lambda: row("Softmax", f32(8 * M).astype("f2"), axis=0),
    "softmax of doubles": lambda: row("Softmax", f32(8 * M).astype("f8"), axis=0),
    "log softmax of a row": lambda: row("LogSoftmax", f32(16 * M), axis=0),
    "softmax of columns": lambda: row("Softmax", f32(M, 16), axis=0),
    "layer norm of a row": lambda: row("LayerNormalization", f32(1, 16 * M), f32(16 * M)),
    "layer norm of doubles": lambda: row("LayerNormalization", f32(1, 8 * M).astype("f8"), f32(8 * M).astype("f8")),
    "instance norm": lambda: row("InstanceNormalization", f32(1, 1, 16 * M), f32(1), f32(1)),
    # linear algebra
    "det": lambda: row("Det", f32(1400, 1400)),
    "det of many": lambda: row("Det", f32(60000, 12, 12)),
    "outer product, f64": lambda: row("MatMul", f32(1, 4).astype("f8"), f32(4, 6 * M).astype("f8")),
    "inner product, f64": lambda: row("MatMul", f32(1, 12 * M).astype("f8"), f32(12 * M, 1).astype("f8")),
    "row and matrix, f64": lambda: row("MatMul", f32(1, 1024).astype("f8"), f32(1024, 16384).astype("f8")),
    "row and matrix, integers": lambda: row("MatMul", i64(1, 4096), i64(4096, 4096)),
    "outer product": lambda: row("MatMul", f32(1, 4), f32(4, 8 * M)),
    "inner product": lambda: row("MatMul", f32(1, 16 * M), f32(16 * M, 1)),
    "row and matrix": lambda: row("MatMul", f32(1, 4096), f32(4096, 8192)),
    "row and weight": lambda: row("MatMul", f32(1, 4096), Const(f32(4096, 8192))),
    "long sums": lambda: row("MatMul", f32(8, 2 * M), f32(2 * M, 8)),
    "tall": lambda: row("MatMul", f32(2 * M, 8), f32(8, 8)),
    "bytes, long sums": lambda: row("MatMulInteger", i8(4, 8 * M, dtype="uint8"), i8(8 * M, 4)),
    "bytes, wide": lambda: row("MatMulInteger", i8(4, 16, dtype="uint8"), i8(16, 4 * M)),
    "einsum": lambda: row("Einsum", f32(16 * M), f32(16 * M), equation="i,i->"),
    "attention": lambda: row("Attention", f32(1, 1, 512, 64), f32(1, 1, 65536, 64), f32(1, 1, 65536, 64), opset=23),
    "attention, short q": lambda: row("Attention", f32(1, 1, 1, 64), f32(1, 1, 256 * 1024, 64),
                                      f32(1, 1, 256 * 1024, 64), opset=23),
    "lstm": lambda: row("LSTM", f32(512, 1, 256), Const(f32(1, 1024, 256)), Const(f32(1, 1024, 256)), outputs=3,
                        hidden_size=256),
    "wide lstm": lambda: row("LSTM", f32(4, 1, 8), Const(f32(1, 16384, 8)), Const(f32(1, 16384, 4096)), outputs=3,
                             hidden_size=4096),
    # images
    "conv of a signal": lambda: row("Conv", f32(1, 1, 8 * M), Const(f32(4, 1, 9))),
    "conv, computed weight": lambda: row("Conv", f32(1, 512, 4, 4), f32(2048, 512, 3, 3)),
    "conv of everything": lambda: row("Conv", f32(1, 8, 1024, 1024), Const(f32(1, 8, 1024, 1024))),
    "conv 3x3": lambda: row("Conv", f32(1, 64, 256, 256), Const(f32(64, 64, 3, 3)), pads=[1] * 4),
    "conv 1x1, deep": lambda: row("Conv", f32(1, 8192, 2, 2), Const(f32(4096, 8192, 1, 1))),
    "depthwise signal": lambda: row("Conv", f32(1, 8, 2 * M), Const(f32(8, 1, 9)), group=8),
    "depthwise, large window": lambda: row("Conv", f32(1, 16, 512, 512), Const(f32(16, 1, 511, 511)), group=16),
    "transposed conv": lambda: row("ConvTranspose", f32(1, 4, 2 * M), Const(f32(4, 4, 4)), strides=[2]),
    "transposed conv, computed weight": lambda: row("ConvTranspose", f32(1, 512, 4, 4), f32(512, 2048, 3, 3)),
    "integer conv": lambda: row("ConvInteger", i8(1, 16, 512, 512, dtype="uint8"), Const(i8(32, 16, 3, 3))),
    "average of everything": lambda: row("AveragePool", f32(1, 8, 2048, 2048), kernel_shape=[2048, 2048]),
    "largest of everything": lambda: row("MaxPool", f32(1, 8, 2048, 2048), kernel_shape=[2048, 2048]),
    "pool of a signal": lambda: row("MaxPool", f32(1, 1, 16 * M), kernel_shape=[3]),
    "average of a long window": lambda: row("AveragePool", f32(1, 1, 24 * 1024), kernel_shape=[16 * 1024]),
    "global average": lambda: row("GlobalAveragePool", f32(1, 2, 4096, 4096)),
    "indices of a pool": lambda: row("MaxPool", f32(1, 1, 4 * M), kernel_shape=[3], outputs=2),
    "indices of everything": lambda: row("MaxPool", f32(1, 8, 1024, 1024), kernel_shape=[1024, 1024], outputs=2),
    "indices of a long window": lambda: row("MaxPool", f32(1, 1, 12 * 1024), kernel_shape=[8 * 1024], outputs=2),
    "unpool": lambda: row("MaxUnpool", f32(1, 1, 4 * M), np.arange(0, 8 * M, 2)[None, None], kernel_shape=[2],
                          strides=[2]),
    "local response": lambda: row("LRN", f32(1, 64, 512, 512), size=5),
    **{f"resize {mode}": lambda mode=mode: row("Resize", f32(1, 1, 4 * M), None, None, [1, 1, 10 * M], mode=mode)
       for mode in ("nearest", "linear", "cubic")},
    "resize of rows": lambda: row("Resize", f32(1, 1, 2, 8 * M), None, None, [1, 1, 5, 8 * M], mode="linear"),
    "resize of half rows": lambda: row("Resize", f32(1, 1, 2, 4 * M).astype("f2"), None, None, [1, 1, 5, 4 * M],
                                       mode="linear"),
    "antialias": lambda: row("Resize", f32(1, 1, 8 * M), None, None, [1, 1, 32 * 1024], mode="cubic", antialias=1,
                             opset=18, coordinate_transformation_mode="half_pixel"),
    "antialias of rows": lambda: row("Resize", f32(1, 1, 1000, 16 * 1024), None, None, [1, 1, 2, 16 * 1024],
                                     mode="linear", antialias=1, opset=18),
    "crop": lambda: row("Resize", f32(1, 1, 4 * M), c([0, 0, -2, 1, 1, 3], "float32"), None, [1, 1, 8 * M],
                        mode="linear", coordinate_transformation_mode="tf_crop_and_resize"),
    "grid sample": lambda: row("GridSample", f32(1, 1, 64, 64), f32(1, 1024, 1024, 2), mode="bicubic"),
    "grid sample, deep": lambda: row("GridSample", f32(1, 2 * M, 2, 2), f32(1, 2, 2, 2), mode="bicubic"),
    "roi align": lambda: row("RoiAlign", f32(1, 8, 512, 512), c([[0, 0, 511, 511]], "float32"), [0], output_height=256,
                             output_width=256, sampling_ratio=16),
    "roi align, deep": lambda: row("RoiAlign", f32(1, 4 * M, 2, 2), c([[0, 0, 1, 1]], "float32"), [0], output_height=1,
                                   output_width=1, sampling_ratio=2),
    "many rois": lambda: row("RoiAlign", f32(1, 1, 2, 2), np.abs(f32(M, 4)), np.zeros(M, np.int64), output_height=1,
                             output_width=1, sampling_ratio=1),
    "deformed conv": lambda: row("DeformConv", f32(1, 16, 128, 128), Const(f32(16, 16, 3, 3)), f32(1, 18, 126, 126),
                                 opset=19),
    "deformed conv, deep": lambda: row("DeformConv", f32(1, 1024, 3, 3), Const(f32(1, 1024, 3, 3)), f32(1, 18, 1, 1),
                                       opset=19),
    "col2im": lambda: row("Col2Im", f32(1, 4, 2 * M - 1), [4 * M], [4], strides=[2], opset=18),
    "loop": lambda: loop(f32(16 * M)),
    "if": lambda: branch(f32(24 * M)),
}

# one call of a kernel, which does not ask, is most of it: a row, a sum or a window of some millions of elements
ONE_CALL = {"softmax of a row", "softmax of doubles", "log softmax of a row", "layer norm of a row",
            "layer norm of doubles", "instance norm", "inner product", "long sums", "bytes, long sums", "einsum",
            "conv of everything", "average of everything", "largest of everything"}
