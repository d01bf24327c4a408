"""Encodes JSON, times and server-sent events. No other module does.

Source: WHATWG HTML, 9.2 "Server-sent events"; RFC 8259 (JSON); RFC 3339 (times).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sse_starlette.event import ServerSentEvent

EVENT_STREAM = "text/event-stream"

HEARTBEAT = b":\n\n"
"""A comment as a keepalive: clients ignore it, and proxies see a stream that is in use."""

_OPTIONS: Mapping[str, Any] = {
    "ensure_ascii": False,
    "separators": (",", ":"),
    "allow_nan": False,
    "check_circular": False,
}

_encode = json.JSONEncoder(**_OPTIONS).encode

_encode_sorted = json.JSONEncoder(**_OPTIONS, sort_keys=True).encode


def dumps(value: Any) -> str:
    """The value as compact JSON on one line. NaN and infinities become `null`."""
    try:
        return _encode(value)
    except ValueError:  # NaN or an infinity: too rare to look for in each value
        return _encode(_finite(value))


def dumps_sorted(value: Any) -> str:
    """JSON of a value, with the members of objects in the order of their names."""
    try:
        return _encode_sorted(value)
    except ValueError:
        return _encode_sorted(_finite(value))


def dumps_ascii(value: Any) -> str:
    """JSON of a value in ASCII without control characters, for files that people read in terminals.

    Values that JSON does not have, such as paths, become texts.
    """
    return json.dumps(_finite(value), separators=(",", ":"), default=str)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def iso(t: float) -> str:
    """POSIX seconds as RFC 3339 in UTC with milliseconds: `2026-11-22T07:00:00.123Z`.

    Raises:
        ValueError: the time is not between the years 1 and 9999.
    """
    try:
        moment = datetime.fromtimestamp(t, UTC)
    except (OverflowError, OSError) as exc:
        raise ValueError(f"{t!r} is not a time in POSIX seconds") from exc
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def iso_or_none(t: float | None) -> str | None:
    """The time as `iso` writes it; `None` for `None`."""
    return None if t is None else iso(t)


def iso_or_text(t: float) -> str:
    """The time for people, even if RFC 3339 does not have it."""
    try:
        return iso(t)
    except ValueError:
        return f"{t:g}"


def sse(
    data: str, *, event: str | None = None, event_id: object = None, retry_ms: int | None = None
) -> bytes:
    """One server-sent event.

    Args:
        data: one line, as `dumps` returns; other text is split into several `data:` fields.
        event: its name; browsers pass unnamed events to `onmessage`.
        event_id: the id that a client resumes after.
        retry_ms: milliseconds that a disconnected client waits before it reconnects.
    """
    name = None if event_id is None else str(event_id)
    return ServerSentEvent(data, event=event, id=name, retry=retry_ms, sep="\n").encode()
