"""The comms routes under a real server, and members that connect to it."""

from __future__ import annotations

import json
import logging
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from anyio import (
    fail_after,
)
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from rover.comms import Comms
from rover.comms.protocol import SUBPROTOCOL
from rover.routes import comms_messages
from rover.routes.comms import (
    routes,
)
from rover.serving import Serving
from tests.one_stream import OneStream
from tests.server_log import no_errors_logged

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rover.asgi.servers.uvicorn_protocols import BoundedWebSocketProtocol
    from rover.logs.base import Log
    from tests.conftest import Serve

V1 = [Subprotocol(SUBPROTOCOL)]


IMPLEMENTATIONS = [
    "websockets-sansio",
    pytest.param(
        "websockets",
        marks=pytest.mark.filterwarnings(
            "ignore::DeprecationWarning", "ignore::uvicorn.config.UvicornDeprecationWarning"
        ),
    ),
]
"""uvicorn's default implementation, and the deprecated one."""


@dataclass
class Server:
    """A running server of the comms routes."""

    url: str
    comms: Comms

    def join(
        self, path: str, subprotocols: list[Subprotocol] | None = V1, **options: Any
    ) -> connect:
        return connect(
            f"{self.url.replace('http', 'ws')}/ws/comms/{path}",
            subprotocols=subprotocols,
            proxy=None,
            **{"max_queue": None, **options},
        )

    def plain(self, path: str, **options: Any) -> connect:
        return self.join(path, None, **options)


@asynccontextmanager
async def comms(
    serve: Serve,
    ws: str | type[BoundedWebSocketProtocol] = "auto",
    log: Log | None = None,
    logged_below: int = logging.ERROR,
    **settings: Any,
) -> AsyncIterator[Server]:
    site = OneStream(**{"message_rate": 1e6, **settings})
    site.serving = Serving(site.settings, log=log)
    site.comms = Comms(site.settings, notify=site.serving.flusher.mark, log=log)
    app = site.app([*routes(site), *comms_messages.routes(site)], site.comms.run)
    async with serve(app, ws=ws) as url:
        with no_errors_logged(logged_below):
            yield Server(url, site.comms)


async def receive(member: ClientConnection) -> dict[str, Any]:
    """The next frame of `rover.comms.v1`."""
    with fail_after(5):
        frame: dict[str, Any] = json.loads(await member.recv())
    return frame


async def receive_plain(member: ClientConnection) -> str:
    """The next frame of plain text."""
    with fail_after(5):
        return await member.recv(decode=True)


async def say(member: ClientConnection, text: str, **more: Any) -> None:
    await member.send(json.dumps({"type": "say", "text": text, **more}))


async def closed(member: ClientConnection) -> tuple[int | None, str]:
    """The code and the reason of the server's close frame. Frames before it are ignored."""
    with fail_after(10):
        try:
            while True:
                await member.recv()
        except ConnectionClosed:
            return member.close_code, member.close_reason or ""


def server_address(server: Server) -> tuple[str, int]:
    url = httpx.URL(server.url)
    assert url.port is not None
    return url.host, url.port


def narrow(address: tuple[str, int]) -> socket.socket:
    """A connected socket with a small receive buffer."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    sock.connect(address)
    return sock


def unbuffered() -> dict[str, Any]:
    """Options of a client that stops reading when its caller does."""
    return {"max_queue": 1, "compression": None, "ping_interval": None, "close_timeout": 0.1}
