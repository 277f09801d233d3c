"""lite-opt build with --image and with --toolchain gcc, for this machine, as a user calls it: what comes out runs."""
from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import numpy as np
import pytest
from build_lines import build_lines
from onnx import helper
from this_machine import HERE

import lite_runtime
from lite_runtime.converter.cli.app import run
from lite_runtime.converter.toolchain import compilers
from lite_runtime.converter.toolchain.targets import find

PICTURE = """#include <stdio.h>
#include "lite_image.h"
int main(void) {
  unsigned char grey[4] = {10, 20, 30, 47};
  lr_image_options o = {sizeof o, .format = LR_IMAGE_GREY, .width = 2, .height = 2, .target_width = 1,
                        .target_height = 1, .target_format = LR_IMAGE_GREY};
  lr_image_planes planes = {{grey}, {2}};
  lr_image *image;
  lr_error e;
  float mean;
  if (lr_image_open(&o, &image, &e) || lr_image_run(image, &planes, &mean, sizeof mean, 0, 0, &e))
    return puts(e.message), 1;
  printf("%g\\n", (double)mean);
  lr_image_close(image);
  return 0;
}
"""


@pytest.fixture(scope="module")
def model(model_of, tmp_path_factory) -> Path:
    """y = x + 2, of one operator."""
    if not HERE:
        pytest.skip(f"no target for {platform.machine()}")
    two = {"two": np.array([2], np.float32)}
    made = model_of([helper.make_node("Add", ["x", "two"], ["y"])], {"x": [4]}, {"y": [4]}, two)
    path = tmp_path_factory.mktemp("model") / "add.lrm"
    path.write_bytes(lite_runtime.convert(made))
    return path


def build(model: Path, out: Path, toolchain: str, *options: str) -> list[str]:
    """The lines of its README that build example.c with the shared and the static library."""
    found = compilers.look(find(HERE), toolchain)
    if not found.version:
        pytest.skip(f"missing: {toolchain}; {found.fix}")
    assert run(["build", str(model), "--target", HERE, "--out", str(out), "--toolchain", toolchain, *options]) == 0
    return build_lines(out)


def printed(line: str, out: Path, *arguments: object) -> str:
    """What a program prints that such a line builds."""
    subprocess.run(line, shell=True, check=True, cwd=out)
    p = subprocess.run([out / "example", *map(str, arguments)], capture_output=True, text=True)
    assert p.returncode == 0, p
    return p.stdout


def test_image(model, tmp_path):
    """Half of a picture of 2 x 2 pixels is their mean; models run beside it."""
    out = tmp_path / "out"
    lines = build(model, out, "zig", "--image")
    (out / "picture.c").write_text(PICTURE)
    for line in lines:
        assert float(printed(line.replace("example.c", "picture.c"), out)) == pytest.approx(26.75, abs=0.01)
        assert printed(line, out, model) == "16 bytes, the first is 2\n"


def test_gcc(model, tmp_path):
    out = tmp_path / "out"
    for line in build(model, out, "gcc"):
        assert "-gcc " in line and printed(line, out, model) == "16 bytes, the first is 2\n"
    assert b"GCC: (" in (out / "lib" / "liblite_runtime.a").read_bytes()
