"""lite-opt build: what comes out, that it runs, what it refuses, and that it is the same every time."""
from __future__ import annotations

import ctypes
import json
import platform
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from build_lines import build_lines
from elftools.elf.elffile import ELFFile
from onnx import helper, numpy_helper
from this_machine import HERE

import lite_runtime
from lite_runtime.converter.cli.app import run
from lite_runtime.converter.errors import ConvertError
from lite_runtime.converter.toolchain import build as building
from lite_runtime.converter.toolchain import compilers, library, sources
from lite_runtime.converter.toolchain.targets import TARGETS, TOOLCHAINS, find


@pytest.fixture(scope="module")
def models(cnn_model, model_of, tmp_path_factory) -> Path:
    """cnn.lrm, and sort.lrm with an operator that cnn has not."""
    folder = tmp_path_factory.mktemp("models with spaces")
    sort = model_of([helper.make_node("CumSum", ["x", "axis"], ["y"])], {"x": [4]}, {"y": [4]},
                    {"axis": np.array(0, np.int64)})
    for name, model in (("cnn", cnn_model), ("sum", sort)):
        (folder / f"{name}.lrm").write_bytes(lite_runtime.convert(model))
    return folder


@pytest.fixture(scope="module")
def built(models, tmp_path_factory) -> building.Built:
    """A library for this machine with cnn.lrm, which is linked in."""
    if not HERE:
        pytest.skip(f"no target for {platform.machine()}")
    out = tmp_path_factory.mktemp("out") / "lib rary"
    return building.build([models / "cnn.lrm"], find(HERE), out, embed=True, with_app=True)


def test_what_comes_out(built):
    files = {p.relative_to(built.folder).as_posix() for p in built.folder.rglob("*") if p.is_file()}
    assert files >= {"example.c", "README.txt", "size.json", "bin/lite_run", "include/lite_runtime.h",
                     "include/lite_models.h", "lib/liblite_runtime.a", "lib/pkgconfig/lite_runtime.pc",
                     "lib/cmake/lite_runtime/lite_runtime-config.cmake", built.shared}
    assert "include/lite_image.h" not in files  # a model does not need it
    with (built.folder / built.shared).open("rb") as f:
        elf = ELFFile(f)
        assert elf.get_section_by_name(".symtab") is None, "not stripped"
        names = {s.name for s in elf.get_section_by_name(".dynsym").iter_symbols() if s["st_shndx"] != "SHN_UNDEF"}
    assert {"lr_embedded_model", "lr_session_run"} <= names and all(n.startswith("lr_") for n in names)
    assert b".debug_info" not in (built.folder / built.static).read_bytes()


def test_sizes_add_up(built):
    facts = json.loads((built.folder / "size.json").read_text())
    parts = [(kind, name, n) for kind, of in facts["bytes"].items() for name, n in of.items()]
    assert sum(n for _, _, n in parts) == (built.folder / built.shared).stat().st_size
    assert all(n > 0 for _, _, n in parts), parts
    assert facts["tailored"]["operators"] == list(built.needs.ops) and "conv" in facts["bytes"]["operator"]
    assert any(name.startswith("f32_gemm") for name in facts["bytes"]["kernel"])
    assert "cumulative" not in facts["bytes"]["operator"]


def test_the_example_is_built_as_the_readme_says(built, models):
    with lite_runtime.Session(models / "cnn.lrm") as session:
        y = session.run({t.name: np.zeros([d if isinstance(d, int) else 1 for d in t.shape], np.float32)
                         for t in session.inputs})  # open sizes are 1 there
    first = next(iter(y.values()))
    for line in build_lines(built.folder):
        subprocess.run(line, shell=True, check=True, cwd=built.folder)
        r = subprocess.run(["./example"], capture_output=True, text=True, cwd=built.folder)
        found = re.fullmatch(r"(\d+) bytes, the first is (\S+)\n", r.stdout)
        assert found and int(found[1]) == first.nbytes, r
        assert float(found[2]) == pytest.approx(float(first.flat[0]), rel=1e-4)  # of other kernels than the package's


class Error(ctypes.Structure):
    _fields_ = [("message", ctypes.c_char * 512)]


def test_refuses_what_it_was_not_built_for(built, models):
    lib = ctypes.CDLL(str(built.folder / built.shared))
    model, error = ctypes.c_void_p(), Error()
    assert lib.lr_model_open(str(models / "cnn.lrm").encode(), None, ctypes.byref(model), ctypes.byref(error)) == 0
    assert lib.lr_model_open(str(models / "sum.lrm").encode(), None, ctypes.byref(model), ctypes.byref(error)) != 0
    message = error.message.decode()
    assert "cumulative" in message and f"lite-opt build MODEL.lrm --target {HERE}" in message


def test_the_same_bytes_again(built, models, tmp_path, monkeypatch):
    # zig itself keeps no objects that meson has it compile
    monkeypatch.setenv("LITE_OPT_CACHE", str(tmp_path / "cache"))
    again = building.build([models / "cnn.lrm"], find(HERE), tmp_path / "again", embed=True, with_app=True)
    for path in (p for p in built.folder.rglob("*") if p.is_file() and p.name != "example"):
        assert (again.folder / path.relative_to(built.folder)).read_bytes() == path.read_bytes(), path


