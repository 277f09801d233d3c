"""docs/troubleshooting.md names every status and exception, and the sentences that it quotes are in the sources."""
from __future__ import annotations

import ast
import functools
import inspect
import re
from pathlib import Path

import pytest

import lite_runtime.converter.errors
import lite_runtime.errors
from lite_runtime.converter.cli import app

ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
HEADER = ROOT / "lite_runtime" / "include" / "lite_runtime.h"
PLACE = "…"
C_TEXT = re.compile(r'"(?:[^"\\\n]|\\.)*"(?:\s*"(?:[^"\\\n]|\\.)*")*')


def quoted(text: str = TEXT) -> list[str]:
    """The first column of the tables whose head is `sentence`."""
    found = []
    for table in re.findall(r"^\| sentence \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.M):
        found += [re.match(r"\| `(.*?)` \| ", row)[1] for row in table.splitlines()]  # type: ignore[index]
    return found


def python_texts(path: Path) -> list[str]:
    """The texts in a file, what is computed in them as the place holder; also those joined by +."""
    def text(node: ast.expr) -> str | None:
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.JoinedStr):
            return "".join(PLACE if isinstance(v, ast.FormattedValue) else str(text(v)) for v in node.values)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            a, b = text(node.left), text(node.right)
            return None if a is None and b is None else (a or PLACE) + (b or PLACE)
        return None

    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return [t for n in nodes if isinstance(n, ast.expr) and (t := text(n))]


def c_code(path: Path) -> str:
    return re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.S)


def c_text(literals: str) -> str:
    """Of one literal, or of several that stand behind each other."""
    joined = "".join(re.findall(r'"((?:[^"\\\n]|\\.)*)"', literals))
    return re.sub(r"%[-0-9.*]*(?:ll|z)?[a-z]", PLACE, joined)


def c_files() -> list[Path]:
    return [p for part in ("core", "ops") for p in sorted((ROOT / "lite_runtime" / part).glob("*.c"))]


@functools.cache
def sources() -> str:
    """All texts that the sources can say, one a line."""
    texts: list[str] = []
    for part in ("converter", "lite_runtime/python"):
        for path in sorted((ROOT / part).rglob("*.py")):
            texts += python_texts(path)
    for path in c_files():
        texts += map(c_text, C_TEXT.findall(c_code(path)))
    return "\n".join(t.replace("\n", " ") for t in texts)


def words(sentence: str) -> re.Pattern[str]:
    """All that stands between the place holders, in its order."""
    parts = [p for p in (part.strip() for part in sentence.split(PLACE)) if re.search(r"\w{2}", p)]
    assert parts, f"{sentence} quotes nothing"
    return re.compile("[^\n]*".join(map(re.escape, parts)))


def is_said(sentence: str) -> bool:
    """Whether a text of the sources has its words; or those of several, one in the place holder of the other."""
    texts = set(sources().splitlines())
    parts = texts | {PLACE}
    filled = (re.fullmatch(re.escape(t).replace(PLACE, "(.+?)"), sentence) for t in texts if PLACE in t)
    return words(sentence).search(sources()) is not None or any(m and parts.issuperset(m.groups()) for m in filled)


@pytest.mark.parametrize("sentence", quoted())
def test_a_quoted_sentence_is_in_the_sources(sentence: str) -> None:
    assert is_said(sentence)


def test_a_sentence_stands_below_its_status() -> None:
    """As far as the status stands beside it in C."""
    given = [(status, c_text(text)) for path in c_files()
             for status, text in re.findall(rf"(LR_ERR_[A-Z]+),\s*({C_TEXT.pattern})", c_code(path))]
    looked_at = 0
    for status, section in re.findall(r"^### (LR_ERR_\w+)\n(.*?)(?=^##)", TEXT, re.M | re.S):
        for sentence in quoted(section):
            having = {s for s, text in given if words(sentence).search(text)}
            looked_at += bool(having)
            assert not having or status in having, sentence
    assert looked_at > 25


def test_what_nobody_says_is_seen() -> None:
    assert len(quoted()) > 80
    assert not is_said("…: no such file; check the weather")
    assert not is_said("run: input '…' is absent; …")
    assert not is_said("…: bored at step … '…'")
    assert is_said("run: input '…' is missing; …") and is_said("…: cancelled at step … '…'")


def classes(module: object) -> list[str]:
    return [n for n, c in inspect.getmembers(module, inspect.isclass)
            if issubclass(c, Exception) and c.__module__ == module.__name__]  # type: ignore[attr-defined]


def test_every_status_and_class_is_named() -> None:
    statuses = set(re.findall(r"\bLR_(?:OK|ERR_[A-Z]+)\b", HEADER.read_text(encoding="utf-8")))
    assert len(statuses) == len(lite_runtime.errors.Status) and [s for s in statuses if f"`{s}`" not in TEXT] == []
    headings = re.findall(r"^### (LR_ERR_\w+)$", TEXT, re.M)
    assert sorted(headings) == sorted(statuses - {"LR_OK"})
    ours, converters = classes(lite_runtime.errors), classes(lite_runtime.converter.errors)
    assert len(ours) > 9 and len(converters) > 2
    assert [n for n in ours if f"| `{n}` |" not in TEXT and f"`lite_runtime.{n}`" not in TEXT] == []
    assert [n for n in converters if f"`converter.errors.{n}`" not in TEXT] == []


def test_the_table_of_classes_is_right() -> None:
    """Status and bases of each class are those of the code."""
    rows = re.findall(r"^\| `(\w+Error)` \| (?:`([\w.]+)`)? ?\| `LR_ERR_(\w+)` \|", TEXT, re.M)
    assert len(rows) == 10
    for name, base, status in rows:
        c = getattr(lite_runtime, name)
        assert c.status.name == status
        bases = {b.__name__ for b in c.__mro__}
        assert not base or base.split(".")[-1] in bases


def test_exit_codes() -> None:
    table = re.search(r"## Exit codes.*?(?=^## )", TEXT, re.M | re.S)[0]  # type: ignore[index]
    codes = set(map(int, re.findall(r"^\| (\d+) \|", table, re.M)))
    assert codes == {0, app.EXIT_ERROR, app.EXIT_USAGE, app.EXIT_INTERRUPTED}
