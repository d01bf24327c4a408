"""Range requests for bytes that an entity tag identifies.

Source: RFC 9110, 14 (ranges), 13.1.5 (If-Range); RFC 8673 (bytes that are still arriving).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from starlette.requests import Request

RANGE = re.compile(r"bytes=[ \t]*(\d{0,19})-(\d{0,19})[ \t]*", re.ASCII | re.IGNORECASE)

VERY_LARGE = 2**53 - 1
"""From this position on, the end of a range stands for the end of bytes of unknown size.

Source: RFC 8673, 2.
"""

SKIPS_START = "Wget/"
"""The beginning of the `User-Agent` of a client that misuses a 200.

GNU Wget 1.21 (`wget -c`) skips the bytes that it has in a 200, and appends the rest to its file.
"""


class Part(NamedTuple):
    """A range of bytes.

    Attributes:
        start: the position of its first byte.
        stop: the position after its last byte; `None` for the end, while the size is unknown.
        content_range: the header `Content-Range`.
    """

    start: int
    stop: int | None
    content_range: str


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


def requested_part(
    request: Request, size: int | None, etag: str, *, url_is_stable: bool
) -> Part | None:
    """The range that a request asks for; `None` for the whole.

    Ranges are defined for GET only (RFC 9110, 14.2). With `If-Range`, only the same entity tag
    matches: a date is too coarse.

    Args:
        request: the request.
        size: of all bytes; `None` while it is unknown. Then only a range to a very large position
            is used.
        etag: the strong entity tag of the bytes.
        url_is_stable: whether the URL has always stood for these bytes. If not, a range is used
            only with `If-Range` or `If-Match`: without them, the client may have other bytes.

    Raises:
        HTTPException: 416, if the range begins after the last byte. 412, if the range cannot be
            used, and the client would take the whole for it (`SKIPS_START`).
    """
    text = request.headers.get("range")
    condition = request.headers.get("if-range")
    if text is None or request.method != "GET" or condition not in (None, etag):
        return None
    if not url_is_stable and condition is None and "if-match" not in request.headers:
        if request.headers.get("user-agent", "").startswith(SKIPS_START):
            reason = "this URL may stand for other bytes now; download them from the beginning"
            raise HTTPException(412, reason)
        return None
    if size is None:
        return _growing_part(text)
    part = parse_range(text, size)
    if part is None:
        return None
    start, stop = part
    if start == stop:
        raise HTTPException(
            416,
            f"the range begins after the last byte, of {size:,} bytes",
            {"Content-Range": f"bytes */{size}"},
        )
    return Part(start, stop, f"bytes {start}-{stop - 1}/{size}")


def _growing_part(text: str) -> Part | None:
    match = RANGE.fullmatch(text)
    if match is None or not all(match.groups()) or int(match[2]) < VERY_LARGE:
        return None
    first, last = int(match[1]), int(match[2])
    return Part(first, None, f"bytes {first}-{last}/*") if first < VERY_LARGE else None
