"""Packs of SenML (RFC 8428): a list of records with names, units, times and values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sources.values.cells import number_of
from sources.values.formats.reading import Reading
from sources.values.parsing import PayloadRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

RELATIVE_S = 2**28
"""Times below this number of seconds count from the arrival (RFC 8428, section 4.5.3)."""

_LABELS = frozenset({"bn", "bt", "bu", "bv", "bs", "bver", "n", "u", "v", "vs", "vb", "vd", "s"})
_LABELS |= {"t", "ut"}
_VALUES = ("v", "vs", "vb", "s")
_UNITS = {"Cel": "°C", "%RH": "%", "%EL": "%", "/": "", "lat": "°", "lon": "°", "degC": "°C"}


def is_senml(root: Any) -> bool:
    """Whether a message is a SenML pack: all records have only its labels, and all have names."""
    if not isinstance(root, list) or not root:
        return False
    base = ""
    for record in root:
        if not isinstance(record, dict) or not record.keys() <= _LABELS:
            return False
        base = record.get("bn", base)
        name = record.get("n", "")
        if not isinstance(base, str) or not isinstance(name, str) or not base + name:
            return False
    return any(label in record for record in root for label in _VALUES)


def read_senml(root: Any, arrived: float) -> list[Reading]:
    """One reading for each time in a pack.

    Args:
        root: parsed JSON.
        arrived: POSIX seconds.

    Raises:
        PayloadRefused: it is not a SenML pack.
    """
    if not isinstance(root, list):
        raise PayloadRefused("expected a list of SenML records")
    base: dict[str, Any] = {}
    found: dict[float, tuple[dict[str, Any], dict[str, str]]] = {}
    for number, record in enumerate(root, 1):
        if not isinstance(record, dict) or any(label.endswith("_") for label in record):
            raise PayloadRefused("it is not a SenML record", f"item {number}")
        base |= {label: value for label, value in record.items() if label in _BASES}
        name = _text(base.get("bn")) + _text(record.get("n"))
        if not any(label in record for label in (*_VALUES, "vd")):
            continue  # only sets the base
        if not name:
            raise PayloadRefused("the SenML record has no name", f"item {number}")
        t = (number_of(base.get("bt")) or 0.0) + (number_of(record.get("t")) or 0.0)
        values, units = found.setdefault(arrived + t if t < RELATIVE_S else t, ({}, {}))
        values |= _values(name, record, base)
        unit = _text(record.get("u")) or _text(base.get("bu"))
        if unit and ("v" in record or "s" in record):
            units[name] = _UNITS.get(unit, unit)
    by_time = sorted(found.items(), key=lambda item: item[0])
    return [Reading(values, t, units=units) for t, (values, units) in by_time]


_BASES = ("bn", "bt", "bu", "bv", "bs")


def _values(name: str, record: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for label in _VALUES:
        if label not in record:
            continue
        value = record[label]
        offset = base.get({"v": "bv", "s": "bs"}.get(label, ""))
        if offset is not None and _is_number(offset) and _is_number(value):
            value += offset
        values[f"{name}.sum" if label == "s" else name] = value
    return values


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
