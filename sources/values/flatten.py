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
MAX_VALUES = 1000
MAX_ITEMS = 64
"""A longer list is bulk data (a scan, an image), not telemetry."""


class TooMuch(ValueError):
    """An object is not one that telemetry is made of; carries the reason."""


class Flattener:
    """Makes flat values of objects: `outer.inner`, `list.0`; an object of numbers is a vector.

    Args:
        parameters: what is known of them; their kinds decide where the shape does not.
    """

    def __init__(self, parameters: Iterable[Parameter] = ()) -> None:
        self._kinds: dict[str, Kind] = {p.name: p.kind for p in parameters}
        self._parents = {name.rpartition(".")[0] for name in self._kinds}

    def flatten(self, value: Any, name: str = "", skip: str = "") -> dict[str, Value]:
        """The values that `value` holds, by legal and distinct names.

        Args:
            value: what JSON gave.
            name: that all names begin with; a plain value's whole name.
            skip: the dotted place of what is to be left out.

        Raises:
            TooMuch: it is nested too deep, or has too many values, too long lists or names.
        """
        values: dict[str, Value] = {}
        leave_out = f"{name}.{skip}" if name and skip else skip
        self._spread(name, value, leave_out, 0, values)
        return values

    def _spread(
        self, name: str, value: Any, skip: str, depth: int, values: dict[str, Value]
    ) -> None:
        if skip and name == skip:
            return
        if depth > MAX_DEPTH:
            raise TooMuch(f"it is nested more than {MAX_DEPTH} deep")
        if isinstance(value, list):
            if len(value) > MAX_ITEMS:
                raise TooMuch(
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
            raise TooMuch(f"it has more than {MAX_VALUES:,} values")
        _check_length(raw_name)
        name = free_name(legal_name(raw_name), values)
        values[name] = self._plain(name, value)

    def _is_vector(self, name: str, members: dict[str, Any]) -> bool:
        if not name or name in self._parents or len(members) > MAX_ITEMS:
            return False
        least = 1 if self._kinds.get(name) == "vector" else 2
        return len(members) >= least and all(m is None or _is_number(m) for m in members.values())

    def _plain(self, name: str, value: Any) -> Value:
        kind = self._kinds.get(name)
        if isinstance(value, str):
            # a lone surrogate is legal in JSON, and in no UTF-8
            text = value if value.isascii() else value.encode(errors="replace").decode()
            return _read(text, kind)
        if kind == "boolean" and _is_number(value) and value in (0, 1):
            return bool(value)
        return None if value is None else _bounded(value)


def _read(text: str, kind: Kind | None) -> Value:
    """A text as the kind that was declared, where it can be read so."""
    if kind in ("number", "integer") and (number := number_of(text)) is not None:
        whole = kind == "integer" and number.is_integer() and abs(number) < 2**53
        return int(number) if whole else number
    if kind == "boolean" and text.strip().lower() in ("true", "false"):
        return text.strip().lower() == "true"
    return text


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _vector(members: dict[str, Any]) -> Value:
    """A vector without what was not measured; `None` if that is all."""
    numbers: dict[str, float] = {}
    for key, number in members.items():
        _check_length(key)
        if number is not None:
            numbers[free_name(clean_name(key), numbers)] = _bounded(number)
    return numbers or None


def _bounded(value: float) -> float:
    """A whole number beyond 64 bits as the nearest float: nobody downstream could hold it."""
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) < 2**63:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _check_length(name: str) -> None:
    if len(name) > MAX_NAME_LENGTH:
        raise TooMuch(
            f"the name {_short(name)} has {len(name):,} characters, more than {MAX_NAME_LENGTH}"
        )


def _short(name: str) -> str:
    return repr(name if len(name) <= 40 else name[:39] + "…")
