"""A telemetry dictionary out of a file: what a device's values mean, where it does not say so."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, get_args

from sources.base import Kind, Limits, Parameter, SourceError
from sources.values.files import unreadable
from sources.values.names import MAX_NAME_LENGTH, legal_name

if TYPE_CHECKING:
    from pathlib import Path

_KEYS = ("name", "unit", "kind", "description", "limits")
_LEVELS = ("yellow", "red")


def read_dictionary(path: Path | None) -> tuple[Parameter, ...]:
    """The parameters that a JSON file declares; none without a file.

    It holds a list of parameters, or an object with them under `parameters`, as
    `GET /telemetry/parameters` answers:

        [{"name": "speed", "unit": "m/s", "limits": {"yellow": [null, 0.3], "red": [null, 0.4]}}]

    Raises:
        SourceError: it cannot be read, or an entry makes no sense; the text names both.
    """
    if path is None:
        return ()
    try:
        found = json.loads(path.read_bytes())
    except OSError as exc:
        raise unreadable(path, exc) from exc
    except (ValueError, RecursionError) as exc:
        raise SourceError(f"{path.absolute()} is no JSON: {exc}") from exc
    entries = found.get("parameters") if isinstance(found, dict) else found
    if not isinstance(entries, list):
        raise SourceError(
            f"{path.absolute()} holds no parameters; write a list of"
            ' {"name": …, "unit": …, "kind": …, "description": …, "limits": …}'
        )
    parameters: dict[str, Parameter] = {}
    for number, entry in enumerate(entries, 1):
        try:
            parameter = _parameter(entry)
            if parameter.name in parameters:
                raise ValueError(f"the name {parameter.name!r} was there already")
        except ValueError as exc:
            raise SourceError(f"{path.absolute()}, parameter {number}: {exc}") from exc
        parameters[parameter.name] = parameter
    return tuple(parameters.values())


def _parameter(entry: Any) -> Parameter:
    if not isinstance(entry, dict):
        raise ValueError("it is no object")
    _know(entry, _KEYS)
    texts = {key: entry.get(key, "") for key in ("name", "unit", "description")}
    for key, text in texts.items():
        if not isinstance(text, str) or not text.isprintable():
            raise ValueError(f"{key}={text}: must be a text on one line")
    name, kind = texts["name"], entry.get("kind", "number")
    if not name or len(name) > MAX_NAME_LENGTH or legal_name(name) != name:
        raise ValueError(f"{name!r} cannot be a name")
    if kind not in get_args(Kind):
        raise ValueError(f"kind={kind}: must be one of {', '.join(get_args(Kind))}")
    limits = _limits(entry.get("limits") or {})
    if limits != Limits() and kind not in ("number", "integer"):
        raise ValueError(f"a {kind} has no limits")
    return Parameter(name, texts["unit"], kind, texts["description"], limits)


def _limits(entry: Any) -> Limits:
    if not isinstance(entry, dict):
        raise ValueError(f'limits={entry}: must be like {{"yellow": [0, 40], "red": [null, 50]}}')
    _know(entry, _LEVELS)
    yellow, red = (_bounds(level, entry.get(level) or (None, None)) for level in _LEVELS)
    if any(
        inner is not None and outer is not None and sign * outer < sign * inner
        for inner, outer, sign in ((yellow[0], red[0], -1), (yellow[1], red[1], 1))
    ):
        raise ValueError(f"the red limits {list(red)} lie inside the yellow ones {list(yellow)}")
    return Limits(yellow, red)


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


def _know(entry: dict[str, Any], keys: tuple[str, ...]) -> None:
    if unknown := entry.keys() - set(keys):
        raise ValueError(f"{sorted(unknown)[0]}: no such key; the keys are {', '.join(keys)}")
