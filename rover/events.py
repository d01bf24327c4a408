"""Event ids, and the values other than events that a subscriber of a topic receives."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Self

from rover.errors import MalformedEventId

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_EPOCH_CHARACTERS = 64

MAX_EPOCHS = 64
"""Maximum number of epochs of a topic that are kept; the oldest are dropped."""

MAX_OFFSET_DIGITS = 18
"""Maximum number of digits of an offset: every such number fits into 64 bits."""


class EventId(NamedTuple):
    """The id of one event, `epoch-offset`.

    Offsets increase within a topic. Each topic has epochs of its own: see `Epochs`.
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


class Epochs:
    """The epochs of one topic, each from an offset on.

    An id stands for one event forever. When the server may have forgotten events that clients have
    seen, it must not use their ids again, so later events get a new epoch. Offsets go on, and ids
    of events before that remain valid.

    Args:
        epoch: letters and digits; random by default.

    Attributes:
        all: each epoch and its first offset, in order.
        current: the newest epoch.
        first: its first offset.
    """

    __slots__ = ("all", "current", "first")

    def __init__(self, epoch: str | None = None) -> None:
        self.restore([(epoch or new_epoch(), 1)])

    def restore(self, epochs: Sequence[tuple[str, int]]) -> None:
        """Replace all epochs.

        Args:
            epochs: each epoch and its first offset, in order; not empty.
        """
        self.all = list(epochs)
        self.current, self.first = self.all[-1]

    def renew(self, epoch: str, first: int) -> None:
        """Begin an epoch.

        Args:
            epoch: letters and digits.
            first: its first offset. Epochs that have no offset before it are replaced.
        """
        kept = [one for one in self.all if one[1] < first]
        self.restore([*kept, (epoch, first)][-MAX_EPOCHS:])

    def id(self, offset: int) -> EventId:
        """The id of the event with an offset; of 0, the id before the first event."""
        if offset >= self.first:
            return EventId(self.current, offset)
        for epoch, first in reversed(self.all):
            if offset >= first:
                return EventId(epoch, offset)
        return EventId(self.all[0][0], offset)


def new_epoch() -> str:
    """A random epoch."""
    return secrets.token_hex(4)


class GapReason(StrEnum):
    """Why a subscriber misses events."""

    EXPIRED = "expired"  # they expired before the client connected
    UNRECORDED = "unrecorded"  # they were not recorded, or their record is damaged
    EPOCH = "epoch"  # the client's last id is unknown: the server forgot its newest events
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
