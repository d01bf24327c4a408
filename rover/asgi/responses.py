"""The JSON response of all routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from rover.asgi.compression import compress
from rover.wire import dumps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send


class JsonResponse(Response):
    """A JSON text, compressed if the client accepts that."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response. It is sent once."""
        self.body = compress(bytes(self.body), self.headers, scope)
        await super().__call__(scope, receive, send)


def json_response(
    value: Any,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    media_type: str = "application/json",
) -> Response:
    """The value as JSON, not to be cached. NaN and infinities become `null`."""
    return JsonResponse(
        dumps(value),
        status,
        {"Cache-Control": "no-store", **(headers or {})},
        media_type,
    )
