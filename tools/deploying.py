"""The step `targets` of tools/test.py: what `lite-opt build` makes for other machines, as a user gets it."""
from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import environment

if TYPE_CHECKING:
    from checks import Run

ROOT = environment.ROOT
BUILD = ROOT / "build"
MODEL = "convnet.lrm"
# one of each system but Linux, for which other steps build; --full builds for all, and the whole runtime
LANDING = ("windows-x64", "macos-arm64", "android-arm64")
MAX_WHOLE = 1024 * 1024  # bytes of the whole library for arm64


def built(t: Run, target: str, models: list[str | Path]) -> int:
    """Builds for a target; the bytes of the shared library."""
    out = BUILD / "targets" / (target if models else f"{target}-whole")
    lite_opt = [sys.executable, "-c", "from lite_runtime.converter.cli import main; main()"]
    text = t.sh(*lite_opt, "build", *models, "--target", target, "--out", out, "--json", show=False,
                LITE_OPT_CACHE=str(BUILD / "cache"))
    files = json.loads(text[text.index("{"):])["files"]
    shared = next(name for name in files if not name.endswith(".a"))
    if (out / shared).stat().st_size != files[shared]:
        raise environment.ToolError(f"{out}: --json says {files[shared]} bytes of {shared}")
    return files[shared]


def targets(t: Run) -> str:
    """A library tailored to a small model for each target; lite-opt itself checks the ELF files."""
    t.need_package()
    from lite_runtime.converter.toolchain.targets import TARGETS

    names = TARGETS if t.full else LANDING
    sizes = {name: built(t, name, [t.models() / MODEL]) for name in names}
    if t.full:
        whole = built(t, "linux-arm64", [])
        if whole > MAX_WHOLE:
            raise environment.ToolError(f"the whole runtime for arm64 has {whole} bytes; the limit is {MAX_WHOLE}")
        sizes["linux-arm64, whole"] = whole
    return ", ".join(f"{name} {n}" for name, n in sizes.items()) + " bytes"
