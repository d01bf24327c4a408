"""Quotes and suggestions in the messages of findings."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHOWN_CHARACTERS = 40


def quoted(text: str) -> str:
    """The text in quotes, with invisible characters escaped, truncated to 40 characters."""
    if len(text) > _SHOWN_CHARACTERS:
        text = text[: _SHOWN_CHARACTERS - 1] + "…"
    return repr(text)


def suggestion(word: str, known: Iterable[str]) -> str:
    """A hint with the most similar known word, or with all known words."""
    by_case = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word[:_SHOWN_CHARACTERS].casefold(), by_case, n=1)
    if near:
        return f"did you mean {by_case[near[0]]}?"
    return "must be one of " + ", ".join(by_case.values())
