"""The routes of command files as an app, and clients of it."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
from anyio import connect_tcp, fail_after
from httpx_sse import aconnect_sse

from rover.commands import Commands
from rover.routes import commands, queue, resumable, uploads
from tests.command_files import FILE, Script
from tests.one_stream import OneStream
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from anyio.abc import SocketStream
    from httpx_sse import ServerSentEvent

    from sources.base import CommandValidator, Uplink

PATH = "/upload/rover-commands"
FORM = "multipart/form-data; boundary=line"
BEGIN = b'--line\r\nContent-Disposition: form-data; name="file"; filename="sol 42.seq"\r\n\r\n'
END = b"\r\n--line--\r\n"
BODY = BEGIN + FILE + END


class Mission:
    """`Commands` and their routes as an app. The validator yields the items."""

    def __init__(
        self,
        tmp_path: Path,
        *items: Any,
        validator: CommandValidator | None = None,
        uplink: Uplink | None = None,
        **settings: Any,
    ) -> None:
        site = OneStream(data_dir=tmp_path / "data", **settings)
        self.settings = site.settings
        self.log = site.log
        self.streams = site.serving.progress_streams
        self.script = Script(*items)
        notify = site.serving.flusher.mark
        self.commands = Commands(
            validator or self.script, self.settings, notify=notify, log=site.log, uplink=uplink
        )
        site.commands = self.commands
        routes = [
            part for one in (commands, resumable, uploads, queue) for part in one.routes(site)
        ]
        self.app = site.app(routes, start=[self.commands.run])

    async def all_finished(self) -> None:
        """Wait until no upload is being received or checked."""
        await until(lambda: not self.commands.open_uploads)


class Sender:
    """A client that sends its request in pieces, and can read the response meanwhile."""

    def __init__(self, connection: SocketStream) -> None:
        self.received = b""
        self._connection = connection

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            await self._connection.send(piece)

    async def request(self, *headers: str, content_type: str = FORM) -> None:
        lines = [
            f"POST {PATH} HTTP/1.1",
            "Host: localhost",
            f"Content-Type: {content_type}",
            *headers,
        ]
        await self.send("\r\n".join(lines).encode() + b"\r\n\r\n")

    async def chunk(self, data: bytes) -> None:
        await self.send(b"%x\r\n" % len(data), data, b"\r\n")

    async def read_until(self, text: bytes) -> bytes:
        """Read until the response contains the text. Returns everything received."""
        with fail_after(5):
            while text not in self.received:
                self.received += await self._connection.receive()
        return self.received


@asynccontextmanager
async def sender(url: str) -> AsyncIterator[Sender]:
    async with await connect_tcp("127.0.0.1", httpx.URL(url).port or 0) as connection:
        yield Sender(connection)


async def follow(
    url: str, content: bytes = FILE, name: str = "a.seq"
) -> AsyncIterator[dict[str, Any]]:
    """Upload a file, and yield the events of the response as they arrive."""
    async with (
        httpx.AsyncClient(timeout=10) as client,
        aconnect_sse(client, "POST", url + PATH, files={"file": (name, content)}) as source,
    ):
        assert source.response.status_code == 200
        async for event in source.aiter_sse():
            yield parsed(event)


async def upload(url: str, content: bytes = FILE, name: str = "a.seq") -> list[dict[str, Any]]:
    """Upload a file, and return all events of the response."""
    return [event async for event in follow(url, content, name)]


def parsed(event: ServerSentEvent) -> dict[str, Any]:
    """The data of an event, with its name as `event` and its id as `event_id`."""
    data: dict[str, Any] = json.loads(event.data)
    return data | {"event": event.event, "event_id": event.id}
