"""The dictionary of a configuration file: changes of parameters, and derived parameters."""

from __future__ import annotations

from dataclasses import fields
from math import inf
from typing import TYPE_CHECKING, Any

from rover.config.table import is_number
from rover.telemetry.calibration import Points, Polynomial
from rover.telemetry.derived import DerivedParameter
from rover.telemetry.expression import Expression, ExpressionError
from rover.telemetry.translation import ParameterChange
from sources.base import Limits, Parameter
from sources.values.dictionary import parameter_from_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rover.config.table import Table
    from rover.telemetry.calibration import Calibration

LIMIT_KEYS = tuple(info.name for info in fields(Limits))
FIELD_KEYS = tuple(info.name for info in fields(Parameter) if info.name not in ("name", "limits"))
MAX_COEFFICIENTS = 16
MAX_POINTS = 1000


def read_changes(parameters: Table) -> Mapping[str, ParameterChange]:
    """The changes in the table `parameters`, by the name of the parameter."""
    changes: dict[str, ParameterChange] = {}
    for name, table in parameters.tables():
        table.allow((*FIELD_KEYS, *LIMIT_KEYS, "calibration"))
        calibration = _calibration(table) if "calibration" in table else None
        described = _parameter(name, table)
        changes[name] = ParameterChange(
            {key: getattr(described, key) for key in FIELD_KEYS if key in table},
            {key: getattr(described.limits, key) for key in LIMIT_KEYS if key in table},
            calibration,
        )
    return changes


def read_derived(derived: Table) -> tuple[DerivedParameter, ...]:
    """The derived parameters in the table `derived`; those with problems are left out."""
    found: list[DerivedParameter] = []
    for name, table in derived.tables():
        table.allow(("expression", *FIELD_KEYS, *LIMIT_KEYS))
        text = table.values.get("expression")
        if not isinstance(text, str):
            table.refuse("expression", 'must be given, as in expression = "voltage * current"')
            continue
        try:
            expression = Expression(text)
        except ExpressionError as exc:
            table.refuse_value("expression", str(exc))
            continue
        found.append(DerivedParameter(_parameter(name, table), expression))
    return tuple(found)


def _parameter(name: str, table: Table) -> Parameter:
    """The parameter that the table describes; without details if there is a problem."""
    entry: dict[str, Any] = {key: table.values[key] for key in FIELD_KEYS if key in table}
    limits = {key: _open(table.values[key]) for key in LIMIT_KEYS if key in table}
    try:
        return parameter_from_json({"name": name, **entry, "limits": limits})
    except ValueError as exc:
        table.refuse_text(str(exc))
        return Parameter(name)


def _open(value: Any) -> Any:
    """Limits with `None` for an open side: TOML has `inf` and `-inf`, but no null."""
    if isinstance(value, list) and len(value) == 2:
        low, high = value
        return [None if low == -inf else low, None if high == inf else high]
    return value


def _calibration(table: Table) -> Calibration | None:
    value = table.values["calibration"]
    match value:
        case {"polynomial": [_, *_] as coefficients, **rest} if not rest:
            if len(coefficients) <= MAX_COEFFICIENTS and all(map(is_number, coefficients)):
                return Polynomial(tuple(map(float, coefficients)))
        case {"points": [_, _, *_] as points, **rest} if not rest:
            if len(points) <= MAX_POINTS and all(map(_is_point, points)):
                raw, calibrated = zip(*sorted(points), strict=True)
                if len(set(raw)) == len(raw):
                    return Points(tuple(map(float, raw)), tuple(map(float, calibrated)))
    table.refuse_value(
        "calibration",
        f"must be {{ polynomial = [0.0, 0.01] }}, with 1 to {MAX_COEFFICIENTS} coefficients, or "
        f"{{ points = [[0, 0.0], [1023, 5.0]] }}, with 2 to {MAX_POINTS:,} different raw values",
    )
    return None


def _is_point(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(is_number, value))
