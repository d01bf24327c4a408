"""Refuses requests whose body a server drops.

uvicorn's HTTP parser, httptools, ends a message at the header `Upgrade`, which clients such as
`curl --http2` send. The app sees an empty body, as if the client had stated nothing, and the body
becomes the beginning of another request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.errors import UpgradeWithBody

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import ASGIApp, Receive, Scope, Send


class WholeBodies:
    """Passes on all requests but those with a body and the header `Upgrade`.

    Args:
        app: the inner app.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Check the request, then run the inner app.

        Raises:
            UpgradeWithBody: the server may have dropped the body.
        """
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            if b"upgrade" in headers and has_body(headers):
                raise UpgradeWithBody
        return self.app(scope, receive, send)


def has_body(headers: dict[bytes, bytes]) -> bool:
    """Whether a request has a body, by its headers with lower-case names."""
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"
