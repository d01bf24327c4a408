"""The rules for samples and events."""

from __future__ import annotations

from collections.abc import Mapping

from sources.base import Event, Sample, Severity
from sources.rules.mistake import Mistake, shown
from sources.rules.values import text_error, time_error


def sample_mistake(sample: object) -> Mistake | None:
    """The first mistake in a sample, apart from its values, or in an event; `None` for none."""
    if isinstance(sample, Event):
        return _event_mistake(sample)
    if not isinstance(sample, Sample):
        return Mistake(
            "telemetry.samples", f"samples() yielded {shown(sample)}: must be a Sample or an Event"
        )
    if error := time_error(sample.t):
        return Mistake("telemetry.time", f"t={shown(sample.t)}: {error}")
    values: object = sample.values
    if not isinstance(values, Mapping):
        return Mistake(
            "telemetry.values",
            f"values={shown(values)}: must be a mapping, not {type(values).__name__}",
        )
    return None


def _event_mistake(event: Event) -> Mistake | None:
    severities: list[object] = list(Severity)
    errors = {
        "t": time_error(event.t),
        "severity": "" if event.severity in severities else f"must be one of {', '.join(Severity)}",
        "name": text_error(event.name),
        "message": text_error(event.message, empty=True),
    }
    for attribute, error in errors.items():
        if error:
            value = shown(getattr(event, attribute))
            return Mistake("telemetry.events", f"event: {attribute}={value}: {error}")
    return None
