"""The documents say what is true: their examples run, their links exist, what is generated is current."""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

ROOT = Path(__file__).resolve().parent.parent.parent
FILES = [p.relative_to(ROOT) for p in (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")),
                                        ROOT / "examples" / "README.md")]

COMPILERS = {"c": (("cc", "gcc", "clang"), "c11"), "cpp": (("c++", "g++", "clang++"), "c++17")}


def blocks(path: Path, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", (ROOT / path).read_text(encoding="utf-8"), re.M | re.S)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the model.onnx that the examples speak of: x [N 3 H W] to y [N 10]."""
    rng = np.random.default_rng(3)
    nodes = [helper.make_node("Conv", ["x", "w"], ["a"], name="conv", pads=[1, 1, 1, 1], strides=[2, 2]),
             helper.make_node("Relu", ["a"], ["b"], name="relu"),
             helper.make_node("GlobalAveragePool", ["b"], ["c"], name="pool"),
             helper.make_node("Flatten", ["c"], ["d"], name="flatten"),
             helper.make_node("MatMul", ["d", "m"], ["y"], name="classify")]
    weights = [numpy_helper.from_array(rng.normal(0, 0.2, s).astype(np.float32), n)
               for n, s in (("w", (8, 3, 3, 3)), ("m", (8, 10)))]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", 1, ["N", 3, "H", "W"])],
                              [helper.make_tensor_value_info("y", 1, ["N", 10])], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(tmp_path / "model.onnx"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("path", [p for p in FILES if blocks(p, "python")], ids=str)
def test_python(path: Path, folder: Path) -> None:
    for text in blocks(path, "python"):
        exec(compile(text, str(path), "exec"), {"__name__": "__main__"})


# those of the examples: test_examples.py
@pytest.mark.parametrize("path", [p for p in FILES if blocks(p, "console") and p.parent.name != "examples"], ids=str)
def test_console(path: Path, folder: Path) -> None:
    env = dict(os.environ, PATH=str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"])
    for command in [c[2:] for text in blocks(path, "console") for c in text.splitlines() if c.startswith("$ ")]:
        r = subprocess.run(command, shell=True, env=env, capture_output=True, text=True)
        assert r.returncode == 0, f"{command}\n{r.stdout}{r.stderr}"


@pytest.mark.parametrize(("kind", "path"), [(k, p) for k in COMPILERS for p in FILES if blocks(p, k)], ids=str)
def test_c(kind: str, path: Path, tmp_path: Path) -> None:
    names, standard = COMPILERS[kind]
    compiler = next(filter(None, map(shutil.which, names)), None)
    if not compiler:
        pytest.skip(f"missing: one of {', '.join(names)}")
    for text in blocks(path, kind):
        (tmp_path / f"example.{kind}").write_text(text)
        flags = [f"-std={standard}", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
                 f"-I{ROOT / 'lite_runtime' / 'include'}"]
        r = subprocess.run([compiler, *flags, f"example.{kind}"], cwd=tmp_path, capture_output=True, text=True)
        assert r.returncode == 0, r.stderr


@pytest.mark.parametrize("path", FILES, ids=str)
def test_links_and_names(path: Path) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / path.parent / target).exists(), f"{path} links to {target}, which is not there"
    # paths in code spans: folder/file of the repository
    folders = "spec|lite_runtime|converter|kernels_generic|tests|tools|docs|examples"
    for name in re.findall(rf"`((?:{folders})/[\w./-]+)`", text):
        assert (ROOT / name).exists(), f"{path} speaks of {name}, which is not there"


def test_generated_is_current() -> None:
    r = subprocess.run([sys.executable, str(ROOT / "tools" / "gen_docs.py"), "--check"], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
