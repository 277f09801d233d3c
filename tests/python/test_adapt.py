"""Inputs and outputs in another form than the source model's, against onnxruntime on the source model with what numpy
makes of the caller's arrays."""
from __future__ import annotations

import itertools

import numpy as np
import onnx
import onnx.parser
import onnxruntime as ort
import pytest
from onnx import helper, numpy_helper

import lite_runtime
from lite_runtime.converter import api
from lite_runtime.converter.errors import ConvertError

RNG = np.random.default_rng(3)
W = RNG.normal(size=(8, 3, 3, 3)).astype(np.float32) / 5
MEAN, STD = (123.7, 116.3, 103.5), (58.4, 57.1, 57.4)


def net(dtype: int = 1, batch: int | str = 1) -> onnx.ModelProto:
    """A padded convolution, whose borders show whether padding is 0 of the normalised picture; y [N 8 H W], z [N 8]."""
    kind = helper.tensor_dtype_to_np_dtype(dtype)
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]), helper.make_node("Relu", ["c"], ["y"]),
             helper.make_node("GlobalAveragePool", ["y"], ["g"]), helper.make_node("Flatten", ["g"], ["z"])]
    graph = helper.make_graph(nodes, "net", [helper.make_tensor_value_info("x", dtype, [batch, 3, 10, 12])],
                              [helper.make_tensor_value_info("y", dtype, [batch, 8, 10, 12]),
                               helper.make_tensor_value_info("z", dtype, [batch, 8])],
                              [numpy_helper.from_array(W.astype(kind), "w")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def truth(model: onnx.ModelProto, x: np.ndarray) -> list[np.ndarray]:
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": x})


def close(got: np.ndarray, want: np.ndarray, tolerance: float = 1e-5) -> None:
    assert got.shape == want.shape
    np.testing.assert_allclose(got.astype(np.float64), want.astype(np.float64), atol=tolerance * np.abs(want).max())


@pytest.mark.parametrize(("layout", "order"), list(itertools.product(("nhwc", "nchw"), ("rgb", "bgr"))))
def test_pictures(layout: str, order: str) -> None:
    picture = RNG.integers(0, 256, (1, 10, 12, 3)).astype(np.uint8)
    rgb = picture[..., ::-1] if order == "bgr" else picture
    x = ((rgb - np.array(MEAN)) / np.array(STD)).transpose(0, 3, 1, 2).astype(np.float32)
    form = f"u8,{layout},{order},mean={':'.join(map(str, MEAN))},std={':'.join(map(str, STD))}"
    result = api.convert_model(net(), inputs={"x": form})
    assert result.report.verdict == "proven"
    with lite_runtime.Session(result.data) as session:
        (t,) = session.inputs
        assert (t.name, t.dtype) == ("x", np.uint8) and session.metadata["lite_runtime.input.x"] == form
        got = session.run({"x": picture if layout == "nhwc" else picture.transpose(0, 3, 1, 2)})
    for name, want in zip(("y", "z"), truth(net(), x), strict=True):
        close(got[name], want)


@pytest.mark.parametrize("form", ["nhwc", "f16", "f16,nhwc", "i8", "f32", "u8,std=255", "mean=0.5", "bgr"])
def test_parts(form: str) -> None:
    words = form.split(",")
    dtype = {"f16": np.float16, "i8": np.int8, "u8": np.uint8}.get(words[0], np.float32)
    given = (RNG.normal(size=(1, 3, 10, 12)) * 20).clip(0, 100).astype(dtype)
    x = given.astype(np.float64)
    x = x / 255 if "std=255" in words else x - 0.5 if "mean=0.5" in words else x[:, ::-1] if "bgr" in words else x
    given = given.transpose(0, 2, 3, 1) if "nhwc" in words else given
    with lite_runtime.Session(lite_runtime.convert(net(), inputs={"x": form})) as session:
        close(session.run({"x": np.ascontiguousarray(given)})["y"], truth(net(), x.astype(np.float32))[0])


def test_an_open_batch() -> None:
    picture = RNG.integers(0, 256, (3, 10, 12, 3)).astype(np.uint8)
    data = lite_runtime.convert(net(batch="n"), inputs={"x": "u8,nhwc,mean=127.5,std=127.5"})
    with lite_runtime.Session(data) as session:
        x = ((picture - 127.5) / 127.5).transpose(0, 3, 1, 2).astype(np.float32)
        close(session.run({"x": picture})["z"], truth(net(batch="n"), x)[1])


def test_outputs() -> None:
    x = RNG.normal(size=(1, 3, 10, 12)).astype(np.float32)
    result = api.convert_model(net(), outputs={"y": "nhwc", "z": "f16"})
    assert result.report.verdict == "proven"
    with lite_runtime.Session(result.data) as session:
        got = session.run({"x": x})
    want = truth(net(), x)
    close(got["y"], want[0].transpose(0, 2, 3, 1))
    assert got["z"].dtype == np.float16
    close(got["z"], want[1], 1e-3)


def test_a_half_precision_model() -> None:
    """Its inputs and outputs are f16 as they are, and f32 where the caller wants it."""
    x = RNG.normal(size=(1, 3, 10, 12)).astype(np.float16)
    want = truth(net(10), x)[1]
    for given, options in ((x, {}), (x.astype(np.float32), {"inputs": {"x": "f32"}, "outputs": {"z": "f32"}})):
        with lite_runtime.Session(lite_runtime.convert(net(10), **options)) as session:
            got = session.run({"x": given})["z"]
        assert got.dtype == given.dtype
        close(got, want, 4e-3)


@pytest.mark.parametrize(("kind", "name", "form", "words"), [
    ("inputs", "q", "u8", "there is no such input; there are x"), ("outputs", "q", "f16", "there is no such output"),
    ("inputs", "x", "", "is not a form"), ("inputs", "x", "u9", "'u9' is not one of u8"),
    ("inputs", "x", "u8,f16", "says again"), ("inputs", "x", "mean=a", "is not one number"),
    ("inputs", "x", "std=0", "is not possible"), ("inputs", "x", "mean=nan", "is not possible"),
    ("inputs", "x", "mean=1e300", "is not possible"), ("inputs", "x", "std=1e-45", "is not possible"),
    ("inputs", "x", "mean=1:2", "the tensor has 3 channels"), ("outputs", "z", "nhwc", "it has rank 2"),
    ("outputs", "y", "u8", "'u8' is not one of f16"), ("outputs", "y", "mean=1", "is not one of"),
    ("inputs", "x", 3, "is not a form"),
])
def test_what_is_refused(kind: str, name: str, form: object, words: str) -> None:
    with pytest.raises(ConvertError, match=words):
        lite_runtime.convert(net(), verify=False, **{kind: {name: form}})


def test_integers_have_no_mean() -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 17]> g (uint8[1,3,4,4] x) => (float[1,3,4,4] y) { y = Cast<to = 1>(x) }')
    with pytest.raises(ConvertError, match="mean and std make fractions"):
        lite_runtime.convert(model, verify=False, inputs={"x": "u8,std=2"})


def test_states_have_no_form() -> None:
    """An output that is a state is fed back as the source computes it, and none of the caller's."""
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 17]> g (float[1,4] x, float[1,4] h) => (float[1,4] z)'
        '{ y = Add(x, h) z = Tanh(y) }')
    with pytest.raises(ConvertError, match="there is no such output; there are none"):
        lite_runtime.convert(model, verify=False, state={"z": "h"}, outputs={"z": "f16"})
