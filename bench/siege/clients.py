"""The well-behaved clients of a siege: a reader, a member and an uploader."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from bench.siege.channel_attacks import CHANNEL
from bench.siege.connection import TOKEN

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

HEADERS = {"Authorization": f"Bearer {TOKEN}"}
READER, MEMBER, UPLOADER = "127.0.0.2", "127.0.0.3", "127.0.0.4"
"""Their addresses."""

MESSAGE_INTERVAL_S = 1.0
UPLOAD_INTERVAL_S = 5.0
TIMEOUT_S = 20.0
"""Seconds after which a message or an upload counts as lost."""


@dataclass(slots=True)
class Experience:
    """What the clients noticed.

    Attributes:
        silence_s: the longest time without an event on the stream.
        events: number of chunks that the reader received.
        reconnections: of all clients.
        sent: number of messages that the member sent.
        delivered: number of messages that returned to their sender.
        slowest_s: the longest time that it waited for one, also if the siege ended first.
        uploads: number of uploads that began.
        accepted: number of uploads that the server accepted.
        upload_s: the longest time of an accepted upload.
        problems: what went wrong, for people.
    """

    silence_s: float = 0.0
    events: int = 0
    reconnections: int = 0
    sent: int = 0
    delivered: int = 0
    slowest_s: float = 0.0
    uploads: int = 0
    accepted: int = 0
    upload_s: float = 0.0
    problems: list[str] = field(default_factory=list)

    def note(self, client: str, problem: object) -> None:
        """Record what went wrong."""
        self.reconnections += 1
        self.problems.append(f"{client}: {problem!r:.200}")


def _client(port: int, address: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}",
        headers=HEADERS,
        transport=httpx.AsyncHTTPTransport(local_address=address),
        timeout=httpx.Timeout(TIMEOUT_S, connect=TIMEOUT_S),
    )


async def read(port: int, experience: Experience) -> None:
    """Follow the telemetry until cancelled. The silence includes reconnections."""
    last = monotonic()
    async with _client(port, READER) as client:
        while True:
            try:
                async with client.stream("GET", "/stream/rover-telemetry") as response:
                    async for _ in response.raise_for_status().aiter_raw():
                        now = monotonic()
                        experience.silence_s = max(experience.silence_s, now - last)
                        experience.events += 1
                        last = now
                experience.note("reader", "the stream ended")
            except httpx.HTTPError as exc:
                experience.note("reader", exc)
            experience.silence_s = max(experience.silence_s, monotonic() - last)
            await asyncio.sleep(0.1)


async def talk(port: int, experience: Experience) -> None:
    """Send a message each second until cancelled, and wait for each."""
    number = 0
    while True:
        try:
            async with connect(
                f"ws://127.0.0.1:{port}{CHANNEL}?name=member",
                additional_headers=HEADERS,
                subprotocols=[Subprotocol("rover.comms.v1")],
                local_addr=(MEMBER, 0),
                open_timeout=TIMEOUT_S,
                max_queue=None,
            ) as member:
                while True:
                    number += 1
                    began = monotonic()
                    text = f"message {number}"
                    await member.send(json.dumps({"type": "say", "text": text, "ref": str(number)}))
                    experience.sent += 1
                    try:
                        async with asyncio.timeout(TIMEOUT_S):
                            while json.loads(await member.recv()).get("text") != text:
                                pass
                    finally:
                        experience.slowest_s = max(experience.slowest_s, monotonic() - began)
                    experience.delivered += 1
                    await _discard(member, MESSAGE_INTERVAL_S)
        except (OSError, WebSocketException, TimeoutError) as exc:
            experience.note("member", exc)
            await asyncio.sleep(0.1)


async def _discard(member: ClientConnection, seconds: float) -> None:
    """Receive other messages for a time."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                await member.recv()
    except TimeoutError:
        pass


async def upload(port: int, experience: Experience, file: bytes) -> None:
    """Upload a file each few seconds until cancelled."""
    async with _client(port, UPLOADER) as client:
        while True:
            experience.uploads += 1
            began = monotonic()
            try:
                files = {"file": ("drive.rcs", file)}
                answer = await client.post("/upload/rover-commands", files=files)
                if '"status":"COMPLETE"' in answer.text:
                    experience.accepted += 1
                    experience.upload_s = max(experience.upload_s, monotonic() - began)
                else:
                    experience.note("uploader", answer.text[-200:])
            except httpx.HTTPError as exc:
                experience.note("uploader", exc)
            await asyncio.sleep(UPLOAD_INTERVAL_S)
