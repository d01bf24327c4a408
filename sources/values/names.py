"""Legal and distinct parameter names."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from sources.base import RESERVED

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_NAME_LENGTH = 200
"""Maximum number of characters of a parameter name."""


def legal_name(raw: str) -> str:
    """A legal parameter name: on one line, without commas, and not in `RESERVED`."""
    name = clean_name(raw)
    return f"{name}_sent" if name in RESERVED else name


@lru_cache(maxsize=8192)
def clean_name(raw: str, default: str = "value") -> str:
    """The name on one line, without the commas that separate names in `?fields=`.

    Args:
        raw: any text.
        default: the name if nothing else is left.
    """
    # lone surrogates are not printable either
    shown = "".join(c if c.isprintable() and c != "," else " " for c in raw)
    return " ".join(shown.split()) or default


def free_name(name: str, taken: Iterable[str]) -> str:
    """The name, or the first of `name_2`, `name_3`, … that is not taken."""
    free, number = name, 2
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free
