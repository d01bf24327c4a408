"""Checked access to the tables of a configuration file. It collects all problems."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

MAX_SHOWN_CHARACTERS = 80
"""Maximum length of a value in a problem."""


class Table:
    """A table of the file.

    Args:
        values: as `tomllib` returns them.
        place: of the table, such as `telemetry.drive`; empty for the whole file.
        problems: the mistakes in the file; this table adds to them.

    Attributes:
        values: the same.
        place: the same.
        problems: the same.
    """

    def __init__(self, values: Mapping[str, Any], place: str, problems: list[str]) -> None:
        self.values = values
        self.place = place
        self.problems = problems

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def at(self, key: str) -> str:
        """The place of a key."""
        part = key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)
        return f"{self.place}.{part}" if self.place else part

    def refuse(self, key: str, reason: str) -> None:
        """Add a problem with a key; an empty key means the table itself."""
        self.problems.append(f"{self.at(key) if key else self.place}: {reason}")

    def refuse_value(self, key: str, reason: str) -> None:
        """Add a problem with the value of a key."""
        shown = json.dumps(self.values[key], ensure_ascii=False, default=str)
        if len(shown) > MAX_SHOWN_CHARACTERS:
            shown = f"{shown[: MAX_SHOWN_CHARACTERS - 1]}…"
        self.problems.append(f"{self.at(key)}={shown}: {reason}")

    def refuse_text(self, text: str) -> None:
        """Add a problem that begins with a key of this table: `kind=7: must be …`."""
        self.problems.append(f"{self.place}.{text}")

    def allow(self, keys: Collection[str]) -> None:
        """Add a problem for each key that is not one of `keys`."""
        for key in self.values:
            if key not in keys:
                near = difflib.get_close_matches(key, keys, 1)
                hint = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(keys)}"
                self.refuse(key, f"no such key; {hint}")

    def table(self, key: str) -> Table:
        """The table below a key; an empty one if it does not exist."""
        value = self.values.get(key, {})
        if not isinstance(value, Mapping):
            self.refuse_value(key, f"must be a table; write [{self.at(key)}]")
            value = {}
        return Table(value, self.at(key), self.problems)

    def tables(self) -> Iterable[tuple[str, Table]]:
        """The tables below all keys."""
        return [(key, self.table(key)) for key in self.values]

    def text(self, key: str, default: str = "") -> str:
        """The text at a key: one line, and not empty."""
        return self._get(key, default, is_line, "must be a text on one line, in quotes")

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """The list of texts at a key."""
        noun = 'must be a list of texts, such as ["battery.*"]'
        return tuple(self._get(key, default, is_list_of_lines, noun))

    def _get(self, key: str, default: T, fits: Callable[[object], bool], reason: str) -> T:
        value: T = self.values.get(key, default)
        if key in self.values and not fits(value):
            self.refuse_value(key, reason)
            return default
        return value


def is_line(value: object) -> bool:
    """Whether the value is a text on one line, and not empty."""
    return isinstance(value, str) and value.isprintable() and bool(value.strip())


def is_list_of_lines(value: object) -> bool:
    """Whether the value is a list of such texts."""
    return isinstance(value, list) and all(map(is_line, value))


def is_number(value: object) -> bool:
    """Whether the value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)


def _is_finite(value: float) -> bool:
    return abs(value) < 2**63 if isinstance(value, int) else math.isfinite(value)
