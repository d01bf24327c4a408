"""A JSON object as values by parameter name."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sources.values.cells import number_of
from sources.values.names import MAX_NAME_LENGTH, clean_name, free_name, legal_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sources.base import Kind, Parameter, Value

MAX_DEPTH = 16
"""Maximum number of objects and lists inside one another."""

MAX_VALUES = 1000
"""Maximum number of values of one sample."""

MAX_ITEMS = 64
"""Maximum number of items of a list; a longer one is bulk data (a scan, an image)."""


class TooLarge(ValueError):
    """An object is too large or too deep for telemetry; the text names the limit."""


class Flattener:
    """Flattens objects: `outer.inner`, `list.0`. An object of numbers becomes a vector.

    Args:
        parameters: those declared; values are read as their kinds.
    """

    def __init__(self, parameters: Iterable[Parameter] = ()) -> None:
        self._kinds: dict[str, Kind] = {p.name: p.kind for p in parameters}
        self._parents = {name.rpartition(".")[0] for name in self._kinds}

    def flatten(self, value: Any, name: str = "", skip: str = "") -> dict[str, Value]:
        """The values in `value`, by legal and distinct names.

        Args:
            value: parsed JSON.
            name: the start of all names; the whole name if `value` is a single value.
            skip: the dotted place of a value to leave out.

        Raises:
            TooLarge: the object exceeds `MAX_DEPTH`, `MAX_VALUES`, `MAX_ITEMS` or
                `MAX_NAME_LENGTH`.
        """
        values: dict[str, Value] = {}
        skipped = f"{name}.{skip}" if name and skip else skip
        self._spread(name, value, skipped, 0, values)
        return values

    def _spread(
        self, name: str, value: Any, skip: str, depth: int, values: dict[str, Value]
    ) -> None:
        if skip and name == skip:
            return
        if depth > MAX_DEPTH:
            raise TooLarge(f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(value, list):
            if len(value) > MAX_ITEMS:
                raise TooLarge(
                    f"the list {_short(name)} has {len(value):,} items, more than {MAX_ITEMS}"
                )
            value = {str(index): item for index, item in enumerate(value)}
        elif isinstance(value, dict) and self._is_vector(name, value):
            self._put(name, _vector(value), values)
            return
        if not isinstance(value, dict):
            self._put(name, value, values)
            return
        for key, member in value.items():
            self._spread(f"{name}.{key}" if name else key, member, skip, depth + 1, values)

    def _put(self, raw_name: str, value: Any, values: dict[str, Value]) -> None:
        if len(values) == MAX_VALUES:
            raise TooLarge(f"more than {MAX_VALUES:,} values")
        _check_length(raw_name)
        name = free_name(legal_name(raw_name), values)
        values[name] = self._plain(name, value)

    def _is_vector(self, name: str, members: dict[str, Any]) -> bool:
        if not name or name in self._parents or len(members) > MAX_ITEMS:
            return False
        min_members = 1 if self._kinds.get(name) == "vector" else 2
        return len(members) >= min_members and all(
            m is None or _is_number(m) for m in members.values()
        )

    def _plain(self, name: str, value: Any) -> Value:
        kind = self._kinds.get(name)
        if isinstance(value, str):
            # a lone surrogate is legal in JSON, but not in UTF-8
            text = value if value.isascii() else value.encode(errors="replace").decode()
            return _read(text, kind)
        if kind == "boolean" and _is_number(value) and value in (0, 1):
            return bool(value)
        return None if value is None else _bounded(value)


def _read(text: str, kind: Kind | None) -> Value:
    """The text as the declared kind if it can be read as that, else the text."""
    if kind in ("number", "integer") and (number := number_of(text)) is not None:
        whole = kind == "integer" and number.is_integer() and abs(number) < 2**53
        return int(number) if whole else number
    if kind == "boolean" and text.strip().lower() in ("true", "false"):
        return text.strip().lower() == "true"
    return text


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _vector(members: dict[str, Any]) -> Value:
    """The vector without its null components; `None` if all are null."""
    numbers: dict[str, float] = {}
    for key, number in members.items():
        _check_length(key)
        if number is not None:
            numbers[free_name(clean_name(key), numbers)] = _bounded(number)
    return numbers or None


def _bounded(value: float) -> float:
    """The number; a whole number beyond 64 bits as the nearest float."""
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) < 2**63:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _check_length(name: str) -> None:
    if len(name) > MAX_NAME_LENGTH:
        raise TooLarge(
            f"the name {_short(name)} has {len(name):,} characters, more than {MAX_NAME_LENGTH}"
        )


def _short(name: str) -> str:
    return repr(name if len(name) <= 40 else name[:39] + "…")
