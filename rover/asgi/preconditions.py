"""Preconditions of requests for bytes that an entity tag identifies.

Source: RFC 9110, 8.8 (validators), 13 (conditional requests).
"""

from __future__ import annotations

import time
from datetime import UTC
from email.utils import formatdate, parsedate_to_datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from starlette.requests import Request

MIN_AGE_S = 1.0
"""Seconds since the last change from which a `Last-Modified` is sent.

Dates have a resolution of 1 s. A date of this second would also match another change in it.
"""

TAG_CHARACTERS = 32
"""Hex digits of an entity tag."""


def entity_tag(body: bytes) -> str:
    """The strong entity tag of bytes. Put `W/` before it if they may be sent compressed."""
    return f'"{sha256(body).hexdigest()[:TAG_CHARACTERS]}"'


def last_modified(changed_at: float | None) -> str | None:
    """The `Last-Modified` of bytes that changed at these POSIX seconds.

    It is `None` if other bytes may have the same date.
    """
    if changed_at is None or not 0 <= changed_at <= time.time() - MIN_AGE_S:
        return None
    return formatdate(changed_at, usegmt=True)


def check_preconditions(request: Request, etag: str, modified: str | None) -> bool:
    """Whether the client has these bytes already, so that the response is 304.

    The order of the preconditions is that of RFC 9110, 13.2.2.

    Args:
        request: may have `If-Match`, `If-Unmodified-Since`, `If-None-Match`, `If-Modified-Since`.
        etag: the strong entity tag of the bytes.
        modified: their `Last-Modified`; `None` if it is not sent.

    Raises:
        HTTPException: 412, if the client asks for other bytes.
    """
    headers = request.headers
    if (tags := headers.get("if-match")) is not None:
        if not _is_in(etag, tags):
            raise HTTPException(
                412,
                "the bytes are not those that `If-Match` names; request them again",
                {"ETag": etag},
            )
    elif (since := _seconds(headers.get("if-unmodified-since"))) is not None:
        changed = _seconds(modified)
        if changed is None or changed > since:
            detail = "the bytes have changed since `If-Unmodified-Since`; request them again"
            raise HTTPException(412, detail, {"ETag": etag})
    if (tags := headers.get("if-none-match")) is not None:
        return _is_in(etag, tags, weak=True)
    since, changed = _seconds(headers.get("if-modified-since")), _seconds(modified)
    return since is not None and changed is not None and changed <= since


def _is_in(etag: str, tags: str, *, weak: bool = False) -> bool:
    """Whether the tags of a header include `etag`, by strong or weak comparison (8.8.3.2)."""
    if tags.strip() == "*":
        return True
    listed = (tag.strip() for tag in tags.split(","))
    return etag in ((tag.removeprefix("W/") for tag in listed) if weak else listed)


def _seconds(date: str | None) -> float | None:
    """POSIX seconds of an HTTP date; `None` without one, or if it is invalid (13.1.3, 13.1.4)."""
    if date is None:
        return None
    try:
        moment = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
