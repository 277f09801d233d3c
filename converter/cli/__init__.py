"""The command line: `lite-opt`."""
from __future__ import annotations

import sys


def main() -> None:
    """Entry point of `lite-opt`."""
    try:
        from .app import run
    except ModuleNotFoundError as e:
        if (e.name or "").startswith("lite_runtime"):
            raise
        sys.exit(f"error: the package '{e.name}' is missing; run: pip install 'lite-runtime[convert]'")
    sys.exit(run(sys.argv[1:]))
