"""The extension `_lr` of the Python package, compiled by zig for another machine from the C sources of a wheel."""
from __future__ import annotations

import ast
import configparser
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import environment

if TYPE_CHECKING:
    from lite_runtime.converter.toolchain.targets import Target

TOOLS = Path(__file__).resolve().parent
HEADERS = ("lite_runtime.h", "lite_image.h", "lite_runtime_tools.h")  # as lite_runtime/python/meson.build has them
LIMITED_API = "0x030a0000"  # Python 3.10 and newer
# the name under which Python finds a module that serves all versions of Python 3
NAMES = {"windows": "_lr.pyd"}
LIBRARY = "lite_runtime_tools"
COMPILE = ["-std=c11", "-O2", "-fPIC", "-fvisibility=hidden", "-fstack-protector-strong", "-ffunction-sections",
           "-fdata-sections", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-missing-field-initializers",
           "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", f"-DPy_LIMITED_API={LIMITED_API}"]
LINK = {
    "linux": ["-Wl,--gc-sections", "-Wl,-z,relro", "-Wl,-z,now", "-Wl,-z,noexecstack", "-pthread", "-lm"],
    # the interpreter that loads the module has Python's names; the name is else the path of this build
    "darwin": ["-Wl,-undefined,dynamic_lookup", "-Wl,-dead_strip", "-Wl,-install_name,@rpath/_lr.abi3.so"],
    # a hash in the place of the time: two builds are the same bytes
    "windows": ["-Wl,--gc-sections", "-Wl,/Brepro", "-L.", "-lpython3"],
}


def name(target: Target) -> str:
    """The file of the extension in the package's folder."""
    return NAMES.get(target.system, "_lr.abi3.so")


def python_headers(folder: Path) -> None:
    """Python's own headers, with our pyconfig.h in the place of its: Python.h takes the one that lies beside it."""
    source = Path(sysconfig.get_paths()["include"])
    if not (source / "Python.h").is_file():
        raise environment.ToolError("this Python has no headers; run: apt install python3-dev")
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("internal", "pyconfig*.h"))
    shutil.copy(TOOLS / "headers" / "pyconfig.h", folder)


def binding(source: Path, out: Path) -> None:
    """Writes the C source of the binding for the headers of the package's C sources."""
    headers = [str(source / "lite_runtime" / "include" / h) for h in HEADERS]
    environment.run([sys.executable, str(TOOLS / "gen_cffi.py"), str(out), *headers], "making _lr.c failed")


def compiler(target: Target) -> list[str]:
    """The command of the C compiler, as meson is told of it."""
    from lite_runtime.converter.toolchain.compilers import cross_file

    cross = configparser.ConfigParser(interpolation=None)
    cross.read_string(cross_file(target, "zig"))
    return [str(w) for w in ast.literal_eval(cross["binaries"]["c"])]


def import_library(cc: list[str], compile_: list[str], folder: Path) -> None:
    """libpython3.a for Windows, with just the names of python3.dll that the binding imports.

    Python's headers mark them as imported, so that they stand in the assembler's text as __imp_NAME."""
    run([*cc, *compile_, "-S", "_lr.c", "-o", "_lr.s"], folder)
    names = sorted(set(re.findall(r"\b__imp_(_?Py\w+)", (folder / "_lr.s").read_text())))
    (folder / "python3.def").write_text("\n".join(["LIBRARY python3.dll", "EXPORTS", *names]) + "\n")
    run([sys.executable, "-m", "ziglang", "dlltool", "-m", "i386:x86-64", "-d", "python3.def", "-D", "python3.dll",
         "-l", "libpython3.a"], folder)


def run(command: list[str], folder: Path) -> None:
    """Runs a compiler in a folder: paths on its command line stay relative, and so do those in what it writes."""
    r = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if r.returncode:
        raise environment.ToolError(f"{' '.join(command[:4])} ... failed\n" + "\n".join(r.stdout.splitlines()[-15:]))


def build(target: Target, folder: Path, say: Callable[[str], None]) -> Path:
    """Builds the extension in a folder that is empty, with kernels as fast as those of the native wheel.

    The sources are those of the package lite_runtime that this Python imports. Raises ToolError and ConvertError."""
    from lite_runtime.converter.toolchain import sources
    from lite_runtime.converter.toolchain.library import compiled

    options = ["-Dsmall=false", f"-Dtarget={target.name}"]
    shutil.copytree(sources.root() / "lite_runtime" / "include", folder / "include")
    python_headers(folder / "python")
    binding(sources.root(), folder / "_lr.c")
    cc, out = compiler(target), name(target)
    compile_ = [*COMPILE, "-Ipython", "-Iinclude"]
    if target.system == "windows":
        import_library(cc, compile_, folder)
    run([*cc, *compile_, "-c", "_lr.c", "-o", "_lr.o"], folder)
    with compiled(target, "zig", options, say, goals=[f"{LIBRARY}:static_library"]) as (built, version):
        say(f"{target.name}: linking, {version}")
        archive = next(p for p in sorted((built / "lite_runtime").glob(f"*{LIBRARY}*.a")) if p.is_file())
        run([*cc, "-shared", "-s", "-o", out, "_lr.o", str(archive), *LINK[target.system]], folder)
    return folder / out
