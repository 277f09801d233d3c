"""What a session takes for arrays: tensors of other libraries and buffers, without copies, else a sentence."""
from __future__ import annotations

import array
import ctypes
import tracemalloc

import numpy as np
import pytest

import lite_runtime
from lite_runtime import Session
from lite_runtime._lr import ffi, lib

INPUT, OUTPUT = 0, 1
NUMPY = tuple(int(n) for n in np.__version__.split(".")[:2])


class Subclass(np.ndarray):
    """As numpy.memmap."""


class Tensor:
    """As torch's and jax's: DLPack of version 1."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __dlpack_device__(self):
        return (1, 0)

    def __dlpack__(self, **words):
        return self.values.__dlpack__(**words)


class OldTensor(Tensor):
    """DLPack before version 1, which does not say whether one may write."""

    def __dlpack__(self, *, stream=None):
        return self.values.__dlpack__()


class OldTorch(OldTensor):
    """With the array that torch gives beside it."""

    def __array__(self, dtype=None, copy=None):
        return self.values


class FarTensor(Tensor):
    """On a GPU. DLPack of version 1 lets one ask for a copy."""

    def __dlpack_device__(self):
        return (2, 0)

    def __dlpack__(self, *, dl_device=None, max_version=None, **words):
        if dl_device != (1, 0):
            raise BufferError("only from afar")
        return self.values.copy().__dlpack__(max_version=max_version)


class Frame:
    """As pandas': nothing but __array__, which may be a copy."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return self.values.copy()


class Interface:
    def __init__(self, values: np.ndarray) -> None:
        self.values = values
        self.__array_interface__ = values.__array_interface__


@pytest.fixture
def session(add_model):
    with Session(lite_runtime.convert(add_model, verify=False), threads=1) as s:
        yield s


def address(session: Session, role: int) -> int:
    """Where C reads the first input, or wrote the first output."""
    c = ffi.new("lr_tensor *")
    assert lib.lr_session_tensor(session._ptr, role, 0, c, ffi.NULL) == 0
    return int(ffi.cast("uintptr_t", c.data))


def values(n=2):
    return np.arange(3 * n, dtype=np.float32).reshape(n, 3)


def feeds(a, n=2):
    return {"a": a, "b": np.ones((n, 3), np.float32)}


@pytest.mark.parametrize("kind", [np.asarray, Tensor, OldTensor, OldTorch, memoryview, Interface,
                                  lambda a: (ctypes.c_float * 3 * 2).from_buffer(a)],
                         ids=["array", "Tensor", "OldTensor", "OldTorch", "memoryview", "Interface", "ctypes"])
def test_inputs_are_read_where_they_lie(session, kind):
    a = values()
    y = session.run(feeds(kind(a)))["y"]
    assert address(session, INPUT) == a.ctypes.data and address(session, OUTPUT) == y.ctypes.data
    np.testing.assert_array_equal(y, values() + 1)
    a += 7  # the memory itself, not what was seen in it before
    np.testing.assert_array_equal(session.run(feeds(kind(a)))["y"], values() + 8)


@pytest.mark.parametrize("kind", [np.asarray, Tensor])
def test_nothing_of_the_size_of_an_input_is_allocated(session, kind):
    n = 500_000  # 6 MB
    x, y = feeds(kind(values(n)), n), np.empty((n, 3), np.float32)
    session.run(x, {"y": y})
    tracemalloc.start()
    session.run(x, {"y": y})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000
    np.testing.assert_array_equal(y, values(n) + 1)


def test_one_dimension_of_an_array_array(model_of):
    from onnx import helper
    model = model_of([helper.make_node("Neg", ["x"], ["y"])], {"x": ["n"]}, {"y": ["n"]})
    with Session(lite_runtime.convert(model, verify=False)) as s:
        x = array.array("f", [1, 2, 3])
        np.testing.assert_array_equal(s.run({"x": x})["y"], [-1, -2, -3])
        assert address(s, INPUT) == x.buffer_info()[0]
        with pytest.raises(lite_runtime.ArgumentTypeError, match="the array is float64; convert it to float32 first"):
            s.run({"x": array.array("d", [1])})
        with pytest.raises(lite_runtime.ArgumentTypeError, match="the bytes is uint8"):
            s.run({"x": b"abcd"})


@pytest.mark.parametrize("a", [
    Tensor(np.asfortranarray(values())), Tensor(np.repeat(values(), 2, 1)[:, ::2]), Frame(values()),
    pytest.param(FarTensor(values()), marks=pytest.mark.skipif(NUMPY < (2, 1), reason="numpy 2.1 asks for copies")),
    np.frombuffer(b"\0" + values().tobytes(), np.uint8)[1:].view(np.float32).reshape(2, 3),
    np.ma.masked_array(values(), False), values().view(Subclass),
], ids=["columns", "strides", "Frame", "FarTensor", "unaligned", "masked", "Subclass"])
def test_copied_where_it_must_be(session, a):
    np.testing.assert_array_equal(session.run(feeds(a))["y"], values() + 1)


