"""The small forms of the server: their fields, and the proof that its own page sent them.

A page of another site must not sign a browser in as somebody else, or out. So a form has a key that
belongs to a cookie of the browser, and the request must come from the same origin.
"""

from __future__ import annotations

import hmac
import re
import secrets
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from rover.errors import BadBody, FormRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.types import Scope

    from rover.asgi.body import Bodies

FORM_TYPE = "application/x-www-form-urlencoded"

MAX_BYTES = 16 * 2**10

MAX_FIELDS = 16

BROWSER_BYTES = 16

BROWSER = re.compile(rb"[A-Za-z0-9_-]{22}")
"""The value of a browser's cookie."""

LOCAL_PATH = re.compile(r"[!-.0-\[\]-~][!-\[\]-~]{0,1999}")
"""A path below the prefix and its query: printable ASCII without spaces and backslashes."""

PARENTS = frozenset({"..", ".%2e", "%2e.", "%2e%2e"})
"""Spellings of the parent folder in a URL."""


class FormKeys:
    """Keys that tie a form to the browser that received it. A restart makes them invalid."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def browser_of(self, cookies: Sequence[bytes]) -> str:
        """The value for the cookie of a browser: that which it has, else a new one."""
        for value in cookies:
            if BROWSER.fullmatch(value):
                return value.decode("ascii")
        return secrets.token_urlsafe(BROWSER_BYTES)

    def key_for(self, browser: str) -> str:
        """The key for the forms of a browser."""
        return hmac.new(self._secret, browser.encode(), sha256).hexdigest()

    def check(self, cookies: Sequence[bytes], key: str) -> None:
        """Check the key of a form.

        Raises:
            FormRefused: it is not the key of this browser.
        """
        given = key.encode("utf-8", "replace")
        for value in cookies:
            if hmac.compare_digest(given, self.key_for(value.decode("latin-1")).encode()):
                return
        raise FormRefused(
            "the form is out of date, or the browser stores no cookies; please try again"
        )


def check_same_origin(scope: Scope) -> None:
    """Check that a form was sent by a page of this server.

    Programs other than browsers send neither header.

    Raises:
        FormRefused: it was sent by another page.
    """
    headers = scope["headers"]
    hosts = [value.lower() for name, value in headers if name == b"host"]
    for name, value in headers:
        if (name == b"sec-fetch-site" and value not in (b"same-origin", b"none")) or (
            name == b"origin" and [value.partition(b"://")[2].lower()] != hosts
        ):
            raise FormRefused("forms for signing in and out must be sent by their own page")


async def form_fields(request: Request, bodies: Bodies) -> dict[str, str]:
    """The fields of a form; of several with one name, the last.

    Raises:
        BadBody: the body is not a form, or too large.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != FORM_TYPE:
        raise BadBody(f"the body must be a form, {FORM_TYPE}")
    body = bytearray()
    async for chunk in bodies.read(request.receive):
        body += chunk
        if len(body) > MAX_BYTES:
            raise BadBody(f"the body has more than {MAX_BYTES:,} bytes, its limit")
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise BadBody(f"the body must be a form with at most {MAX_FIELDS} fields") from None
    return dict(pairs)


def local_target(text: str) -> str:
    """A redirect target below the prefix, relative to a route at the top; `./` for any other text.

    Absolute URLs, `//host`, backslashes, control characters and `..` are refused: they could lead
    to another site or another app.
    """
    path = text.removeprefix("./") if text.startswith("./") else text.removeprefix("/")
    if not LOCAL_PATH.fullmatch(path) or "//" in path.partition("?")[0]:
        return "./"
    if any(part.lower() in PARENTS for part in re.split(r"[/?#]", path)):
        return "./"
    return f"./{path}"
