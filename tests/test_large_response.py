"""Large responses: few at a time, counted until they are read, and none of them left at the end."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import pytest
from anyio import EndOfStream, connect_tcp, create_task_group, fail_after
from starlette.applications import Starlette
from starlette.routing import Route

from rover.asgi.clients import Clients
from rover.asgi.connections import Connections
from rover.asgi.large_response import MAX_RESPONSES, LargeResponses
from rover.asgi.problems import Problems
from tests.slow_client import read_rest, read_slowly, slow_socket
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import SocketStream
    from starlette.requests import Request

    from rover.asgi.large_response import LargeResponse
    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

SIZE = 11 * 2**20
"""More than the buffers of the kernel on both sides."""

SHARE = MAX_RESPONSES // 3
GREEDY, OTHER = "127.0.0.2", "127.0.0.3"
GET = b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class Site:
    """An app with large responses, and how many were asked for and encoded."""

    def __init__(self, *, wait_s: float = 20.0, timeout_s: float = 30.0) -> None:
        self.connections = Connections(timeout_s)
        self.responses = LargeResponses(self.connections, Clients(""), 1 / 3, wait_s)
        self.asked = self.encoded = 0
        route = Route("/large", self.respond)
        route.app = Problems(route.app)
        self.app = Starlette(routes=[route], lifespan=self.lifespan)
        self.url = ""

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async with create_task_group() as tasks:
            tasks.start_soon(self.connections.run)
            yield
            tasks.cancel_scope.cancel()

    async def respond(self, _: Request) -> LargeResponse:
        self.asked += 1
        return self.responses.respond(self.encode)

    def encode(self) -> bytes:
        self.encoded += 1
        return b'"%s"' % (b"a" * SIZE)

    @asynccontextmanager
    async def unread(self, serve: Serve) -> AsyncIterator[list[SocketStream]]:
        """One client has its share of responses, reads none of them, and has asked for one more."""
        async with serve(self.app) as self.url:
            port = int(self.url.rpartition(":")[2])
            connections = []
            for _ in range(SHARE + 1):
                connection = await connect_tcp("127.0.0.1", port, local_host=GREEDY)
                await connection.send(GET)
                connections.append(connection)
            await until(lambda: self.asked == SHARE + 1 and self.encoded >= SHARE, 30)
            try:
                yield connections
            finally:
                for connection in connections:
                    await connection.aclose()
        assert (len(self.responses.open), len(self.responses.pool)) == (0, 0)


async def read(connection: SocketStream) -> bytes:
    received = bytearray()
    with fail_after(10):
        while True:
            try:
                received += await connection.receive()
            except EndOfStream:
                return bytes(received)


async def test_a_client_that_reads_nothing_delays_only_its_own_responses(serve: Serve) -> None:
    site = Site()
    async with site.unread(serve) as connections:
        transport = httpx.AsyncHTTPTransport(local_address=OTHER)
        async with httpx.AsyncClient(transport=transport) as other:
            answer = await other.get(f"{site.url}/large")
        assert len(answer.content) == SIZE + 2
        assert site.encoded == SHARE + 1
        whole = await read(connections[0])
        assert whole.endswith(b'a"')
        await until(lambda: site.encoded == SHARE + 2)  # the one that waited


async def test_a_request_that_waits_too_long_is_refused_with_what_holds_the_pool(
    serve: Serve,
) -> None:
    site = Site(wait_s=0.1)
    async with site.unread(serve) as connections:
        refused = await read(connections[-1])
    assert refused.startswith(b"HTTP/1.1 503")
    assert b"%d of %d" % (SHARE, MAX_RESPONSES) in refused


async def test_a_stalled_client_is_aborted(serve: Serve) -> None:
    site = Site(timeout_s=0.3)
    async with site.unread(serve):
        await until(lambda: site.encoded == SHARE + 1 and not site.responses.open)


async def test_a_client_that_reads_slowly_receives_every_byte(serve: Serve) -> None:
    site = Site(timeout_s=1)
    async with serve(site.app) as url:
        with slow_socket(url, 65_536) as slow:
            slow.sendall(GET)
            body = (await read_slowly(slow, 6, 400_000)).partition(b"\r\n\r\n")[2]
            body += await read_rest(slow, SIZE + 2 - len(body))
    assert body == b'"%s"' % (b"a" * SIZE)


async def test_a_shutdown_ends_all(serve: Serve) -> None:
    site = Site()
    async with site.unread(serve) as connections:
        site.responses.close()
        await until(lambda: not site.responses.open)
        assert (await read(connections[-1])).startswith(b"HTTP/1.1 503")
