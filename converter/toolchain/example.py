"""The example that lies beside a built library: the shortest program that runs a model, and how to build it."""
from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .compilers import CLANG
from .targets import Target

if TYPE_CHECKING:
    from .build import Built

SOURCE = """/* Runs a model once on zeros and prints the first value of its first output; built as README.txt says. */
#include <stdio.h>
#include <string.h>

%(include)s

static int fail(const char *what, const lr_error *e) {
  fprintf(stderr, "%%s: %%s\\n", what, e->message);
  return 1;
}

int main(int argc, char **argv) {
  lr_error error;
  lr_model *model = NULL;
  lr_session *session = NULL;
%(open)s
  if (lr_session_open(model, NULL, &session, &error)) return fail("session", &error);
  for (int32_t i = 0; i < lr_model_count(model, LR_INPUT); i++) {
    lr_tensor x;
    lr_tensor_info info;
    if (lr_model_info(model, LR_INPUT, i, &info, &error)) return fail("input", &error);
    int64_t dims[LR_MAX_RANK];
    for (int32_t k = 0; k < info.rank; k++) dims[k] = info.dims[k] < 0 ? 1 : info.dims[k]; /* open sizes: 1 */
    if (lr_session_resize(session, i, info.rank, dims, &error)) return fail(info.name, &error);
    if (lr_session_tensor(session, LR_INPUT, i, &x, &error)) return fail(info.name, &error);
    memset(x.data, 0, x.bytes);
  }
  if (lr_session_run(session, NULL, &error)) return fail("run", &error);
  lr_tensor y;
  if (lr_session_tensor(session, LR_OUTPUT, 0, &y, &error)) return fail("output", &error);
  printf("%%lld bytes", (long long)y.bytes);
  if (y.dtype == LR_F32 && y.bytes) printf(", the first is %%g", (double)*(const float *)y.data);
  printf("\\n");
  lr_session_close(session);
  lr_model_close(model);
  return 0;
}
"""
FROM_FILE = """  if (argc != 2) {
    fprintf(stderr, "usage: example MODEL.lrm\\n");
    return 2;
  }
  if (lr_model_open(argv[1], NULL, &model, &error)) return fail(argv[1], &error);"""
EMBEDDED = """  (void)argc, (void)argv;
  size_t bytes = 0;
  const void *data = lr_embedded_model("%s", &bytes);
  if (lr_model_open_memory(data, bytes, NULL, &model, &error)) return fail("model", &error);"""
README = """lite-runtime %(version)s for %(target)s, by %(compiler)s

The example, with the shared library and with the static one:

  %(shared)s
  %(static)s

size.json says what the bytes of %(library)s are for.%(tailored)s
"""
TAILORED = """
The library holds what these models need, and refuses others with a sentence that names what is missing:
  %s
"""


def compile_line(target: Target, toolchain: str, library: str, static: bool) -> str:
    """The command that builds example.c in the folder of the library."""
    if target.system == "android":
        cc = f"$ANDROID_NDK_HOME/toolchains/llvm/prebuilt/linux-x86_64/bin/clang --target={target.triple}"
    elif toolchain == "zig":
        cc = shlex.join([Path(sys.executable).name, "-m", "ziglang", "cc", "-target", target.triple])
    else:
        cc = {"gcc": f"{target.gcc}-gcc", "clang": f"{CLANG} --target={target.gcc}"}[toolchain]
    own = {"linux": "$ORIGIN", "darwin": "@loader_path"}.get(target.system)  # where the loader looks
    rpath = f" -Wl,-rpath,'{own}/lib'" if own and not static else ""
    system = {"linux": " -pthread -lm", "android": " -lm"}.get(target.system, "") if static else ""
    program = "example.exe" if target.system == "windows" else "example"
    return f"{cc} -O2 -Iinclude example.c {library}{rpath}{system} -o {program}"


def quoted(text: str) -> str:
    """As C writes it between quotation marks: the rule of tools/embed.py, which runs without this package."""
    return re.sub(r"[\x01-\x1f\x7f?]", lambda m: f"\\{ord(m[0]):03o}", text.replace("\\", "\\\\").replace('"', '\\"'))


def write(built: Built, target: Target, toolchain: str, embedded: Sequence[str]) -> None:
    """Writes example.c and README.txt into the folder of a build."""
    from ... import __version__

    header = "lite_models.h" if embedded else "lite_runtime.h"
    open_ = EMBEDDED % quoted(embedded[0]) if embedded else FROM_FILE
    source = SOURCE % {"include": f'#include "{header}"', "open": open_}
    (built.folder / "example.c").write_text(source, encoding="utf-8", errors="surrogateescape")
    what = TAILORED % ", ".join([*built.needs.ops, *built.needs.kernels]) if built.needs else ""
    beside = f"\n\n{built.shared} goes beside the program." if target.system == "windows" else ""
    (built.folder / "README.txt").write_text(README % {
        "version": __version__, "target": target.name, "compiler": built.compiler, "library": built.shared,
        "shared": compile_line(target, toolchain, built.linked, False) + beside,
        "static": compile_line(target, toolchain, built.static, True), "tailored": what}, encoding="utf-8")
