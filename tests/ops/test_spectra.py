"""How exact Fourier transforms are: the relative error of the whole result, against numpy in double."""
from __future__ import annotations

from functools import cache

import cpu_levels
import numpy as np
import pytest
from onnx import TensorProto, helper

import lite_runtime

# every small length, primes, powers, those of speech, products of what has a pass of its own and what has not
LENGTHS = [*range(1, 65), 81, 101, 127, 243, 256, 400, 441, 480, 512, 729, 899, 1000, 1021, 1024, 2048, 2187, 3125,
           4096, 6561, 8191, 17 * 37, 31 * 29 * 5, 65536]
LIMIT = {"float32": 4e-7, "float64": 2e-15}  # what grows with the logarithm of the length
LEVELS = cpu_levels.levels(lite_runtime.cpu_features())
RNG = np.random.default_rng(11)


@cache
def model(dtype: str, last: int, onesided: int, inverse: int) -> bytes:
    """Of open sizes; only what gives real signals back has the length as an input."""
    kind = TensorProto.FLOAT if dtype == "float32" else TensorProto.DOUBLE
    inputs = [helper.make_tensor_value_info("x", kind, ["B", "N", last])]
    if onesided and inverse:
        inputs.append(helper.make_tensor_value_info("n", TensorProto.INT64, []))
    node = helper.make_node("DFT", [i.name for i in inputs], ["y"], onesided=onesided, inverse=inverse)
    graph = helper.make_graph([node], "g", inputs, [helper.make_tensor_value_info("y", kind, [None] * 3)])
    m = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return lite_runtime.convert(m, verify=False)


def check(y: np.ndarray, want: np.ndarray, dtype: str, what: str) -> None:
    got = y[..., 0].astype(float) + 1j * y[..., 1] if y.shape[-1] == 2 else y[..., 0]
    assert got.shape == want.shape, what
    error = np.linalg.norm(got - want) / max(np.linalg.norm(want), 1e-300)
    assert error < LIMIT[dtype], f"{what}: {error:.2e}"


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", LIMIT)
@pytest.mark.parametrize("batch", [1, 21])
def test_error(dtype: str, batch: int, level: str) -> None:
    def session(*form: int) -> lite_runtime.Session:
        return lite_runtime.Session(model(dtype, *form), threads=2, cpu_mask=LEVELS[level])

    with session(2, 0, 0) as forth, session(2, 0, 1) as back, session(1, 1, 0) as real, session(2, 1, 1) as signal:
        for n in LENGTHS if batch == 1 else [n for n in LENGTHS if n < 5000]:
            x = RNG.normal(size=(batch, n, 2)).astype(dtype)
            z, half = x[..., 0].astype(float) + 1j * x[..., 1], np.ascontiguousarray(x[:, :n // 2 + 1])
            check(forth.run({"x": x})["y"], np.fft.fft(z), dtype, f"length {n}")
            check(back.run({"x": x})["y"], np.fft.ifft(z), dtype, f"inverse, length {n}")
            check(real.run({"x": x[..., :1].copy()})["y"], np.fft.rfft(z.real), dtype, f"real, length {n}")
            check(signal.run({"x": half, "n": np.array(n)})["y"], np.fft.irfft(z[:, :n // 2 + 1], n), dtype,
                  f"back to real, length {n}")
