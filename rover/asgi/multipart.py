"""The file in a multipart form, as an iterator of bytes, while the request still arrives.

Starlette's `request.form()` first writes the complete file to a temporary file, at a ninth of the
speed. The response to an upload must begin before that.

Source: RFC 7578 (multipart/form-data); RFC 2046, 5.1 (delimiters).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from rover.errors import NotAnUpload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FIELD = "file"

MAX_PARTS = 64
"""Maximum number of fields in a form."""

MAX_OVERHEAD_BYTES = 2**20
"""Maximum size of everything except the file: delimiters, headers, other fields."""

HINT = f"send it as the field `{FIELD}`, as `curl -N -F {FIELD}=@NAME` does"


class FileField:
    """The file in a form: its name, and its bytes as an async iterator. Create it with `open`.

    The iterator never yields empty bytes. It ends after the whole form, not after the file: only
    then it is certain that the form is complete and has no second file.

    Args:
        boundary: of the form.
        body: the bytes of the form.

    Attributes:
        filename: as the client sent it, with any path and control characters.
        ahead: the first bytes of the file, until the iterator has yielded them.
    """

    def __init__(self, boundary: bytes, body: AsyncIterator[bytes]) -> None:
        self.filename: str | None = None
        self._body = body
        self._boundary = boundary
        self.ahead = b""
        self._pieces: list[bytes] = []
        self._overhead_bytes = 0
        self._others: list[str] = []
        self._parts = 0
        self._header = self._value = self._disposition = b""
        self._in_file = False
        self._closed = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin_part,
                "on_header_field": self._read_header,
                "on_header_value": self._read_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_headers,
                "on_part_data": self._read_data,
                "on_part_end": self._end_part,
                "on_end": self._end_form,
            },
        )

    @classmethod
    async def open(cls, boundary: bytes, body: AsyncIterator[bytes]) -> Self:
        """The file in the form `body`. Returns after the first bytes of the file have arrived.

        Raises:
            NotAnUpload: the form is malformed, or has no file, or the file is empty.
        """
        field = cls(boundary, body)
        field.ahead = await anext(field, b"")
        if field.filename is None:
            others = ", ".join(f"`{name}`" for name in field._others) or "none"
            raise NotAnUpload(f"the form has no field `{FIELD}`; its fields: {others}; {HINT}")
        if not field.ahead:
            raise NotAnUpload(f"the file {field.filename!r} is empty")
        return field

    def size_hint(self, content_length: int | None) -> int | None:
        """Size of the file in bytes, if the file is the last part of a body of `content_length`."""
        if content_length is None:
            return None
        closing = len(b"\r\n--" + self._boundary + b"--\r\n")
        overhead = self._overhead_bytes if self._closed else self._overhead_bytes + closing
        return max(content_length - overhead, len(self.ahead))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next bytes of the file.

        Raises:
            NotAnUpload: the form is malformed, is incomplete, or has a second file.
        """
        if ahead := self.ahead:
            self.ahead = b""
            return ahead
        async for chunk in self._body:
            if data := self._feed(chunk):
                return data
        if not self._closed:
            raise NotAnUpload("the form is incomplete: it ends before its closing boundary")
        raise StopAsyncIteration

    def _feed(self, chunk: bytes) -> bytes:
        try:
            self._parser.write(chunk)
        except FormParserError as exc:
            raise NotAnUpload(f"the form is malformed: {exc}") from exc
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._overhead_bytes += len(chunk) - len(data)
        if self._overhead_bytes > MAX_OVERHEAD_BYTES:
            raise NotAnUpload(
                f"the form has more than {MAX_OVERHEAD_BYTES:,} bytes in addition to the file; "
                "leave out the other fields"
            )
        return data

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise NotAnUpload(f"the form has more than {MAX_PARTS} fields; send only `{FIELD}`")
        self._disposition = b""

    def _read_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _read_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode(errors="replace")
        if name != FIELD:
            self._others.append(name[:80])
            return
        if self.filename is not None:
            raise NotAnUpload(f"the form has two fields `{FIELD}`; send one file at a time")
        filename = options.get(b"filename")
        if not filename:
            raise NotAnUpload(f"the field `{FIELD}` is not a file; {HINT}, with the @")
        self.filename = filename.decode(errors="replace")
        self._in_file = True

    def _read_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._pieces.append(data[start:end])

    def _end_part(self) -> None:
        self._in_file = False

    def _end_form(self) -> None:
        self._closed = True


def boundary_of(content_type: str | None) -> bytes:
    """The boundary of a form, from its `Content-Type`.

    Raises:
        NotAnUpload: the type is not that of a form, or has no usable boundary.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        stated = f"is {content_type[:80]!r}" if content_type else "is missing"
        raise NotAnUpload(f"the Content-Type {stated}; it must be `multipart/form-data`; {HINT}")
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 70:
        raise NotAnUpload("the Content-Type needs a `boundary` of 1 to 70 characters")
    return boundary
