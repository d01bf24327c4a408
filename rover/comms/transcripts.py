"""The messages of several channels as one file, such as the report after a shift.

    messages of each channel ─▶ merged by time ─▶ a writer ─▶ pieces of the file

All functions block, and need little memory however long the file is. `transcript_writers` has the
formats.
"""

from __future__ import annotations

from functools import partial
from heapq import merge
from math import inf
from typing import TYPE_CHECKING

from anyio import from_thread

from rover.comms.events import MessageEvent
from rover.comms.history import KINDS, Kept
from rover.comms.records import PREFIX, unpack
from rover.comms.transcript_writers import WRITERS, Line
from rover.events import Epochs
from rover.logs.search import range_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rover.logs.base import Log, Record, Stream

READ_RECORDS = 500
"""Maximum number of records of a channel that are read at once."""

READ_BYTES = 64 * 2**10
"""Approximate maximum bytes of them."""

PIECE_BYTES = 64 * 2**10
"""Approximate size of a piece of the file."""


def pieces(channels: Mapping[str, Iterable[Kept]], file_format: str) -> Iterator[bytes]:
    """The pieces of a file, which are not empty.

    Args:
        channels: the messages of each channel, in its order.
        file_format: one of `FORMATS`.
    """
    writer = WRITERS[file_format](list(channels))
    found, size = [writer.head()], 0
    lines = [_lines(name, messages) for name, messages in channels.items()]
    for line in merge(*lines, key=lambda line: line.event.at):
        found.append(writer.line(line))
        size += len(found[-1])
        if size > PIECE_BYTES:
            yield "".join(found).encode()
            found, size = [], 0
    if rest := "".join(found):
        yield rest.encode()


def stored_messages(
    log: Log, channel: str, since: float | None, until: float | None
) -> Iterator[Kept]:
    """The messages that a log has of a channel. Iterate in a worker thread of the log's event loop.

    Args:
        log: has the messages.
        channel: its name.
        since: POSIX seconds of the first message.
        until: POSIX seconds before which the last message is.

    Raises:
        LogDamaged: the messages cannot be read.
    """
    key = PREFIX + channel
    if (stream := log.stream(key)) is None:
        return
    low, last = from_thread.run(range_of, log, key, since, until, *KINDS)
    while records := from_thread.run(
        partial(
            log.read,
            key,
            after=low,
            until=last,
            kinds=KINDS,
            limit=READ_RECORDS,
            max_bytes=READ_BYTES,
        )
    ):
        yield from messages_of(stream, records, since, until)
        low = records[-1].offset


def messages_of(
    stream: Stream, records: Iterable[Record], since: float | None, until: float | None
) -> Iterator[Kept]:
    """The messages among the records of a stream, from a time on and before another."""
    epochs = Epochs()
    epochs.restore(stream.epochs)
    low, high = -inf if since is None else since, inf if until is None else until
    for record in records:
        if record.kind not in KINDS:
            continue
        try:
            event, at = unpack(record)
        except (LookupError, TypeError, ValueError):
            continue  # it is damaged, or of a later version
        if isinstance(event, MessageEvent) and low <= at < high:
            yield Kept(epochs.id(record.offset), event)


def _lines(channel: str, messages: Iterable[Kept]) -> Iterator[Line]:
    return (Line(channel, *one) for one in messages)
