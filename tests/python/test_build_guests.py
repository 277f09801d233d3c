"""What lite-opt build makes for other CPUs runs under qemu: its shared library, linked to the example."""
from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from build_lines import build_lines

import lite_runtime
from lite_runtime.converter.toolchain.build import build
from lite_runtime.converter.toolchain.targets import find


@pytest.mark.parametrize(("name", "cpu"), [
    ("linux-arm64", "cortex-a53"), ("linux-armv7", "cortex-a15"), ("linux-riscv64", "rv64")])
def test_the_example_runs(name: str, cpu: str, cnn_model, tmp_path: Path) -> None:
    target = find(name)
    for needed in (target.qemu, f"{target.gcc}-gcc"):  # the latter's package has the C library to run with
        if not shutil.which(needed):
            pytest.skip(f"missing: {needed}")
    (tmp_path / "cnn.lrm").write_bytes(lite_runtime.convert(cnn_model))
    built = build([tmp_path / "cnn.lrm"], target, tmp_path / "out", embed=True)
    subprocess.run(build_lines(built.folder)[0], shell=True, check=True, cwd=built.folder)
    qemu = [target.qemu, "-cpu", cpu, "-L", f"/usr/{target.gcc}", "-E", f"LD_LIBRARY_PATH={built.folder}/lib"]
    r = subprocess.run([*qemu, "./example"], capture_output=True, text=True, cwd=built.folder)
    found = re.fullmatch(r"(\d+) bytes, the first is (\S+)\n", r.stdout)
    assert found, r
    reference = onnxruntime.InferenceSession(cnn_model.SerializeToString(), providers=["CPUExecutionProvider"])
    zeros = {i.name: np.zeros([d if isinstance(d, int) else 1 for d in i.shape], np.float32)
             for i in reference.get_inputs()}
    want = reference.run(None, zeros)[0]
    assert int(found[1]) == want.nbytes and float(found[2]) == pytest.approx(float(want.flat[0]), rel=1e-4)
