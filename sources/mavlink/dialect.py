"""The messages of a dialect, and their values that mean "unknown"."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from xml.etree import ElementTree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType

Dialect = Literal["ardupilotmega", "common", "development", "all"]
"""The dialects that can be chosen; each includes `common`."""

_MAXIMA = {
    f"{sign}INT{bits}_MAX": 2 ** (bits if sign else bits - 1) - 1
    for sign in ("", "U")
    for bits in (8, 16, 32, 64)
}


@cache
def load(name: str) -> ModuleType:
    """The module of pymavlink for a dialect of MAVLink 2; it takes about half a second."""
    return import_module(f"pymavlink.dialects.v20.{name}")


@cache
def unknown_values(name: str) -> Mapping[tuple[str, str], float]:
    """The number that means "unknown", by message and field, where the dialect states one.

    pymavlink's modules do not have it; the definitions that it ships with them do.
    """
    return dict(_unknown(Path(str(load(name).__file__)).with_suffix(".xml"), set()))


def _unknown(path: Path, seen: set[Path]) -> Iterator[tuple[tuple[str, str], float]]:
    if path in seen or not path.exists():
        return
    seen.add(path)
    root = ElementTree.parse(path).getroot()  # noqa: S314 # a file of an installed package
    for include in root.iter("include"):
        yield from _unknown(path.with_name(str(include.text)), seen)
    for message in root.iter("message"):
        for field in message.iter("field"):
            number = _number(field.get("invalid", "").strip("[]:"))
            if number is not None:
                yield (message.get("name", ""), field.get("name", "")), number


def _number(text: str) -> float | None:
    """The number of an `invalid` attribute; NaN counts as unknown anyway."""
    try:
        return _MAXIMA[text] if text in _MAXIMA else int(text, 0)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return None
