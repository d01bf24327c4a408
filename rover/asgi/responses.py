"""The JSON response of all routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from rover.wire import dumps

if TYPE_CHECKING:
    from collections.abc import Mapping


def json_response(
    value: Any,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    media_type: str = "application/json",
) -> Response:
    """The value as JSON, not to be cached. NaN and infinities become `null`."""
    return Response(
        dumps(value),
        status,
        {"Cache-Control": "no-store", **(headers or {})},
        media_type,
    )
