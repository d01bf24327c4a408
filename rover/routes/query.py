"""What routes read from a query string, with errors that say what would have been right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.errors import BadQuery
from rover.topic import EventId

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection


def whole_number(
    request: HTTPConnection, name: str, *, at_least: int = 0, at_most: int
) -> int | None:
    """The number that the query gives for `name`, or `None` where it gives none.

    Raises:
        BadQuery: not a whole number, or out of range.
    """
    text = request.query_params.get(name)
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) <= 18 and at_least <= int(text) <= at_most:
        return int(text)
    raise BadQuery(name, text, f"must be a whole number from {at_least:,} to {at_most:,}")


def resume_point(request: HTTPConnection) -> EventId | None:
    """The event that the reader has already, or `None` to start from now.

    The `Last-Event-ID` of a browser that connects again outranks `?after=`, which it repeats
    unchanged from its first request.

    Raises:
        MalformedEventId: it is not an id that this server gives out.
    """
    if text := request.headers.get("last-event-id"):
        return EventId.parse(text, name="Last-Event-ID")
    text = request.query_params.get("after")
    return None if text is None else EventId.parse(text)
