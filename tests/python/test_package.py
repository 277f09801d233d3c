"""What is installed: every source file, and a package that works without the extras."""
from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from onnx import helper

import lite_runtime

ROOT = Path(__file__).parents[2]


def listed(meson: Path, folder: Path, ends: str = "py|fbs|typed|html|css|js") -> set[Path]:
    names = re.findall(rf"'([^']+\.(?:{ends}))'", meson.read_text())
    return {(folder / name).resolve() for name in names}


def test_meson_lists_every_file():
    converter = listed(ROOT / "converter/meson.build", ROOT / "converter", "py|fbs|html|css|js|c")
    android = ROOT / "converter/toolchain/android"
    converter |= listed(android / "meson.build", android, "py|c|h|txt")
    python = listed(ROOT / "lite_runtime/python/meson.build", ROOT / "lite_runtime/python")
    ends = (".py", ".fbs", ".html", ".css", ".js", ".c", ".h", ".txt")
    assert converter == {p.resolve() for d in ("converter", "spec") for p in (ROOT / d).rglob("*")
                         if p.suffix in ends and "__pycache__" not in p.parts}
    wanted = {p.resolve() for p in (ROOT / "lite_runtime/python").iterdir() if p.suffix in (".py", ".typed")}
    assert {p for p in python if p.suffix == ".typed" or p.parent.name == "python"} == wanted


def test_the_checkout_does_not_shadow_the_package():
    assert not (ROOT / "lite_runtime/__init__.py").exists()
    assert lite_runtime.__version__ == "0.1.0"


def test_one_abi3_wheel():
    """One binary for all Python versions from the one that built it on; numpy and cffi are all that it needs."""
    installed = importlib.metadata.distribution("lite-runtime")
    tag = re.search(r"^Tag: (.+)$", installed.read_text("WHEEL") or "", re.M)
    assert tag and re.fullmatch(r"cp3\d+-abi3-\w+", tag[1])
    assert [p.name for p in installed.files or [] if p.suffix in (".so", ".pyd", ".a")] == ["_lr.abi3.so"]
    needs = [re.match(r"[\w-]+", r)[0] for r in installed.requires or [] if "extra ==" not in r]
    assert sorted(needs) == ["cffi", "numpy"]


def test_a_consumer(model_of, tmp_path):
    """The script that the types are checked with does what it says."""
    model = model_of([helper.make_node("Neg", ["x"], ["y"])], {"x": ["n"]}, {"y": ["n"]})
    (tmp_path / "neg.lrm").write_bytes(lite_runtime.convert(model))
    p = subprocess.run([sys.executable, ROOT / "tests/python/consumer.py", tmp_path / "neg.lrm"], capture_output=True,
                       text=True)
    assert (p.returncode, p.stderr) == (0, "")
    lines = p.stdout.splitlines()
    assert lines[1:7] == ["(3,)"] * 5 + ["-3.0 False -6.0"] and lines[-1].startswith("MODEL ")


@pytest.mark.parametrize("missing", ["onnx", "click", "flatbuffers"])
def test_without_the_extras(missing):
    """One sentence says what to install, and the runtime itself works."""
    code = f"""
import sys
sys.modules[{missing!r}] = None
import lite_runtime
print(lite_runtime.Session)
if {missing!r} == "click":
    from lite_runtime.converter.cli import main
    main()
else:
    lite_runtime.convert("model.onnx")
"""
    p = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert p.returncode == 1 and "Session" in p.stdout
    assert f"the package '{missing}' is missing; run: pip install 'lite-runtime[convert]'" in p.stderr.splitlines()[-1]


@pytest.mark.parametrize("missing", ["elftools", "mesonbuild", "ninja", "ziglang"])
def test_without_the_build_extra(missing, tmp_path):
    """lite-opt build says what to install, and all else works."""
    code = f"""
import sys
sys.modules[{missing!r}] = None
from lite_runtime.converter.cli import main
sys.argv = ["lite-opt", "targets"]
try:
    main()
except SystemExit as e:
    assert not e.code
sys.argv = ["lite-opt", "build", "--target", "linux-arm64"]
main()
"""
    p = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path,
                       env=dict(os.environ, LITE_OPT_CACHE=str(tmp_path)))
    assert p.returncode == 1 and "linux-arm64" in p.stdout, p.stderr
    assert "pip install 'lite-runtime[build]'" in p.stderr.splitlines()[-1]
