"""Counts messages with a problem, and logs some of them."""

from __future__ import annotations

import logging

MAX_REASON = 300
"""Maximum characters of a reason that is kept."""

_log = logging.getLogger("rover.sources")


class Losses:
    """Counts lost messages, and logs the 1st, 2nd, 4th, 8th … of them.

    Args:
        source: the name of the source in the log.
        noun: of the messages that are counted, for the log.

    Attributes:
        count: messages so far.
        last: the newest reason; empty before the first message.
    """

    def __init__(self, source: str, noun: str = "lost message") -> None:
        self.count = 0
        self.last = ""
        self._source = source
        self._noun = noun

    def add(self, reason: object, payload: bytes | str = "", count: int = 1) -> None:
        """Count messages. The log line shows the reason and the start of the payload."""
        before, self.count = self.count, self.count + count
        self.last = " ".join(str(reason).split())[:MAX_REASON]
        if self.count.bit_length() > before.bit_length():
            shown = f" {payload[:80]!r}{'…' * (len(payload) > 80)}" if payload else ""
            _log.warning("%s: %s %d%s: %s", self._source, self._noun, self.count, shown, reason)
