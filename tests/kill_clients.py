"""Clients that return whenever the server is killed, and record all that they receive."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import websockets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BOUNDARY = "line"


@dataclass
class Book:
    """What all clients together have received.

    Attributes:
        contents: the content of each event of each stream by id.
        mistakes: sentences about events that must not be.
        received: number of received events.
    """

    contents: dict[tuple[str, str], str] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)
    received: int = 0

    def record(self, stream: str, event_id: str, last_id: str, content: str) -> None:
        """Note an event, and that it follows the one before it."""
        self.received += 1
        known = self.contents.setdefault((stream, event_id), content)
        if known != content:
            self.mistakes.append(f"{stream} {event_id}: {known!r} and {content!r}")
        epoch, _, offset = last_id.partition("-")
        if last_id and event_id != f"{epoch}-{int(offset) + 1}":
            self.mistakes.append(f"{stream}: {event_id} after {last_id}")


@dataclass(frozen=True)
class Event:
    name: str
    id: str
    data: str


async def events_of(
    port: int, path: str, last_id: str = "", body: bytes = b""
) -> AsyncIterator[Event]:
    """The server-sent events of a response until it ends, however it ends."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return
    try:
        head = f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nHost: localhost\r\n"
        head += f"Last-Event-ID: {last_id}\r\n" if last_id else ""
        if body:
            head += f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
            head += f"Content-Length: {len(body)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
        status = (await reader.readline()).split(b" ")
        if len(status) > 1 and status[1] != b"200":
            return
        name = event_id = data = ""
        while line := (await reader.readline()).decode():
            if not line.endswith("\n"):
                return  # cut off
            key, _, value = line.strip().partition(": ")
            if key == "event":
                name = value
            elif key == "id":
                event_id = value
            elif key == "data":
                data = value
            elif not key and data:  # chunk sizes have no colon, and are no empty lines
                yield Event(name, event_id, data)
                name = data = ""
                event_id = ""
    except OSError:
        return
    finally:
        writer.close()


async def read(port: int, book: Book, query: str) -> None:
    """Follow the telemetry."""
    last_id = ""
    while True:
        async for event in events_of(port, f"/stream/rover-telemetry{query}", last_id):
            if event.name == "gap":
                book.mistakes.append(f"gap {event.data} after {last_id}")
            elif event.id:
                book.record(f"telemetry{query}", event.id, last_id, event.name + event.data)
                last_id = event.id
        await asyncio.sleep(0.01)


@dataclass
class Member:
    """A member of a channel: says something new after each `ack`."""

    port: int
    book: Book
    channel: str
    name: str
    acknowledged: dict[str, str] = field(default_factory=dict)
    last_id: str = ""
    number: int = 0

    async def run(self) -> None:
        while True:
            try:
                await self._connect()
            except (OSError, EOFError, websockets.WebSocketException):
                await asyncio.sleep(0.01)

    async def _connect(self) -> None:
        url = f"ws://127.0.0.1:{self.port}/ws/comms/{self.channel}?name={self.name}"
        url += f"&after={self.last_id}" if self.last_id else ""
        async with websockets.connect(
            url, subprotocols=[websockets.Subprotocol("rover.comms.v1")], compression=None
        ) as socket:
            welcome = json.loads(await socket.recv())
            self.last_id = self.last_id or welcome["last_id"]
            await self._say(socket)
            async for frame in socket:
                await self._handle(socket, json.loads(frame))

    async def _say(self, socket: Any) -> None:
        ref = f"{self.name}-{self.number}"
        await socket.send(json.dumps({"type": "say", "text": f"text {ref}", "ref": ref}))

    async def _handle(self, socket: Any, frame: dict[str, Any]) -> None:
        kind = frame["type"]
        if kind == "ack":
            self.acknowledged[frame["ref"]] = frame["id"]
            self.number += 1
            await asyncio.sleep(0.01)
            await self._say(socket)
        elif kind == "gap":
            self.book.mistakes.append(f"{self.channel}: gap {frame} after {self.last_id}")
        elif kind in ("message", "join", "leave"):
            self.book.record(self.channel, frame["id"], self.last_id, json.dumps(frame))
            self.last_id = frame["id"]


