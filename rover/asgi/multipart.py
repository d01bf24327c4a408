"""The file in a multipart form, as an iterator of bytes, while the request still arrives.

Starlette's `request.form()` first writes the complete file to a temporary file, at a ninth of the
speed. The response to an upload must begin before that.

Source: RFC 7578 (multipart/form-data).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rover.asgi.disposition import file_name, parse_header
from rover.asgi.form_reader import FormReader
from rover.errors import NotAnUpload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

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
        self._received = 0
        self._file_bytes = 0
        self._others: list[str] = []
        self._in_file = False
        self._form = FormReader(boundary, self)

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
        closing = 0 if self._form.closed else len(b"\r\n--" + self._boundary + b"--\r\n")
        return max(content_length - self._overhead_bytes - closing, len(self.ahead))

    @property
    def _overhead_bytes(self) -> int:
        held = self._form.held if self._in_file else 0
        return self._received - self._file_bytes - held

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
        self._form.end()
        raise StopAsyncIteration

    def _feed(self, chunk: bytes) -> bytes:
        self._received += len(chunk)
        self._form.feed(chunk)
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._file_bytes += len(data)
        if self._overhead_bytes > MAX_OVERHEAD_BYTES:
            raise NotAnUpload(
                f"the form has more than {MAX_OVERHEAD_BYTES:,} bytes in addition to the file; "
                "leave out the other fields"
            )
        return data

    def begin_field(self, headers: Mapping[str, str]) -> None:
        """See `Fields`."""
        if self._form.count > MAX_PARTS:
            raise NotAnUpload(f"the form has more than {MAX_PARTS} fields; send only `{FIELD}`")
        value = headers.get("content-disposition", "")
        try:
            _, parameters = parse_header(value)
        except ValueError:
            raise NotAnUpload(
                f"field {self._form.count} of the form has the Content-Disposition "
                f'{value[:80]!r}: must be of the form `form-data; name="{FIELD}"; filename="…"`'
            ) from None
        name = parameters.get("name", "")
        if name != FIELD:
            self._others.append(name[:80])
            return
        if self.filename is not None:
            raise NotAnUpload(f"the form has two fields `{FIELD}`; send one file at a time")
        filename = file_name(parameters)
        if not filename and "filename*0" in parameters:
            raise NotAnUpload(
                "the name of the file is in parts (`filename*0`), which HTTP does not use (RFC "
                "8187, section 1); send it as one `filename`"
            )
        if not filename and (raw := parameters.get("filename*")):
            raise NotAnUpload(
                f"the name of the file cannot be decoded: `filename*={raw[:80]}`; its form is "
                "`UTF-8''` and the bytes in percent-encoding (RFC 8187), or send a `filename`"
            )
        if not filename:
            raise NotAnUpload(f"the field `{FIELD}` is not a file; {HINT}, with the @")
        self.filename = filename
        self._in_file = True

    def receive(self, data: bytes) -> None:
        """See `Fields`."""
        if self._in_file:
            self._pieces.append(data)

    def end_field(self) -> None:
        """See `Fields`."""
        self._in_file = False


def boundary_of(content_type: str | None) -> bytes:
    """The boundary of a form, from its `Content-Type`.

    Raises:
        NotAnUpload: the type is not that of a form, or has no usable boundary.
    """
    try:
        kind, parameters = parse_header(content_type or "")
    except ValueError:
        kind, parameters = "", {}
    if kind != "multipart/form-data":
        stated = f"is {content_type[:80]!r}" if content_type else "is missing"
        raise NotAnUpload(f"the Content-Type {stated}; it must be `multipart/form-data`; {HINT}")
    boundary = parameters.get("boundary", "").encode("latin-1", errors="replace")
    if not 1 <= len(boundary) <= 70:
        raise NotAnUpload("the Content-Type needs a `boundary` of 1 to 70 characters")
    return boundary
