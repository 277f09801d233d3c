"""What rows cannot say of recurrent layers: hostile lengths, refusals, no steps, threads, f16 weights, streaming."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases.microsoft_recurrent import layer as int8_layer
from cases.recurrent import layer
from op_frame import Const, Row, compare, model, reference

import lite_runtime
from lite_runtime.converter.errors import UnsupportedError


def convert(r: Row, symbolic: bool = False, **options: Any) -> bytes:
    """The row's outputs have the types of its inputs' dtype."""
    shape = np.zeros((1,) * 4, next(iter(r.feeds().values())).dtype)
    outputs = [shape] + [shape[0]] * (r.outputs - 1)
    return lite_runtime.convert(model(r, symbolic, outputs), verify=False, **options)


@pytest.mark.parametrize("op", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("value", [-1, 6, 2**31 - 1, -(2**31)])
def test_lengths_are_checked(op: str, value: int) -> None:
    r = layer(op, lengths=[5, 1, 3])
    with lite_runtime.Session(convert(r)) as session:
        with pytest.raises(lite_runtime.Error, match=rf"'node.*lengths\[1\] is {value}; it must be 0 to 5"):
            session.run(r.feeds() | {"x4": np.array([5, value, 3], np.int32)})
        compare(session.run(r.feeds())["y0"], reference(r)[0], None)


@pytest.mark.parametrize("op", ["LSTM", "GRU", "RNN"])
def test_no_steps_give_the_initial_states(op: str) -> None:
    r = layer(op, state=True, direction="bidirectional")
    feeds = r.feeds() | {"x0": np.zeros((0, 3, 4), np.float32)}
    with lite_runtime.Session(convert(r, symbolic=True)) as session:
        got = session.run(feeds)
    assert got["y0"].shape == (0, 2, 3, 6)
    for k in range(1, r.outputs):
        np.testing.assert_array_equal(got[f"y{k}"], feeds[f"x{4 + k}"])


@pytest.mark.parametrize("op", ["LSTM", "GRU", "RNN"])
def test_no_batch(op: str) -> None:
    """onnxruntime divides by zero here."""
    r = layer(op, b=0, state=True, direction="bidirectional")
    with lite_runtime.Session(convert(r, symbolic=True)) as session:
        got = session.run(r.feeds())
    assert [v.shape for v in got.values()] == [(5, 2, 0, 6), (2, 0, 6), (2, 0, 6)][:r.outputs]


@pytest.mark.parametrize("linear", [0, 1])
@pytest.mark.parametrize("op", ["LSTM", "GRU", "RNN"])
def test_threads_do_not_change_a_bit(op: str, linear: int) -> None:
    attrs = {"linear_before_reset": linear} if op == "GRU" else {}
    r = layer(op, s=4, b=19, i=8, h=230, state=True, lengths=[4, 2, 3, 1] * 4 + [4, 3, 1], **attrs)
    file, found = convert(r), []
    for threads in (1, 2, 5):
        with lite_runtime.Session(file, threads=threads) as session:
            found.append(session.run(r.feeds()))
    for name in found[0]:
        assert found[0][name].tobytes() == found[1][name].tobytes() == found[2][name].tobytes()
    compare(found[0]["y0"], reference(r)[0], None)


def test_threads_do_not_change_a_bit_of_integers() -> None:
    """onnxruntime with one thread, since each of several takes the range of its rows of the batch."""
    r = int8_layer(s=4, b=19, h=230)
    file, found = convert(r), []
    for threads in (1, 2, 5):
        with lite_runtime.Session(file, threads=threads) as session:
            found.append(session.run(r.feeds()))
    assert all(found[0][n].tobytes() == f[n].tobytes() for f in found for n in f)
    compare(found[0]["y0"], reference(r, threads=1)[0], r.rtol)


def test_integer_weights_that_are_inputs() -> None:
    """Which onnxruntime does not take."""
    r = int8_layer("uint8", zero=120, h=40, direction="bidirectional")
    want = reference(r)
    loose = Row(r.op, tuple(x.array if isinstance(x, Const) else x for x in r.inputs), r.attrs, r.outputs,
                domain=r.domain, dynamic={0: (0, 1)})
    for symbolic in (False, True):
        with lite_runtime.Session(convert(loose, symbolic)) as session:
            got = session.run(loose.feeds())
        for k, y in enumerate(want):
            compare(got[f"y{k}"], y, 2e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_integers_of_hostile_states(value: float) -> None:
    r = int8_layer(h=23)
    feeds = r.feeds()
    with lite_runtime.Session(convert(r)) as session:
        first = session.run(feeds)
        bad = feeds["x5"].copy()
        bad[..., 3] = value
        session.run(feeds | {"x5": bad})
        assert {n: v.tobytes() for n, v in session.run(feeds).items()} == {n: v.tobytes() for n, v in first.items()}


@pytest.mark.parametrize("op", ["LSTM", "GRU"])
def test_weights_in_f16(op: str) -> None:
    r = layer(op, i=32, h=64, state=True)
    rounded = [Const(x.array.astype(np.float16).astype(np.float32)) if isinstance(x, Const) and x.array.ndim == 3 else x
               for x in r.inputs]
    want = reference(Row(op, tuple(rounded), r.attrs, r.outputs))
    file = convert(r, weights="f16")
    assert len(file) < 0.6 * len(convert(r))
    with lite_runtime.Session(file) as session:
        got = session.run(r.feeds())
    for k, y in enumerate(want):
        compare(got[f"y{k}"], y, 1e-5)


@pytest.mark.parametrize("op, states", [("LSTM", {"y1": "x5", "y2": "x6"}), ("GRU", {"y1": "x5"})])
def test_states_that_stay_in_the_session(op: str, states: dict[str, str]) -> None:
    r = layer(op, s=1, b=1, h=40, state=True)
    feeds = r.feeds() | {i: np.zeros((1, 1, 40), np.float32) for i in states.values()}
    with lite_runtime.Session(convert(r, state=states)) as session:
        for _ in range(20):
            inputs = tuple(feeds.get(f"x{i}", x) for i, x in enumerate(r.inputs))
            want = reference(Row(op, inputs, r.attrs, r.outputs))
            compare(session.run({"x0": feeds["x0"]})["y0"], want[0], None)
            feeds |= {i: want[int(o[1])] for o, i in states.items()}


@pytest.mark.parametrize("attrs, why", [
    ({"activations": ["Affine"]}, "Affine needs a finite alpha"),
    ({"activations": ["ThresholdedRelu"]}, "ThresholdedRelu needs a finite alpha"),
    ({"activations": ["ScaledTanh"], "activation_alpha": [0.5]}, "ScaledTanh needs a finite beta"),
    ({"activations": ["Nonsense"]}, "'Nonsense' is not known"),
    ({"activations": ["Tanh", "Tanh"]}, "2 activations, 1 are needed"),
    ({"clip": -1.0}, "clip is -1"),
    ({"direction": "sideways"}, "direction 'sideways'"),
    ({"layout": 2}, "'layout' is 2"),
])
def test_refusals(attrs: dict[str, Any], why: str) -> None:
    r = layer("RNN")
    with pytest.raises(UnsupportedError, match=why):
        convert(Row("RNN", r.inputs, r.attrs | attrs, 2))


def test_double_is_refused() -> None:
    r = layer("LSTM")
    doubles = tuple(Const(x.array.astype(float)) if isinstance(x, Const) else x.astype(float) for x in r.inputs)
    with pytest.raises(UnsupportedError, match="f64 is not supported"):
        convert(Row("LSTM", doubles, r.attrs, 3))


@pytest.mark.parametrize("place, shape", [(1, (1, 24, 5)), (2, (1, 20, 6)), (3, (1, 24))])
def test_weights_of_wrong_shapes_are_refused(place: int, shape: tuple[int, ...]) -> None:
    r = layer("LSTM")
    inputs = list(r.inputs)
    inputs[place] = Const(np.zeros(shape, np.float32))
    with pytest.raises(UnsupportedError):
        convert(Row("LSTM", tuple(inputs), r.attrs, 3))


def test_half_precision_is_computed_in_single() -> None:
    """onnxruntime has no f16 here: the truth is its f32 result for the same numbers, rounded once."""
    def cast(dtype: type, x: Any) -> Any:
        if isinstance(x, Const):
            return Const(x.array.astype(dtype))
        return x if x is None or x.dtype.kind != "f" else x.astype(dtype)
    r = layer("LSTM", state=True, lengths=[5, 1, 3])
    half = Row("LSTM", tuple(cast(np.float16, x) for x in r.inputs), r.attrs, 3)
    want = reference(Row("LSTM", tuple(cast(np.float32, x) for x in half.inputs), r.attrs, 3))
    with lite_runtime.Session(convert(half)) as session:
        got = session.run(half.feeds())
    for k, y in enumerate(want):
        compare(got[f"y{k}"], y.astype(np.float16), 1e-3)
