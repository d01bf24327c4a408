"""Names and texts from clients and validators, safe to show."""

from __future__ import annotations

import unicodedata

MAX_TEXT_CHARACTERS = 2_000
"""Longer texts of a validator are truncated."""

MAX_NAME_CHARACTERS = 255


def display_name(name: str) -> str:
    """A file's name, safe to show and to log: one line, no path, no control characters."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(c for c in last if c == " " or unicodedata.category(c)[0] not in "CZ")
    return shown.strip()[:MAX_NAME_CHARACTERS] or "unnamed"


def truncate(text: str) -> str:
    """The text, truncated to `MAX_TEXT_CHARACTERS`."""
    return text if len(text) <= MAX_TEXT_CHARACTERS else text[: MAX_TEXT_CHARACTERS - 1] + "…"
