"""What routes read from a query string, with errors that say what would have been right."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rover.errors import BadQuery
from rover.topic import EventId

if TYPE_CHECKING:
    from collections.abc import Collection

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


def number(request: HTTPConnection, name: str, *, at_least: float, at_most: float) -> float | None:
    """The number, fractions allowed, that the query gives for `name`, or `None`.

    Raises:
        BadQuery: not a number, or out of range.
    """
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if at_least <= value <= at_most:
        return value
    raise BadQuery(name, text, f"must be a number from {at_least:,} to {at_most:,}")


def moment(request: HTTPConnection, name: str) -> float | None:
    """The time that the query gives for `name`, in POSIX seconds, or `None`.

    Raises:
        BadQuery: neither a date and time of ISO 8601 nor POSIX seconds.
    """
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        try:
            at = datetime.fromisoformat(text.replace(" ", "+"))  # a `+` that was not escaped
            value = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            value = math.nan
    if math.isfinite(value):
        return value
    reason = "must be a time such as 2026-11-22T07:00:00Z, or seconds since 1970"
    raise BadQuery(name, text, reason)


def names(request: HTTPConnection, name: str, known: Collection[str]) -> tuple[str, ...] | None:
    """The comma-separated names that the query gives, each once and sorted, or `None`.

    Raises:
        BadQuery: one of them is not known, or there are none.
    """
    text = request.query_params.get(name)
    if text is None:
        return None
    found = {word.strip() for word in text.split(",")} - {""}
    unknown = sorted(found.difference(known))
    if unknown or not found:
        reason = f"unknown: {', '.join(unknown)}" if unknown else "names nothing"
        raise BadQuery(name, text, f"{reason}; known: {', '.join(sorted(known)) or 'none yet'}")
    return tuple(sorted(found))


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
