"""The only feed of a telemetry stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rover.telemetry import Telemetry
    from rover.telemetry.feed import Feed


def feed_of(telemetry: Telemetry) -> Feed:
    """The feed of the only source."""
    [feed] = telemetry.feeds.values()
    return feed
