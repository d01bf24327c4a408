"""How findings name what stands in the file, and what may have been meant."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHOWN_CHARACTERS = 40


def quoted(text: str) -> str:
    """The text in quotes, with anything invisible escaped, cut to a length for one line."""
    if len(text) > _SHOWN_CHARACTERS:
        text = text[: _SHOWN_CHARACTERS - 1] + "…"
    return repr(text)


def suggestion(word: str, known: Iterable[str]) -> str:
    """The known word that is nearest, whatever its case, or else all of them."""
    by_case = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word[:_SHOWN_CHARACTERS].casefold(), by_case, n=1)
    if near:
        return f"did you mean {by_case[near[0]]}?"
    return "known are " + ", ".join(by_case.values())
