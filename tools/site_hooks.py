"""What mkdocs.yml adds to mkdocs: pages link to files outside of docs/, and the Python API is made by pdoc.

Files of the repository outside of docs/ lie under source/ in the site, as pages (.md) or as they are; links go there.
"""
from __future__ import annotations

import logging
import os
import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from mkdocs.structure.nav import Link, Navigation

ROOT = Path(__file__).resolve().parent.parent
PAGES = ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "examples/README.md"]
LINK = re.compile(r"(\]\(<?)([^)>\s#:]+)(?=[#)>])")
log = logging.getLogger("mkdocs.hooks.site")


def in_repository(uri: str) -> str:
    """Path in the repository of what is at `uri` in the site."""
    return uri.removeprefix("source/") if uri.startswith("source/") else f"docs/{uri}"


def in_site(path: str) -> str:
    """The other way round."""
    return path.removeprefix("docs/") if path.startswith("docs/") else f"source/{path}"


def targets(path: str, text: str) -> list[str]:
    """The paths in the repository that a page links to."""
    return [posixpath.normpath(posixpath.join(posixpath.dirname(path), t)) for _, t in LINK.findall(text)]


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages outside of docs/, and every file to which a page links."""
    pages = [f"docs/{f.src_uri}" for f in files.documentation_pages()] + PAGES
    wanted = {t for p in pages for t in targets(p, (ROOT / p).read_text(encoding="utf-8"))}
    for path in sorted({*PAGES, *wanted}):
        if not path.startswith("docs/") and (ROOT / path).is_file():
            files.append(File.generated(config, in_site(path), abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lets links lead to where things lie in the site. mkdocs then warns of those that lead nowhere."""
    uri = page.file.src_uri
    here = posixpath.dirname(in_repository(uri))

    def moved(m: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(here, m[2]))
        return m[1] + posixpath.relpath(in_site(path), posixpath.dirname(uri) or ".")

    return LINK.sub(moved, markdown)


def on_nav(nav: Navigation, **_: Any) -> Navigation:
    """The API's pages are not mkdocs's own."""
    reference = next(i for i in nav.items if i.title == "Reference")
    reference.children.append(Link("Python, from its docstrings", "python/index.html"))
    return nav


def on_post_build(config: Any) -> None:
    """Makes the Python API's pages. With --strict what is wrong there fails the build."""
    sys.path.insert(0, os.fspath(ROOT / "tools"))
    try:
        import api_docs
    except ModuleNotFoundError as e:
        log.warning(f"the Python API is left out: the package '{e.name}' is missing; run: pip install . pdoc")
        return
    for problem in api_docs.build(Path(config.site_dir) / "python"):
        log.warning(f"python: {problem}")
