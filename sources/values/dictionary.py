"""The parameters of a source: those declared in a file, and those learned from values."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from sources.base import Kind, Limits, Parameter, SourceError, Value
from sources.values.bulk import Bulk
from sources.values.files import unreadable
from sources.values.names import MAX_NAME_LENGTH, legal_name

if TYPE_CHECKING:
    from pathlib import Path

MAX_PARAMETERS = 2000
"""Maximum number of parameters in a dictionary; further parameters are not learned."""

MAX_DURATION_S = 86_400
"""Maximum of `Limits.min_duration_s`, in seconds."""

_KEYS = ("name", "unit", "kind", "description", "limits", "period_s", "group")
_LEVELS = ("yellow", "red")


class Dictionary:
    """Declared parameters, followed by those learned from values.

    Args:
        declared: in the order in which people see them.
    """

    def __init__(self, declared: Iterable[Parameter] = ()) -> None:
        self._known = {parameter.name: parameter for parameter in declared}
        self._declared = frozenset(self._known)

    @property
    def parameters(self) -> Sequence[Parameter]:
        """The parameters declared, then those learned so far."""
        return tuple(self._known.values())

    def learn(self, values: Mapping[str, Value], *, integers: bool = False) -> list[str]:
        """Add the parameters of these values, and return their names.

        The first value decides the kind.

        Args:
            values: by parameter name.
            integers: a parameter whose first value is a whole number never has a fraction, as the
                format of its messages has integer types.
        """
        learned: list[str] = []
        for name, value in values.items():
            if value is None or isinstance(value, Bulk) or name in self._known:
                continue
            if len(self._known) < MAX_PARAMETERS:
                is_integer = integers and isinstance(value, int) and not isinstance(value, bool)
                self._known[name] = Parameter(name, kind="integer" if is_integer else _kind(value))
                learned.append(name)
        return learned

    def describe(self, name: str, unit: str, description: str = "") -> None:
        """Add a unit and a description to a learned parameter; a declared one stays as it is."""
        known = self._known.get(name)
        if known is not None and name not in self._declared:
            self._known[name] = replace(
                known, unit=unit or known.unit, description=description or known.description
            )


def read_dictionary(path: Path | None) -> tuple[Parameter, ...]:
    """The parameters declared in a JSON file; none without a file.

    The file holds a list of parameters, or an object with the list under `parameters`, as
    `GET /telemetry/parameters` returns it:

        [{"name": "speed", "unit": "m/s", "limits": {"yellow": [null, 0.3], "red": [null, 0.4]}}]

    Raises:
        SourceError: the file cannot be read, or an entry is invalid; the text names both.
    """
    if path is None:
        return ()
    try:
        found = json.loads(path.read_bytes())
    except OSError as exc:
        raise unreadable(path, exc) from exc
    except (ValueError, RecursionError) as exc:
        raise SourceError(f"{path.absolute()} is not JSON: {exc}") from exc
    entries = found.get("parameters") if isinstance(found, dict) else found
    if not isinstance(entries, list):
        raise SourceError(
            f"{path.absolute()} has no list of parameters; write a list of"
            ' {"name": …, "unit": …, "kind": …, "description": …, "limits": …, "period_s": …}'
        )
    parameters: dict[str, Parameter] = {}
    for number, entry in enumerate(entries, 1):
        try:
            parameter = parameter_from_json(entry)
            if parameter.name in parameters:
                raise ValueError(f"name={parameter.name}: is declared twice")
        except ValueError as exc:
            raise SourceError(f"{path.absolute()}, parameter {number}: {exc}") from exc
        parameters[parameter.name] = parameter
    return tuple(parameters.values())


def parameter_from_json(entry: Any) -> Parameter:
    """The parameter that an entry of a dictionary describes.

    Raises:
        ValueError: the entry is invalid; the text names the key and the value.
    """
    if not isinstance(entry, dict):
        raise ValueError("must be an object")
    _check_keys(entry, _KEYS)
    texts = {key: entry.get(key, "") for key in ("name", "unit", "description", "group")}
    for key, text in texts.items():
        if not isinstance(text, str) or not text.isprintable():
            raise ValueError(f"{key}={text}: must be a text on one line")
    name, kind = texts["name"], entry.get("kind", "number")
    if not name or len(name) > MAX_NAME_LENGTH or legal_name(name) != name:
        raise ValueError(
            f"name={name}: must be 1 to {MAX_NAME_LENGTH} characters without commas or double"
            " spaces, and not a reserved name"
        )
    if kind not in get_args(Kind):
        raise ValueError(f"kind={kind}: must be one of {', '.join(get_args(Kind))}")
    limits = _limits(entry.get("limits") or {})
    if limits != Limits() and kind not in ("number", "integer"):
        raise ValueError(f"kind={kind}: must be number or integer to have limits")
    period_s = entry.get("period_s")
    if period_s is not None and (not _is_bound(period_s) or period_s <= 0):
        raise ValueError(f"period_s={period_s}: must be a number of more than 0 s")
    return Parameter(**texts, kind=kind, limits=limits, period_s=period_s)


def _limits(entry: Any) -> Limits:
    if not isinstance(entry, dict):
        raise ValueError(f'limits={entry}: must be like {{"yellow": [0, 40], "red": [null, 50]}}')
    _check_keys(entry, (*_LEVELS, "hysteresis", "min_duration_s"))
    yellow, red = (_bounds(level, entry.get(level) or (None, None)) for level in _LEVELS)
    if any(
        inner is not None and outer is not None and sign * outer < sign * inner
        for inner, outer, sign in ((yellow[0], red[0], -1), (yellow[1], red[1], 1))
    ):
        raise ValueError(f"red={list(red)}: must lie outside yellow={list(yellow)}")
    hysteresis, min_duration_s = entry.get("hysteresis"), entry.get("min_duration_s", 0)
    if hysteresis is not None and not (_is_bound(hysteresis) and hysteresis >= 0):
        raise ValueError(f"hysteresis={hysteresis}: must be a number of at least 0")
    if min_duration_s is None or not (
        _is_bound(min_duration_s) and 0 <= min_duration_s <= MAX_DURATION_S
    ):
        raise ValueError(
            f"min_duration_s={min_duration_s}: must be a number of at least 0 and at most"
            f" {MAX_DURATION_S:,} s"
        )
    return Limits(yellow, red, hysteresis, min_duration_s)


def _bounds(level: str, entry: Any) -> tuple[float | None, float | None]:
    if isinstance(entry, list | tuple) and len(entry) == 2 and all(map(_is_bound, entry)):
        low, high = entry
        if low is None or high is None or low < high:
            return low, high
    raise ValueError(f"{level}={entry}: must be [low, high]; null leaves a side open")


def _is_bound(value: Any) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) < 2**63
    return value is None or (isinstance(value, float) and math.isfinite(value))


def _check_keys(entry: dict[str, Any], keys: tuple[str, ...]) -> None:
    if unknown := entry.keys() - set(keys):
        raise ValueError(f"{sorted(unknown)[0]}: no such key; the keys are {', '.join(keys)}")


def _kind(value: Value) -> Kind:
    match value:
        case bool():
            return "boolean"
        case str():
            return "text"
        case Mapping():
            return "vector"
        case _:  # never `integer`: the next value may have a fraction
            return "number"
