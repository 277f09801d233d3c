"""The wheels under test: those in the folder $LR_WHEELS, which tools/wheels.py made."""
from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))  # wheels, cross_extension, foreign_python
# what PyPI and pip call the machine of each target: the words of PEP 600 and of the packaging guide, not our own code
TAGS = {
    "linux-x64": {"manylinux_2_17_x86_64", "manylinux2014_x86_64"},
    "linux-arm64": {"manylinux_2_17_aarch64", "manylinux2014_aarch64"},
    "linux-armv7": {"manylinux_2_17_armv7l", "manylinux2014_armv7l"},
    "windows-x64": {"win_amd64"},
    "macos-arm64": {"macosx_11_0_arm64"},
}


class Wheel:
    """A wheel, its target, platform tags and files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        platforms = set(path.stem.split("-")[-1].split("."))
        self.target = next((t for t, tags in TAGS.items() if tags == platforms), f"unknown: {path.name}")
        self.tags = TAGS.get(self.target, set())
        with zipfile.ZipFile(path) as f:
            self.files = {i.filename: f.read(i) for i in f.infolist()}
            self.entries = f.infolist()

    @property
    def extension(self) -> bytes:
        """The one compiled file."""
        name, = (n for n in self.files if n.endswith((".so", ".pyd", ".dll", ".dylib", ".a")))
        assert name == ("lite_runtime/_lr.pyd" if self.target == "windows-x64" else "lite_runtime/_lr.abi3.so")
        return self.files[name]


def wheels() -> list[Wheel]:
    folder = os.environ.get("LR_WHEELS")
    return [Wheel(p) for p in sorted(Path(folder).glob("*.whl"))] if folder else []


def pytest_generate_tests(metafunc: Any) -> None:
    """`wheel` is each wheel; a test that is marked with `of` gets those whose targets it names."""
    if "wheel" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("of")
        found = [w for w in wheels() if not mark or w.target.startswith(mark.args)]
        metafunc.parametrize("wheel", found, ids=[w.target for w in found])


@pytest.fixture(scope="session", autouse=True)
def some_wheels() -> None:
    if not wheels():
        pytest.skip("missing: wheels; run tools/wheels.py and set LR_WHEELS to its --out")
