"""Wheels at work: installed for their machine, under qemu where that is another one, they compute what is right."""
from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import environment
import foreign_python
import numpy as np
import onnxruntime as ort
import pytest

import lite_runtime

pytestmark = pytest.mark.wheels
ROOT = Path(__file__).parents[2]
# inputs of the exported models: (shape, dtype), tokens are below 16
FEEDS = {
    "cnn": {"x": ((1, 3, 40, 56), np.float32)},
    "decoder": {"tokens": ((1, 5), np.int64), "keys": ((2, 1, 4, 3, 8), np.float32),
                "values": ((2, 1, 4, 3, 8), np.float32)},
    "tagger": {"words": ((1, 7), np.int64)},
    "vit": {"x": ((1, 3, 32, 32), np.float32)},
}
# Debian's architecture, what beside Python comes from Debian, and what from PyPI (which has no numpy for 32-bit ARM)
MACHINES = {
    "linux-arm64": ("arm64", ["libstdc++6", "zlib1g"], ["numpy", "cffi", "packaging"]),
    "linux-armv7": ("armhf", ["python3-numpy", "python3-cffi-backend", "python3-packaging"], []),
}


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """The models with their inputs and a picture; what onnxruntime and numpy make of them."""
    folder, rng = tmp_path_factory.mktemp("models"), np.random.default_rng(1)
    wanted = {}
    for name, inputs in FEEDS.items():
        source = ROOT / "tests" / "exported" / f"{name}.onnx"
        (folder / f"{name}.lrm").write_bytes(lite_runtime.convert(str(source)))
        feeds = {n: rng.normal(size=shape).astype(dtype) if dtype == np.float32 else rng.integers(0, 16, shape)
                 for n, (shape, dtype) in inputs.items()}
        np.savez(folder / f"{name}.npz", **feeds)
        reference = ort.InferenceSession(source, providers=["CPUExecutionProvider"])
        names = [o.name for o in reference.get_outputs()]
        wanted.update(zip((f"{name}/{n}" for n in names), reference.run(names, feeds), strict=True))
    frame = rng.integers(0, 256, (72, 64), np.uint8)  # 64 x 48
    np.savez(folder / "picture.npz", frame=frame)
    wanted["picture"] = picture(frame)
    return folder, wanted


def picture(frame: np.ndarray) -> np.ndarray:
    """Of NV21 by the numbers of BT.601 with its limited range: at half the size a pixel is the mean of 2 x 2."""
    luma = np.maximum(frame[:48] - 16.0, 0) * 255 / 219
    v, u = ((frame[48:, i::2].repeat(2, 0).repeat(2, 1) - 128.0) * 255 / 224 for i in (0, 1))
    r, b = luma + 1.402 * v, luma + 1.772 * u
    rgb = np.clip([r, (luma - 0.299 * r - 0.114 * b) / 0.587, b], 0, 255)
    means = rgb.reshape(3, 24, 2, 32, 2).mean((2, 4))
    return ((means - np.array([120, 110, 100])[:, None, None]) / 58)[None].astype(np.float32)


def install(wheel, version: str, folder: Path) -> Path:
    environment.pip(Path(sys.executable), "--no-deps", "--only-binary=:all:", f"--platform={min(wheel.tags)}",
                    f"--python-version={version}", "--implementation=cp", "--target", str(folder), str(wheel.path))
    return folder


def check(command: list[str], paths: list[Path], work, tmp_path: Path, **env: str) -> dict:
    """Runs on_device.py and compares its outputs; returns what it says."""
    folder, wanted = work
    words = [*command, str(ROOT / "tests" / "wheels" / "on_device.py"), str(folder), str(tmp_path / "out.npz")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONDONTWRITEBYTECODE": "1", **env}
    p = subprocess.run(words, capture_output=True, text=True, env=env, timeout=600)
    assert p.returncode == 0, p.stderr
    facts = json.loads(p.stdout)
    with np.load(tmp_path / "out.npz") as got:
        assert sorted(got) == sorted(wanted)
        for name, want in wanted.items():
            assert got[name].shape == want.shape and got[name].dtype == want.dtype
            # a byte of a colour is rounded before it is scaled
            limit = 0.75 / 58 if name == "picture" else 1e-4 * max(1.0, float(np.abs(want).max()))
            np.testing.assert_allclose(got[name], want, rtol=0, atol=limit, err_msg=name)
    assert facts["file"].startswith(str(paths[0])) and facts["version"] == lite_runtime.__version__
    assert "conv" in facts["steps"] and facts["median_ms"] > 0
    return facts


def foreign(wheel) -> tuple[foreign_python.Python, list[Path]]:
    architecture, debian, pypi = MACHINES[wheel.target]
    if not shutil.which(foreign_python.MACHINES[architecture][0]):
        pytest.skip("missing: qemu-user")
    python = foreign_python.make(architecture, debian)
    return python, [foreign_python.site(python, "aarch64", pypi)] if pypi else []


@pytest.mark.of("linux-arm")
def test_on_arm(wheel, work, tmp_path):
    """The Python there finds the wheel's tag among its own, and the models compute as onnxruntime does here."""
    python, site = foreign(wheel)
    paths = [install(wheel, python.version, tmp_path / "site"), *site]
    code = "from packaging.tags import sys_tags; print(*sys_tags(), sep='\\n')"
    env = {**os.environ, **python.env, "PYTHONPATH": os.pathsep.join(map(str, site))}
    tags = subprocess.run([*python.command, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert {f"cp310-abi3-{t}" for t in wheel.tags} <= set(tags.stdout.split())
    cpus = {"linux-arm64": {"cortex-a53": {"neon"}, "cortex-a76": {"neon", "neonfp16", "neondot"}},
            "linux-armv7": {"cortex-a7": set()}}
    for cpu, features in cpus[wheel.target].items():
        facts = check(python.command, paths, work, tmp_path, QEMU_CPU=cpu, **python.env)
        assert features <= set(facts["features"]) and (facts["peak_gflops"] or not features)


@pytest.mark.of("linux-x64")
def test_on_this_machine(wheel, work, tmp_path):
    """Without what else is installed here but for packages that it needs, an editable lite_runtime least of all."""
    if platform.machine() != "x86_64":
        pytest.skip("missing: an x86-64 machine")
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    paths = [install(wheel, version, tmp_path / "site"), Path(sysconfig.get_paths()["platlib"])]
    assert check([sys.executable, "-S"], paths, work, tmp_path)["peak_gflops"]
    code = "from lite_runtime.converter.cli import main; main()"
    p = subprocess.run([sys.executable, "-S", "-c", code, "targets"], capture_output=True, text=True,
                       env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))})
    assert p.returncode == 0 and "linux-arm64" in p.stdout, p.stderr
