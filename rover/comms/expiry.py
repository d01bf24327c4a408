"""Which messages of a channel the log keeps: by their age, their number and their size."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple

from rover.retention import expired_count

if TYPE_CHECKING:
    from rover.comms.rules import PinnedChannel
    from rover.logs.base import Log, Stream
    from rover.settings import Settings

DAY_S = 86_400.0

READ_RECORDS = 2_000
"""Maximum number of records that are read at once, and of those that are too old and deleted."""

READ_BYTES = 512 * 2**10
"""Approximate maximum bytes of records that are read at once."""

RECORD_BYTES = 512
"""Bytes of a record of a message, without its text."""


class Limits(NamedTuple):
    """What the log keeps of a channel.

    Attributes:
        before: POSIX seconds; older events are deleted.
        messages: maximum number of messages.
        bytes: approximate maximum bytes of messages.
        message_bytes: maximum bytes of the text of one message.
    """

    before: float
    messages: int
    bytes: int
    message_bytes: int

    @classmethod
    def of(cls, settings: Settings, pinned: PinnedChannel, now: float) -> Limits:
        """The limits of a channel at a time in POSIX seconds."""
        days = settings.keep_comms_days if pinned.keep_days is None else pinned.keep_days
        return cls(
            now - days * DAY_S if days else -inf,
            pinned.keep_messages or settings.keep_comms_messages,
            pinned.keep_bytes or settings.keep_comms_bytes,
            settings.max_message_bytes,
        )


async def first_kept(log: Log, stream: Stream, limits: Limits) -> int:
    """The offset of the first event to keep; after `stream.last` if none is to be kept.

    Raises:
        LogDamaged: the log cannot be read.
    """
    oldest = await log.read(stream.key, limit=1)
    if not oldest:
        return 0
    first = oldest[0].offset
    span = stream.last - first + 1
    if span > limits.messages or span * (limits.message_bytes + RECORD_BYTES) > limits.bytes:
        first = await _first_within(log, stream, first, limits)
    if oldest[0].at < limits.before:
        page = await log.read(stream.key, after=first - 1, limit=READ_RECORDS)
        if count := expired_count((one.at for one in page), limits.before):
            first = page[count - 1].offset + 1
    return first


async def _first_within(log: Log, stream: Stream, first: int, limits: Limits) -> int:
    """The offset of the oldest message within the limits of number and size."""
    messages_left, bytes_left, until = limits.messages, limits.bytes, stream.last
    while page := await log.read(
        stream.key,
        until=until,
        kinds=("message",),
        newest=True,
        limit=READ_RECORDS,
        max_bytes=READ_BYTES,
    ):
        for record in reversed(page):
            messages_left -= 1
            bytes_left -= len(record.data)
            if messages_left < 0 or bytes_left < 0:
                return record.offset + 1
        until = page[0].offset - 1
    return first
