"""Steps of checks.py about what ships: libraries as `lite-opt build` makes them, their sizes, and those for Android."""
from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from step import BUILD, ROOT, Failed, Run

CACHE = BUILD / "cache"  # the one of the tests, too
MODEL = "convnet.lrm"
# --full builds for all, and the whole runtime; other steps build for Linux and Android
LANDING = ("windows-x64", "macos-arm64")
MAX_WHOLE = 1024 * 1024  # bytes of the whole library for arm64
NOTHING = ["-Dops=none", "-Dkernels=none", "-Dposts=none", "-Dimage=false"]


def lite_opt(t: Run, *words: str | Path, **env: str) -> str:
    call = [sys.executable, "-c", "from lite_runtime.converter.cli import main; main()"]
    return t.sh(*call, *words, show=False, **{"LITE_OPT_CACHE": str(CACHE)} | env)


def built(t: Run, target: str, models: list[Path], out: Path, **env: str) -> tuple[Path, int]:
    """Builds for a target; the shared library and its bytes as --json says them."""
    text = lite_opt(t, "build", *models, "--target", target, "--out", out, "--json", **env)
    files = json.loads(text[text.index("{"):])["files"]
    shared = next(name for name in files if not name.endswith(".a"))
    if (out / shared).stat().st_size != files[shared]:
        raise Failed(f"{out}: --json says {files[shared]} bytes of {shared}")
    return out / shared, files[shared]


def targets(t: Run) -> str:
    """A library tailored to a small model for Windows and macOS, with --full for each target."""
    t.need_zig()
    t.need_package()
    from lite_runtime.converter.toolchain.targets import TARGETS

    names = TARGETS if t.full else LANDING
    sizes = {name: built(t, name, [t.models() / MODEL], BUILD / "targets" / name)[1] for name in names}
    if t.full:
        whole = built(t, "linux-arm64", [], BUILD / "targets" / "whole")[1]
        if whole > MAX_WHOLE:
            raise Failed(f"the whole runtime for arm64 has {whole} bytes; the limit is {MAX_WHOLE}")
        sizes["linux-arm64, whole"] = whole
    return ", ".join(f"{name} {n}" for name, n in sizes.items()) + " bytes"


def empty(t: Run) -> int:
    """Bytes of the shared library for arm64 that has no operators."""
    t.need_zig()
    t.need_package()
    code = f"""from lite_runtime.converter.toolchain import library, targets
with library.compiled(targets.find("linux-arm64"), "zig", {NOTHING!r}) as (folder, _):
    found = (folder / "lite_runtime").glob("liblite_runtime.so.*")
    print("bytes", next(p for p in found if p.is_file() and not p.is_symlink()).stat().st_size)"""
    text = t.sh(sys.executable, "-c", code, show=False, LITE_OPT_CACHE=str(CACHE))
    return int(text.split()[-1])


def libraries(t: Run) -> str:
    """A library and a program for each ABI of Android, by ziglang alone, checked; one library twice. For arm64 the
    library is whole; for the others only with --full, else it is tailored to a small model."""
    t.need_zig()
    t.need_package()
    from lite_runtime.converter.toolchain import compilers, elf, targets

    words, model = [], [t.models() / MODEL]
    for target in (x for x in targets.TARGETS.values() if x.abi):
        whole = t.full or target.name == "android-arm64"
        library, size = built(t, target.name, [] if whole else model, BUILD / "targets" / target.name)
        program = link_program(t, compilers.cross_file(target, "zig"), library.parents[1])
        if problems := elf.check_elf(program, elf.android_rules(target.abi, None, exports="")):
            raise Failed(f"{program.name} for {target.name}: {'; '.join(problems)}")
        words.append(f"{target.name} {'' if whole else 'tailored '}{size}")
    return f"{', '.join(words)} bytes; {twice(t, 'android-armv7', [] if t.full else model)}"


def twice(t: Run, name: str, models: list[Path]) -> str:
    """Builds a library again in another folder, with an empty cache, and compares the bytes."""
    again = BUILD / "again"
    shutil.rmtree(again, ignore_errors=True)
    other, _ = built(t, name, models, again / "out", LITE_OPT_CACHE=str(again / "cache"))
    if other.read_bytes() != (BUILD / "targets" / name / "lib" / other.name).read_bytes():
        raise Failed(f"{other} was built twice from the same sources, and differs")
    return f"{name} twice the same"


def link_program(t: Run, text: str, folder: Path) -> Path:
    """An example, linked with the static library as an app's native code is."""
    import ast

    compiler = ast.literal_eval(next(x for x in text.splitlines() if x.startswith("c = "))[4:])
    program = folder / "classify"
    t.sh(*compiler, "-std=c11", "-O2", "-s", f"-ffile-prefix-map={ROOT}/=", f"-I{folder / 'include'}",
         ROOT / "examples" / "classify.c", folder / "lib" / "liblite_runtime.a", "-lm", "-o", program)
    return program
