"""Legal and distinct parameter names."""

from __future__ import annotations

from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING

from sources.base import RESERVED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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


class Names:
    """The names of places in messages: each place keeps its own name in every later message.

    Two places whose raw names become the same legal name get `name` and `name_2`, in the order in
    which they first arrive.

    Args:
        clean: makes a raw name legal.
    """

    def __init__(self, clean: Callable[[str], str] = legal_name) -> None:
        self._clean = clean
        self._names: dict[str, str] = {}
        self._places: dict[str, str] = {}
        self._adding = Lock()

    def __len__(self) -> int:
        return len(self._names)

    def get(self, place: str) -> str | None:
        """The name of a place, if it has one."""
        return self._names.get(place)

    def place(self, name: str) -> str:
        """The place with that name; empty if there is none."""
        return self._places.get(name, "")

    def add(self, place: str, raw: str) -> str:
        """The name of a place; a new place gets one that no other place has."""
        with self._adding:  # large bodies are read in threads
            if (name := self._names.get(place)) is None:
                name = free_name(self._clean(raw), self._places)
                self._names[place] = name
                self._places[name] = place
            return name
