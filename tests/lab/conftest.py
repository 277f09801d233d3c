"""Programs for devices, small models, and what calls lite-opt."""
from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from this_machine import HERE, number

import lite_runtime
from lite_runtime.converter.errors import ConvertError
from lite_runtime.converter.toolchain.build import app
from lite_runtime.converter.toolchain.targets import find


@cache
def built(target: str) -> Path:
    try:
        return app(find(target))
    except ConvertError as e:
        if "has no compiler" in str(e) or "is missing" in str(e):
            pytest.skip(f"missing: {e}")
        raise


@pytest.fixture(scope="session")
def program() -> Callable[[str], Path]:
    """lite_run for a target."""
    return built


@pytest.fixture(scope="session")
def native(program) -> Path:
    """lite_run for this machine."""
    if not HERE:
        pytest.skip(f"no target for {platform.machine()}")
    return program(HERE)


@pytest.fixture(scope="session")
def qemu() -> None:
    if not shutil.which("qemu-aarch64"):
        pytest.skip("missing: qemu-aarch64")


def make(nodes: list[onnx.NodeProto], inputs: dict, outputs: dict, constants: dict[str, np.ndarray]) -> onnx.ModelProto:
    infos = [[helper.make_tensor_value_info(n, t, s) for n, (t, s) in d.items()] for d in (inputs, outputs)]
    graph = helper.make_graph(nodes, "g", *infos, [numpy_helper.from_array(a, n) for n, a in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.fixture(scope="session")
def cnn_onnx(tmp_path_factory) -> Path:
    """Two convolutions, a pool and a matrix product."""
    rng = np.random.default_rng(1)
    f32 = TensorProto.FLOAT
    weights = {"w1": (8, 3, 3, 3), "w2": (8, 8, 3, 3), "w3": (8, 5)}
    model = make([helper.make_node("Conv", ["x", "w1"], ["a"], pads=[1] * 4, strides=[2, 2], name="first"),
                  helper.make_node("Relu", ["a"], ["b"]),
                  helper.make_node("Conv", ["b", "w2"], ["c"], pads=[1] * 4, name="second"),
                  helper.make_node("Sigmoid", ["c"], ["d"]),
                  helper.make_node("GlobalAveragePool", ["d"], ["e"]),
                  helper.make_node("Flatten", ["e"], ["f"]),
                  helper.make_node("MatMul", ["f", "w3"], ["y"])],
                 {"x": (f32, [1, 3, "h", "w"])}, {"y": (f32, [1, 5])},
                 {n: (rng.normal(size=s) / np.sqrt(np.prod(s[1:]))).astype(np.float32) for n, s in weights.items()})
    path = tmp_path_factory.mktemp("a model") / "cnn.onnx"  # the space is meant
    onnx.save(model, path)
    return path


@pytest.fixture(scope="session")
def cnn(cnn_onnx) -> Path:
    path = cnn_onnx.with_suffix(".lrm")
    path.write_bytes(lite_runtime.convert(str(cnn_onnx), verify=False))
    return path


@pytest.fixture(scope="session")
def odd(tmp_path_factory) -> Path:
    """Names that shells and options take apart, and several dtypes: sorted values and their places, a negated mask."""
    f32, i64, boolean = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
    model = make([helper.make_node("TopK", ["a=b $x'", "k"], ["v/0", "i \"q\""], axis=1),
                  helper.make_node("Not", ["mask"], ["n"])],
                 {"a=b $x'": (f32, [2, 7]), "mask": (boolean, ["n"])},
                 {"v/0": (f32, [2, 3]), "i \"q\"": (i64, [2, 3]), "n": (boolean, ["n"])}, {"k": np.array([3])})
    path = tmp_path_factory.mktemp("odd") / "odd.lrm"
    path.write_bytes(lite_runtime.convert(model, verify=False))
    return path


@pytest.fixture(scope="session")
def counter(tmp_path_factory) -> Path:
    """A state: s becomes s + x; z is its negative."""
    f32 = TensorProto.FLOAT
    model = make([helper.make_node("Add", ["s", "x"], ["y"]), helper.make_node("Neg", ["y"], ["z"])],
                 {"x": (f32, [2]), "s": (f32, [2])}, {"y": (f32, [2]), "z": (f32, [2])}, {})
    path = tmp_path_factory.mktemp("counter") / "counter.lrm"
    path.write_bytes(lite_runtime.convert(model, verify=False, state={"y": "s"}))
    return path


CALL = [sys.executable, "-c", "from lite_runtime.converter.cli import main; main()"]


@pytest.fixture(scope="session")
def lite_opt() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command line; environment variables by name."""

    def call(*args: object, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*CALL, *map(str, args)], capture_output=True, text=True, check=False,
                              env=dict(os.environ, **env), timeout=300)

    return call


@pytest.fixture
def illegal(tmp_path) -> Callable[..., Path]:
    """A program of one instruction that no CPU has, by a compiler."""

    def compile_it(compiler: str, instruction: str) -> Path:
        if not shutil.which(shlex.split(compiler)[0]):
            pytest.skip(f"missing: {compiler}")
        source, made = tmp_path / "illegal.c", tmp_path / "illegal"
        source.write_text(f'int main(void) {{ __asm__ volatile("{instruction}"); return 0; }}\n')
        subprocess.run([*shlex.split(compiler), "-static", source, "-o", made], check=True)
        return made

    return compile_it


@pytest.fixture
def late_limit(monkeypatch) -> Callable[[Path, float], None]:
    """A time limit of so many seconds begins when the program has written its number in a folder of a device's: on a
    machine that is busy it may start later than any short limit."""

    def begin(device: Path, limit: float) -> None:
        communicate = subprocess.Popen.communicate

        def wait(p: subprocess.Popen, input: object = None, timeout: float | None = None) -> tuple:
            if timeout == limit:
                number(device)
            return communicate(p, input, timeout)

        monkeypatch.setattr(subprocess.Popen, "communicate", wait)

    return begin
