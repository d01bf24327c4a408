"""Checks of a telemetry dictionary."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, get_args

from rover.testing.clauses import Clause, ContractBroken
from rover.testing.values import is_sequence_of, text_error
from sources.base import RESERVED, Kind, Limits, Parameter

if TYPE_CHECKING:
    from sources.base import TelemetrySource


def check_dictionary(source: TelemetrySource) -> list[Parameter]:
    """Return the source's parameters as they are now.

    Raises:
        ContractBroken: they are not a sequence of valid parameters with unique names.
    """
    try:
        parameters = source.parameters
    except Exception as exc:
        raise ContractBroken(
            Clause.TELEMETRY_PARAMETERS, f"reading `parameters` raised {exc!r}"
        ) from exc
    Clause.TELEMETRY_PARAMETERS.require(
        is_sequence_of(Parameter, parameters),
        f"parameters={parameters!r}: must be a sequence of Parameter; is `@property` missing?",
    )
    names: set[str] = set()
    for parameter in parameters:
        _check_parameter(parameter)
        Clause.TELEMETRY_NAMES.require(
            parameter.name not in names, f"name={parameter.name!r}: must be unique"
        )
        names.add(parameter.name)
    return list(parameters)


def _check_parameter(parameter: Parameter) -> None:
    name = parameter.name
    error = text_error(name)
    Clause.TELEMETRY_NAMES.require(not error, f"name={name!r}: {error}")
    Clause.TELEMETRY_NAMES.require(
        name not in RESERVED,
        f"name={name!r}: must not be one of {', '.join(RESERVED)}, which the server adds",
    )
    kinds = get_args(Kind)
    Clause.TELEMETRY_KINDS.require(
        parameter.kind in kinds,
        f"kind={parameter.kind!r} of parameter {name!r}: must be one of {', '.join(kinds)}",
    )
    Clause.TELEMETRY_LIMITS.require(
        parameter.limits == Limits() or parameter.kind in ("number", "integer"),
        f"limits of parameter {name!r}: must be empty for kind={parameter.kind!r}",
    )
    yellow, red = parameter.limits.yellow, parameter.limits.red
    yellow_low, yellow_high = _bounds(name, yellow)
    red_low, red_high = _bounds(name, red)
    Clause.TELEMETRY_RED.require(
        red_low <= yellow_low and yellow_high <= red_high,
        f"red={red} of parameter {name!r}: must lie outside yellow={yellow}",
    )


def _bounds(name: str, limits: tuple[float | None, float | None]) -> tuple[float, float]:
    low = -math.inf if limits[0] is None else limits[0]
    high = math.inf if limits[1] is None else limits[1]
    Clause.TELEMETRY_LIMITS.require(
        low < high,
        f"limits={limits} of parameter {name!r}: must be (low, high) with low below high",
    )
    return low, high