def test_a_kept_build_is_taken(built, models, tmp_path):
    said = []
    building.build([models / "cnn.lrm"], find(HERE), tmp_path / "again", embed=True, with_app=True, say=said.append)
    assert [s.partition(": ")[2] for s in said] == ["installing"]


def test_a_changed_model_is_linked_in(models, tmp_path):
    """Though its name and what it needs are those of the model that was linked in before."""
    if not HERE:
        pytest.skip(f"no target for {platform.machine()}")
    model = tmp_path / "sum.lrm"
    for n in (4, 6):
        y = helper.make_node("CumSum", ["x", "axis"], ["y"])
        graph = helper.make_graph([y], "g", [helper.make_tensor_value_info("x", 1, [n])],
                                  [helper.make_tensor_value_info("y", 1, [n])],
                                  [numpy_helper.from_array(np.array(0, np.int64), "axis")])
        model.write_bytes(lite_runtime.convert(helper.make_model(graph)))
        b = building.build([model], find(HERE), tmp_path / "out", embed=True)
        assert model.read_bytes() in (b.folder / b.shared).read_bytes()


def test_an_earlier_result_is_replaced_and_nothing_else(built, models, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ConvertError, match="not the result of an earlier build; give another folder with --out"):
        building.build([models / "cnn.lrm"], find(HERE), tmp_path / "mine", embed=True, with_app=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    (built.folder / "example").unlink(missing_ok=True)
    before = sorted(p.name for p in built.folder.rglob("*"))
    building.build([models / "cnn.lrm"], find(HERE), built.folder, embed=True, with_app=True)
    assert sorted(p.name for p in built.folder.rglob("*")) == before
    assert [p.name for p in built.folder.parent.iterdir()] == [built.folder.name]


def test_a_failed_compilation_leaves_nothing(models, tmp_path, monkeypatch):
    monkeypatch.setenv("LITE_OPT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(library, "RELEASE", [*library.RELEASE, "-Dno_such_option=1"])
    with pytest.raises(ConvertError, match=r"meson setup: .*no_such_option.*; the whole output is in .*log\.txt"):
        building.build([models / "cnn.lrm"], find("linux-arm64"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("name", "hint"), [
    ("aarch64", "perhaps .*linux-arm64"), ("arm64-v8a", "perhaps android-arm64"), ("ios-arm64", "iOS is not there yet"),
    ("mips", "android-x64; see")])
def test_a_wrong_target(name, hint, capsys):
    assert run(["build", "--target", name]) == 2
    assert re.search(hint, capsys.readouterr().err)


def test_no_target(capsys):
    assert run(["build"]) == 2
    assert capsys.readouterr().err.startswith("error: Missing option '--target'. Choose from: linux-x64, linux-arm64, ")


def test_out_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConvertError, match="out: cannot be made there .*; give another folder with --out"):
        building.build([], find("linux-arm64"), tmp_path / "file" / "out")


@pytest.mark.parametrize(("change", "words"), [
    ({"target": "linux-mips"}, "target 'linux-mips': unknown; use one of linux-x64, .*android-x64"),
    ({"toolchain": "icc"}, "toolchain 'icc': unknown; use one of zig, gcc, clang, ndk"),
    ({"target": "macos-arm64", "toolchain": "gcc"},
     "'macos-arm64': gcc has no compiler for it here; use --toolchain zig"),
    ({"target": "android-arm64", "toolchain": "ndk"}, "unpack Android's NDK and set ANDROID_NDK_HOME"),
    ({"models": [], "embed": True}, "--embed: which models"),
])
def test_what_cannot_be_built(change, words, models, tmp_path, monkeypatch):
    monkeypatch.delenv("ANDROID_NDK_HOME", raising=False)
    wanted = {"models": [models / "cnn.lrm"], "target": "linux-arm64", "toolchain": "zig", "embed": False} | change
    with pytest.raises(ConvertError, match=words):
        building.build(wanted["models"], find(wanted["target"]), tmp_path / "out", toolchain=wanted["toolchain"],
                       embed=wanted["embed"])


def test_missing_compilers_are_named(monkeypatch):
    monkeypatch.setattr(compilers.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    for target in TARGETS.values():
        for name in TOOLCHAINS:
            found = compilers.look(target, name)
            assert not found.version
            assert re.match(r"pip install|apt install|use --toolchain zig|unpack", found.fix), found
    assert compilers.look(find("linux-arm64"), "gcc").fix == "apt install gcc-aarch64-linux-gnu libc6-dev-arm64-cross"


def test_targets():
    assert list(TARGETS) == ["linux-x64", "linux-arm64", "linux-armv7", "linux-riscv64", "windows-x64", "macos-arm64",
                             "macos-x64", "android-arm64", "android-armv7", "android-x64"]
    isa = (sources.root() / "kernels_generic" / "isa.inc").read_text()
    levels = set(re.findall(r"LR_ISA\((\w+),", isa)) | {"c"}
    for t in TARGETS.values():
        assert set(t.levels) <= levels and t.oldest and t.tested, t


def test_sources_are_all_that_a_build_reads():
    root = sources.root()
    assert all((root / part).exists() for part in sources.PARTS)
    before = sources.digest(root)
    assert re.fullmatch(r"[0-9a-f]{16}", before) and sources.digest(root) == before
