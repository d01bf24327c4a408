"""What a client may send before the app sees its request, over real sockets."""

from __future__ import annotations

import json
import logging
import socket
import struct
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar

import pytest
from anyio import (
    BrokenResourceError,
    ClosedResourceError,
    EndOfStream,
    connect_tcp,
    fail_after,
    sleep,
)
from anyio.abc import SocketAttribute, SocketStream
from starlette.applications import Starlette
from starlette.datastructures import Address
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute

from rover.asgi.connections import wait_for_disconnect
from rover.asgi.headers import DEFAULTS
from rover.asgi.servers.uvicorn import transport_of
from rover.asgi.servers.uvicorn_headers import MAX_HEADER_BYTES, MAX_HEADERS, MAX_URL_BYTES
from rover.asgi.servers.uvicorn_protocols import BoundedHTTPProtocol, BoundedWebSocketProtocol
from rover.asgi.servers.uvicorn_refusals import refusal
from rover.request import request_id
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from starlette.requests import Request
    from starlette.websockets import WebSocket

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)


class ImpatientHTTPProtocol(BoundedHTTPProtocol):
    header_timeout_s = unread_timeout_s = 0.2


async def answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


async def stream(request: Request) -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"begun"
        while not await request.is_disconnected():
            yield b"."

    return StreamingResponse(parts())


async def decline(websocket: WebSocket) -> None:
    await websocket.close()


APP = Starlette(
    routes=[
        Route("/", answer, methods=["GET", "POST"]),
        Route("/stream", stream),
        WebSocketRoute("/ws", decline),
    ]
)


