"""Settings of Sphinx for `make docs`, which builds the site of docs/ and the API reference."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rover import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOCS = Path(__file__).parent
ROOT = DOCS.parent
REPOSITORY = "https://github.com/cosmic-rover/cosmic-rover/blob/main"

project = "Cosmic Rover"
author = "The Cosmic Rover developers"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
autodoc_member_order = "bysource"
myst_heading_anchors = 4
html_theme_options = {
    "description": "Mission control for remote machines",
    "page_width": "1200px",
    "body_max_width": "none",
}


def read_page(_app: Sphinx, name: str, content: list[str]) -> None:
    """Put the README on the first page, and link files outside docs/ to the repository."""
    folder = (DOCS / name).parent
    if name == "index":
        folder = ROOT
        content[0] = (ROOT / "README.md").read_text(encoding="utf-8") + content[0]

    def link(match: re.Match[str]) -> str:
        target = (folder / match[1]).resolve()
        if target.is_relative_to(DOCS) and target.is_file():
            return f"](/{target.relative_to(DOCS)}"
        return f"]({REPOSITORY}/{target.relative_to(ROOT)}"

    content[0] = re.sub(r"\]\((?!https?:|#)([^)#]+)", link, content[0])


def read_docstring(
    _app: Sphinx, _what: str, _name: str, _object: Any, _options: Any, lines: list[str]
) -> None:
    """Turn the Markdown of a docstring, code spans and indented blocks, into reStructuredText."""
    text = re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``\\ ", "\n".join(lines))
    lines[:] = re.sub(r"(?m)^(\S.*\n)\n(?= )", r"\1\n::\n\n", text).split("\n")


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", read_page)
    app.connect("autodoc-process-docstring", read_docstring, priority=400)  # before napoleon's
