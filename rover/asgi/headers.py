"""Headers of every response: for security, its request id, and for other origins (CORS).

Pure ASGI, around each route. Starlette's `CORSMiddleware` would add an `await` to each event of
each client; here `send` only looks at the type of the message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.addresses import origin_of, words
from rover.asgi.request_ids import HEADER, RequestIds

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    RawHeaders = Sequence[tuple[bytes, bytes]]

UNUSED_FEATURES = ("camera", "display-capture", "geolocation", "microphone", "payment", "usb")

DEFAULTS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", ", ".join(f"{name}=()" for name in UNUSED_FEATURES).encode()),
    (b"cache-control", b"no-store"),
)
"""Headers of each response that does not set them itself."""

ACCEPT = "websocket.accept"

STARTS = frozenset({"http.response.start", "websocket.http.response.start", ACCEPT})

EXPOSED = (
    b"accept-patch, accept-ranges, allow, content-disposition, content-length, content-location, "
    b"content-range, etag, location, preference-applied, repr-digest, retry-after, "
    b"tus-checksum-algorithm, tus-extension, tus-max-size, tus-resumable, tus-version, "
    b"upload-complete, upload-expires, upload-length, upload-limit, upload-metadata, "
    b"upload-offset, www-authenticate, x-frames, x-image-id, x-request-id"
)
"""Headers that a page of another origin may read. The streams and images use them."""

ASKS_METHOD = b"access-control-request-method"
"""The header that makes a request a preflight (Fetch, 3.3.2)."""

PREFLIGHT = (
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE"),
    (
        b"access-control-allow-headers",
        b"authorization, content-disposition, content-type, last-event-id, range, if-match, "
        b"if-modified-since, if-none-match, if-range, if-unmodified-since, prefer, tus-resumable, "
        b"upload-checksum, upload-complete, upload-defer-length, upload-draft-interop-version, "
        b"upload-length, upload-metadata, upload-offset",
    ),
    (b"access-control-max-age", b"600"),
)


VARY = (b"vary", b"Origin")
"""The header of each response if origins are allowed: caches keep one for each origin."""


class ResponseHeaders:
    """Adds headers to the responses of the inner app, and answers `OPTIONS` if origins are allowed.

    A preflight has no token, so it is answered without an access check. The answer depends only on
    its origin: without CORS headers, the browser does not send the request.

    Args:
        app: the inner app.
        allowed_origins: comma-separated origins, as `ROVER_ALLOWED_ORIGINS`.
        trusted_proxies: comma-separated proxies, as `ROVER_TRUSTED_PROXIES`.
        on_response: called with the status of each response that begins.
        has_options: whether the app answers `OPTIONS` requests that are not preflights.
    """

    def __init__(
        self,
        app: ASGIApp,
        allowed_origins: str = "",
        trusted_proxies: str = "",
        on_response: Callable[[int], None] = lambda _: None,
        *,
        has_options: bool = False,
    ) -> None:
        self.app = app
        self._has_options = has_options
        self._on_response = on_response
        self._request_ids = RequestIds(trusted_proxies)
        self._origins = frozenset(
            (one if one == "*" else origin_of(one)).encode() for one in words(allowed_origins)
        )

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Run the inner app with a `send` that adds the headers.

        Its coroutine is returned, and not awaited here: a frame is a fortieth of a client's memory.
        """
        request_id = (HEADER, self._request_ids.begin(scope, receive))
        for_origin = self._for_origin(scope) if self._origins else ()

        def send_with_headers(message: Message) -> Awaitable[None]:
            if message["type"] in STARTS:
                message = {**message, "headers": self._headers(message, request_id, for_origin)}
            return send(message)

        if self._origins and self._is_preflight(scope):
            return _answer_preflight(send_with_headers, is_allowed=len(for_origin) > 1)
        return self.app(scope, receive, send_with_headers)

    def _is_preflight(self, scope: Scope) -> bool:
        if scope["type"] != "http" or scope["method"] != "OPTIONS":
            return False
        return not self._has_options or any(name == ASKS_METHOD for name, _ in scope["headers"])

    def _headers(
        self, message: Message, request_id: tuple[bytes, bytes], for_origin: RawHeaders
    ) -> RawHeaders:
        given: RawHeaders = message.get("headers", ())
        if message["type"] == ACCEPT:
            self._on_response(101)
            return [*given, request_id]
        self._on_response(message["status"])
        names = {name.lower() for name, _ in given}
        missing = (default for default in DEFAULTS if default[0] not in names)
        if for_origin and b"vary" in names:
            varies = [value for name, value in given if name.lower() == b"vary"]
            given = [one for one in given if one[0].lower() != b"vary"]
            for_origin = [(b"vary", b", ".join([*varies, VARY[1]])), *for_origin[1:]]
        return [*given, *missing, request_id, *for_origin]

    def _for_origin(self, scope: Scope) -> RawHeaders:
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        if len(origins) != 1:
            return (VARY,)
        [origin] = origins
        exposed = (b"access-control-expose-headers", EXPOSED)
        if origin in self._origins and origin != b"*":
            credentials = (b"access-control-allow-credentials", b"true")
            return (VARY, (b"access-control-allow-origin", origin), credentials, exposed)
        if b"*" in self._origins:
            return (VARY, (b"access-control-allow-origin", b"*"), exposed)
        return (VARY,)


async def _answer_preflight(send: Send, *, is_allowed: bool) -> None:
    preflight = PREFLIGHT if is_allowed else ()
    await send({"type": "http.response.start", "status": 204, "headers": [*preflight]})
    await send({"type": "http.response.body", "body": b""})
