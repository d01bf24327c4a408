"""How long a check waits for a source."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a check waits for a source.

    Attributes:
        wait_s: Seconds to wait for an item, for the end of an iterator, or for a call to return.
        cancel_s: Seconds in which an iterator and its tasks must end after a cancellation.
        stall_s: Seconds for which the source may block the event loop at a time.
    """

    wait_s: float
    cancel_s: float
    stall_s: float
