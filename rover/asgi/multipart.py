"""The one file in a multipart form, as its bytes come: nothing is spooled, nothing waits.

Starlette's `request.form()` writes the file to a temporary one before a route sees any of it, at a
ninth of the speed; an upload that answers at once cannot wait for that.

Source: RFC 7578 (multipart/form-data), RFC 2046, 5.1 (the delimiters).
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

MAX_OVERHEAD_BYTES = 2**20
"""All that is not the file: delimiters, headers, other fields."""

HOW = f"send it as the field `{FIELD}`, as `curl -N -F {FIELD}=@NAME` does"


class FileField:
    """The file in a form: its name, and its bytes as an async iterator. Made by `open`.

    Iterating it never yields empty bytes. It ends when the whole form was read, not when the file
    was: only then is it sure that the form was whole and had no second file.

    Attributes:
        filename: as the sender spelled it, paths and control characters included.
        ahead: the first bytes of the file, before they are handed out.
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
        """The file in the form that `body` brings; returns when the file's first byte is there.

        Raises:
            NotAnUpload: it is no form, is malformed, or has no file, or an empty one.
        """
        field = cls(boundary, body)
        field.ahead = await anext(field, b"")
        if field.filename is None:
            there = ", ".join(f"`{name}`" for name in field._others) or "no field at all"
            raise NotAnUpload(f"the form has no field `{FIELD}`, but {there}; {HOW}")
        if not field.ahead:
            raise NotAnUpload(f"the file {field.filename!r} is empty")
        return field

    def size_hint(self, content_length: int | None) -> int | None:
        """How long the file is, if nothing follows it in a body of `content_length` bytes."""
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
            NotAnUpload: the form turns out malformed, cut short, or with a second file.
        """
        if ahead := self.ahead:
            self.ahead = b""
            return ahead
        async for chunk in self._body:
            if data := self._feed(chunk):
                return data
        if not self._closed:
            raise NotAnUpload("the form breaks off before its closing boundary")
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
                f"the form has more than {MAX_OVERHEAD_BYTES:,} bytes beside the file; "
                f"leave the other fields out"
            )
        return data

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise NotAnUpload(f"the form has more than {MAX_PARTS} fields; only `{FIELD}` is read")
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
            raise NotAnUpload(f"the field `{FIELD}` came without a file; {HOW}, with an @")
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
    """What separates the parts of a form, out of its `Content-Type`.

    Raises:
        NotAnUpload: not the type of a form, or without a usable boundary.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        shown = f"of type {content_type[:80]!r}" if content_type else "of no stated type"
        raise NotAnUpload(f"the body is {shown}, and not `multipart/form-data`; {HOW}")
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 70:
        raise NotAnUpload("the Content-Type has no `boundary` of 1 to 70 characters")
    return boundary
