"""The documents say what is true: what a page shows runs, in the order of the page, as a reader would do it.

In a fenced block of Python, C or C++ a first line like `# net.py` or `/* app.c */` is the name of the file that the
block is; the other blocks of Python run where they stand. In a block of `console` each line that begins with `$ ` is a
command that must end with 0, and the lines below it are what it prints: each must be there, in that order. A number
stands for any number there, a row of spaces for any, and `...` for any text.
"""
from __future__ import annotations

import fcntl
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import lite_runtime

ROOT = Path(__file__).resolve().parent.parent.parent
START = Path("docs/getting_started.md")
# examples/README.md: test_examples.py
FILES = [p.relative_to(ROOT) for p in (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")))]
COMPILERS = {"c": (("cc", "gcc", "clang"), "c11"), "cpp": (("c++", "g++", "clang++"), "c++17")}
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
NAMED = re.compile(r"(?:#|//|/\*) ([\w-]+\.(?:py|c|cpp|txt))(?: \*/)?\n")
NUMBER = re.compile(r"(?<![A-Za-z_\d])-?\d+(?:[.,]\d+)*(?:e[-+]?\d+)?")
EXPORTED = ROOT / "tests" / "exported" / "net.onnx"  # what the page's net.py makes; tools/export_models.py


def blocks(path: Path) -> Iterator[tuple[str, str]]:
    """Language and text of each fenced block of a page that runs."""
    for kind, text in BLOCK.findall((ROOT / path).read_text(encoding="utf-8")):
        if kind in ("python", "c", "cpp", "console"):
            yield kind, text


def commands(text: str) -> list[tuple[str, list[str]]]:
    """The commands of a console block, each with the lines that it prints."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.strip():
            found[-1][1].append(line)
    return found


def pattern(line: str) -> re.Pattern[str]:
    """What a shown line stands for."""
    words = [re.escape(NUMBER.sub("\0", w)).replace(re.escape("\0"), NUMBER.pattern).replace(r"\.\.\.", ".*")
             for w in line.split()]
    return re.compile(r"\s+".join(words) + r"\s*")


def not_printed(shown: list[str], printed: str) -> str | None:
    """The first shown line that is not in the output behind those before it."""
    lines = iter(printed.splitlines())
    for want in shown:
        if not any(pattern(want).fullmatch(line.strip()) for line in lines):
            return want
    return None


def compiler(kind: str) -> list[str]:
    """The command that compiles one language with all warnings; the test is skipped where there is none."""
    names, standard = COMPILERS[kind]
    found = next(filter(None, map(shutil.which, names)), None)
    if not found:
        pytest.skip(f"missing: one of {', '.join(names)}")
    return [found, f"-std={standard}", "-Wall", "-Wextra", "-Werror"]


@dataclass
class Page:
    """One page, run in a folder. env: what its commands find in their environment."""

    path: Path
    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        for kind, text in blocks(self.path):
            named = NAMED.match(text)
            if kind in COMPILERS:
                self._compiles(kind, text)
            if named:
                (self.folder / named[1]).write_text(text, encoding="utf-8")
            elif kind == "console":
                for command, shown in commands(text):
                    self.command(command, shown)
            elif kind == "python":
                exec(compile(text, str(self.path), "exec"), {"__name__": "__main__"})

    def _compiles(self, kind: str, text: str) -> None:
        (self.folder / f"checked.{kind}").write_text(text)
        flags = ["-fsyntax-only", f"-I{ROOT / 'lite_runtime' / 'include'}"]
        command = [*compiler(kind), *flags, f"checked.{kind}"]
        r = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        assert r.returncode == 0, r.stderr

    def command(self, command: str, shown: list[str]) -> None:
        if command.startswith("export "):
            name, _, value = command.removeprefix("export ").partition("=")
            self.env[name] = value.strip('"').replace("$PWD", str(self.folder))
            return
        if command == "python net.py" and not importlib.util.find_spec("torch"):
            take_exported(self.folder)
            return
        path = str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"]
        r = subprocess.run(command, shell=True, env=dict(os.environ, PATH=path) | self.env, cwd=self.folder,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert r.returncode == 0, f"{self.path}: {command}\n{r.stdout}"
        line = not_printed(shown, r.stdout)
        assert line is None, f"{self.path}: {command}\nsaid to print: {line}\nprinted:\n{r.stdout}"


def net_py() -> str:
    """The one file that needs torch."""
    return next(text for _, text in blocks(START) if text.startswith("# net.py\n"))


def take_exported(folder: Path) -> None:
    """Instead of torch: the model that it exported with this very net.py."""
    model = onnx.load(EXPORTED)
    made_by = model.metadata_props.pop()
    assert made_by.value == net_py(), "net.py is another one now: python tools/export_models.py OUT, with torch"
    onnx.save(model, folder / "net.onnx")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder beside the checkout, with the model.onnx that the pages speak of: x [N 3 H W] to y [N 10]."""
    (tmp_path / "lite-runtime").symlink_to(ROOT)
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


@pytest.fixture(scope="session")
def library() -> Iterator[dict[str, str]]:
    """The C library as the first page builds and installs it, in build/docs, and what finds it there."""
    absent = [p for p in ("cc", "meson", "ninja", "pkg-config") if not shutil.which(p)]
    if absent:
        pytest.skip(f"missing: {', '.join(absent)}")
    place = ROOT / "build" / "docs"
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)  # with pytest -n there are several of these
        (place / "lite-runtime").unlink(missing_ok=True)
        (place / "lite-runtime").symlink_to(ROOT)
        first = Page(START, place)
        building = [c for kind, text in blocks(START) if kind == "console" for c, _ in commands(text)
                    if c.startswith(("meson ", "export "))]
        assert len(building) == 4
        for command in building:
            first.command(command, [])
        (place / "lite-runtime").unlink()
    yield first.env  # not in the lock, or the others would wait for the end of this one's tests


def text_of(path: Path) -> str:
    return "".join(text for _, text in blocks(path))


@pytest.mark.parametrize("path", [p for p in FILES if text_of(p)], ids=str)
def test_page(path: Path, folder: Path, request: pytest.FixtureRequest) -> None:
    page = Page(path, folder)
    if "qemu:" in text_of(path) and not shutil.which("qemu-aarch64"):
        pytest.skip("missing: qemu-user")
    if "pkg-config" in text_of(path):
        page.env |= request.getfixturevalue("library")
    if path == START:
        (folder / "build").symlink_to(ROOT / "build" / "docs" / "build")  # so that it is not built again
        (folder / "model.onnx").unlink()  # the reader has none yet
    page.run()


def test_a_shown_line() -> None:
    """What may differ from what is printed, and what not."""
    printed = "a  1.5e-06 of net.lrm\nb [1 3 64]\n"
    assert not_printed(["a 2 of net.lrm", "b  [9 9 9]"], printed) is None
    assert not_printed(["a ... net.lrm"], printed) is None
    assert not_printed(["b [1 3 64]", "a 2 of net.lrm"], printed) == "a 2 of net.lrm"  # the order
    assert not_printed(["a 2 of other.lrm"], printed) == "a 2 of other.lrm"
    assert not_printed(["b [1 3]"], printed) == "b [1 3]"
    assert not_printed(["b [1 3 64"], printed) == "b [1 3 64"


def test_the_first_page_shows_torchs_numbers() -> None:
    """Three times the same four: torch's, those of Python, those of C; and they are what the model gives here."""
    lines = [re.findall(r"-?\d\.\d+", line) for line in (ROOT / START).read_text(encoding="utf-8").splitlines()
             if re.fullmatch(r"[\s\[]*(?:-?\d\.\d+[\s\]]*){4}", line)]
    assert len(lines) == 3
    with lite_runtime.Session(lite_runtime.convert(str(EXPORTED))) as session:
        got = session.run({"x": np.full((1, 3, 64, 64), 0.5, np.float32)})["scores"]
    for line in lines:
        np.testing.assert_allclose(np.array(line, float)[None], got, atol=2e-6)


def test_figures_are_measured_ones() -> None:
    """The page about performance has no figures of its own."""
    page, speed = ((ROOT / "docs" / f"{n}.md").read_text(encoding="utf-8") for n in ("performance", "speed"))
    figures = re.findall(r"\d+\.\d+", BLOCK.sub("", page))
    assert figures and set(figures) - set(re.findall(r"\d+\.\d+", speed)) == set()


def test_generated_is_current() -> None:
    r = subprocess.run([sys.executable, str(ROOT / "tools" / "gen_docs.py"), "--check"], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
