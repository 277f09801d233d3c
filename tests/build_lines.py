"""The lines of a result of lite-opt build that build its example."""
from __future__ import annotations

import re
import sys
from pathlib import Path


def build_lines(folder: Path) -> list[str]:
    """Those of README.txt, with the shared library and with the static one, for a shell in the folder; where they call
    Python it is this one, whatever it is called there."""
    found = re.findall(r"^ +(\S.* example\.c .* -o example)$", (folder / "README.txt").read_text(), re.M)
    assert len(found) == 2
    return [re.sub(r"^python[\d.]*(?= )", lambda _: f"'{sys.executable}'", line) for line in found]
