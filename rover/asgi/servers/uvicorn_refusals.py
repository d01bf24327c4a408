"""Responses of uvicorn's protocols to requests that never reach the app, as problem documents."""

from __future__ import annotations

import logging
from contextvars import copy_context
from http import HTTPStatus
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from rover.asgi.headers import DEFAULTS
from rover.asgi.problems import PROBLEM, problem_body
from rover.asgi.request_ids import HEADER, new_request_id
from rover.request import REQUEST_ID, CurrentRequest, current_request
from rover.wire import dumps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from websockets.http11 import Response

access_logger = logging.getLogger("uvicorn.access")

RETRY_AFTER_S = 2

MAX_PATH_CHARACTERS = 200
"""Maximum length of a path in the log line of a refusal."""


def refusal(
    status: HTTPStatus,
    detail: str,
    client: tuple[str, int] | None,
    method: bytes = b"-",
    url: bytes = b"-",
) -> bytes:
    """A complete response, after which the connection is closed; logs it like one of the app.

    Args:
        status: of the response.
        detail: instructions for a person.
        client: address and port.
        method: of the request, as far as it arrived.
        url: of the request, as far as it arrived.
    """
    id_ = new_request_id()
    headers, body = _problem(status, detail, id_)
    path = url.partition(b"?")[0].decode("latin-1")[:MAX_PATH_CHARACTERS]
    line = '%s - "%s %s HTTP/%s" %d'
    _log_with_id(id_, line, _shown(client), method.decode("latin-1"), path, "1.1", status.value)
    lines = b"".join(b"%s: %s\r\n" % header for header in headers)
    return STATUS_LINE[status] + lines + b"connection: close\r\n\r\n" + body


def refuse_handshake(
    response: Response, id_: str, client: tuple[str, int] | None, path: str
) -> Response:
    """Make a problem document of websockets' plain response to a handshake, and log it.

    Args:
        response: that of websockets, which is changed.
        id_: of the request.
        client: address and port.
        path: of the request; empty if it is logged already.
    """
    status = HTTPStatus(response.status_code)
    detail = bytes(response.body or b"").decode().strip().removesuffix(".") or status.phrase
    headers, body = _problem(status, detail, id_)
    for name, value in headers:
        key = name.decode()
        if key in response.headers:
            del response.headers[key]
        response.headers[key] = value.decode()
    response.body = body
    if path:
        _log_with_id(id_, '%s - "WebSocket %s" %d', _shown(client), path, status.value)
    return response


def _log_with_id(id_: str, message: str, *args: object) -> None:
    """Log a line about a request with this id."""

    def log() -> None:
        current_request.set(CurrentRequest({REQUEST_ID: id_}))
        access_logger.info(message, *args)

    copy_context().run(log)


def _shown(client: tuple[str, int] | None) -> str:
    return "" if client is None else f"{client[0]}:{client[1]}"


def _problem(
    status: HTTPStatus, detail: str, id_: str
) -> tuple[Sequence[tuple[bytes, bytes]], bytes]:
    body = dumps(problem_body(status, detail, id_)).encode()
    headers = [
        (b"content-type", PROBLEM.encode()),
        (b"content-length", b"%d" % len(body)),
        *DEFAULTS,
        (HEADER, id_.encode()),
    ]
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append((b"retry-after", b"%d" % RETRY_AFTER_S))
    return headers, body
