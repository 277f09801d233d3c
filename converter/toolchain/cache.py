"""Where builds, sysroots and what else can be made again are kept."""
from __future__ import annotations

import os
from pathlib import Path


def folder() -> Path:
    """$LITE_OPT_CACHE, or lite-opt in the user's folder of caches."""
    if os.environ.get("LITE_OPT_CACHE"):
        return Path(os.environ["LITE_OPT_CACHE"]).absolute()
    base = os.environ.get("LOCALAPPDATA") if os.name == "nt" else os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "lite-opt"
