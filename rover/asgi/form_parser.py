"""A parser of multipart forms without I/O: it is fed with bytes, and calls its owner.

Source: RFC 2046, 5.1 (multipart: preamble, delimiters, padding, epilogue); RFC 7578 (form-data);
RFC 5322, 2.2 (headers).
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from rover.errors import NotAnUpload

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_HEADER_BYTES = 8 * 2**10
"""Maximum size of the headers of a field."""

MAX_HEADERS = 16
"""Maximum number of headers of a field."""

MAX_PADDING_BYTES = 256
"""Maximum number of blanks after a boundary."""

HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:[ \t]*(.*)", re.DOTALL)

FOLD = re.compile(r"\r\n[ \t]+")
"""A header that goes on in the next line."""

AFTER_BOUNDARY = re.compile(rb"[ \t]*\r\n")

PLAIN_ENCODINGS = ("7bit", "8bit", "binary")
"""Values of `Content-Transfer-Encoding` that change nothing."""


class Part(Protocol):
    """What the owner of a parser does with the fields of a form."""

    def begin_part(self, headers: Mapping[str, str]) -> None:
        """A field begins. The names of its headers are in lower case."""
        ...

    def receive(self, data: bytes) -> None:
        """Bytes of the field have arrived."""
        ...

    def end_part(self) -> None:
        """The field has ended."""
        ...


class _State(Enum):
    PREAMBLE = 1
    HEADERS = 2
    CONTENT = 3
    EPILOGUE = 4


class FormParser:
    """Splits a form into its fields.

    Args:
        boundary: of the form.
        part: is called for each field.

    Attributes:
        closed: whether the closing boundary has arrived.
        parts: number of fields so far.
    """

    def __init__(self, boundary: bytes, part: Part) -> None:
        self.closed = False
        self.parts = 0
        self._part = part
        self._boundary = boundary
        self._delimiter = b"\r\n--" + boundary
        self._buffer = b"\r\n"  # as if the form began after a line end: the preamble may be empty
        self._state = _State.PREAMBLE
        self._is_fresh = False  # the buffer begins with the line end before the content

    @property
    def held(self) -> int:
        """Bytes of a field's content that may be the beginning of a boundary."""
        held = len(self._buffer) - 2 * self._is_fresh
        return held if self._state is _State.CONTENT else 0

    def feed(self, data: bytes) -> None:
        """Parse the next bytes.

        Raises:
            NotAnUpload: the form is malformed, or over a limit.
        """
        if self._state is _State.EPILOGUE:
            return
        self._buffer = self._buffer + data if self._buffer else data
        while self._step():
            pass

    def end(self) -> None:
        """The body has ended.

        Raises:
            NotAnUpload: the form is incomplete.
        """
        if self.closed:
            return
        shown = self._boundary.decode("latin-1")
        if self._state is _State.PREAMBLE:
            raise NotAnUpload(
                f"the body has no line `--{shown}`, the boundary of its Content-Type; send a form"
            )
        raise NotAnUpload(f"the form is incomplete: it ends before its last line, `--{shown}--`")

    def _step(self) -> bool:
        """Parse one piece of the buffer; returns whether there may be another one."""
        if self._state is _State.HEADERS:
            return self._read_headers()
        if self._state is _State.EPILOGUE:
            return False
        return self._read_content()

    def _read_content(self) -> bool:
        """Read content, or the preamble, up to the next boundary."""
        buffer, delimiter = self._buffer, self._delimiter
        start = 0
        while (index := buffer.find(delimiter, start)) >= 0:
            end = index + len(delimiter)
            after = buffer[end : end + MAX_PADDING_BYTES + 2]
            if after[:2] == b"--":
                self._pass_on(buffer[:index])
                self._end_form()
                return False
            if (padding := AFTER_BOUNDARY.match(after)) is not None:
                self._pass_on(buffer[:index])
                self._buffer = b"\r\n" + buffer[end + padding.end() :]
                self._begin_headers()
                return True
            if self._is_undecided(after):
                self._hold_from(index)
                return False
            start = index + 1  # content that begins like a boundary
        self._hold_from(self._possible_start(buffer))
        return False

    def _is_undecided(self, after: bytes) -> bool:
        """Whether the bytes after a boundary are too few to know that it is one."""
        blanks = after.lstrip(b" \t")
        if blanks[:1] == b"\n":
            raise NotAnUpload("a boundary of the form ends in LF; its lines must end in CRLF")
        if not blanks and len(after) > MAX_PADDING_BYTES:
            raise NotAnUpload(
                f"a boundary of the form is followed by more than {MAX_PADDING_BYTES} blanks"
            )
        return blanks in (b"", b"\r") or after == b"-"

    def _possible_start(self, buffer: bytes) -> int:
        """The index from which the buffer may be the beginning of a boundary."""
        index = buffer.find(b"\r", max(0, len(buffer) - len(self._delimiter) + 1))
        while index >= 0:
            if self._delimiter.startswith(buffer[index:]):
                return index
            index = buffer.find(b"\r", index + 1)
        return len(buffer)

    def _hold_from(self, index: int) -> None:
        buffer = self._buffer
        self._pass_on(buffer if index == len(buffer) else buffer[:index])
        self._buffer = buffer[index:]

    def _pass_on(self, data: bytes) -> None:
        if data and self._state is _State.CONTENT:
            if self._is_fresh:
                self._is_fresh = False
                data = data[2:]
            if data:
                self._part.receive(data)

    def _begin_headers(self) -> None:
        self._end_part()
        self.parts += 1
        self._state = _State.HEADERS

    def _end_part(self) -> None:
        self._is_fresh = False
        if self._state is _State.CONTENT:
            self._part.end_part()

    def _end_form(self) -> None:
        self._end_part()
        self._buffer = b""
        self._state = _State.EPILOGUE
        self.closed = True

    def _read_headers(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if (len(self._buffer) if end < 0 else end) > MAX_HEADER_BYTES:
            raise NotAnUpload(
                f"the headers of field {self.parts} of the form have more than "
                f"{MAX_HEADER_BYTES:,} bytes, the limit"
            )
        if end < 0:
            return False
        headers = self._headers_of(self._buffer[2:end].decode(errors="replace"))
        self._buffer = self._buffer[end + 2 :]  # the content may be empty, and a boundary follow
        self._is_fresh = True
        self._state = _State.CONTENT
        self._part.begin_part(headers)
        return True

    def _headers_of(self, text: str) -> dict[str, str]:
        lines = FOLD.sub(" ", text).split("\r\n") if text else []
        if len(lines) > MAX_HEADERS:
            raise NotAnUpload(
                f"field {self.parts} of the form has more than {MAX_HEADERS} headers, the limit"
            )
        headers: dict[str, str] = {}
        for line in lines:
            match = HEADER.fullmatch(line)
            if match is None:
                raise NotAnUpload(
                    f"field {self.parts} of the form has the line {line[:80]!r} among its "
                    "headers: must be of the form `name: value`"
                )
            headers.setdefault(match[1].lower(), match[2].strip())
        encoding = headers.get("content-transfer-encoding", "binary")
        if encoding.lower() not in PLAIN_ENCODINGS:
            raise NotAnUpload(
                f"field {self.parts} of the form has the Content-Transfer-Encoding "
                f"{encoding[:80]!r}: must be one of {', '.join(PLAIN_ENCODINGS)}"
            )
        return headers
