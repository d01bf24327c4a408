"""Attacks over HTTP. Each is a loop that one of several connections runs until it is cancelled."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.siege.connection import Attacker

FORM = "Content-Type: multipart/form-data; boundary=b"
FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="slow.rcs"\r\n\r\n'

READ_S = 20.0
"""Seconds for which an attack reads a stream before it connects again."""

_rates = itertools.count(1)
_addresses = itertools.count()


async def endless_headers(attacker: Attacker) -> None:
    """One request whose headers never end."""
    async with attacker.connect() as connection:
        await connection.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Endless: ")
        while True:
            await connection.send(b"a" * 1024)
            await asyncio.sleep(0.01)


async def many_headers(attacker: Attacker) -> None:
    """Requests with 10,000 small headers."""
    async with attacker.connect() as connection:
        await connection.request("/telemetry/latest", *(f"X{n}: 1" for n in range(10_000)))
        await connection.status()


async def slow_headers(attacker: Attacker) -> None:
    """One byte of a request per second (Slowloris)."""
    async with attacker.connect() as connection:
        for byte in b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 1000:
            await connection.send(bytes([byte]))
            await asyncio.sleep(1.0)


async def slow_bodies(attacker: Attacker) -> None:
    """One byte of a body per second."""
    async with attacker.connect() as connection:
        length = "Content-Length: 1000000"
        await connection.request("/ingest/telemetry", length, method="POST")
        while True:
            await connection.send(b" ")
            await asyncio.sleep(1.0)


async def slow_readers(attacker: Attacker) -> None:
    """Streams and images that the client never reads."""
    for path in ("/stream/rover-telemetry?last=20000", "/stream/rover-image", "/images"):
        async with attacker.connect(narrow=True) as connection:
            await connection.request(path)
            await asyncio.sleep(READ_S)


async def views(attacker: Attacker) -> None:
    """Streams of 32 rates, each with all retained events."""
    rate = 1 + next(_rates) % 32
    async with attacker.connect() as connection:
        await connection.request(f"/stream/rover-telemetry?hz={rate}&last=20000")
        await connection.status()
        await connection.read_to_end(READ_S)


async def histories(attacker: Attacker) -> None:
    """The whole history, again and again."""
    async with attacker.connect() as connection:
        await connection.request("/telemetry/history?since=0", "Connection: close")
        await connection.status()
        await connection.read_to_end(READ_S)


async def trickled_uploads(attacker: Attacker) -> None:
    """Uploads of ten bytes per second."""
    async with attacker.connect() as connection:
        await connection.request(
            "/upload/rover-commands", FORM, "Content-Length: 1000000", method="POST"
        )
        await connection.send(FILE)
        while True:
            await connection.send(b"# slow\r\n#\n")
            await asyncio.sleep(1.0)


async def connects(attacker: Attacker) -> None:
    """Connections that are reset at once, about 2,000 per second in all."""
    for _ in range(100):
        async with attacker.connect():
            await asyncio.sleep(0.0025)


async def wrong_tokens(attacker: Attacker) -> None:
    """Requests with wrong tokens, as fast as possible."""
    async with attacker.connect() as connection:
        for number in range(100):
            await connection.request("/telemetry/latest", token=f"wrong-{number:020}")
            await connection.status()


async def images(attacker: Attacker) -> None:
    """Lists of images, and whole images."""
    async with attacker.connect() as connection:
        await connection.request("/images?limit=1000", "Connection: close")
        await connection.status()
        await connection.read_to_end(READ_S)
    async with attacker.connect() as connection:
        await connection.request("/stream/rover-image", "Connection: close")
        await connection.status()
        await connection.read_to_end(READ_S)


async def long_queries(attacker: Attacker) -> None:
    """Queries that are as long as a server may accept, and longer ones."""
    for size in (1_000, 8_000, 60_000, 1_000_000):
        async with attacker.connect() as connection:
            await connection.request(f"/telemetry/latest?fields={'a,' * (size // 2)}")
            await connection.status()


async def resets(attacker: Attacker) -> None:
    """Requests whose connection is reset before and during the response."""
    for path in ("/telemetry/history", "/stream/rover-telemetry?last=100", "/", "/metrics"):
        async with attacker.connect() as connection:
            await connection.request(path)
        async with attacker.connect() as connection:
            await connection.request(path)
            await connection.status()


async def pipelined(attacker: Attacker) -> None:
    """Requests that do not wait for the responses before them."""
    async with attacker.connect() as connection:
        await connection.flood(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000)


async def missing_pages(attacker: Attacker) -> None:
    """The same for a path that does not exist."""
    async with attacker.connect() as connection:
        await connection.flood(b"GET /no HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000)


async def garbage(attacker: Attacker) -> None:
    """Bytes that are no HTTP."""
    async with attacker.connect() as connection:
        await connection.flood(b"\x16\x03\x01TRACE\r\n" * 1000)


async def refused_handshakes(attacker: Attacker) -> None:
    """Handshakes of WebSockets with a wrong version, each of which closes its connection."""
    async with attacker.connect() as connection:
        headers = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 12")
        await connection.request("/ws/comms/flight", *headers, "Sec-WebSocket-Key: x")
        await connection.status()


async def small_chunks(attacker: Attacker) -> None:
    """Bodies in chunks of one byte."""
    chunked = "Transfer-Encoding: chunked"
    for path, kind, head in (
        ("/ingest/telemetry", "Content-Type: application/json", b""),
        ("/upload/rover-commands", FORM, b"%x\r\n%b\r\n" % (len(FILE), FILE)),
    ):
        with suppress(OSError):
            async with attacker.connect() as connection, asyncio.timeout(READ_S):
                await connection.request(path, kind, chunked, method="POST", body=head)
                await connection.flood(b"1\r\n \r\n" * 10_000)


async def half_headers(attacker: Attacker) -> None:
    """The beginning of a request, from one of 200 addresses."""
    number = next(_addresses)
    async with attacker.connect(address=f"127.0.1.{1 + number % 200}") as connection:
        await connection.send(b"GET /hea")
        await connection.read_to_end(READ_S)
