"""Errors as RFC 9457 `application/problem+json`, with a `detail` that a person can act on.

Pure ASGI, so that it serves HTTP and WebSockets alike, and wraps single routes in another app.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from rover import errors
from rover.asgi.responses import json_response
from rover.errors import RoverError
from sources.base import ImageBroken, SourceError, UnknownImage
from sources.push import InboxFull

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

logger = logging.getLogger("rover.errors")

STATUS: dict[type[Exception], HTTPStatus] = {
    errors.NotStarted: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Draining: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.AccessRefused: HTTPStatus.FORBIDDEN,
    errors.TokenRequired: HTTPStatus.UNAUTHORIZED,
    errors.BadQuery: HTTPStatus.BAD_REQUEST,
    errors.BadBody: HTTPStatus.BAD_REQUEST,
    errors.UnknownAlarm: HTTPStatus.NOT_FOUND,
    errors.NothingYet: HTTPStatus.NOT_FOUND,
    errors.ChannelRefused: HTTPStatus.BAD_REQUEST,
    errors.ChannelFull: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.TooManyReaders: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.TooManyViews: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.NotIngesting: HTTPStatus.CONFLICT,
    errors.UnknownMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.IngestTooBig: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.BatchRefused: HTTPStatus.BAD_REQUEST,
    errors.NotAnUpload: HTTPStatus.BAD_REQUEST,
    errors.UploadTooBig: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UploadInterrupted: HTTPStatus.BAD_REQUEST,
    errors.UploadStalled: HTTPStatus.REQUEST_TIMEOUT,
    errors.TooManyUploads: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.CommandsOff: HTTPStatus.CONFLICT,
    errors.UnknownUpload: HTTPStatus.NOT_FOUND,
    UnknownImage: HTTPStatus.NOT_FOUND,
    ImageBroken: HTTPStatus.SERVICE_UNAVAILABLE,
    InboxFull: HTTPStatus.SERVICE_UNAVAILABLE,
    SourceError: HTTPStatus.BAD_GATEWAY,
    RoverError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""An error answers with the status of its nearest class in this table."""


def status_of(exc: Exception) -> HTTPStatus:
    """The status that an error is answered with."""
    for kind in type(exc).__mro__:
        if issubclass(kind, Exception) and kind in STATUS:
            return STATUS[kind]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def problem(exc: RoverError | SourceError) -> Response:
    """The response that tells of an error."""
    status = status_of(exc)
    headers = {}
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(getattr(exc, "retry_after_s", 2))
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="mission control"'
    return _respond(status, str(exc), headers)


async def http_problem(connection: HTTPConnection, exc: Exception) -> Response:
    """Tell of what Starlette itself refuses: unknown paths, unknown methods, bad requests."""
    if not isinstance(exc, HTTPException):
        raise exc
    status = HTTPStatus(exc.status_code)
    headers = dict(exc.headers or {})
    detail = exc.detail
    path = connection.url.path
    if status is HTTPStatus.NOT_FOUND and detail == status.phrase:
        detail = f"there is nothing at {path}; the README lists every path"
    elif status is HTTPStatus.METHOD_NOT_ALLOWED:
        method = connection.scope["method"]
        detail = f"{method} is not for {path}; use {headers.get('Allow')}"
    return _respond(status, detail, headers)


def _respond(status: HTTPStatus, detail: str, headers: dict[str, str]) -> Response:
    body = {"title": status.phrase, "status": status.value, "detail": detail}
    return json_response(body, status.value, headers, "application/problem+json")


class Problems:
    """Answers the errors of the app inside.

    All of ours are raised before the response begins. `send` is passed on as it is: a wrapper that
    watched for the beginning would be awaited for every event of every reader.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app inside, and answer for it if it raises."""
        try:
            await self.app(scope, receive, send)
        except (RoverError, SourceError) as exc:
            if status_of(exc) is HTTPStatus.INTERNAL_SERVER_ERROR:
                logger.exception("%s: an error without a status of its own", scope["path"])
            await _answer(problem(exc), scope, receive, send)


async def _answer(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()  # the handshake, which nobody has taken yet: it is refused with a response
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close"})  # answered with 403, by servers without it
            return
    await response(scope, receive, send)


class ProblemApp(Starlette):
    """A Starlette app that answers all of its errors as problems.

    Without the two layers that Starlette puts around every app: they wrap `send` as well. An error
    that nobody foresaw is the server's, which logs it and answers 500.
    """

    def build_middleware_stack(self) -> ASGIApp:
        """The app's own middleware around its routes."""
        self.router.default = _nowhere
        app: ASGIApp = self._answer_refusals
        for cls, args, kwargs in reversed(self.user_middleware):
            app = cls(app, *args, **kwargs)
        return app

    async def _answer_refusals(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.router(scope, receive, send)
        except HTTPException as exc:
            await _answer(await http_problem(HTTPConnection(scope), exc), scope, receive, send)


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] in ("http", "websocket"):
        raise HTTPException(HTTPStatus.NOT_FOUND)
