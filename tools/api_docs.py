#!/usr/bin/env python3
"""Makes HTML of the Python API from its docstrings, by pdoc. Needs the installed package and `pip install pdoc`.

usage: api_docs.py OUT      writes OUT/index.html and what it links to; an error when a public name has no docstring
"""
from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pdoc
import pdoc.doc
import pdoc.render

import lite_runtime
import lite_runtime.converter.api
import lite_runtime.converter.errors

MODULES = [lite_runtime, lite_runtime.converter.api, lite_runtime.converter.errors]


def undocumented(of: pdoc.doc.Namespace) -> Iterator[str]:
    """Public names that are defined here without a docstring; a constructor's is that of its class."""
    for member in of.own_members:
        name = member.name
        if name.startswith("_") or isinstance(member, pdoc.doc.Module):
            continue
        if not member.docstring.strip():
            yield member.fullname
        if isinstance(member, pdoc.doc.Class):
            yield from undocumented(member)


def build(out: Path) -> list[str]:
    """Writes the pages into a folder. Returns pdoc's warnings and the names without a docstring."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pdoc.render.configure(docformat="markdown", show_source=False, footer_text=f"lite-runtime "
                              f"{lite_runtime.__version__}")
        pdoc.pdoc(*(m.__name__ for m in MODULES), output_directory=out)
        missing = [n for m in MODULES for n in undocumented(pdoc.doc.Module(m))]
    return [f"{w.filename}: {w.message}" for w in caught] + [f"{n} has no docstring" for n in missing]


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        return 0 if sys.argv[1:] in (["-h"], ["--help"]) else 2
    problems = build(Path(sys.argv[1]))
    for p in problems:
        print(f"api_docs.py: {p}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
