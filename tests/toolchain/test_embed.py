"""tools/embed.py links files of any name, and the example of such a library names them."""
from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tailored import ROOT, compiler

from lite_runtime.converter.toolchain import example
from lite_runtime.converter.toolchain.build import Built
from lite_runtime.converter.toolchain.targets import find

NAMES = ["plain", "*/ int x;", 'a "b" \\c', "two\nlines", "??/ %s", "模型", 'a "b"\n??/', "not utf-8 \udcff"]
MAIN = """
#include "lite_models.h"
#include <stdio.h>
int main(int n, char **v) {
  size_t bytes = 0;
  const void *data = lr_embedded_model(v[1], &bytes);
  return data ? fwrite(data, 1, bytes, stdout) != bytes : 2;
}
"""


@pytest.mark.parametrize("name", NAMES)
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


@pytest.mark.parametrize("name", NAMES)
def test_example(name: str, tmp_path: Path) -> None:
    """example.c compiles, and asks for the model by its name."""
    if not compiler():
        pytest.skip("missing: a C compiler")
    example.write(Built(tmp_path, "", "", "", "", None), find("linux-x64"), "gcc", [name])
    cc = [*shlex.split(compiler()), "-std=c11", "-Wall", "-Werror", f"-I{ROOT / 'lite_runtime/include'}"]
    subprocess.run([*cc, "-fsyntax-only", tmp_path / "example.c"], check=True)
    text = (tmp_path / "example.c").read_text(encoding="utf-8", errors="surrogateescape")
    literal = re.search(r'lr_embedded_model\((".*"), &bytes\)', text)[1]
    source = f"#include <stdio.h>\nint main(void) {{ return fputs({literal}, stdout) < 0; }}\n"
    (tmp_path / "main.c").write_text(source, encoding="utf-8", errors="surrogateescape")
    subprocess.run([*cc, "-o", tmp_path / "main", tmp_path / "main.c"], check=True)
    p = subprocess.run([tmp_path / "main"], capture_output=True, check=True)
    assert p.stdout.decode(errors="surrogateescape") == name
