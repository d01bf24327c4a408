"""Query parameters: each is declared once, and both the routes and `/openapi.json` use it.

    LIMIT = WholeNumber(name="limit", summary="number of events", at_most=10_000, default=100)
    LIMIT.of(request)  # the value, checked
    LIMIT.schema       # the same bounds, as JSON Schema

An invalid value raises `BadQuery`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rover.errors import BadQuery
from rover.events import MAX_EPOCH_CHARACTERS, MAX_OFFSET_DIGITS, EventId
from sources.values.ranges import Range

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from starlette.requests import HTTPConnection

Default = TypeVar("Default", covariant=True)
Word = TypeVar("Word", bound=str)

Schema = dict[str, Any]
"""A JSON Schema."""

EVENT_ID = f"[0-9A-Za-z]{{1,{MAX_EPOCH_CHARACTERS}}}-[0-9]{{1,{MAX_OFFSET_DIGITS}}}"
"""An event id, as a regular expression."""

MAX_DIGITS = 18
"""Maximum number of digits of a whole number: every such number fits into 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryParameter(ABC):
    """A query parameter. `of` of each kind returns its value in a request.

    Attributes:
        name: of the parameter.
        summary: for people.
    """

    name: str
    summary: str

    def text(self, request: HTTPConnection) -> str | None:
        """The text in a request; `None` if the query does not have the parameter."""
        return request.query_params.get(self.name)

    @property
    @abstractmethod
    def schema(self) -> Schema:
        """The allowed values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeNumber(QueryParameter, Generic[Default]):
    """A whole number between two bounds.

    Attributes:
        at_least: the smallest number.
        at_most: the largest number.
        default: the value if the query does not have the parameter.
    """

    at_least: int = 0
    at_most: int
    default: Default

    def of(self, request: HTTPConnection) -> int | Default:
        """The value in a request, or the default.

        Raises:
            BadQuery: it is not a whole number, or out of range.
        """
        text = self.text(request)
        if text is None:
            return self.default
        allowed = Range(self.at_least, self.at_most)
        if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
            raise BadQuery(self.name, text, allowed.must_be("a whole number"))
        if (value := int(text)) not in allowed:
            raise BadQuery(self.name, text, allowed.must_be())
        return value

    @property
    def schema(self) -> Schema:
        """Its values."""
        bounds = {"type": "integer", "minimum": self.at_least, "maximum": self.at_most}
        return bounds if self.default is None else {**bounds, "default": self.default}


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(QueryParameter):
    """A number between two bounds.

    Attributes:
        at_least: the smallest number.
        at_most: the largest number.
        or_zero: whether zero is allowed too.
    """

    at_least: float
    at_most: float
    or_zero: bool = False

    def of(self, request: HTTPConnection) -> float | None:
        """The value in a request, or `None` if the query does not have it.

        Raises:
            BadQuery: it is not a number, or out of range.
        """
        text = self.text(request)
        if text is None:
            return None
        value, allowed = _float(text), Range(self.at_least, self.at_most)
        if value in allowed or (self.or_zero and value == 0):
            return value
        raise BadQuery(self.name, text, allowed.must_be() + (", or 0" if self.or_zero else ""))

    @property
    def schema(self) -> Schema:
        """Its values."""
        numbers: Schema = {"type": "number", "minimum": self.at_least, "maximum": self.at_most}
        return {"anyOf": [{"const": 0}, numbers]} if self.or_zero else numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment(QueryParameter):
    """A time: ISO 8601, in UTC if it has no zone, or seconds since 1970."""

    def of(self, request: HTTPConnection) -> float | None:
        """The time in POSIX seconds, or `None` if the query does not have it.

        Raises:
            BadQuery: it is neither an ISO 8601 time nor POSIX seconds.
        """
        text = self.text(request)
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
        raise BadQuery(self.name, text, reason)

    @property
    def schema(self) -> Schema:
        """Its values."""
        return {
            "anyOf": [
                {"type": "string", "format": "date-time"},
                {"type": "string", "format": "date"},
                {"type": "number"},
            ]
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(QueryParameter, Generic[Word]):
    """One of several words.

    Attributes:
        choices: returns the words, which may change at run time.
    """

    choices: Callable[[], Collection[Word]]

    def of(self, request: HTTPConnection) -> Word | None:
        """The word in a request, or `None` if the query does not have the parameter.

        Raises:
            BadQuery: it is none of the choices.
        """
        text, choices = self.text(request), self.choices()
        found = next((known for known in choices if known == text), None)
        if text is not None and found is None:
            raise BadQuery(self.name, text, f"must be one of {', '.join(choices)}")
        return found

    @property
    def schema(self) -> Schema:
        """Its values, as they are now."""
        return {"type": "string", "enum": list(self.choices())}


@dataclass(frozen=True, slots=True, kw_only=True)
class Names(QueryParameter):
    """A comma-separated list of names.

    Attributes:
        known: returns the names, which may change at run time.
        listed: whether the names never change, so that the documents list them.
    """

    known: Callable[[], Collection[str]]
    listed: bool = False

    def of(self, request: HTTPConnection) -> tuple[str, ...] | None:
        """The names, without duplicates and sorted, or `None` if the query does not have them.

        Raises:
            BadQuery: a name is unknown, or the list is empty.
        """
        text = self.text(request)
        if text is None:
            return None
        known = self.known()
        found = {word.strip() for word in text.split(",")} - {""}
        unknown = sorted(found.difference(known))
        if unknown or not found:
            reason = f"unknown: {', '.join(unknown)}" if unknown else "must not be empty"
            known_names = ", ".join(sorted(known)) or "none yet"
            raise BadQuery(self.name, text, f"{reason}; known: {known_names}")
        return tuple(sorted(found))

    @property
    def schema(self) -> Schema:
        """Its values."""
        items = {"enum": list(self.known())} if self.listed else {"minLength": 1}
        return {"type": "array", "items": {"type": "string", **items}, "minItems": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts(QueryParameter):
    """Several texts without commas: `?name=a,b` or `?name=a&name=b`.

    Attributes:
        at_most: maximum number of texts.
    """

    at_most: int

    def of(self, request: HTTPConnection) -> list[str]:
        """The texts in a request.

        Raises:
            BadQuery: there is none, or there are too many.
        """
        given = ",".join(request.query_params.getlist(self.name))
        found = [text for text in given.split(",") if text]
        if not 0 < len(found) <= self.at_most:
            raise BadQuery(self.name, given, f"must be 1 to {self.at_most} names")
        return found

    @property
    def schema(self) -> Schema:
        """Its values."""
        items = {"type": "string", "minLength": 1}
        return {"type": "array", "items": items, "minItems": 1, "maxItems": self.at_most}


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(QueryParameter):
    """Any text.

    Attributes:
        pattern: a regular expression of the texts that the route accepts, which checks them itself.
    """

    pattern: str = ""

    def of(self, request: HTTPConnection) -> str | None:
        """The text in a request, or `None` if the query does not have it."""
        return self.text(request)

    @property
    def schema(self) -> Schema:
        """Its values."""
        return {"type": "string", **({"pattern": self.pattern} if self.pattern else {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumePoint(QueryParameter):
    """The id of the last event that the client has received.

    The header `Last-Event-ID` takes precedence over the parameter: a browser that reconnects
    repeats the `?after=` of its first request unchanged.

    Attributes:
        name: of the parameter.
        header: its name.
        summary: for people.
    """

    name: str = "after"
    header: str = "Last-Event-ID"
    summary: str = "id of the last event that the client has; the stream resumes after it"

    def of(self, request: HTTPConnection) -> EventId | None:
        """The id in a request, or `None` to start with new events.

        Raises:
            MalformedEventId: one of both is not of the form `epoch-offset`.
        """
        text = self.text(request)
        after = None if text is None else EventId.parse(text, name=self.name)
        if text := request.headers.get(self.header):
            return EventId.parse(text, name=self.header)
        return after

    @property
    def schema(self) -> Schema:
        """Its values."""
        return {"type": "string", "pattern": f"^{EVENT_ID}$"}

    @property
    def header_schema(self) -> Schema:
        """The values of the header; an empty one counts as none."""
        return {"type": "string", "pattern": f"^({EVENT_ID})?$"}


RESUME_POINT = ResumePoint()


def _float(text: str) -> float:
    """The number, or NaN if the text is not a number."""
    try:
        return float(text)
    except ValueError:
        return math.nan