async def show_target(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{request.headers.getlist('host')} {request.url.path}")


APP.router.routes.append(Route("/{path:path}", show_target, methods=["OPTIONS"]))


async def accept(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.receive()


ECHO = Starlette(routes=[WebSocketRoute("/ws", accept)])


async def exchange(
    serve: Serve, *parts: bytes, http: type[BoundedHTTPProtocol] = BoundedHTTPProtocol
) -> tuple[bytes, int]:
    """What the server sends until it closes the connection, and the bytes that it was sent."""
    async with serve(APP, http=http, ws=BoundedWebSocketProtocol) as url:
        port = int(url.rpartition(":")[2])
        received, sent = b"", 0
        async with await connect_tcp("127.0.0.1", port) as client:
            with fail_after(8):
                try:
                    for part in parts:
                        await client.send(part)
                        sent += len(part)
                except (BrokenResourceError, ClosedResourceError):
                    pass
                try:
                    while True:
                        received += await client.receive()
                except (EndOfStream, BrokenResourceError):
                    return received, sent


def status(response: bytes) -> int:
    return int(response.split(b" ", 2)[1])


def headers(count: int, size: int = 1) -> bytes:
    return b"".join(b"X-%d: %s\r\n" % (n, b"a" * size) for n in range(count))


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (b"GET /?" + b"a" * MAX_URL_BYTES + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (GET + headers(MAX_HEADERS) + b"\r\n", 431),
        (GET + headers(3, MAX_HEADER_BYTES // 3) + b"\r\n", 431),
        (CHUNKED + b"2\r\nab\r\n0\r\n" + headers(MAX_HEADERS), 431),
        (HANDSHAKE + headers(1, 9000) + b"\r\n", 431),
        (HANDSHAKE.replace(b"/1.1", b"/1.0") + b"\r\n", 400),
        (HANDSHAKE.replace(b"/ws", b"/ws?" + b"a" * 8180) + b"\r\n", 400),
        (HANDSHAKE.replace(b"GET", b"POST") + b"Content-Length: 1\r\n\r\n", 400),
        (HANDSHAKE.replace(b"GET", b"POST") + b"\r\n", 405),
        (HANDSHAKE.replace(b": 13", b": 12") + b"\r\n", 400),
        (b"\x16\x03\x01\r\n\r\n", 400),
    ],
)
async def test_a_request_that_does_not_reach_the_app_gets_a_problem(
    serve: Serve, request_: bytes, expected: int
) -> None:
    response, _ = await exchange(serve, request_)
    assert status(response) == expected
    assert response.count(b"HTTP/1.1") == 1
    head, _, body = response.partition(b"\r\n\r\n")
    assert head.lower().count(b"content-type: ") == 1
    assert b"content-type: application/problem+json" in head.lower()
    problem = json.loads(body)
    assert problem["status"] == expected
    assert problem["detail"]
    assert f"x-request-id: {problem['request_id']}".encode() in head.lower()
    for name, _ in DEFAULTS:
        assert name + b": " in head.lower()


def test_a_refusal_has_a_line_in_the_log_with_the_id_of_the_response() -> None:
    lines: list[tuple[str, str]] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append((request_id(), record.getMessage()))

    logger, handler = logging.getLogger("uvicorn.access"), Lines()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        client = ("192.0.2.1", 50_000)
        sent = refusal(HTTPStatus.REQUEST_TIMEOUT, "too slow", client, b"GET", b"/a?token=x")
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    id_ = json.loads(sent.partition(b"\r\n\r\n")[2])["request_id"]
    assert lines == [(id_, '192.0.2.1:50000 - "GET /a HTTP/1.1" 408')]
    assert request_id() == ""


@pytest.mark.parametrize(
    "begin", [GET + b"X: ", CHUNKED + b"2\r\nab\r\n0\r\nX: ", CHUNKED + b"2;extension="]
)
async def test_one_header_that_never_ends_is_refused_early(serve: Serve, begin: bytes) -> None:
    endless: Iterable[bytes] = [b"a" * 2**16] * 512
    _, sent = await exchange(serve, begin, *endless)
    assert sent < 2**24


async def test_requests_within_the_limits_are_answered_in_turn(serve: Serve) -> None:
    long = b"GET /?" + b"a" * (MAX_URL_BYTES - 2) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    full = GET + headers(MAX_HEADERS - 2) + b"Connection: close\r\n\r\n"
    chunks = CHUNKED + b"".join(b"10000\r\n" + b"a" * 2**16 + b"\r\n" for _ in range(8))
    response, _ = await exchange(serve, long, chunks, b"0\r\nX: 1\r\n\r\n", full)
    assert response.count(b"HTTP/1.1 200") == 3
    assert b"524288" in response


async def test_a_handshake_within_the_limits_reaches_the_app(serve: Serve) -> None:
    response, _ = await exchange(serve, HANDSHAKE + headers(1, 8000) + b"\r\n")
    assert status(response) == 403


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([b"GET / HT"], 408),
        ([GET, b"X: 1\r\n"], 408),
        ([GET + b"\r\n", GET], 200),  # the second header of a connection
    ],
)
async def test_a_header_that_does_not_end_in_time_closes_the_connection(
    serve: Serve, parts: list[bytes], expected: int
) -> None:
    response, _ = await exchange(serve, *parts, http=ImpatientHTTPProtocol)
    assert status(response) == expected
    assert b"HTTP/1.1 408" in response


async def test_a_connection_without_a_request_is_closed(serve: Serve) -> None:
    assert await exchange(serve, http=ImpatientHTTPProtocol) == (b"", 0)


async def test_a_refusal_never_becomes_part_of_a_running_response(serve: Serve) -> None:
    begin = GET.replace(b"/ ", b"/stream ") + b"\r\n"
    response, _ = await exchange(serve, begin, GET, http=ImpatientHTTPProtocol)
    assert response.count(b"HTTP/1.1") <= 1
    assert b" 408 " not in response


async def test_a_refusal_of_a_pipelined_request_is_not_part_of_a_running_response(
    serve: Serve,
) -> None:
    begin = GET.replace(b"/ ", b"/stream ") + b"\r\n"
    response, _ = await exchange(serve, begin, GET + b"\r\n\x16\x03\x01\r\n\r\n")
    assert response.count(b"HTTP/1.1") <= 1


@pytest.mark.parametrize("path", [b"/", b"/stream"])
async def test_a_handshake_during_a_response_writes_no_error_into_the_log(
    serve: Serve, caplog: pytest.LogCaptureFixture, path: bytes
) -> None:
    begin = GET.replace(b"/ ", path + b" ") + b"\r\n"
    response, _ = await exchange(serve, begin + HANDSHAKE + b"\r\n")
    assert response.count(b"HTTP/1.1") <= 1
    assert b" 101 " not in response
    assert [one for one in caplog.records if one.levelno >= logging.ERROR] == []


async def test_pipelined_requests_end_with_their_connection(serve: Serve) -> None:
    ended = []

    async def abort(request: Request) -> PlainTextResponse:
        transport = transport_of(request.receive)
        assert transport
        transport.abort()
        await request.body()
        with fail_after(5):
            await wait_for_disconnect(request.receive)
        ended.append(request)
        return PlainTextResponse("late")

    app = Starlette(routes=[Route("/", abort)])
    async with (
        serve(app, http=BoundedHTTPProtocol, ws=BoundedWebSocketProtocol) as url,
        await connect_tcp("127.0.0.1", int(url.rpartition(":")[2])) as client,
    ):
        await client.send((GET + b"\r\n") * 3)
        await until(lambda: ended)
    assert len(ended) == 1


def reset(client: SocketStream) -> None:
    """Have the close of a connection reset it."""
    sock = client.extra(SocketAttribute.raw_socket)  # noqa: S610 # no Django
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def test_a_connection_that_was_reset_before_it_was_accepted_reaches_no_app(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "uvicorn")
    served = []

    async def serve_port(request: Request) -> PlainTextResponse:
        served.append(request.client)
        return PlainTextResponse("")

    app = Starlette(routes=[Route("/", serve_port)])
    async with serve(app, http=BoundedHTTPProtocol, ws=BoundedWebSocketProtocol) as url:
        port = int(url.rpartition(":")[2])
        caplog.clear()
        for _ in range(3):  # the loop does not run meanwhile, so the server accepts them later
            with socket.create_connection(("127.0.0.1", port)) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.sendall(GET + b"\r\n")
        async with await connect_tcp("127.0.0.1", port) as client:
            await client.send(GET + b"\r\n")
            await client.receive()
            assert served == [Address(*client.extra(SocketAttribute.local_address))]  # noqa: S610 # no Django
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []


class RecordedHTTPProtocol(BoundedHTTPProtocol):
    """Records the lost connections, and whether a timer still keeps each in memory."""

    lost: ClassVar[list[tuple[Exception | None, bool]]] = []

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.lost.append((exc, self.timeout_keep_alive_task is not None))


async def test_no_timer_keeps_a_connection_that_was_reset(serve: Serve) -> None:
    RecordedHTTPProtocol.lost.clear()
    async with serve(APP, http=RecordedHTTPProtocol) as url:
        port = int(url.rpartition(":")[2])
        client = await connect_tcp("127.0.0.1", port)
        await client.send(GET + b"\r\n")
        assert status(await client.receive()) == 200
        reset(client)
        await client.aclose()
        await until(lambda: RecordedHTTPProtocol.lost)
    [(error, has_timer)] = RecordedHTTPProtocol.lost
    assert isinstance(error, ConnectionResetError)
    assert not has_timer


async def send_slowly(client: SocketStream) -> None:
    while True:
        await client.send(b"x")
        await sleep(0.02)


async def test_a_body_that_nobody_reads_may_not_take_for_ever(serve: Serve) -> None:
    begun = b"POST /stream HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
    async with (
        serve(APP, http=ImpatientHTTPProtocol, ws=BoundedWebSocketProtocol) as url,
        await connect_tcp("127.0.0.1", int(url.rpartition(":")[2])) as client,
    ):
        await client.send(begun)
        assert (await client.receive()).startswith(b"HTTP/1.1 405 ")
        with fail_after(5), pytest.raises((BrokenResourceError, ClosedResourceError)):
            await send_slowly(client)


async def test_empty_fragments_end_the_connection(serve: Serve) -> None:
    async with (
        serve(ECHO, http=BoundedHTTPProtocol, ws=BoundedWebSocketProtocol) as url,
        await connect_tcp("127.0.0.1", int(url.rpartition(":")[2])) as client,
    ):
        await client.send(HANDSHAKE + b"\r\n")
        assert b"101" in await client.receive()
        await client.send(b"\x01\x80abcd" + b"\x00\x80abcd" * 5_000)
        with fail_after(5):
            assert (await client.receive())[:4].endswith(b"\x03\xf0")  # close code 1008
