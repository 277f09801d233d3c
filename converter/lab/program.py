"""The program that runs on a device, lite_run, and the plugin that counts its instructions under qemu."""
from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from ..cli.output import notice
from ..errors import ConvertError
from ..toolchain import cache
from ..toolchain.targets import Target

PLUGIN = Path(__file__).with_name("count_marks.c")


def program(target: Target, given: Path | None) -> Path:
    """What to run on a device of this target: the program that is given, else ours."""
    if given is None:
        from ..toolchain.build import app

        def tell(stage: str) -> None:
            if stage.endswith("configuring"):
                notice(f"building lite_run for {target.name}, once: up to two minutes")

        return app(target, say=tell)
    if not given.is_file():
        raise ConvertError(f"--program {given}: there is no such file; build one with lite-opt build --app")
    return given


def plugin() -> Path:
    """The plugin of qemu that counts instructions between markers, compiled for this machine at its first use."""
    source = PLUGIN.read_bytes()
    path = cache.folder() / "plugins" / f"count_marks-{hashlib.sha256(source).hexdigest()[:16]}.so"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    compiler = next((c for c in ("cc", "gcc", "clang") if shutil.which(c)), None)
    if compiler is None:
        raise ConvertError("there is no C compiler for the plugin that counts; run: apt install gcc libc6-dev")
    with tempfile.TemporaryDirectory(dir=path.parent) as d:
        made = Path(d, "plugin.so")
        r = subprocess.run([compiler, "-O2", "-fPIC", "-shared", PLUGIN, "-o", made], capture_output=True, text=True)
        if r.returncode:
            raise ConvertError(f"{compiler} cannot compile {PLUGIN.name}: {(r.stderr.strip() or '?').splitlines()[-1]}")
        os.replace(made, path)
    return path
