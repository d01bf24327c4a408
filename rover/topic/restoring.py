"""Restores the events of a topic from the records of its store."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, TypeVar

from rover.events import GapReason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rover.logs.base import Record
    from rover.topic.retained import Retained

Item = TypeVar("Item")
Frame = TypeVar("Frame")


def restore(
    events: Retained[Item, Frame],
    records: Iterable[Record],
    read: Callable[[Record], tuple[Item, Frame, float] | None],
) -> list[tuple[Record, Item]]:
    """Retain events of a store.

    If an event is missing, all events before it count as expired. One that cannot be read is a gap
    between the others.

    Args:
        events: retains them; its `last` is that of the stream.
        records: the newest of the stream, oldest first.
        read: returns the event of a record, its frame and its time; `None` if it cannot be read.

    Returns:
        The retained events and their records.
    """
    last = events.last
    found: list[tuple[Record, Item]] = []
    for record in records:
        if found and record.offset != events.last + 1 and not events.skips_offsets:
            events.expire_to(record.offset - 1, reason=GapReason.UNRECORDED)
            found.clear()
        event = read(record)
        if event is None:
            if found:
                events.add_unreadable(record.offset)
            else:
                events.expire_to(record.offset, reason=GapReason.UNRECORDED)
            continue
        item, frame, at = event
        if not len(events):
            events.expired = record.offset - 1
            events.expired_time = at if record.offset > 1 else -inf
        events.append(record.offset, item, frame, at)
        found.append((record, item))
    if events.last < last:
        events.expire_to(last, reason=GapReason.UNRECORDED)
        found.clear()
    return found