@dataclass
class Uploader:
    """Sends files, and follows each to its end."""

    port: int
    book: Book
    ends: dict[str, str] = field(default_factory=dict)

    async def run(self) -> None:
        number = 0
        while True:
            number += 1
            await self._upload(number)

    async def _upload(self, number: int) -> None:
        body = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{number}"'
            f"\r\n\r\nDRIVE {number} {time.time()}\r\n--{BOUNDARY}--\r\n"
        ).encode()
        upload_id = last_id = status = ""
        while status not in ("COMPLETE", "REJECTED", "FAILED"):
            path = f"/uploads/{upload_id}/events" if upload_id else "/upload/rover-commands"
            async for event in events_of(self.port, path, last_id, b"" if upload_id else body):
                fields = json.loads(event.data)
                if event.name == "gap":
                    self.book.mistakes.append(f"upload: gap {fields} after {last_id}")
                    continue
                upload_id = fields.get("id", upload_id)
                status = fields["status"]
                self.book.record(upload_id, event.id, last_id, event.data)
                last_id = event.id
            await asyncio.sleep(0.01)
        self.ends[upload_id] = status


PART_BYTES = 1000


class Operator:
    """Sends files in parts, and releases all accepted sequences, whatever happens to the server.

    Attributes:
        contents: the files that have arrived, or are arriving, by the id of their upload.
        resumed: number of transfers that a kill interrupted after their first part.
        served: set when a file has arrived.
        stops: whether to end after the present file.
    """

    def __init__(self, port: int) -> None:
        self.contents: dict[str, bytes] = {}
        self.resumed = 0
        self.served = asyncio.Event()
        self.stops = False
        self._url = f"http://127.0.0.1:{port}"

    async def run(self) -> None:
        while not self.stops:
            upload_id = f"u{len(self.contents)}"
            self.contents[upload_id] = f"{time.time()}\n".encode() * 200
            while not await self._has_arrived(upload_id):
                await asyncio.sleep(0.005)
            self.served.set()

    async def _has_arrived(self, upload_id: str) -> bool:
        content = self.contents[upload_id]
        try:
            async with httpx.AsyncClient(
                base_url=self._url, timeout=2, headers={"Tus-Resumable": "1.0.0"}
            ) as client:
                offset = await self._offset(client, upload_id)
                self.resumed += 0 < offset < len(content)
                while offset < len(content):
                    answer = await client.patch(
                        f"/uploads/{upload_id}",
                        content=content[offset : offset + PART_BYTES],
                        headers={
                            "Upload-Offset": str(offset),
                            "Content-Type": "application/offset+octet-stream",
                        },
                    )
                    offset = int(answer.raise_for_status().headers["upload-offset"])
                await self._act(client)
        except httpx.HTTPError:
            return False
        return True

    async def _offset(self, client: httpx.AsyncClient, upload_id: str) -> int:
        """The number of bytes that have arrived, also of an upload that a kill has ended."""
        answer = await client.head(f"/uploads/{upload_id}")
        if answer.status_code == 404:
            length = {"Upload-Length": str(len(self.contents[upload_id]))}
            answer = await client.post(f"/uploads?id={upload_id}", headers=length)
        return int(answer.raise_for_status().headers["upload-offset"])

    @staticmethod
    async def _act(client: httpx.AsyncClient) -> None:
        """Release what waits, and withdraw what may have left: it blocks the others."""
        for upload in (await client.get("/queue")).json()["uploads"]:
            action = {"queued": "release", "unknown": "withdraw"}.get(upload["sending"]["state"])
            if action is not None:
                await client.post(f"/uploads/{upload['id']}/{action}", json={"by": "Ada"})
