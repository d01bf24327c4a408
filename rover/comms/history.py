"""Pages of the messages that the log keeps of a channel, and a search in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple
from unicodedata import combining

from rover.comms.changes import FIELDS, Changes
from rover.comms.events import MessageEvent
from rover.comms.frames import encode
from rover.comms.records import PREFIX, unpack
from rover.errors import BadQuery, LogDamaged
from rover.events import Epochs, EventId, Gap, GapReason
from rover.logs.search import range_of
from rover.names import folded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from rover.comms.channel import Channel
    from rover.comms.events import ChannelEvent
    from rover.comms.frames import Frame
    from rover.logs.base import Log, Record

KINDS = ("message",)

READ_BYTES = 256 * 2**10
"""Approximate maximum bytes that are read and searched in one step."""

READ_RECORDS = 1_000
"""Maximum number of records that are read and searched in one step."""

MAX_PAGE_BYTES = 2 * 2**20
"""Approximate maximum bytes of the messages of one page."""

MAX_SEARCH_S = 2.0
"""Seconds after which a search returns what it has found."""

MAX_MARKS = 30
"""Maximum number of combining marks in sequence that are sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which messages a page has.

    Attributes:
        after: the message before the first; the page then begins with the oldest.
        before: the message after the last.
        since: POSIX seconds of the first message.
        until: POSIX seconds before which the last message is.
        text: that the messages contain, in any case; empty for all messages.
        limit: maximum number of messages.
    """

    after: EventId | None = None
    before: EventId | None = None
    since: float | None = None
    until: float | None = None
    text: str = ""
    limit: int = 100


class Kept(NamedTuple):
    """A message, with its id."""

    id: EventId
    event: MessageEvent


class Page(NamedTuple):
    """Some messages of a channel.

    Attributes:
        messages: the oldest first.
        changes: which of them were edited or retracted.
        next: `after` of the next page if this one has an `after`, else `before` of the page with
            older messages; `None` if there are no more.
    """

    messages: Sequence[Kept]
    next: EventId | None
    changes: Changes


async def find(
    log: Log,
    channel: str,
    query: Query,
    until: int | None,
    max_search_s: float = MAX_SEARCH_S,
    change_window: int = READ_RECORDS,
) -> Page:
    """A page of messages: the newest, unless the query has an `after`.

    A search that takes too long returns the messages found so far, with `next` to go on.

    Args:
        log: has the messages.
        channel: the name of the channel.
        query: selects the messages.
        until: the offset of the last event; `None` for all.
        max_search_s: maximum seconds of the search.
        change_window: maximum number of messages between a message and its edit.

    Raises:
        BadQuery: `after` or `before` is not the id of an event of the channel.
        LogDamaged: the messages cannot be read.
    """
    key = PREFIX + channel
    stream = log.stream(key)
    if stream is None:
        return Page([], None, Changes())
    epochs = Epochs()
    epochs.restore(stream.epochs)
    last = stream.last if until is None else min(stream.last, until)
    low, high = await _range(log, key, query, epochs, last)
    wanted, forward = folded(_stream_safe(query.text)), query.after is not None
    found: list[Kept] = []
    changes, following = Changes(), None
    place, bytes_left, ends_at = low if forward else high + 1, MAX_PAGE_BYTES, 0.0
    after_page = high
    while following is None:
        records = await log.read(
            key,
            after=low,
            until=high,
            kinds=KINDS,
            limit=READ_RECORDS if wanted else min(query.limit - len(found) + 1, READ_RECORDS),
            newest=not forward,
            max_bytes=READ_BYTES,
        )
        if not records:
            break
        for record in records if forward else reversed(records):
            if len(found) == query.limit or bytes_left <= 0 or 0 < ends_at < monotonic():
                following = epochs.id(place)
                break
            place = record.offset
            event = _message(record)
            if event is not None:
                changes.note(epochs.id(place), event)
                if not wanted or wanted in folded(_stream_safe(event.text)):
                    found.append(Kept(epochs.id(place), event))
                    bytes_left -= len(record.data)
            ends_at = ends_at or monotonic() + max_search_s  # a page makes progress
        low, high = (place, high) if forward else (low, place - 1)
    if found:
        end = place if forward else after_page
        await _note_later(log, key, changes, epochs, (end, last), change_window)
    return Page(found if forward else found[::-1], following, changes)


async def _note_later(
    log: Log,
    key: str,
    changes: Changes,
    epochs: Epochs,
    between: tuple[int, int],
    limit: int,
) -> None:
    """Note the changes after a page: the first messages after an offset, up to another one."""
    after, last = between
    while limit > 0 and after < last:
        records = await log.read(
            key, after=after, until=last, kinds=KINDS, limit=limit, max_bytes=READ_BYTES
        )
        if not records:
            return
        for record in records:
            if any(f'"{kind}"' in record.data for kind in FIELDS) and (event := _message(record)):
                changes.note(epochs.id(record.offset), event)
        limit, after = limit - len(records), records[-1].offset


async def missed(log: Log, channel: Channel, gap: Gap) -> AsyncIterator[Gap | Sequence[Frame]]:
    """The events of a gap that the log still has, in order, with gaps for the others."""
    if log.outage is not None or gap.reason is GapReason.EPOCH:
        yield gap
        return
    key, ids = PREFIX + channel.name, channel.topic.epochs
    position, last = gap.after.offset, gap.resumed.offset - 1
    try:
        oldest = await log.read(key, limit=1)
        first = oldest[0].offset if oldest else last + 1
        if first > position + 1:
            first = min(first, last + 1)
            yield replace(gap, resumed=ids.id(first), lost=first - 1 - position)
            position = first - 1
        while position < last and (
            records := await log.read(
                key,
                after=position,
                until=last,
                limit=READ_RECORDS,
                max_bytes=READ_BYTES,
                damaged=True,
            )
        ):
            frames: list[Frame] = []
            for record in records:
                event = _event(record)
                if event is not None:
                    frames.append(encode(channel.name, ids.id(record.offset), event))
                    continue
                if frames:
                    yield frames
                frames = []
                lost = Gap(
                    ids.id(record.offset - 1), ids.id(record.offset + 1), 1, GapReason.EXPIRED
                )
                yield lost
            if frames:
                yield frames
            position = records[-1].offset
    except LogDamaged:
        yield replace(gap, after=ids.id(position), lost=last - position)


async def _range(log: Log, key: str, query: Query, epochs: Epochs, last: int) -> tuple[int, int]:
    """The offset before the first message, and that of the last one."""
    low, high = 0, last
    for name, event_id in (("after", query.after), ("before", query.before)):
        if event_id is not None and epochs.id(event_id.offset) != event_id:
            raise BadQuery(name, str(event_id), "is not the id of an event of this channel")
    if query.after is not None:
        low = query.after.offset
    if query.before is not None:
        high = min(high, query.before.offset - 1)
    if query.since is not None or query.until is not None:
        first, end = await range_of(log, key, query.since, query.until, *KINDS)
        low, high = max(low, first), min(high, end)
    return low, max(low, high)


def _event(record: Record) -> ChannelEvent | None:
    try:
        return unpack(record)[0]
    except (LookupError, TypeError, ValueError):
        return None  # it is damaged, or of a later version


def _message(record: Record) -> MessageEvent | None:
    event = _event(record)
    return event if isinstance(event, MessageEvent) else None


def _stream_safe(text: str) -> str:
    """The text, with U+034F in long runs of marks: sorting 8,000 marks takes 0.2 s.

    Source: UAX #15, 13 (Stream-Safe Text Format).
    """
    if text.isascii():
        return text
    safe, run = [], 0
    for character in text:
        run = run + 1 if combining(character) else 0
        if run > MAX_MARKS:
            safe.append("\u034f")
            run = 1
        safe.append(character)
    return "".join(safe)
