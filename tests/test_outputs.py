"""Outputs: bytes for many clients go straight to a connection only if nothing would change them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from anyio import sleep_forever
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount, Route, WebSocketRoute
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from websockets.asyncio.client import connect

from rover.asgi.headers import ResponseHeaders
from rover.asgi.outputs import TRANSPORT, WRAPPERS, output_of
from rover.asgi.problems import ProblemApp
from rover.asgi.servers.uvicorn_output import output_behind
from rover.asgi.servers.uvicorn_protocols import BoundedHTTPProtocol, BoundedWebSocketProtocol
from rover.broadcast import Broadcast
from rover.settings import Settings
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send
    from starlette.websockets import WebSocket

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

BOUNDED = {"http": BoundedHTTPProtocol, "ws": BoundedWebSocketProtocol}


class Stream:
    """An app that sends `sent`, and writes `written` to its output if it has one."""

    def __init__(self, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        self.headers = headers
        self.has_output = False
        self.is_offered = False
        self.before: object = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.is_offered = TRANSPORT in (scope.get("extensions") or {})
        self.before = output_of(scope, send)
        await send({"type": "http.response.start", "status": 200, "headers": [*self.headers]})
        await send({"type": "http.response.body", "body": b"sent", "more_body": True})
        output = output_of(scope, send)
        self.has_output = output is not None
        if output is not None:
            assert output.is_writable
            assert output.write(b"7\r\nwritten\r\n")
        await send({"type": "http.response.body", "body": b"end"})
        assert output_of(scope, send) is None


class Wrapping:
    """Middleware with a `send` of its own, which may change bodies."""

    def __init__(self, app: ASGIApp, change: Callable[[bytes], bytes]) -> None:
        self.app = app
        self.change = change

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def wrapped(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": self.change(message["body"])}
            await send(message)

        await self.app(scope, receive, wrapped)


async def text_of(app: ASGIApp, serve: Serve, method: str = "GET", **options: Any) -> str:
    async with serve(app, **options) as url, httpx.AsyncClient() as client:
        response = await client.request(method, f"{url}/")
        assert response.status_code == 200
        return response.text


def routed(stream: Stream, *middleware: Middleware, kind: type[Starlette] = Starlette) -> Starlette:
    class Endpoint:
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await stream(scope, receive, send)

    async def respond(_: Request) -> Response:
        return stream  # type: ignore[return-value] # Starlette only calls it

    app = kind(middleware=list(middleware))
    app.router.routes += [Route("/", respond), Mount("/mounted", Endpoint())]
    return app


def with_headers(stream: Stream) -> ASGIApp:
    inner = ResponseHeaders(stream)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await inner(scope, receive, send)

    return app


@pytest.mark.parametrize(
    "wrap",
    [
        lambda stream: stream,
        lambda stream: routed(stream, kind=ProblemApp),
        with_headers,
        routed,
        lambda stream: routed(stream, kind=FastAPI),
    ],
    ids=["alone", "ProblemApp", "headers", "Starlette", "FastAPI"],
)
@pytest.mark.parametrize("options", [{"loop": "uvloop"}, {"loop": "asyncio"}, BOUNDED])
async def test_a_response_in_chunks_has_an_output(
    serve: Serve, wrap: Any, options: dict[str, Any]
) -> None:
    stream = Stream()
    assert await text_of(wrap(stream), serve, **options) == "sentwrittenend"
    assert stream.before is None  # the response has not begun
    assert stream.is_offered == (options is BOUNDED)


def test_starlettes_wrappers_for_error_handlers_are_known() -> None:
    assert len(WRAPPERS) == 3


@pytest.mark.parametrize(
    ("middleware", "expected"),
    [
        (Middleware(Wrapping, change=bytes.upper), "SENTEND"),
        (Middleware(Wrapping, change=bytes), "sentend"),
        (Middleware(GZipMiddleware, minimum_size=0), "sentend"),
        (Middleware(BaseHTTPMiddleware, dispatch=lambda request, call: call(request)), "sentend"),
    ],
    ids=["changes bodies", "only sees them", "compression", "BaseHTTPMiddleware"],
)
@pytest.mark.parametrize("options", [{}, BOUNDED], ids=["uvicorn", "offered"])
async def test_middleware_that_wraps_send_receives_everything(
    serve: Serve, middleware: Middleware, expected: str, options: dict[str, Any]
) -> None:
    stream = Stream()
    assert await text_of(routed(stream, middleware), serve, **options) == expected
    assert not stream.has_output
    assert stream.is_offered == (options is BOUNDED)


@pytest.mark.parametrize("http", [BoundedHTTPProtocol, "httptools", "h11"])
async def test_other_responses_and_protocols_have_no_output(serve: Serve, http: Any) -> None:
    known_length = Stream([(b"content-length", b"7")])
    assert await text_of(known_length, serve, http=http) == "sentend"
    assert await text_of(head := Stream(), serve, method="HEAD", http=http) == ""
    assert not known_length.has_output
    assert not head.has_output
    assert await text_of(stream := Stream(), serve, http=http) == (
        "sentend" if http == "h11" else "sentwrittenend"
    )
    assert stream.has_output == (http != "h11")


async def test_a_subclass_with_a_send_of_its_own_has_no_output() -> None:
    class Cycle(RequestResponseCycle):
        def __init__(self) -> None:
            self.flow = self.transport = None  # type: ignore[assignment]

    class Counting(Cycle):
        async def send(self, message: Any) -> None:
            await super().send(message)

    assert output_behind(Cycle().send) is not None
    assert output_behind(Counting().send) is None
    assert output_behind(Cycle().receive) is None
    assert output_behind(sleep_forever) is None


async def test_an_output_takes_nothing_while_the_client_reads_too_slowly_or_has_closed(
    serve: Serve,
) -> None:
    outputs: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        outputs.append(output_of(scope, send))
        while (await receive())["type"] != "http.disconnect":
            pass

    class Protocol(HttpToolsProtocol):
        def pause_writing(self) -> None:
            super().pause_writing()
            assert not outputs[0].is_writable

    async with serve(app, http=Protocol) as url, httpx.AsyncClient(timeout=10) as client:
        async with client.stream("GET", url) as response:
            await until(lambda: outputs)
            written = 0
            while outputs[0].write(b"4000\r\n%b\r\n" % (b"x" * 0x4000)):
                written += 0x4000
                await until(lambda: True)
            read = 0
            async for piece in response.aiter_bytes():
                read += len(piece)
                if read == written:
                    break
            await until(lambda: outputs[0].is_writable)
        await until(lambda: not outputs[0].write(b"4\r\nlate\r\n"))


@pytest.mark.parametrize("options", [{}, BOUNDED], ids=["uvicorn", "offered"])
async def test_an_open_websocket_has_an_output_until_its_close_frame(
    serve: Serve, options: dict[str, Any]
) -> None:
    outputs: list[Any] = []

    async def endpoint(websocket: WebSocket) -> None:
        outputs.append(output_of(websocket.scope, websocket._send))
        await websocket.accept()
        outputs.append(output_of(websocket.scope, websocket._send))
        outputs.append(TRANSPORT in websocket.scope["extensions"])
        await websocket.receive_text()
        await websocket.close(1000)
        assert not outputs[1].write(b"\x81\x04late")

    async with (
        serve(Starlette(routes=[WebSocketRoute("/", endpoint)]), **options) as url,
        connect(url.replace("http", "ws")) as client,
    ):
        await until(lambda: len(outputs) == 3)
        assert outputs[0] is None
        assert outputs[1].write(b"\x81\x05hello")
        assert await client.recv() == "hello"
        assert outputs[2] == (options is BOUNDED)
        await client.send("bye")
        await client.wait_closed()
        assert client.close_code == 1000


async def test_a_websocket_whose_send_is_wrapped_has_no_output(serve: Serve) -> None:
    outputs: list[Any] = []

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        outputs.append(output_of(websocket.scope, websocket._send))
        await websocket.close()

    app = Starlette(
        routes=[WebSocketRoute("/", endpoint)], middleware=[Middleware(Wrapping, change=bytes)]
    )
    async with serve(app, **BOUNDED) as url, connect(url.replace("http", "ws")) as client:
        await client.wait_closed()
    assert outputs == [None]


async def test_a_broadcast_in_an_app_of_ones_own_writes_to_its_clients(serve: Serve) -> None:
    news = Broadcast(Settings(heartbeat_s=0.1))  # busy clients are attached again
    app = Starlette(routes=[Route("/news", news.respond)], lifespan=news.lifespan)
    async with (
        serve(app) as url,
        httpx.AsyncClient(timeout=5) as client,
        client.stream("GET", f"{url}/news") as one,
        client.stream("GET", f"{url}/news") as other,
    ):
        await until(lambda: news.topic.attached == 2)
        news.publish("landed")
        for response in (one, other):
            async for line in response.aiter_lines():
                if line == 'data: "landed"':
                    break
