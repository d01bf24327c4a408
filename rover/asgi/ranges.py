"""Range requests and preconditions of representations whose bytes an entity tag identifies.

Source: RFC 9110, 8.8.3 (ETag), 13 (preconditions), 14 (ranges).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from starlette.requests import Request

RANGE = re.compile(r"bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.ASCII | re.IGNORECASE)


def parse_range(text: str, size: int) -> tuple[int, int] | None:
    """The `(start, stop)` of a Range header for `size` bytes; `None` if it is to be ignored.

    Several ranges are ignored, as RFC 9110, 14.2 allows, and so is a malformed header. If
    `start == stop`, the range cannot be satisfied.
    """
    match = RANGE.fullmatch(text)
    if match is None:
        return None
    first, last = match.groups()
    if not first:
        return (max(size - int(last), 0), size) if last else None
    if last and int(last) < int(first):
        return None
    start = min(int(first), size)
    return start, min(int(last) + 1, size) if last else size


def requested_range(request: Request, size: int, etag: str) -> tuple[int, int] | None:
    """The `(start, stop)` that a request asks for; `None` for the whole.

    Ranges are defined for GET only (RFC 9110, 14.2). With `If-Range`, only the same entity tag
    matches: a date never does, since no `Last-Modified` is sent.

    Raises:
        HTTPException: 416, if the range begins after the last byte.
    """
    text = request.headers.get("range")
    condition = request.headers.get("if-range")
    if text is None or request.method != "GET" or condition not in (None, etag):
        return None
    part = parse_range(text, size)
    if part is not None and part[0] == part[1]:
        raise HTTPException(
            416,
            f"the range begins after the last byte: the image has {size:,} bytes",
            {"Content-Range": f"bytes */{size}"},
        )
    return part


def is_not_modified(request: Request, etag: str) -> bool:
    """Whether `If-None-Match` names the entity tag, so that the response is 304.

    The comparison is weak (RFC 9110, 13.1.2).
    """
    tags = request.headers.get("if-none-match")
    if tags is None:
        return False
    return tags.strip() == "*" or etag in (
        tag.strip().removeprefix("W/") for tag in tags.split(",")
    )