class Raises(Tensor):
    def __dlpack__(self, **words):
        raise BufferError("Can't export tensors that require gradient,\nuse tensor.detach()")


class Nowhere(Raises):
    def __dlpack_device__(self):
        raise ValueError("Unknown device type meta")


class Distant(FarTensor):
    def __dlpack__(self, *, stream=None):
        raise BufferError("no")


class Negated(Tensor):
    def is_neg(self):
        return True


@pytest.mark.parametrize("a, words", [
    (Tensor(values().astype(np.float64)), "is float32 in the model, the Tensor is float64; convert it to float32"),
    (Raises(values()), "input 'a' is of type Raises and cannot be used (Can't export tensors that require gradient, "
                       "use tensor.detach()); give a numpy array of float32"),
    (Nowhere(values()), "cannot be used (Unknown device type meta)"),
    (Distant(values()), "cannot be used (it is on a device of DLPack's type 2)"),
    (Negated(values()), "use tensor.resolve_neg()"),
    (Tensor(values()[0]), "rank 1"),
    (np.ma.masked_array(values(), values() > 3), "input 'a' has masked elements; use array.filled(value)"),
    (Tensor, "cannot be used"),
    ("text", "is of type str; give a numpy array of float32"),
    (values().tolist(), "is of type list; give a numpy array of float32"),
    (1.5, "is of type float; give a numpy array of float32"),
    (values().astype(object), "is float32 in the model, the array is object"),
])
def test_refused(session, a, words):
    with pytest.raises(lite_runtime.ArgumentError) as e:
        session.run(feeds(a))
    assert words in str(e.value) and "\n" not in str(e.value)
    np.testing.assert_array_equal(session.run(feeds(values()))["y"], values() + 1)


@pytest.mark.parametrize("kind", [np.asarray, lambda a: a.view(Subclass), Tensor, OldTorch, memoryview],
                         ids=["array", "Subclass", "Tensor", "OldTorch", "memoryview"])
def test_outputs_are_written_in_place(session, kind):
    if kind is Tensor and NUMPY < (2, 1):
        pytest.skip("numpy 2.1 knows DLPack of version 1")
    y = np.zeros((2, 3), np.float32)
    out = session.run(feeds(values()), {"y": kind(y)})["y"]
    np.testing.assert_array_equal(y, values() + 1)
    assert isinstance(out, np.ndarray) and out.ctypes.data == y.ctypes.data == address(session, OUTPUT)
    y[...] = values()
    session.run(feeds(Tensor(y)), {"y": kind(y)})  # over an input
    np.testing.assert_array_equal(y, values() + 1)


class Elsewhere(OldTensor, Frame):
    """Its array is a copy: what is written there is lost."""


def readonly(a):
    a.flags.writeable = False
    return a


@pytest.mark.parametrize("y, words", [
    (OldTensor(values()), "is not a contiguous writeable one; use numpy.empty"),
    (Elsewhere(values()), "is not a contiguous writeable one"),
    (memoryview(readonly(values())), "is not a contiguous writeable one"),
    (np.ma.masked_array(values()), "is a masked one; give array.data"),
    (Tensor(np.asfortranarray(values())), "is not a contiguous writeable one"),
    (OldTorch(values(3)), "has the shape (2, 3), the array (3, 3)"),
    (Tensor(values().astype(np.float64)), "is float32 in the model, the array is float64"),
    (FarTensor(values()), "cannot be used (it is on a device of DLPack's type 2); give a numpy array"),
    (Raises(values()), "use tensor.detach()"),
    (Negated(values()), "use tensor.resolve_neg()"),
    (Frame(values()), "is of type Frame; give a numpy array of float32"),
    (values().tolist(), "is of type list; give a numpy array of float32"),
    (None, "is of type NoneType"),
])
def test_refused_outputs(session, y, words):
    with pytest.raises(lite_runtime.ArgumentError) as e:
        session.run(feeds(values()), {"y": y})
    assert words in str(e.value) and "\n" not in str(e.value)


def test_state(counter_model):
    with Session(lite_runtime.convert(counter_model, state={"y": "s"}, verify=False)) as s:
        s.set_state("s", Tensor(np.array([10, 20], np.float32)))
        np.testing.assert_array_equal(s.run({"x": np.ones(2, np.float32)})["z"], [-11, -21])
