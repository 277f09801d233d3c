"""Builds the C library for a target, whole or tailored to models, and lays out what ships."""
from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ... import __version__
from ..errors import ConvertError
from . import elf, example, sizes
from .compilers import need
from .library import compiled, meson, quiet
from .needs import Needs, needs
from .targets import TARGETS, Target

STATIC = {"x86_64": "x86_64-linux-musl", "aarch64": "aarch64-linux-musl", "arm": "arm-linux-musleabihf",
          "riscv64": "riscv64-linux-musl"}  # programs that run with any C library
MARK = "size.json"  # a folder that holds it is ours and may be replaced


@dataclass(frozen=True)
class Built:
    """What a build made. Files are named relative to its folder."""

    folder: Path
    target: str
    compiler: str
    shared: str
    static: str
    needs: Needs | None
    """None for the whole library."""
    linked: str = ""
    """What programs are linked to, to use the shared library: on Windows its import library."""
    program: str = ""
    """lite_run, where it was asked for."""
    parts: list[sizes.Part] = field(default_factory=list)
    """Empty where the target's files cannot be read (not ELF)."""

    def bytes_of(self, name: str) -> int:
        return (self.folder / name).stat().st_size

    def as_dict(self) -> dict[str, Any]:
        tailored = {"operators": list(self.needs.ops), "kernels": list(self.needs.kernels),
                    "post_ops": list(self.needs.posts), "image": self.needs.image} if self.needs else None
        files = {n: self.bytes_of(n) for n in (self.shared, self.static, self.program) if n}
        return {"target": self.target, "compiler": self.compiler, "version": __version__, "tailored": tailored,
                "files": files, "bytes": sizes.as_dict(self.parts)}


def build(models: Sequence[Path], target: Target, out: Path, *, toolchain: str = "zig", image: bool = False,
          embed: bool = False, with_app: bool = False, say: Callable[[str], None] = quiet) -> Built:
    """Builds into the folder `out`, which is replaced whole when all is well, and stays as it is when not.

    models: .lrm files whose operators and kernels the library shall hold; none: all of them. image: a tailored library
    has lite_image.h, too. embed: the models are linked in. with_app: a program that runs and measures models is built
    beside the library. The same call gives the same bytes. Raises ConvertError.
    """
    if embed and not models:
        raise ConvertError("--embed: which models? name them: lite-opt build MODEL.lrm --target T --embed")
    if out.exists() and not (out.is_dir() and ((out / MARK).exists() or not any(out.iterdir()))):
        raise ConvertError(f"{out}: exists and is not the result of an earlier build; give another folder with --out")
    embedded = _different_names(models) if embed else []
    wanted = needs(models, image) if models else None
    need(target, toolchain)  # before a folder is made
    with _beside(out) as temporary:
        new = Path(temporary).resolve() / "out"
        with compiled(target, toolchain, _options(target, wanted), say, embedded=embedded) as (folder, compiler):
            say(f"{target.name}: installing")
            meson(folder.parent, "install", "-C", folder, "--no-rebuild", "--quiet", "--destdir", new)
            built = _describe(new, folder, target, compiler, wanted)
        if with_app:
            made = app(target, models, toolchain, embed=embed, say=say)
            built = replace(built, program=f"bin/{made.name}")
            (new / "bin").mkdir(exist_ok=True)
            shutil.copy2(made, new / built.program)
        example.write(built, target, toolchain, [m.stem for m in embedded])
        (new / MARK).write_text(json.dumps(built.as_dict(), indent=2, sort_keys=True) + "\n", encoding="utf-8")
        _replace(new, out, Path(temporary) / "old")
    return replace(built, folder=out)


def _beside(out: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder on the file system of `out`, which becomes `out` when it is done."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent)
    except OSError as e:
        why = (e.strerror or "?").lower()
        raise ConvertError(f"{out}: cannot be made there ({why}); give another folder with --out") from None


def _options(target: Target, wanted: Needs | None) -> list[str]:
    return [*(wanted.meson_options() if wanted else []), f"-Dtarget={target.name}"]


def _different_names(models: Sequence[Path]) -> Sequence[Path]:
    names = [m.stem for m in models]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise ConvertError(f"--embed: two models are called {twice[0]}; rename one of the files")
    return models


def _replace(new: Path, out: Path, old: Path) -> None:
    """Puts the folder `new` in the place of `out`, which goes to `old`; back again when that fails."""
    if out.exists():
        out.rename(old)
    try:
        new.rename(out)
    except BaseException:
        if old.exists():
            old.rename(out)
        raise


def _describe(new: Path, folder: Path, target: Target, compiler: str, wanted: Needs | None) -> Built:
    """What was installed into `new` from the build in `folder`; checked and measured where it is ELF."""
    files = [p for p in sorted(new.rglob("*lite_runtime*")) if p.is_file() and not p.is_symlink()]
    shared = next(p for p in files if ".so" in p.name or p.suffix in (".dll", ".dylib"))
    linked = next((p for p in files if p.name.endswith(".dll.a")), shared)
    static = next(p for p in files if p.suffix == ".a" and p != linked)
    parts: list[sizes.Part] = []
    if target.elf:
        _check(shared, target, compiler.partition(" ")[0])
        with_symbols = next(p for p in sorted((folder / "lite_runtime").glob("*lite_runtime_symbols*")) if p.is_file())
        parts = sizes.measure(shared, with_symbols, folder)
    names = [p.relative_to(new).as_posix() for p in (shared, static, linked)]
    return Built(new, target.name, compiler, *names[:2], wanted, names[2], parts=parts)


def _check(library: Path, target: Target, toolchain: str) -> None:
    """ConvertError when a loader of the target would refuse the library, or when it lacks what protects it."""
    if target.abi:
        rules = elf.android_rules(target.abi)
    else:
        major, minor = target.triple.split(".")[-2:]
        rules = elf.linux_rules(target.machine, glibc=(int(major), int(minor)) if toolchain == "zig" else None,
                                page=65536 if target.cpu == "aarch64" else 16384)
    if problems := elf.check_elf(library, rules):
        raise ConvertError(f"{library.name} is not as it must be: {'; '.join(problems)}; report this")


def app(target: Target, models: Sequence[Path] = (), toolchain: str = "zig", *, embed: bool = False,
        say: Callable[[str], None] = quiet) -> Path:
    """The program lite_run for a target, tailored to models or whole, in a kept build: copy it soon.

    Static where it is for Linux, and for Android, whose kernel runs the same file."""
    options = [*_options(target, needs(models) if models else None), "-Dapp=true"]
    if target.system == "android":
        target = next(t for t in TARGETS.values() if t.system == "linux" and t.cpu == target.cpu)
        toolchain = "zig" if toolchain == "ndk" else toolchain
    if target.system == "linux" and toolchain == "zig":  # zig links glibc dynamically only
        target = replace(target, triple=STATIC[target.cpu])
    with compiled(target, toolchain, options, say, goals=["lite_run"], embedded=models if embed else []) as (folder, _):
        found = sorted((folder / "lite_runtime" / "app").glob("lite_run*"))
        return next(p for p in found if p.is_file() and p.suffix in ("", ".exe"))
