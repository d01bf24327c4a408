"""Values of query parameters, with errors that name the allowed values."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from rover.errors import BadQuery
from rover.topic import EventId
from sources.values.ranges import Range

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.requests import HTTPConnection

T = TypeVar("T", bound=str)


def whole_number(
    request: HTTPConnection, name: str, *, at_least: int = 0, at_most: int
) -> int | None:
    """The whole number of the parameter `name`, or `None` if the query does not have it.

    Raises:
        BadQuery: it is not a whole number, or out of range.
    """
    text = request.query_params.get(name)
    if text is None:
        return None
    allowed = Range(at_least, at_most)
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise BadQuery(name, text, allowed.must_be("a whole number"))
    if (value := int(text)) not in allowed:
        raise BadQuery(name, text, allowed.must_be())
    return value


def number(request: HTTPConnection, name: str, *, at_least: float, at_most: float) -> float | None:
    """The number of the parameter `name`, or `None` if the query does not have it.

    Raises:
        BadQuery: it is not a number, or out of range.
    """
    text = request.query_params.get(name)
    if text is None:
        return None
    value = _float(text)
    if value in (allowed := Range(at_least, at_most)):
        return value
    raise BadQuery(name, text, allowed.must_be())


def choice(request: HTTPConnection, name: str, choices: Collection[T]) -> T | None:
    """The parameter `name` if it is one of the choices, or `None` if the query does not have it.

    Raises:
        BadQuery: it is none of the choices.
    """
    text = request.query_params.get(name)
    found = next((known for known in choices if known == text), None)
    if text is not None and found is None:
        raise BadQuery(name, text, f"must be one of {', '.join(choices)}")
    return found


def moment(request: HTTPConnection, name: str) -> float | None:
    """The time of the parameter `name` in POSIX seconds, or `None` if the query does not have it.

    Raises:
        BadQuery: it is neither an ISO 8601 time nor POSIX seconds.
    """
    text = request.query_params.get(name)
    if text is None:
        return None
    value = _float(text)
    if math.isnan(value):
        try:
            at = datetime.fromisoformat(text.replace(" ", "+"))  # an unescaped `+`
            value = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            value = math.nan
    if math.isfinite(value):
        return value
    reason = "must be a time such as 2026-11-22T07:00:00Z, or seconds since 1970"
    raise BadQuery(name, text, reason)


def _float(text: str) -> float:
    """The number, or NaN if the text is not a number."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def names(request: HTTPConnection, name: str, known: Collection[str]) -> tuple[str, ...] | None:
    """The comma-separated names of the parameter `name`, without duplicates and sorted.

    Returns:
        The names, or `None` if the query does not have the parameter.

    Raises:
        BadQuery: a name is unknown, or the list is empty.
    """
    text = request.query_params.get(name)
    if text is None:
        return None
    found = {word.strip() for word in text.split(",")} - {""}
    unknown = sorted(found.difference(known))
    if unknown or not found:
        reason = f"unknown: {', '.join(unknown)}" if unknown else "must not be empty"
        raise BadQuery(name, text, f"{reason}; known: {', '.join(sorted(known)) or 'none yet'}")
    return tuple(sorted(found))


def resume_point(request: HTTPConnection) -> EventId | None:
    """The last event that the client has received, or `None` to start with new events.

    The header `Last-Event-ID` takes precedence over `?after=`: a browser that reconnects repeats
    the `?after=` of its first request unchanged.

    Raises:
        MalformedEventId: it is not of the form `epoch-offset`.
    """
    if text := request.headers.get("last-event-id"):
        return EventId.parse(text, name="Last-Event-ID")
    text = request.query_params.get("after")
    return None if text is None else EventId.parse(text)
