"""What docs/lab.md shows works: its lines for qemu, and those for lite_run on this machine."""
from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "lab.md").read_text()


@pytest.fixture
def folder(tmp_path, cnn, cnn_onnx, monkeypatch) -> Path:
    shutil.copy(cnn, tmp_path / "model.lrm")
    shutil.copy(cnn_onnx, tmp_path / "model.onnx")
    np.save(tmp_path / "x.npy", np.ones((1, 3, 64, 64), np.float32))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(start: str) -> list[str]:
    found = re.findall(rf"^    ({re.escape(start)} .*?)(?:   .*)?$", TEXT, re.M)
    assert found
    return found


@pytest.mark.usefixtures("qemu")
@pytest.mark.parametrize("line", lines("lite-opt"))
def test_lite_opt(line, folder, program, lite_opt):
    p = lite_opt(*shlex.split(line)[1:], "--program", program("linux-arm64"))
    assert p.returncode == 0, p.stderr


def test_lite_run(folder, program):
    machine = {"x86_64": "linux-x64", "aarch64": "linux-arm64"}.get(os.uname().machine)
    if not machine:
        pytest.skip(f"no program for {os.uname().machine}")
    shutil.copy(program(machine), folder / "lite_run")
    for line in lines("./lite_run"):
        assert subprocess.run(shlex.split(line), stdout=subprocess.DEVNULL).returncode == 0, line
    assert (folder / "out.0.npy").exists()
