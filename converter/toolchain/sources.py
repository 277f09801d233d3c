"""Where the C sources are: in the wheel beside the package, or the checkout itself."""
from __future__ import annotations

import hashlib
from pathlib import Path

from ..errors import ConvertError

# what a build without Python reads; meson.build installs the same into the wheel
PARTS = ("meson.build", "meson.options", "LICENSE", "kernels_generic", "kernels_x86", "kernels_arm", "spec",
         "lite_runtime", "tools/gen.py", "tools/gen_def.py", "tools/embed.py")


def root() -> Path:
    """The folder with meson.build. ConvertError when this installation has no sources."""
    package = Path(__file__).resolve().parents[2]
    for folder in (package / "sources", package):
        if (folder / "meson.build").is_file() and (folder / "kernels_generic").is_dir():
            return folder
    raise ConvertError(f"{package}: this installation has no C sources; install the package lite-runtime as a wheel")


def digest(folder: Path) -> str:
    """A hash of all that a build reads, so that what is kept of earlier builds is never of other sources."""
    h = hashlib.sha256()
    for part in PARTS:
        at = folder / part
        for f in sorted(p for p in (at.rglob("*") if at.is_dir() else [at]) if p.is_file() and p.suffix != ".pyc"):
            h.update(f.relative_to(folder).as_posix().encode() + b"\0" + f.read_bytes() + b"\0")
    return h.hexdigest()[:16]
