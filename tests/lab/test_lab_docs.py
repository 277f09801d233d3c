"""What docs/lab.md shows of lite_run by hand works on this machine; tests/python/test_docs.py runs its blocks."""
from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "lab.md").read_text(encoding="utf-8")


def test_lite_run(cnn, native, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(cnn, "model.lrm")
    shutil.copy(native, "lite_run")
    np.save("x.npy", np.ones((1, 3, 64, 64), np.float32))
    lines = re.findall(r"^    (\./lite_run .*?)(?:   .*)?$", TEXT, re.M)
    assert len(lines) == 4
    for line in lines:
        assert subprocess.run(shlex.split(line), stdout=subprocess.DEVNULL).returncode == 0, line
    assert Path("out.0.npy").exists()
