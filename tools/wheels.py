#!/usr/bin/env python3
"""Makes the Python wheels for other machines: one for each target, for Python 3.10 and newer.

usage: wheels.py TARGET ... --out DIR [--native WHEEL]

The native wheel has all files but one: the extension, which zig compiles for the target. It is built from this checkout
when none is given. Needs: pip install meson-python meson ninja cffi numpy wheel, and ziglang (docs/wheels.md). The same
call makes the same bytes; $SOURCE_DATE_EPOCH is the time of the files in a wheel, 1980 without it.
"""
from __future__ import annotations

import argparse
import email.parser
import fcntl
import importlib.util
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import cross_extension
import environment

if TYPE_CHECKING:
    from lite_runtime.converter.toolchain.targets import Target

BUILD = environment.ROOT / "build"
PACKAGES = {"mesonpy": "meson-python", "mesonbuild": "meson", "ninja": "ninja", "cffi": "cffi", "numpy": "numpy",
            "wheel": "wheel", "ziglang": "ziglang"}
EARLIEST = "315532800"  # 1980-01-01, where the times of zip files begin
CPUS = {("linux", "arm"): "armv7l", ("darwin", "aarch64"): "arm64", ("windows", "x86_64"): "amd64"}


def platforms(target: Target) -> list[str]:
    """The platform tags of a target's wheel, made of what its triple says about the oldest system."""
    cpu = CPUS.get((target.system, target.cpu), target.cpu)
    oldest = re.search(r"(\d+)\.(\d+)$", target.triple)
    if target.system == "windows":
        return [f"win_{cpu}"]
    if target.system not in ("linux", "darwin") or not oldest:
        raise environment.ToolError(f"target '{target.name}': there are no wheels for it; use lite-opt build")
    if target.system == "darwin":
        return [f"macosx_{oldest[1]}_{oldest[2]}_{cpu}"]
    # installers of before 2021 know glibc 2.17 by another name
    return [f"manylinux_{oldest[1]}_{oldest[2]}_{cpu}",
            *([f"manylinux2014_{cpu}"] if oldest[0] == "2.17" else [])]


def need_packages() -> None:
    missing = [p for module, p in PACKAGES.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise environment.ToolError(f"packages are missing; run: pip install {' '.join(missing)}")


def native_wheel(folder: Path) -> Path:
    """Builds the wheel for this machine from the checkout, again only what changed."""
    kept = BUILD / "package"
    kept.mkdir(parents=True, exist_ok=True)
    environment.run([sys.executable, "-m", "pip", "wheel", "-q", "--disable-pip-version-check", "--no-build-isolation",
                     "--no-deps", f"--config-settings=build-dir={kept}", "-w", str(folder), str(environment.ROOT)],
                    "building the native wheel failed", environment.build_env(Path(sys.executable)))
    return next(folder.glob("*.whl"))


def wheel_tool(*words: str | Path) -> None:
    env = {"SOURCE_DATE_EPOCH": EARLIEST, **os.environ}
    environment.run([sys.executable, "-m", "wheel", *map(str, words)], f"wheel {words[0]} failed", env)


def unpack(wheel: Path) -> Path:
    """The folder of the unpacked native wheel, at the same place each time: the paths of kept builds have it."""
    folder = BUILD / "wheels-native"
    shutil.rmtree(folder, ignore_errors=True)
    wheel_tool("unpack", wheel, "-d", folder)
    return next(folder.iterdir())


def retag(info: Path, tags: list[str]) -> None:
    """Says in the file WHEEL for which Pythons and machines this wheel is."""
    message = email.parser.Parser().parsestr(info.read_text())
    del message["Tag"]
    for tag in tags:
        message["Tag"] = f"cp310-abi3-{tag}"
    info.write_text(message.as_string())


def pack(native: Path, tags: list[str], extension: Path, out: Path) -> Path:
    """Writes the wheel of a target into `out`: the native one's files, with another extension and other tags."""
    with tempfile.TemporaryDirectory(prefix=".wheel.", dir=out) as temporary:
        tree = Path(shutil.copytree(native, Path(temporary) / native.name))
        for old in [*(tree / "lite_runtime").glob("_lr.*so"), *(tree / "lite_runtime").glob("_lr.*pyd")]:
            old.unlink()
        shutil.copy(extension, tree / "lite_runtime")
        for file in (p for p in tree.rglob("*") if p.is_file()):
            file.chmod(0o755 if file.name == extension.name else 0o644)  # whatever the umask was
        retag(next(tree.glob("*.dist-info")) / "WHEEL", tags)
        new = Path(temporary) / "new"
        new.mkdir()
        wheel_tool("pack", tree, "-d", new)
        wheel = next(new.iterdir())
        os.replace(wheel, out / wheel.name)
    return out / wheel.name


def make(names: list[str], out: Path, native_given: Path | None) -> None:
    """Writes the wheels of the targets into `out`. Raises ToolError."""
    need_packages()
    out.mkdir(parents=True, exist_ok=True)
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lite-wheels.") as temporary, (BUILD / "wheels.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs would unpack into one folder
        native = unpack(native_given or native_wheel(Path(temporary)))
        sys.path.insert(0, str(native))  # targets, compilers and sources are those of the wheel itself
        from lite_runtime.converter.errors import ConvertError
        from lite_runtime.converter.toolchain import targets

        try:
            wanted = {targets.find(n): platforms(targets.find(n)) for n in names}  # before anything is compiled
            for target, tags in wanted.items():
                folder = Path(temporary) / target.name
                folder.mkdir()
                extension = cross_extension.build(target, folder, lambda text: print(text, flush=True))
                wheel = pack(native, tags, extension, out)
                print(f"{wheel}: {wheel.stat().st_size} bytes", flush=True)
        except ConvertError as e:
            raise environment.ToolError(str(e)) from None


def main() -> int:
    ap = argparse.ArgumentParser(prog="wheels.py", description=__doc__.partition("\n")[0])
    ap.add_argument("targets", nargs="+", metavar="TARGET", help="as `lite-opt targets` lists them")
    ap.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the wheels go")
    ap.add_argument("--native", type=Path, metavar="WHEEL", help="the wheel of this checkout for this machine")
    a = ap.parse_args()
    try:
        make(a.targets, a.out.absolute(), a.native and a.native.absolute())
    except (environment.ToolError, OSError) as e:
        print(f"wheels.py: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
