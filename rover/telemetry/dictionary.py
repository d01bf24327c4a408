"""Reads the dictionary and the period of a source, and checks them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rover.guard import is_interrupt
from sources.base import Paced, SourceError
from sources.rules import dictionary_mistake
from sources.rules.describe import describe
from sources.rules.mistake import shown
from sources.rules.values import is_number

if TYPE_CHECKING:
    from sources.base import Parameter, TelemetrySource


def dictionary_of(source: TelemetrySource, known: list[Parameter] | None = None) -> list[Parameter]:
    """The parameters of a source.

    Args:
        source: the source.
        known: valid parameters. They are returned, unchecked, if the source has the same.

    Raises:
        SourceError: a parameter, or `period_s`, is invalid.
    """
    period_of(source)
    parameters = source.parameters
    is_sequence = isinstance(parameters, Sequence)  # the source may return anything
    if is_sequence and known is not None and list(parameters) == known:
        return known
    if mistake := dictionary_mistake(parameters):
        raise SourceError(mistake.text)
    return list(parameters)


def first_dictionary_of(source: TelemetrySource, label: str) -> list[Parameter]:
    """The parameters of a source at the start of the server.

    Args:
        source: the source.
        label: its name, for the error.

    Raises:
        SourceError: a parameter is invalid, or they cannot be read. The text names the source.
    """
    try:
        return dictionary_of(source)
    except BaseException as exc:
        if is_interrupt(exc):
            raise
        raise SourceError(f"{label} source {type(source).__name__}: {describe(exc)}") from exc


def period_of(source: TelemetrySource) -> float | None:
    """The declared seconds between two samples of a source; `None` if it declares none.

    Raises:
        SourceError: the period is invalid.
    """
    if not isinstance(source, Paced):
        return None
    period_s: float | None = source.period_s
    if period_s is not None and not (is_number(period_s) and period_s >= 0):
        raise SourceError(f"period_s={shown(period_s)}: must be a number above 0")
    return period_s
