"""Names of parameters: legal for the server, and distinct."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from sources.base import RESERVED

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_NAME_LENGTH = 200


def legal_name(raw: str) -> str:
    """The name that a parameter can have: on one line, without commas, and not the server's."""
    name = clean_name(raw)
    return f"{name}_sent" if name in RESERVED else name


@lru_cache(maxsize=8192)
def clean_name(raw: str) -> str:
    """The name on one line and without commas, which separate the names in `?fields=`."""
    # lone surrogates are not printable either
    shown = "".join(c if c.isprintable() and c != "," else " " for c in raw)
    return " ".join(shown.split()) or "value"


def free_name(name: str, taken: Iterable[str]) -> str:
    """The name, or `name_2`, `name_3`, … so that it is none of those taken."""
    free, number = name, 2
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free
