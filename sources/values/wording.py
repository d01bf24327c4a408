"""Quotes and suggestions in the messages of findings."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SHOWN_CHARACTERS = 40

MAX_LISTED = 12
"""Maximum number of choices that a hint lists."""

MAX_SEARCHES = 200
"""Maximum number of words for which `Suggestions` searches: each search compares all known ones."""


def quoted(text: str) -> str:
    """The text in quotes, with invisible characters escaped, truncated to 40 characters."""
    if len(text) > _SHOWN_CHARACTERS:
        text = text[: _SHOWN_CHARACTERS - 1] + "…"
    return repr(text)


def listed(names: Iterable[str]) -> str:
    """The names, separated by commas; at most `MAX_LISTED` of them."""
    known = list(names)
    more = len(known) - MAX_LISTED
    return ", ".join(known[:MAX_LISTED]) + (f" and {more:,} more" if more > 0 else "")


def suggestion(word: str, known: Iterable[str]) -> str:
    """A hint with the most similar known word, or with the known words."""
    by_case = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word[:_SHOWN_CHARACTERS].casefold(), by_case, n=1)
    if near:
        return f"did you mean {by_case[near[0]]}?"
    return f"must be one of {listed(by_case.values())}" if by_case else ""


class Suggestions:
    """Hints for unknown names of a large dictionary, in bounded time.

    Args:
        known: a mapping with the names as keys.
    """

    def __init__(self, known: Mapping[str, object]) -> None:
        self._known = known
        self._hints: dict[str, str] = {}

    def hint(self, word: str) -> str:
        """The hint for a word; empty once `MAX_SEARCHES` words were searched for."""
        if word not in self._hints:
            if len(self._hints) >= MAX_SEARCHES:
                return ""
            self._hints[word] = suggestion(word, self._known)
        return self._hints[word]
