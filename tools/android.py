"""The step `android` of tools/test.py: the library and a program for each ABI, by ziglang alone, checked."""
from __future__ import annotations

import ast
import importlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import environment

if TYPE_CHECKING:
    from checks import Run

ROOT = environment.ROOT
SAME = "arm64-v8a"  # built twice, in folders of other names
OPTIONS = ["-Dpython=false", "-Dc_link_args=-s"]


class Wrong(Exception):
    """What came out is not what is shipped; the message says why."""


def libraries(t: Run, build: Path) -> str:
    """Builds and checks all; the sizes, in words. build: the folder that build folders are in. Raises Wrong."""
    importlib.invalidate_caches()  # the package may just have been installed
    from lite_runtime.converter.toolchain import elf
    from lite_runtime.converter.toolchain.android import abis, cross

    words = []
    for abi in abis.ABIS:
        text = cross.cross_file(abi, build / "sysroots")
        library = make(t, text, build / f"android-{abi}")
        program = link_program(t, text, build / f"android-{abi}")
        for path, rules in ((library, elf.android_rules(abi)), (program, elf.android_rules(abi, None, exports=""))):
            if problems := elf.check_elf(path, rules):
                raise Wrong(f"{abi}/{path.name}: " + "; ".join(problems))
        words.append(f"{abi} {library.stat().st_size} bytes")
        if abi == SAME:
            again = build / "android-again"
            shutil.rmtree(again, ignore_errors=True)
            # with nothing from zig's cache of objects, or it would be the same files
            second = make(t, text, again, ZIG_GLOBAL_CACHE_DIR=str(again / "cache"))
            if second.read_bytes() != library.read_bytes():
                raise Wrong(f"{abi}: {library} and {second} were built from the same sources, and differ")
    return f"{', '.join(words)}; {SAME} twice the same"


def make(t: Run, text: str, folder: Path, **env: str) -> Path:
    """The shared library, built in `folder` with a cross file of that text: anew when the text has changed."""
    file = folder.with_suffix(".ini")
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        shutil.rmtree(folder, ignore_errors=True)
        new = file.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        new.replace(file)
    if not (folder / "build.ninja").exists():
        shutil.rmtree(folder, ignore_errors=True)
        t.sh("meson", "setup", folder, ROOT, "--cross-file", file, *OPTIONS, **env)
    t.sh("meson", "compile", "-C", folder, **env)
    return folder / "lite_runtime" / "liblite_runtime.so"


def link_program(t: Run, text: str, folder: Path) -> Path:
    """An example, linked with the static library as an app's native code is."""
    compiler = ast.literal_eval(next(x for x in text.splitlines() if x.startswith("c = "))[4:])
    program = folder / "classify"
    t.sh(*compiler, "-std=c11", "-O2", "-s", f"-ffile-prefix-map={ROOT}{os.sep}=", f"-I{ROOT / 'lite_runtime/include'}",
         ROOT / "examples" / "classify.c", folder / "lite_runtime" / "liblite_runtime.a", "-lm", "-o", program)
    return program
