"""Links of the documents lead somewhere: each file, each heading, each path in a code span is there."""
from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
FILES = [p.relative_to(ROOT) for p in sorted(ROOT.rglob("*.md"))
         if not any(part.startswith((".", "build")) or part == "dist" for part in p.relative_to(ROOT).parts)]
FOLDERS = "spec|lite_runtime|converter|kernels_generic|kernels_x86|kernels_arm|tests|tools|docs|examples"


def prose(path: Path) -> str:
    """The page without its code, fenced or indented behind an empty line."""
    text = re.sub(r"^```.*?^```$", "", (ROOT / path).read_text(encoding="utf-8"), flags=re.M | re.S)
    return re.sub(r"(?<=\n\n)(?: {4}[^\n]*\n)+", "", text)


def anchors(text: str) -> set[str]:
    """What GitHub and mkdocs make of the headings: small letters, `-` for spaces, no other signs."""
    found: list[str] = []
    for heading in re.findall(r"^#+ +(.+?) *$", text, re.M):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        found.append(re.sub(r"[^\w\- ]", "", plain.lower()).strip().replace(" ", "-"))
    return set(found)


def dead(path: Path, text: str) -> list[str]:
    """The links of a page that lead nowhere."""
    found = []
    for target in re.findall(r"\]\(<?([^)>\s]+)>?\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (ROOT / path.parent / name).resolve() if name else ROOT / path
        if not file.exists() or (anchor and anchor not in anchors(prose(file.relative_to(ROOT)))):
            found.append(target)
    return found


@pytest.mark.parametrize("path", FILES, ids=str)
def test_links(path: Path) -> None:
    assert dead(path, prose(path)) == []


def test_a_dead_link_is_seen() -> None:
    page = Path("docs/api.md")
    text = "[a](report.md) [b](nothing.md) [c](report.md#nothing) [d](report.md#diff) [e](#c) [f](#nothing)"
    assert dead(page, text) == ["nothing.md", "report.md#nothing", "#nothing"]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_paths_in_code_spans(path: Path) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    for name in re.findall(rf"`((?:{FOLDERS})/[\w./-]+)`", text):
        assert (ROOT / name).exists(), f"{path} speaks of {name}, which is not there"


def test_headings_differ() -> None:
    """Of two equal headings of a page only the first can be linked to."""
    for path in FILES:
        headings = re.findall(r"^#+ +(.+?) *$", prose(path), re.M)
        assert path.name in ("CHANGELOG.md", "ops.md") or len(headings) == len(set(headings)), path


def test_every_page_is_in_the_navigation() -> None:
    """In that of the site, and on its first page."""
    site, index = (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), (ROOT / "docs" / "index.md").read_text("utf-8")
    pages = [p.name for p in (ROOT / "docs").glob("*.md") if p.name != "index.md"]
    assert len(pages) > 10
    assert [n for n in pages if f": {n}\n" not in site or f"]({n})" not in index] == []
