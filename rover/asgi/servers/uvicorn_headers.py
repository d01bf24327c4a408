"""The part of uvicorn's HTTP protocol that limits headers and trailers.

uvicorn's HTTP parser, httptools, limits neither the header's size nor its time.
"""

# ruff: noqa: D102 # the methods without a docstring are those of uvicorn's protocols

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from rover.errors import UpgradeWithBody

MAX_HEADER_BYTES = 64 * 2**10
"""Maximum bytes of a request's URL and headers, and of one part of a message that has not ended."""

MAX_HEADERS = 100
"""Maximum number of headers of a request, trailers included."""

MAX_URL_BYTES = 8 * 2**10
"""Maximum bytes of a request's URL."""

ABSOLUTE_FORM = re.compile(rb"[a-z][a-z0-9+.-]*://([^/?#]*)([^#]*)", re.IGNORECASE)
"""A request target with the authority in group 1 (RFC 9112, 3.2.2)."""


class LimitError(Exception):
    """A request exceeds a limit. The parser reports it to uvicorn as a malformed request."""


class BoundedHeaderProtocol(HttpToolsProtocol):
    """Counts the bytes of headers and trailers, and sets the refusal if they exceed a limit.

    Attributes:
        refusal: the status and the detail of the response if the parser reports a mistake.
        header_open: whether a header has begun and not ended.
        parsed: whether the parser delivered something since `parsed` was last cleared.
        body_left: bytes of the body to come, if the header has its length.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.refusal = (HTTPStatus.BAD_REQUEST, "Invalid HTTP request received.")
        self.header_open = False
        self.parsed = False
        self.body_left = 0
        self._header_bytes = 0
        self._header_count = 0
        self._unparsed_bytes = 0

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.parsed = self.header_open = True
        self._header_bytes = self._header_count = self.body_left = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self.parsed = True
        if len(self.url) > MAX_URL_BYTES:
            detail = f"the URL is longer than {MAX_URL_BYTES} bytes"
            self.refusal = (HTTPStatus.REQUEST_URI_TOO_LONG, detail)
            raise LimitError

    def on_header(self, name: bytes, value: bytes) -> None:
        self.parsed = True
        self._header_bytes += len(name) + len(value)
        self._header_count += 1
        if (
            self._header_count > MAX_HEADERS
            or self._header_bytes + len(self.url) > MAX_HEADER_BYTES
        ):
            self._set_header_refusal()
            raise LimitError
        if len(name) == len(b"content-length") and name.lower() == b"content-length":
            self.body_left = int(value) if value.isdigit() else 0
        if self.header_open:  # uvicorn would add trailers to the headers of the running request
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self.parsed, self.header_open = True, False
        if target := ABSOLUTE_FORM.match(self.url):
            self._use_authority(target[1], target[2])
        if self.parser.should_upgrade() and not self._should_upgrade():
            self._refuse_body()
        super().on_headers_complete()

    def _refuse_body(self) -> None:
        """Refuse a body, which the parser would take for the next request."""
        if self.body_left or any(name == b"transfer-encoding" for name, _ in self.headers):
            self.refusal = (HTTPStatus.BAD_REQUEST, str(UpgradeWithBody()))
            raise LimitError

    def _use_authority(self, authority: bytes, path: bytes) -> None:
        """Replace the value of `Host` by the authority of the URL, which decides (RFC 9112, 3.2.2).

        uvicorn would ignore the authority, and the app would check another host than that which
        the client asked for.
        """
        self.url = path if path.startswith(b"/") else b"/" + path
        for position, (name, _) in enumerate(self.headers):
            if name == b"host":
                self.headers[position] = (name, authority)

    def exceeds_limits_unparsed(self, size: int) -> bool:
        """Count data of which the parser has delivered something, or nothing.

        Returns:
            Whether one header, trailer or chunk size does not end.
        """
        self._unparsed_bytes = 0 if self.parsed else self._unparsed_bytes + size
        if self._unparsed_bytes <= MAX_HEADER_BYTES:
            return False
        self._set_header_refusal()
        return True

    def _set_header_refusal(self) -> None:
        detail = f"the headers exceed {MAX_HEADERS} headers or {MAX_HEADER_BYTES} bytes"
        self.refusal = (HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)
