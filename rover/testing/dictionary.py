"""Checks of a telemetry dictionary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.testing.clauses import Clause, ContractBroken, require_no_mistake
from sources.rules import dictionary_mistake

if TYPE_CHECKING:
    from sources.base import Parameter, TelemetrySource


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
    require_no_mistake(dictionary_mistake(parameters))
    return list(parameters)
