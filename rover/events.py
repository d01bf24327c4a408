"""Event ids, and the values other than events that a subscriber of a topic receives."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Self

from rover.errors import MalformedEventId

MAX_EPOCH_CHARACTERS = 64

MAX_OFFSET_DIGITS = 18
"""Maximum number of digits of an offset: every such number fits into 64 bits."""


class EventId(NamedTuple):
    """The id of one event, `epoch-offset`.

    Offsets increase within an epoch. Each topic has an epoch of its own, so ids from before a
    restart of the server do not match new events.
    """

    epoch: str
    offset: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.offset}"

    @classmethod
    def parse(cls, text: str, *, name: str = "after") -> Self:
        """Read an id that a client sent.

        Args:
            text: the id.
            name: the parameter or header that it came in, for the error.

        Raises:
            MalformedEventId: the text is not of the form `epoch-offset`.
        """
        epoch, dash, offset = text.rpartition("-")
        if not (
            dash
            and (epoch.isascii() and epoch.isalnum() and len(epoch) <= MAX_EPOCH_CHARACTERS)
            and (offset.isascii() and offset.isdigit() and len(offset) <= MAX_OFFSET_DIGITS)
        ):
            raise MalformedEventId(name, text)
        return cls(epoch, int(offset))


class GapReason(StrEnum):
    """Why a subscriber misses events."""

    EXPIRED = "expired"  # they expired before the client connected
    EPOCH = "epoch"  # the client's last id is of another epoch: the server was restarted
    SLOW = "slow"  # they expired because the subscriber was too slow


@dataclass(frozen=True, slots=True)
class Gap:
    """A report that events are missing at this place in the stream.

    Attributes:
        after: the last event before the gap that the subscriber has.
        resumed: the first event after the gap.
        lost: the number of offsets in the gap; `None` if it is unknown.
        reason: why they are missing.
    """

    after: EventId
    resumed: EventId
    lost: int | None
    reason: GapReason


class Heartbeat:
    """A keepalive: no event has occurred for a while, and the stream is still open."""


HEARTBEAT = Heartbeat()
