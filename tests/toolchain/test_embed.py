"""tools/embed.py links files of any name."""
from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tailored import ROOT, compiler

MAIN = """
#include "lite_models.h"
#include <stdio.h>
int main(int n, char **v) {
  size_t bytes = 0;
  const void *data = lr_embedded_model(v[1], &bytes);
  return data ? fwrite(data, 1, bytes, stdout) != bytes : 2;
}
"""


@pytest.mark.parametrize("name", ["plain", "*/ int x;", 'a "b" \\c', "two\nlines", "??/ %s", "模型"])
def test_names(name: str, tmp_path: Path) -> None:
    if not compiler():
        pytest.skip("missing: a C compiler")
    folder = tmp_path / name.replace("/", "-")
    folder.mkdir()
    model = folder / f"{name.replace('/', '-')}.lrm"
    model.write_bytes(b"\0bytes\n of a model")
    (tmp_path / "main.c").write_text(MAIN)
    subprocess.run([sys.executable, "-X", "utf8=0", ROOT / "tools/embed.py", tmp_path / "models.c", model], check=True,
                   env={"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"})
    subprocess.run([*shlex.split(compiler()), "-std=c11", f"-I{ROOT / 'lite_runtime/include'}", "-o", tmp_path / "main",
                    tmp_path / "main.c", tmp_path / "models.c"], check=True)
    p = subprocess.run([tmp_path / "main", model.stem], capture_output=True, check=True)
    assert p.stdout == model.read_bytes()
