"""The fields of a multipart form, read by python-multipart while the form arrives.

`FormReader` adds what `python_multipart.MultipartParser` refuses although the RFCs allow it (a
preamble, blanks after the first boundary, folded headers), limits for headers, and error messages
for people.

Source: RFC 2046, 5.1 (multipart); RFC 7578 (form-data); RFC 5322, 2.2 (headers).
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Protocol

from python_multipart import MultipartParser
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartState

from rover.errors import NotAnUpload

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_HEADER_BYTES = 8 * 2**10
"""Maximum size of the headers of a field."""

MAX_HEADERS = 16
"""Maximum number of headers of a field."""

MAX_PADDING_BYTES = 256
"""Maximum number of blanks after the first boundary."""

PLAIN_ENCODINGS = ("7bit", "8bit", "binary")
"""Values of `Content-Transfer-Encoding` that change nothing."""


class Fields(Protocol):
    """Receives the fields of a form."""

    def begin_field(self, headers: Mapping[str, str]) -> None:
        """A field begins. The names of its headers are in lower case."""
        ...

    def receive(self, data: bytes) -> None:
        """Bytes of the field have arrived."""
        ...

    def end_field(self) -> None:
        """The field has ended."""
        ...


class FormReader:
    """Splits a form into its fields.

    Args:
        boundary: of the form, 1 to 70 bytes.
        fields: receives them.

    Attributes:
        closed: whether the closing boundary has arrived.
        count: number of fields so far.
    """

    def __init__(self, boundary: bytes, fields: Fields) -> None:
        self.closed = False
        self.count = 0
        self._boundary = boundary
        self._fields = fields
        self._parser = self._new_parser()
        self._first = re.compile(
            rb"\r\n--%b(?:(--)|[ \t]{0,%d}+(\r\n|\n|[ \t]))"
            % (re.escape(boundary), MAX_PADDING_BYTES)
        )
        self._preamble: bytes | None = b"\r\n"  # the first boundary may be the first line
        self._last = self._begin = b""  # the newest byte, and the first bytes of a field
        self._in_headers = self._is_folded = False
        self._header_bytes = 0
        self._headers: list[tuple[str, bytes]] = []
        self._name = self._value = b""

    def _new_parser(self) -> MultipartParser:
        return MultipartParser(
            self._boundary,
            {
                "on_part_begin": self._begin_headers,
                "on_header_field": self._read_name,
                "on_header_value": self._read_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_headers,
                "on_part_data": self._receive,
                "on_part_end": self._fields.end_field,
                "on_end": self._end_form,
            },
            max_header_count=sys.maxsize,  # the limits here have errors that name them
            max_header_size=sys.maxsize,
        )

    @property
    def held(self) -> int:
        """Bytes of a field's content that may be the beginning of a boundary."""
        return 0 if self._in_headers or self.closed else self._parser.index

    def feed(self, data: bytes) -> None:
        """Parse the next bytes.

        Raises:
            NotAnUpload: the form is malformed, or over a limit.
        """
        if self._preamble is not None:
            data = self._skip_preamble(self._preamble + data)
        if self._is_content(data):
            self._receive(data, 0, len(data))
            self._last = data[-1:]
            return
        while data:
            try:
                self._parser.write(data)
            except MultipartParseError as exc:
                data = self._resume_folded(data, exc.offset)
            else:
                self._last = data[-1:]
                return

    def _is_content(self, data: bytes) -> bool:
        """Whether bytes are certainly content of a field: no CR, so no boundary begins in them.

        The parser needs four times as long to find that out.
        """
        is_between = self._parser.state == MultipartState.PART_DATA and not self._parser.index
        return is_between and b"\r" not in data

    def end(self) -> None:
        """The body has ended.

        Raises:
            NotAnUpload: the form is incomplete.
        """
        if self.closed:
            return
        shown = self._boundary.decode("latin-1")
        if self._preamble is not None:
            raise NotAnUpload(
                f"the body has no line `--{shown}`, the boundary of its Content-Type; send a form"
            )
        raise NotAnUpload(f"the form is incomplete: it ends before its last line, `--{shown}--`")

    def _skip_preamble(self, data: bytes) -> bytes:
        """The form from its first boundary on, without blanks after it; empty if it is not here."""
        match = self._first.search(data)
        if match is None:
            self._preamble = data[-(len(self._boundary) + MAX_PADDING_BYTES + 5) :]
            return b""
        if match[2] == b"\n":
            raise NotAnUpload("a boundary of the form ends in LF; its lines must end in CRLF")
        if match[2] in (b" ", b"\t"):
            raise NotAnUpload(
                f"a boundary of the form is followed by more than {MAX_PADDING_BYTES} blanks"
            )
        self._preamble = None
        return b"--" + self._boundary + data[match.start(match.lastindex or 0) :]

    def _resume_folded(self, data: bytes, offset: int) -> bytes:
        """Go on after an error if it is a folded header, with a parser inside a header's value.

        Returns the bytes from `offset` on, which the new parser reads as the rest of the value.
        """
        before = data[offset - 1 : offset] if offset else self._last
        begins_line = self._in_headers and before == b"\n"
        if not (begins_line and self._headers and data[offset : offset + 1] in b" \t"):
            raise NotAnUpload(self._mistake(data, offset))
        self._is_folded = True
        self._parser = self._new_parser()
        self._parser.write(b"--" + self._boundary + b"\r\nFolded:")
        return data[offset:]

    def _mistake(self, data: bytes, offset: int) -> str:
        if not self._in_headers:
            return "a boundary of the form is followed by more than blanks; it must end in CRLF"
        start = data.rfind(b"\n", 0, offset) + 1
        line = (b"" if start else self._name) + data[start:].partition(b"\r")[0]
        return (
            f"field {self.count} of the form has the line {line[:80].decode(errors='replace')!r} "
            "among its headers: must be of the form `name: value`"
        )

    def _begin_headers(self) -> None:
        if self._is_folded:
            return
        self.count += 1
        self._in_headers = True
        self._header_bytes = 0
        self._headers.clear()

    def _read_name(self, data: bytes, start: int, end: int) -> None:
        self._count_header_bytes(end - start)
        self._name += data[start:end]

    def _read_value(self, data: bytes, start: int, end: int) -> None:
        self._count_header_bytes(end - start)
        self._value += data[start:end]

    def _count_header_bytes(self, count: int) -> None:
        self._header_bytes += count
        if self._header_bytes > MAX_HEADER_BYTES:
            raise NotAnUpload(
                f"the headers of field {self.count} of the form have more than "
                f"{MAX_HEADER_BYTES:,} bytes, the limit"
            )

    def _end_header(self) -> None:
        value = self._value.strip()
        if self._is_folded:
            name, begun = self._headers.pop()
            self._headers.append((name, begun + b" " + value))
        else:
            self._headers.append((self._name.decode("ascii").lower(), value))
        self._is_folded = False
        self._name = self._value = b""
        if len(self._headers) > MAX_HEADERS:
            raise NotAnUpload(
                f"field {self.count} of the form has more than {MAX_HEADERS} headers, the limit"
            )

    def _end_headers(self) -> None:
        self._in_headers = False
        headers = {name: value.decode(errors="replace") for name, value in reversed(self._headers)}
        encoding = headers.get("content-transfer-encoding", "binary")
        if encoding.lower() not in PLAIN_ENCODINGS:
            raise NotAnUpload(
                f"field {self.count} of the form has the Content-Transfer-Encoding "
                f"{encoding[:80]!r}: must be one of {', '.join(PLAIN_ENCODINGS)}"
            )
        self._begin = b""
        self._fields.begin_field(headers)

    def _receive(self, data: bytes, start: int, end: int) -> None:
        missing = len(self._boundary) + 2 - len(self._begin)
        if missing:
            self._begin += data[start : min(end, start + missing)]
            if self._begin == b"--" + self._boundary:  # RFC 2046 allows it, python-multipart not
                raise NotAnUpload(
                    f"the headers of field {self.count} of the form are followed by a boundary; "
                    "put an empty line between them"
                )
        self._fields.receive(data[start:end])

    def _end_form(self) -> None:
        self.closed = True
