"""The rules for samples."""

from __future__ import annotations

from collections.abc import Mapping

from sources.base import Sample
from sources.rules.mistake import Mistake, shown
from sources.rules.values import time_error


def sample_mistake(sample: object) -> Mistake | None:
    """The first mistake in a sample, apart from its values; `None` if there is none."""
    if not isinstance(sample, Sample):
        return Mistake("telemetry.samples", f"samples() yielded {shown(sample)}: must be a Sample")
    if error := time_error(sample.t):
        return Mistake("telemetry.time", f"t={shown(sample.t)}: {error}")
    values: object = sample.values
    if not isinstance(values, Mapping):
        return Mistake(
            "telemetry.values",
            f"values={shown(values)}: must be a mapping, not {type(values).__name__}",
        )
    return None
