"""A parser of server-sent events.

Source: WHATWG HTML, 9.2.5 and 9.2.6 (https://html.spec.whatwg.org/multipage/server-sent-events.html).

Differences to httpx-sse 0.4: the byte order mark is removed, a line that ends with CR is complete
at once, events without data are not returned, `retry` accepts only ASCII digits, and the size of
an event is bounded.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from dataclasses import dataclass

LINE_END = re.compile(rb"\r\n|\n|\r")

MAX_EVENT_BYTES = 16 * 2**20
"""Maximum size of one event. More is not a stream of events."""


class EventTooBig(ValueError):
    """An event is larger than `MAX_EVENT_BYTES`."""


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event.

    Attributes:
        name: the type; `message` for unnamed events.
        data: lines joined with a line feed.
        id: the newest id of the stream up to this event; empty if there is none.
    """

    name: str
    data: str
    id: str


class EventParser:
    """Turns bytes into events.

    Args:
        last_id: the id of the last event of the connection before.
        max_bytes: maximum size of one event.

    Attributes:
        last_id: the newest id.
        retry_ms: milliseconds to wait before a reconnection, if the stream has stated them.
    """

    def __init__(self, last_id: str = "", max_bytes: int = MAX_EVENT_BYTES) -> None:
        self.last_id = last_id
        self.retry_ms: int | None = None
        self._max_bytes = max_bytes
        self._begun = False
        self._after_cr = False
        self._rest = bytearray()
        self._size = 0
        self._id = last_id
        self._name = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """The events that this part of the stream completes.

        Raises:
            EventTooBig: an event is larger than `max_bytes`.
        """
        self._rest += chunk
        if not self._begun:
            if len(self._rest) < len(BOM_UTF8) and BOM_UTF8.startswith(self._rest):
                return []
            self._begun = True
            if self._rest.startswith(BOM_UTF8):
                del self._rest[: len(BOM_UTF8)]
        if self._after_cr and self._rest:
            self._after_cr = False
            if self._rest[0] == 0x0A:  # the LF of a CRLF that two chunks share
                del self._rest[0]
        if (
            b"\n" not in chunk
            and b"\r" not in chunk
            and self._size + len(self._rest) <= self._max_bytes
        ):
            return []
        events = []
        start = 0
        for end in LINE_END.finditer(self._rest):
            line = bytes(self._rest[start : end.start()])
            start = end.end()
            self._size += len(line)
            if (event := self._line(line)) is not None:
                events.append(event)
        self._after_cr = start == len(self._rest) and self._rest.endswith(b"\r")
        del self._rest[:start]
        if self._size + len(self._rest) > self._max_bytes:
            raise EventTooBig(f"an event has more than {self._max_bytes:,} bytes")
        return events

    def _line(self, line: bytes) -> ServerSentEvent | None:
        if not line:
            return self._dispatch()
        name, _, raw = line.partition(b":")  # the name of a comment is empty
        value = raw.removeprefix(b" ").decode(errors="replace")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._name = value
        elif name == b"id":
            if "\0" not in value:
                self._id = value
        elif name == b"retry" and value.isascii() and value.isdigit() and len(value) <= 9:
            self.retry_ms = int(value)
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        self.last_id = self._id
        name, data = self._name or "message", self._data
        self._name, self._data, self._size = "", [], 0
        return ServerSentEvent(name, "\n".join(data), self.last_id) if data else None
