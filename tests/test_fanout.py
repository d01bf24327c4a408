"""A thousand clients, of which a third disconnect, stall and read again during releases."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from anyio import sleep
from anyio.lowlevel import checkpoint
from starlette.applications import Starlette
from starlette.routing import Route

from rover.asgi.servers.uvicorn import transport_of
from rover.asgi.servers.uvicorn_protocols import BoundedHTTPProtocol
from rover.broadcast import Broadcast
from rover.settings import Settings
from tests.serving import FULL
from tests.waiting import until

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

CLIENTS = 1000 if FULL else 400
UNSTEADY = CLIENTS // 3
TOGGLED = CLIENTS // 200
EVENTS = 120
RETAINED = 40
SMALL_BUFFER_BYTES = 4096
SEEDS = range(10 if FULL else 1)

CHUNK = re.compile(rb"([0-9a-f]+)\r\n")


class Client(asyncio.Protocol):
    """A client that reads while it is not paused. Its buffers are small, so it soon stalls."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.received = bytearray()
        self.is_open = True
        self.is_paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")

    def data_received(self, data: bytes) -> None:
        self.received += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False

    def toggle(self) -> None:
        if self.is_open:
            self.is_paused = not self.is_paused
            (self.transport.pause_reading if self.is_paused else self.transport.resume_reading)()

    @property
    def has_ended(self) -> bool:
        """Whether the last chunk arrived."""
        return self.received.endswith(b"\r\n0\r\n\r\n")

    def events(self, *, complete: bool) -> list[tuple[str, dict[str, Any]]]:
        """The names and data of the events. If not `complete`, the last chunk may be short."""
        head, _, body = bytes(self.received).partition(b"\r\n\r\n")
        assert b"transfer-encoding: chunked" in head
        text, at = b"", 0
        while (size := CHUNK.match(body, at)) is not None:
            at = size.end() + int(size[1], 16) + 2
            assert at <= len(body) if complete else True
            assert body[at - 2 : at] in (b"\r\n", b"", b"\r")
            text += body[size.end() : at - 2]
        assert at == len(body) if complete else True
        found = []
        for block in text.decode().split("\n\n")[: None if complete else -1]:
            fields = dict(
                line.split(": ", 1)
                for line in block.split("\n")
                if not line.startswith(":") and line
            )
            if "data" in fields:
                found.append(
                    (fields.get("event", ""), json.loads(fields["data"]) | {"id": fields.get("id")})
                )
        return found


async def connect(url: str) -> Client:
    host, port = url.removeprefix("http://").split(":")
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
    one.setblocking(False)
    await asyncio.get_running_loop().sock_connect(one, (host, int(port)))
    _, client = await asyncio.get_running_loop().create_connection(Client, sock=one)
    return client


def check(client: Client, log: dict[int, str], *, complete: bool) -> int:
    """Check that the client received the log in order, except for gaps; returns the lost events."""
    position, lost = 0, 0
    for name, data in client.events(complete=complete):
        if name == "gap":
            assert data["after"].endswith(f"-{position}")
            position += data["lost"]
            lost += data["lost"]
            assert data["resumed"].endswith(f"-{position + 1}")
        elif name == "bye":
            assert position == len(log)
        else:
            position += 1
            assert data["text"] == log[position]
            assert data["id"].endswith(f"-{position}")
    assert not complete or position == len(log)
    return lost


@pytest.mark.parametrize("seed", SEEDS)
async def test_each_client_receives_the_log_or_gaps_whatever_the_others_do(
    serve: Serve, seed: int
) -> None:
    random = Random(seed)
    news = Broadcast(Settings(telemetry_events=RETAINED, client_share=1, heartbeat_s=1))

    async def respond(request: Request) -> Response:
        transport: Any = transport_of(request.receive)
        transport.set_write_buffer_limits(SMALL_BUFFER_BYTES)
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER_BYTES)
        return await news.respond(request)

    app = Starlette(routes=[Route("/", respond)], lifespan=news.lifespan)
    log: dict[int, str] = {}
    offered: dict[str, Any] = {"http": BoundedHTTPProtocol} if seed % 2 else {}
    async with serve(app, backlog=CLIENTS, **offered) as url:
        clients = [await connect(url) for _ in range(CLIENTS)]
        await until(lambda: news.topic.attached == CLIENTS)
        unsteady = clients[:UNSTEADY]
        displaced = 0
        for number in range(1, EVENTS + 1):
            log[number] = f"{number} ".ljust(random.choice([10, 200, 2000]), "x")
            news.publish({"text": log[number]})
            if number == EVENTS // 2:
                news.topic.renew()
            while news.topic.last_id.offset - news.topic.released_id.offset > RETAINED // 4:
                await sleep(0.001)
            for _ in range(random.randrange(6)):
                await checkpoint()
                for client in random.sample(unsteady, TOGGLED):
                    client.toggle()
                if random.random() < 0.0002 * CLIENTS:
                    random.choice(unsteady).transport.abort()
            displaced = max(displaced, news.topic.subscribers - news.topic.attached)
        for client in unsteady:
            if client.is_paused:
                client.toggle()
        await until(lambda: all(one.transport.is_closing() or one.received for one in clients))
        news.topic.close()
        await until(lambda: all(one.has_ended or not one.is_open for one in clients), 20)
    killed = [one for one in unsteady if not one.has_ended]
    assert all(client.has_ended for client in clients[UNSTEADY:])
    lost = [check(client, log, complete=client.has_ended) for client in clients]
    assert displaced > 20
    assert len(killed) > 20
    assert sum(lost[:UNSTEADY]) > 0
    assert sum(lost[UNSTEADY:]) == 0
