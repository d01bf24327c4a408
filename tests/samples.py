"""Samples of a telemetry source in a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sources.base import Sample

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sources.base import Event


async def next_sample(samples: AsyncIterator[Sample | Event]) -> Sample:
    """The next item, which must be a sample."""
    sample = await anext(samples)
    assert isinstance(sample, Sample)
    return sample
