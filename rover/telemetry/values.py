"""Which values of a sample are usable: those that JSON and the history can represent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from sources.values.bulk import Bulk

if TYPE_CHECKING:
    from sources.base import Value

MAX_INTEGER = 2**64 - 1
MIN_INTEGER = -(2**63)


class Unusable(NamedTuple):
    """A value that is left out of its sample.

    Attributes:
        parameter: its name.
        reason: why it is not usable.
    """

    parameter: str
    reason: str

    def __str__(self) -> str:
        return f"{self.parameter}: {self.reason}"


class _UnusableError(Exception):
    pass


def usable_values(values: Mapping[str, object]) -> tuple[dict[str, Value], list[Unusable]]:
    """The usable values, as plain Python objects, and why the others are not usable.

    NumPy scalars become Python numbers. NaN and infinities become `None`: not measured.
    """
    usable: dict[str, Value] = {}
    unusable: list[Unusable] = []
    for name, value in values.items():
        try:
            if not isinstance(name, str):
                raise _UnusableError(f"the name of a parameter must be text, not {name!r:.80}")
            _text(name)
            usable[name] = _value(value)
        except _UnusableError as exc:
            shown = str(name).encode(errors="replace").decode()[:80]
            unusable.append(Unusable(shown, str(exc)))
    return usable, unusable


def _value(value: object) -> Value:
    if isinstance(value, Bulk):
        raise _UnusableError(value.reason)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return {_text(str(part)): _part(str(part), number) for part, number in value.items()}
    return _scalar(value)


def _part(part: str, value: object) -> float:
    if not part:
        raise _UnusableError("a part of it has no name")
    number = _scalar(value)
    if number is None:
        return math.nan
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise _UnusableError(f"its part {part!r:.40} must be a number, not {value!r:.80}")
    return number


def _scalar(value: object) -> float | int | bool | str | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if not MIN_INTEGER <= value <= MAX_INTEGER:
            raise _UnusableError("the integer has more than 64 bits")
        return int(value)
    if isinstance(value, float | Decimal | Fraction):
        number = float(value)
        return number if math.isfinite(number) else None
    if hasattr(value, "dtype") and getattr(value, "ndim", None) == 0:  # a NumPy scalar
        item = value.item()  # type: ignore[attr-defined] # by NumPy's protocol
        if type(item) is not type(value):
            return _scalar(item) if not isinstance(item, str) else _text(item)
    raise _UnusableError(
        f"a value must be a number, text, a boolean or a mapping of numbers, not "
        f"{type(value).__name__}"
    )


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _UnusableError("the text contains a lone surrogate") from None
    return str(text)
