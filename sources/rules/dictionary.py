"""The rules for a telemetry dictionary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from sources.base import RESERVED, Kind, Limits, Parameter
from sources.rules.mistake import Mistake, shown
from sources.rules.values import is_number, text_error

MAX_PARAMETERS = 10_000
"""Maximum number of parameters of one source."""

KINDS = get_args(Kind)


def dictionary_mistake(parameters: object) -> Mistake | None:
    """The first mistake in `TelemetrySource.parameters`; `None` if there is none."""
    if not isinstance(parameters, Sequence) or isinstance(parameters, str | bytes):
        return Mistake(
            "telemetry.parameters",
            f"parameters={shown(parameters)}: must be a sequence of Parameter, not "
            f"{type(parameters).__name__}; is `@property` missing?",
        )
    if len(parameters) > MAX_PARAMETERS:
        return Mistake(
            "telemetry.parameters",
            f"{len(parameters):,} parameters: must be at most {MAX_PARAMETERS:,}",
        )
    names: set[str] = set()
    for parameter in parameters:
        if not isinstance(parameter, Parameter):
            return Mistake(
                "telemetry.parameters",
                f"{shown(parameter)} in parameters={shown(parameters)}: must be a Parameter",
            )
        if mistake := _parameter_mistake(parameter):
            return mistake
        if parameter.name in names:
            return Mistake("telemetry.names", f"name={shown(parameter.name)}: must be unique")
        names.add(parameter.name)
    return None


def _parameter_mistake(parameter: Parameter) -> Mistake | None:
    name = shown(parameter.name)
    if error := text_error(parameter.name):
        return Mistake("telemetry.names", f"name={name}: {error}")
    if parameter.name in RESERVED:
        reserved = ", ".join(RESERVED)
        return Mistake(
            "telemetry.names", f"name={name}: must not be one of {reserved}, which the server adds"
        )
    if parameter.kind not in KINDS:
        return Mistake(
            "telemetry.kinds",
            f"kind={shown(parameter.kind)} of parameter {name}: must be one of {', '.join(KINDS)}",
        )
    for attribute in ("unit", "description"):
        text = getattr(parameter, attribute)
        if error := text_error(text, empty=True):
            return Mistake(
                "telemetry.parameters", f"{attribute}={shown(text)} of parameter {name}: {error}"
            )
    period_s = parameter.period_s
    if period_s is not None and not (is_number(period_s) and period_s > 0):
        return Mistake(
            "telemetry.period",
            f"period_s={shown(period_s)} of parameter {name}: must be a number above 0, or None",
        )
    return _limits_mistake(parameter, f"of parameter {name}")


def _limits_mistake(parameter: Parameter, of: str) -> Mistake | None:
    limits: object = parameter.limits
    if not isinstance(limits, Limits):
        return Mistake("telemetry.limits", f"limits={shown(limits)} {of}: must be a Limits")
    for level, bounds in (("yellow", limits.yellow), ("red", limits.red)):
        if not _are_bounds(bounds):
            return Mistake(
                "telemetry.limits",
                f"limits={shown(bounds)} ({level}) {of}: must be (low, high), each a number or "
                "None, with low below high",
            )
    for attribute, number in (
        ("hysteresis", 0 if limits.hysteresis is None else limits.hysteresis),
        ("min_duration_s", limits.min_duration_s),
    ):
        if not (is_number(number) and number >= 0):
            return Mistake(
                "telemetry.limits",
                f"{attribute}={shown(number)} {of}: must be a number of at least 0",
            )
    if limits != Limits() and parameter.kind not in ("number", "integer"):
        return Mistake(
            "telemetry.limits", f"limits {of}: must be empty for kind={parameter.kind!r}"
        )
    (yellow_low, yellow_high), (red_low, red_high) = limits.yellow, limits.red
    if _is_below(yellow_low, red_low) or _is_below(red_high, yellow_high):
        return Mistake(
            "telemetry.red",
            f"red={shown(limits.red)} {of}: must lie outside yellow={shown(limits.yellow)}",
        )
    return None


def _are_bounds(bounds: object) -> bool:
    if not isinstance(bounds, tuple | list) or len(bounds) != 2:
        return False
    if not all(bound is None or is_number(bound) for bound in bounds):
        return False
    low, high = bounds
    return low is None or high is None or low < high


def _is_below(bound: float | None, other: float | None) -> bool:
    return bound is not None and other is not None and bound < other
