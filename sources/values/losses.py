"""What could not be taken, told without a flood."""

from __future__ import annotations

import logging

_log = logging.getLogger("rover.sources")


class Losses:
    """Counts losses, and logs the 1st, 2nd, 4th, 8th …: never silent, never a flood.

    Args:
        source: whose they are, for people.

    Attributes:
        count: how many so far.
    """

    def __init__(self, source: str) -> None:
        self.count = 0
        self._source = source

    def add(self, reason: object, payload: bytes | str = "") -> None:
        """Count one, for that reason, with the beginning of what was lost."""
        self.count += 1
        if self.count.bit_count() == 1:
            shown = repr(payload[:80]) + "…" * (len(payload) > 80) if payload else ""
            of = f" of {shown}" if shown else ""
            _log.warning("%s: loss no. %d%s: %s", self._source, self.count, of, reason)
