"""What must hold of a telemetry dictionary."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, get_args

from rover.testing.clauses import Clause, ContractBroken
from rover.testing.values import flaw_of_text, is_sequence_of
from sources.base import RESERVED, Kind, Limits, Parameter

if TYPE_CHECKING:
    from sources.base import TelemetrySource


def known_parameters(source: TelemetrySource) -> list[Parameter]:
    """The dictionary, as it is now.

    Raises:
        ContractBroken: it is none.
    """
    try:
        parameters = source.parameters
    except Exception as exc:
        raise ContractBroken(
            Clause.TELEMETRY_PARAMETERS, f"reading `parameters` raised {exc!r}"
        ) from exc
    Clause.TELEMETRY_PARAMETERS.require(
        is_sequence_of(Parameter, parameters),
        f"`parameters` is {parameters!r} and no sequence of Parameters; is `@property` missing?",
    )
    seen: set[str] = set()
    for parameter in parameters:
        _check_parameter(parameter)
        Clause.TELEMETRY_NAMES.require(
            parameter.name not in seen, f"two parameters are called {parameter.name!r}"
        )
        seen.add(parameter.name)
    return list(parameters)


def _check_parameter(parameter: Parameter) -> None:
    name = parameter.name
    flaw = flaw_of_text(name)
    Clause.TELEMETRY_NAMES.require(not flaw, f"the name of a parameter is {flaw}")
    Clause.TELEMETRY_NAMES.require(
        name not in RESERVED,
        f"a parameter is called {name!r}; {', '.join(RESERVED)} are the server's own words",
    )
    Clause.TELEMETRY_KINDS.require(
        parameter.kind in get_args(Kind),
        f"{name!r} is of the kind {parameter.kind!r}; there are {', '.join(get_args(Kind))}",
    )
    Clause.TELEMETRY_LIMITS.require(
        parameter.limits == Limits() or parameter.kind in ("number", "integer"),
        f"{name!r} is of the kind {parameter.kind} and has limits",
    )
    yellow, red = (_bounds(name, *pair) for pair in (parameter.limits.yellow, parameter.limits.red))
    Clause.TELEMETRY_RED.require(
        red[0] <= yellow[0] and yellow[1] <= red[1],
        f"of {name!r}, red {parameter.limits.red} lies inside yellow {parameter.limits.yellow}",
    )


def _bounds(name: str, low: float | None, high: float | None) -> tuple[float, float]:
    ends = (-math.inf if low is None else low, math.inf if high is None else high)
    Clause.TELEMETRY_LIMITS.require(
        ends[0] < ends[1], f"{name!r} has the limits {(low, high)}, low above high"
    )
    return ends
