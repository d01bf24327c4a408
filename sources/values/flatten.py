"""A JSON object as values by parameter name."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sources.values.bulk import Bulk
from sources.values.cells import form_of, number_of
from sources.values.names import MAX_NAME_LENGTH, Names, clean_name, free_name
from sources.values.vectors import has_vector_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sources.base import Kind, Parameter, Value

MAX_DEPTH = 16
"""Maximum number of objects and lists inside one another."""

MAX_VALUES = 1000
"""Maximum number of values of one sample."""

MAX_ITEMS = 64
"""Maximum number of items of a list; a longer one is bulk data (a scan, an image)."""

MAX_NAMES = 4000
"""Maximum number of different names in all messages of a source."""

SEPARATOR = "\0"
"""Separates the keys in a place: `arm\\0angle` is the member `angle` of the object `arm`."""

LEVEL = "\1"
"""Separates the levels of a topic in a place, so that no topic looks like a key of another."""

HIDDEN = "\2"
"""Ends the part of a place that distinguishes it and is not in its name, such as `app1\\2dev1`."""

_DOTS = str.maketrans({SEPARATOR: ".", LEVEL: "."})


class TooLarge(ValueError):
    """An object has too many or too long names for telemetry; the text names the limit."""


class Flattener:
    """Flattens objects: `outer.inner`, `list.0`.

    An object of numbers is a vector if it is declared as one, or if its members have the names of
    one. The same place in two messages has the same name; two places never share a name.

    Args:
        parameters: those declared; values are read as their kinds.

    Attributes:
        names: of the places in all messages so far.
    """

    def __init__(self, parameters: Iterable[Parameter] = ()) -> None:
        self._kinds: dict[str, Kind] = {p.name: p.kind for p in parameters}
        self._parents = {name.rpartition(".")[0] for name in self._kinds}
        self._components: dict[str, Names] = {}
        self.names = Names()

    def members(
        self, members: Mapping[str, Any], place: str = "", skip: str = ""
    ) -> dict[str, Value]:
        """The values in the members of a sample, which is never a vector itself.

        Args:
            members: parsed JSON.
            place: the place of the sample; it starts all names.
            skip: the place of a value to leave out.

        Raises:
            TooLarge: as in `flatten`.
        """
        values: dict[str, Value] = {}
        for key, member in members.items():
            self._spread(f"{place}{SEPARATOR}{key}" if place else key, member, skip, 1, values)
        return values

    def flatten(self, value: Any, place: str = "") -> dict[str, Value]:
        """The values in `value`, by legal and distinct names.

        Args:
            value: parsed JSON.
            place: the place of `value`; it starts all names.

        Raises:
            TooLarge: the object exceeds `MAX_VALUES`, `MAX_NAMES` or `MAX_NAME_LENGTH`.
        """
        values: dict[str, Value] = {}
        self._spread(place, value, "", 0, values)
        return values

    def _spread(
        self, place: str, value: Any, skip: str, depth: int, values: dict[str, Value]
    ) -> None:
        if skip and place == skip:
            return
        if isinstance(value, dict | list) and depth >= MAX_DEPTH:
            value = Bulk(f"nested deeper than {MAX_DEPTH} levels")
        elif isinstance(value, list) and len(value) > MAX_ITEMS:
            value = Bulk(f"a list of {len(value):,} items, more than {MAX_ITEMS}")
        if not isinstance(value, dict | list):
            name = self._name(place, values)
            values[name] = self._plain(name, value)
            return
        if isinstance(value, list):
            value = {str(index): item for index, item in enumerate(value)}
        elif place and self._is_vector(dotted(place), value):
            name = self._name(place, values)
            values[name] = self._vector(name, value)
            return
        for key, member in value.items():
            inner = f"{place}{SEPARATOR}{key}" if place else key
            self._spread(inner, member, skip, depth + 1, values)

    def _name(self, place: str, values: dict[str, Value]) -> str:
        if len(values) == MAX_VALUES:
            raise TooLarge(f"more than {MAX_VALUES:,} values")
        name = self.names.get(place)
        if name is None:
            raw_name = dotted(place)
            _check_length(raw_name)
            if len(self.names) == MAX_NAMES:
                raise TooLarge(
                    f"the name {_short(raw_name)} is new, and the source has already sent"
                    f" {MAX_NAMES:,} names, the limit"
                )
            name = self.names.add(place, raw_name)
        # a key may contain the separator
        return free_name(name, values) if name in values else name

    def _is_vector(self, name: str, members: dict[str, Any]) -> bool:
        if not name or name in self._parents or not members or len(members) > MAX_ITEMS:
            return False
        kind = self._kinds.get(name)
        named = has_vector_names(members) if kind is None else kind == "vector"
        return named and all(map(_is_component, members.values()))

    def _vector(self, name: str, members: dict[str, Any]) -> Value:
        """The vector without its null components; `None` if all are null."""
        names = self._components.setdefault(name, Names(clean_name))
        numbers: dict[str, float] = {}
        for key, member in members.items():
            component = names.get(key)
            if component is None:
                _check_length(key)
                if len(names) == MAX_ITEMS:
                    raise TooLarge(
                        f"the vector {_short(name)} has more than {MAX_ITEMS} components"
                    )
                component = names.add(key, key)
            number = number_of(member) if isinstance(member, str) else member
            if number is not None:
                numbers[component] = _bounded(number)
        return numbers or None

    def _plain(self, name: str, value: Any) -> Value:
        kind = self._kinds.get(name)
        if isinstance(value, str):
            # a lone surrogate is legal in JSON, but not in UTF-8
            text = value if value.isascii() else value.encode(errors="replace").decode()
            return _read(text, kind)
        if kind == "boolean" and value in (0, 1):
            return bool(value)
        if value is None or isinstance(value, float | Bulk):
            return value  # type: ignore[return-value] # the mission leaves out a `Bulk`
        return _bounded(value)


def join_place(*keys: str) -> str:
    """The place of a value, from the keys that lead to it; empty ones are left out."""
    return SEPARATOR.join(filter(None, keys))


def dotted(place: str) -> str:
    """The raw name of a place: its keys and levels, separated by dots."""
    return place.rpartition(HIDDEN)[2].translate(_DOTS)


def _read(text: str, kind: Kind | None) -> Value:
    """The text as the declared kind if it can be read as that, else the text."""
    if kind == "integer" and len(text) <= 20 and text.strip().lstrip("+-").isdecimal():
        return _bounded(int(text))
    if kind in ("number", "integer") and (number := number_of(text)) is not None:
        whole = kind == "integer" and number.is_integer() and abs(number) < 2**53
        return int(number) if whole else number
    if kind == "boolean" and text.strip().lower() in ("true", "false"):
        return text.strip().lower() == "true"
    return text


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_component(value: Any) -> bool:
    """Whether a member of a vector is a number, also as text, or says that it has none."""
    if isinstance(value, str):
        return number_of(value) is not None or form_of(value) in ("missing", "blank")
    return value is None or _is_number(value)


def _bounded(value: float) -> float:
    """The number; a whole number beyond 64 bits as the nearest float."""
    if not isinstance(value, int) or isinstance(value, bool) or -(2**63) <= value < 2**64:
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
