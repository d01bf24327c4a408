"""The fields of a JSON object with their types checked, and their places in errors."""

from __future__ import annotations

from math import inf, isfinite
from typing import TYPE_CHECKING, Any

from sources.base import SourceError
from sources.values.wording import quoted, suggestion

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


class Fields:
    """An object of a JSON file.

    Args:
        place: of the object, for errors: `dictionary.json: commands[3]`.
        content: any JSON value.
        separator: between the place and the name of a field.

    Raises:
        SourceError: it is not an object.
    """

    def __init__(self, place: str, content: Any, separator: str = ".") -> None:
        self._place = place
        self._separator = separator
        if not isinstance(content, dict):
            raise SourceError(f"{place}: must be an object, not {_noun(content)}")
        self._content = content

    def error(self, name: str, text: str) -> SourceError:
        """The error of a field."""
        return SourceError(f"{self._within(name)}: {text}")

    def check_known(self, names: Collection[str]) -> None:
        """Check that there are no other fields.

        Raises:
            SourceError: there is one.
        """
        for name in self._content:
            if name not in names:
                raise self.error(name, f"is not known; {suggestion(name, names)}")

    def get(self, name: str) -> Any:
        """A value of any type; `None` if the field is missing."""
        return self._content.get(name)

    def items(self) -> Iterator[tuple[str, Fields]]:
        """The fields, which must be objects."""
        for name in self._content:
            yield name, self.object(name)

    def text(self, name: str) -> str:
        """A text that is not empty."""
        value = self._required(name)
        if not isinstance(value, str) or not value:
            raise self.error(name, f"must be a text, not {_noun(value)}")
        return value

    def integer(self, name: str, low: int, high: int) -> int:
        """A whole number in a range."""
        value = self._required(name)
        if type(value) is not int or not low <= value <= high:
            raise self.error(
                name, f"must be a whole number from {low} to {high}, not {_noun(value)}"
            )
        return value

    def number(self, name: str, *, whole: bool = False, low: float = -inf) -> Any:
        """A finite number, or a whole one, of at least `low`; `None` if it is missing."""
        value = self.get(name)
        if value is None:
            return None
        is_integer = type(value) is int
        if not is_integer and not (type(value) is float and isfinite(value)):
            raise self.error(name, f"must be a number, not {_noun(value)}")
        if whole and value != int(value):
            raise self.error(name, f"must be a whole number, not {value!r:.40}")
        if value < low:
            raise self.error(name, f"must be at least {low:g}, not {value!r:.40}")
        return int(value) if whole else value

    def texts(self, name: str) -> list[str]:
        """An array of texts; empty if it is missing."""
        value = self.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.error(name, f"must be an array of texts, not {_noun(value)}")
        for index, one in enumerate(value):
            if not isinstance(one, str):
                raise self.error(f"{name}[{index}]", f"must be a text, not {_noun(one)}")
        return value

    def object(self, name: str, *, optional: bool = False) -> Fields:
        """An object; an empty one if it is missing and optional."""
        is_left_out = optional and name not in self._content
        return Fields(self._within(name), {} if is_left_out else self._required(name))

    def objects(self, name: str, *, optional: bool = False) -> Iterator[Fields]:
        """The objects of an array; none if it is missing and optional."""
        if optional and name not in self._content:
            return
        value = self._required(name)
        if not isinstance(value, list):
            raise self.error(name, f"must be an array, not {_noun(value)}")
        for index, item in enumerate(value):
            yield Fields(f"{self._within(name)}[{index}]", item)

    def _within(self, name: str) -> str:
        return f"{self._place}{self._separator}{name[:80]}"

    def _required(self, name: str) -> Any:
        if name not in self._content:
            raise self.error(name, "is missing")
        return self._content[name]


def _noun(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, bool) or value is None:
        return {None: "null", True: "true", False: "false"}[value]
    return quoted(value) if isinstance(value, str) else f"{value!r:.40}"
