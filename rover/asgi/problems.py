"""Errors as RFC 9457 `application/problem+json`, with a `detail` that a person can act on.

`Problems` is pure ASGI: it works for HTTP and WebSockets, and around a single route of another app.
"""

from __future__ import annotations

import logging
import sys
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.routing import Match

from rover import errors
from rover.asgi.headers import ResponseHeaders
from rover.asgi.responses import json_response
from rover.asgi.resumable import TUS
from rover.errors import RoverError
from rover.request import request_id
from sources.base import ImageBroken, SourceError, UnknownImage
from sources.push import InboxFull
from sources.rules.describe import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    PageFor = Callable[[Exception, HTTPStatus, dict[str, str], Scope, Receive], Response | None]

logger = logging.getLogger("rover.errors")

PROBLEM = "application/problem+json"
"""The media type of an error (RFC 9457)."""

STATUS: dict[type[Exception], HTTPStatus] = {
    errors.NotStarted: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Draining: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.AccessRefused: HTTPStatus.FORBIDDEN,
    errors.TokenRequired: HTTPStatus.UNAUTHORIZED,
    errors.TooManyFailures: HTTPStatus.TOO_MANY_REQUESTS,
    errors.AccessEnded: HTTPStatus.UNAUTHORIZED,
    errors.BadQuery: HTTPStatus.BAD_REQUEST,
    errors.BadBody: HTTPStatus.BAD_REQUEST,
    errors.RevisionGone: HTTPStatus.PRECONDITION_FAILED,
    errors.NoThumbnail: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.UnknownAlarm: HTTPStatus.NOT_FOUND,
    errors.MissionRecorded: HTTPStatus.CONFLICT,
    errors.NoDataYet: HTTPStatus.NOT_FOUND,
    errors.FormatMissing: HTTPStatus.NOT_IMPLEMENTED,
    errors.LogDamaged: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.ChannelRefused: HTTPStatus.BAD_REQUEST,
    errors.UpgradeRequired: HTTPStatus.UPGRADE_REQUIRED,
    errors.MessageRefused: HTTPStatus.BAD_REQUEST,
    errors.MessageConflict: HTTPStatus.CONFLICT,
    errors.MessageForbidden: HTTPStatus.FORBIDDEN,
    errors.UnknownMessage: HTTPStatus.NOT_FOUND,
    errors.MessageTooBig: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.MessageTypeRefused: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.TooManyMessages: HTTPStatus.TOO_MANY_REQUESTS,
    errors.PoolFull: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.NotIngesting: HTTPStatus.CONFLICT,
    errors.UnknownMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.IngestTooBig: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.BatchRefused: HTTPStatus.BAD_REQUEST,
    errors.NotAnUpload: HTTPStatus.BAD_REQUEST,
    errors.UploadTooBig: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UploadInterrupted: HTTPStatus.BAD_REQUEST,
    errors.UploadStalled: HTTPStatus.REQUEST_TIMEOUT,
    errors.UploadTooSlow: HTTPStatus.REQUEST_TIMEOUT,
    errors.UploadTimedOut: HTTPStatus.REQUEST_TIMEOUT,
    errors.CommandsOff: HTTPStatus.CONFLICT,
    errors.UnknownUpload: HTTPStatus.NOT_FOUND,
    errors.UploadExists: HTTPStatus.CONFLICT,
    errors.BadUploadId: HTTPStatus.BAD_REQUEST,
    errors.WrongFileName: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.OffsetMismatch: HTTPStatus.CONFLICT,
    errors.LengthMismatch: HTTPStatus.BAD_REQUEST,
    errors.UploadEnded: HTTPStatus.GONE,
    errors.UploadComplete: HTTPStatus.BAD_REQUEST,
    errors.UploadPaused: HTTPStatus.REQUEST_TIMEOUT,
    errors.NotWritten: HTTPStatus.INSUFFICIENT_STORAGE,
    errors.BadUploadHeader: HTTPStatus.BAD_REQUEST,
    errors.NotAPart: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.TusVersion: HTTPStatus.PRECONDITION_FAILED,
    errors.UploadEncoded: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.NoArtifact: HTTPStatus.NOT_FOUND,
    errors.NotKept: HTTPStatus.NOT_FOUND,
    errors.ChecksumMismatch: HTTPStatus.BAD_REQUEST,
    errors.TooLateToCancel: HTTPStatus.CONFLICT,
    errors.NotQueued: HTTPStatus.CONFLICT,
    errors.NotNow: HTTPStatus.CONFLICT,
    errors.SecondPersonRequired: HTTPStatus.CONFLICT,
    errors.OtherReleaseTime: HTTPStatus.CONFLICT,
    errors.ReleaseTimePast: HTTPStatus.BAD_REQUEST,
    UnknownImage: HTTPStatus.NOT_FOUND,
    ImageBroken: HTTPStatus.SERVICE_UNAVAILABLE,
    InboxFull: HTTPStatus.SERVICE_UNAVAILABLE,
    SourceError: HTTPStatus.BAD_GATEWAY,
    RoverError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""The status of each error. A class that is not listed has the status of its base class."""


def status_of(kind: type[Exception]) -> HTTPStatus:
    """The HTTP status for a class of errors."""
    for base in kind.__mro__:
        if issubclass(base, Exception) and base in STATUS:
            return STATUS[base]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def problem(exc: RoverError | SourceError) -> Response:
    """The response for an error."""
    status = status_of(type(exc))
    detail = describe(exc) if isinstance(exc, SourceError) else str(exc)
    response = _respond(status, detail, headers_of(exc, status), getattr(exc, "members", None))
    response.status_code = getattr(exc, "status_code", status.value)
    return response


def headers_of(exc: Exception, status: HTTPStatus) -> dict[str, str]:
    """Headers of the response to an error."""
    if headers := getattr(exc, "headers", None):
        return dict(headers)
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        return {"Retry-After": str(getattr(exc, "retry_after_s", 2))}
    if status is HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": 'Bearer realm="mission control"'}
    return {}


async def http_problem(connection: HTTPConnection, exc: Exception) -> Response:
    """The response for an error of Starlette: an unknown path, a wrong method, a bad request."""
    if not isinstance(exc, HTTPException):
        raise exc
    status = HTTPStatus(exc.status_code)
    headers = dict(exc.headers or {})
    detail = exc.detail
    path = connection.scope["path"]  # `connection.url` raises for some raw bytes
    if status is HTTPStatus.NOT_FOUND and detail == status.phrase:
        what = "no WebSocket" if connection.scope["type"] == "websocket" else "nothing"
        detail = f"{what} is at {path}; openapi.json lists all paths"
    elif status is HTTPStatus.METHOD_NOT_ALLOWED:
        method = connection.scope["method"]
        detail = f"{path} does not allow {method}; use {headers.get('Allow')}"
    return _respond(status, detail, headers)


def _respond(
    status: HTTPStatus,
    detail: str,
    headers: dict[str, str],
    members: Mapping[str, object] | None = None,
) -> Response:
    body = {**problem_body(status, detail, request_id()), **(members or {})}
    return json_response(body, status.value, headers, PROBLEM)


def problem_body(status: HTTPStatus, detail: str, request_id: str) -> dict[str, object]:
    """The members of a problem document; without an id if it is empty."""
    body: dict[str, object] = {"title": status.phrase, "status": status.value, "detail": detail}
    return {**body, "request_id": request_id} if request_id else body


class Problems:
    """Responds to the errors of the inner app with a problem document.

    The inner app raises them before its response begins. So `send` is not wrapped: a wrapper would
    be awaited for each event of each client.

    Args:
        app: the inner app.
        on_refusal: called with each error and its status.
        page_for: returns a page for an error if the client is a browser.
    """

    def __init__(
        self,
        app: ASGIApp,
        on_refusal: Callable[[Exception, HTTPStatus], None] = lambda *_: None,
        page_for: PageFor = lambda *_: None,
    ) -> None:
        self.app = app
        self._on_refusal = on_refusal
        self._page_for = page_for

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the inner app, and respond if it raises."""
        try:
            await self.app(scope, receive, send)
        except (RoverError, SourceError) as exc:
            status = status_of(type(exc))
            self._on_refusal(exc, status)
            if status is HTTPStatus.INTERNAL_SERVER_ERROR:
                logger.exception("%s: this error has no status", scope["path"])
            page = self._page_for(exc, status, headers_of(exc, status), scope, receive)
            response = page or problem(exc)
            if "tus-resumable" in Headers(scope=scope):  # tus requires it in errors too
                response.headers["Tus-Resumable"] = TUS
            await _respond_with(response, scope, receive, send)


async def _respond_with(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()  # the handshake; the app has not received it
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close"})  # the server responds with 403
            return
    await response(scope, receive, send)


class ProblemApp(Starlette):
    """A Starlette app that responds to all of its errors with a problem document.

    It lacks the two layers that Starlette puts around each app, because they wrap `send`. Any other
    exception reaches the server, which logs it and responds with 500.

    Attributes:
        allowed_origins: those whose pages may read the errors, as `ROVER_ALLOWED_ORIGINS`.
        trusted_proxies: those whose request ids are used, as `ROVER_TRUSTED_PROXIES`.
        has_ended: whether a signal has ended the app during its startup, which then fails under
            uvicorn: uvicorn would open its port, and log that the startup is complete.
        begin_lifespan: called with the scope and `receive` of the lifespan, before it runs.
    """

    allowed_origins = ""
    trusted_proxies = ""
    has_ended: Callable[[], bool] = staticmethod(lambda: False)
    begin_lifespan: Callable[[Scope, Receive], None] | None = None

    def build_middleware_stack(self) -> ASGIApp:
        """The app's own middleware around its router."""
        self.router.default = _not_found
        app: ASGIApp = self._respond_to_refusals
        for cls, args, kwargs in reversed(self.user_middleware):
            app = cls(app, *args, **kwargs)
        return app

    async def _respond_to_refusals(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            if self.begin_lifespan is not None:
                self.begin_lifespan(scope, receive)
            send = _without_traceback(send)
            if type(getattr(receive, "__self__", None)).__module__.startswith("uvicorn."):
                send = self._without_startup(send)
        try:
            await self.router.middleware_stack(scope, receive, send)  # without a frame of its own
        except HTTPException as exc:
            if exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
                exc.headers = {"Allow": ", ".join(self._methods_of(scope))}
            respond = partial(_respond_to_refusal, exc)
            headers = ResponseHeaders(respond, self.allowed_origins, self.trusted_proxies)
            await headers(scope, receive, send)

    def _without_startup(self, send: Send) -> Send:
        """A `send` for which the startup fails without a line in the log if the app has ended."""
        has_failed = False

        async def send_or_fail(message: Message) -> None:
            nonlocal has_failed
            if message["type"] == "lifespan.startup.complete" and self.has_ended():
                has_failed = True
                await send({"type": "lifespan.startup.failed", "message": ""})
            elif not has_failed:  # no message follows a failure
                await send(message)

        return send_or_fail

    def _methods_of(self, scope: Scope) -> list[str]:
        """The methods of a path. It may have several routes; Starlette names those of the first."""
        matching = (one for one in self.router.routes if one.matches(scope)[0] is not Match.NONE)
        return sorted(
            {method for one in matching for method in getattr(one, "methods", None) or ()}
        )


async def _respond_to_refusal(
    exc: HTTPException, scope: Scope, receive: Receive, send: Send
) -> None:
    response = await http_problem(HTTPConnection(scope), exc)
    await _respond_with(response, scope, receive, send)


def _without_traceback(send: Send) -> Send:
    """A `send` for which the message of a failed startup is one sentence, if the error has one."""

    async def send_sentence(message: Message) -> None:
        exc = sys.exception()  # Starlette sends the message while it handles the exception
        if message["type"] == "lifespan.startup.failed" and isinstance(
            exc, RoverError | SourceError
        ):
            message = {**message, "message": describe(exc)}
        await send(message)

    return send_sentence


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] in ("http", "websocket"):
        raise HTTPException(HTTPStatus.NOT_FOUND)
