"""The steps of checks.py about what users get: what `meson install` gives, the source distribution, the wheels."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import environment
from step import BUILD, ROOT, Failed, Run

EXAMPLES = ROOT / "examples"
WANTED = {"include/lite_image.h", "include/lite_runtime.h", "include/lite_runtime.hpp",
          "lib/cmake/lite_runtime/lite_runtime-config.cmake",
          "lib/cmake/lite_runtime/lite_runtime-config-version.cmake", "lib/liblite_runtime.a",
          "lib/pkgconfig/lite_runtime.pc"}
# the targets of the released wheels, that of the landing set first
WHEELS = ("linux-arm64", "linux-armv7", "linux-x64", "macos-arm64", "windows-x64")
packaged: Path | None = None  # the wheel that clean_package made in this run
# which versions an installed 0.1.0 answers to, and what it says to a component that it has not
QUESTIONS = """cmake_minimum_required(VERSION 3.19)
project(questions C)
foreach(version IN ITEMS 0.1 0.1.0 0.0...0.2 0.1.1 0.2 1 0.2...0.3)
  find_package(lite_runtime ${version} CONFIG QUIET)
  message(STATUS "answer ${version} ${lite_runtime_FOUND}")
endforeach()
find_package(lite_runtime CONFIG REQUIRED COMPONENTS framework)
"""
ANSWERS = {"0.1": "1", "0.1.0": "1", "0.0...0.2": "1", "0.1.1": "0", "0.2": "0", "1": "0", "0.2...0.3": "0"}


def install(t: Run, folder: Path) -> Path:
    """Installs from the build folder, then moves what is there: nothing may depend on where it was installed."""
    out, moved = BUILD / "out", BUILD / "moved"
    for old in (out, moved):
        shutil.rmtree(old, ignore_errors=True)
    t.sh("meson", "install", "-C", folder, "--no-rebuild")
    out.rename(moved)
    found = {str(p.relative_to(moved)) for p in moved.rglob("*") if p.is_file() and not p.is_symlink()}
    others = {f for f in found - WANTED if not f.startswith("lib/liblite_runtime.so.")}
    if others or WANTED - found:
        raise Failed(f"installed are {', '.join(sorted(found))}")
    return moved


def needed(program: Path) -> set[str]:
    """The shared libraries that a program names."""
    from elftools.elf.elffile import ELFFile

    with program.open("rb") as f:
        dynamic = ELFFile(f).get_section_by_name(".dynamic")
        return {tag.needed for tag in dynamic.iter_tags() if tag.entry.d_tag == "DT_NEEDED"} if dynamic else set()


def works(t: Run, program: Path, shared: bool, **env: str) -> None:
    out = t.sh(program, t.models() / "streaming.lrm", show=False, **env)
    if out.split("\n")[:2] != ["input x, rank 2", "output y, rank 2"]:
        raise Failed(f"{program}: printed {out!r}")
    if any("lite_runtime" in n for n in needed(program)) != shared:
        wanted = "liblite_runtime" if shared else "no liblite_runtime"
        raise Failed(f"{program}: needs {', '.join(needed(program))}; it should need {wanted}")


def project(name: str) -> Path:
    """A copy of an example project, as users take it."""
    return Path(shutil.copytree(EXAMPLES / name, BUILD / f"app-{name}", dirs_exist_ok=True))


def with_make(t: Run, prefix: Path) -> None:
    folder = project("pkg-config")
    for words, env in (((), {"LD_LIBRARY_PATH": str(prefix / "lib")}), (("STATIC=--static",), {})):
        t.sh("make", "-B", "-C", folder, *words, PKG_CONFIG_PATH=str(prefix / "lib" / "pkgconfig"))
        works(t, folder / "app", not words, **env)


def with_cmake(t: Run, prefix: Path) -> None:
    source = project("cmake")
    for static in ("OFF", "ON"):
        folder = BUILD / f"app-cmake-{static.lower()}"
        shutil.rmtree(folder, ignore_errors=True)
        t.sh("cmake", "-S", source, "-B", folder, f"-DSTATIC={static}", f"-DCMAKE_PREFIX_PATH={prefix}")
        t.sh("cmake", "--build", folder)
        works(t, folder / "app", static == "OFF")
    folder = BUILD / "app-questions"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "CMakeLists.txt").write_text(QUESTIONS)
    words = ["cmake", "-S", folder, "-B", folder / "build", f"-DCMAKE_PREFIX_PATH={prefix}"]
    r = subprocess.run(words, capture_output=True, text=True)
    answers = dict(line.split()[-2:] for line in r.stdout.splitlines() if line.startswith("-- answer"))
    if answers != ANSWERS or r.returncode == 0 or "name one, shared or static" not in " ".join(r.stderr.split()):
        raise Failed(f"find_package answers {answers}, wanted is {ANSWERS}\n{r.stderr}")


def library(t: Run, folder: Path) -> str:
    """Apps by pkg-config and by CMake, in C and in C++, shared and static, from an installed tree that was moved."""
    prefix = install(t, folder)
    with_make(t, prefix)
    with_cmake(t, prefix)
    return "pkg-config and CMake, shared and static"


def clean_package(t: Run) -> str:
    """What a user's machine does: in an environment with nothing but the tool `build`, an sdist, from which alone a
    wheel; that one is installed for the other steps."""
    global packaged
    clean, dist = BUILD / "clean-venv", BUILD / "dist"
    shutil.rmtree(clean, ignore_errors=True)
    shutil.rmtree(dist, ignore_errors=True)
    t.sh(sys.executable, "-m", "venv", clean)
    python = clean / "bin" / "python"
    environment.pip(python, "-c", str(environment.PINS), "build")
    ours = str(Path(sys.executable).parent)  # has meson and ninja, which build isolation must bring
    path = os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if p != ours)
    t.sh(python, "-m", "build", "--outdir", dist, ROOT, PATH=path, PIP_CONSTRAINT=str(environment.PINS))
    with tarfile.open(next(dist.glob("*.tar.gz"))) as f:
        names = {n.partition("/")[2] for n in f.getnames()}
    tracked = t.sh("git", "ls-files", show=False).split("\n")
    missing = [n for n in tracked if n and n not in names]
    if missing:
        raise Failed(f"the sdist lacks {', '.join(missing)}")
    packaged = next(dist.glob("*.whl"))
    environment.pip(Path(sys.executable), "--no-deps", "--force-reinstall", str(packaged))
    return f"an sdist of {len(names)} files, from it {packaged.name}"


def wheels(t: Run) -> str:
    """Wheels for other machines, made twice, looked at and run: arm64's; with --full all, compiled anew each time."""
    t.need("qemu-aarch64", *(["qemu-arm"] if t.full else []))
    t.need_package()
    t.need_zig()
    targets = WHEELS if t.full else WHEELS[:1]
    made: list[dict[str, bytes]] = []
    for name in ("wheels", "wheels-again"):
        out, kept = BUILD / name, BUILD / (f"{name}-kept" if t.full else "lite-opt")
        for old in (out, *((kept,) if t.full else ())):
            shutil.rmtree(old, ignore_errors=True)
        env = {"LITE_OPT_CACHE": str(kept)}
        if t.full:  # zig keeps objects, too
            env["ZIG_LOCAL_CACHE_DIR"] = env["ZIG_GLOBAL_CACHE_DIR"] = str(kept / "zig")
        t.sh(sys.executable, "tools/wheels.py", *targets, "--out", out,
             *(("--native", packaged) if packaged else ()), show=False, **env)
        made.append({p.name: p.read_bytes() for p in out.iterdir()})
    if made[0] != made[1] or len(made[0]) != len(targets):
        raise Failed("two runs of tools/wheels.py made different wheels: see build/wheels*")
    t.sh(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/wheels", LR_WHEELS=str(BUILD / "wheels"))
    return f"{', '.join(targets)}; the same bytes {'twice' if t.full else 'of one compilation'}"
