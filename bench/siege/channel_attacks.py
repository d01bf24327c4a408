"""Attacks on the comms channels, over WebSockets."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import TYPE_CHECKING

from bench.siege.connection import frame

if TYPE_CHECKING:
    from bench.siege.connection import Attacker

CHANNEL = "/ws/comms/flight"
"""The channel of the well-behaved member, too."""

_names = itertools.count(1)

MALFORMED = (
    b"\xf1\x80\x00\x00\x00\x00",  # reserved bits
    b"\x8b\x80\x00\x00\x00\x00",  # an unknown opcode
    b"\x81\x05hello",  # not masked
    b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00",  # 2**63 - 1 bytes
    b"\x81\x81\x00\x00\x00\x00\xff",  # not UTF-8
    b"\x89\xfe\xff\xff\x00\x00\x00\x00",  # a ping of 65,535 bytes
    b"\x80\x80\x00\x00\x00\x00",  # a continuation of nothing
)
"""Frames that break RFC 6455."""


async def _flood(attacker: Attacker, data: bytes, first: bytes = b"") -> None:
    async with attacker.connect() as connection:
        await connection.open_websocket(CHANNEL)
        await connection.send(first)
        await connection.flood(data)


async def large_messages(attacker: Attacker) -> None:
    """Messages of 10 kB, as fast as the server reads them."""
    await _flood(attacker, frame(json.dumps({"type": "say", "text": "x" * 10_000}).encode()))


async def small_messages(attacker: Attacker) -> None:
    """Messages of one character."""
    await _flood(attacker, frame(b'{"type":"say","text":"x"}') * 1000)


async def pings(attacker: Attacker) -> None:
    """Pings of the maximum size."""
    await _flood(attacker, frame(b"p" * 125, opcode=9) * 1000)


async def small_fragments(attacker: Attacker) -> None:
    """A message in fragments of one byte."""
    await _flood(attacker, frame(b"x", opcode=0, final=False) * 10_000, frame(b"x", final=False))


async def empty_fragments(attacker: Attacker) -> None:
    """A message in fragments without data."""
    await _flood(attacker, frame(b"", opcode=0, final=False) * 10_000, frame(b"x", final=False))


async def joins(attacker: Attacker) -> None:
    """Members that join and leave at once."""
    async with attacker.connect() as connection:
        await connection.open_websocket(f"{CHANNEL}?name=guest-{next(_names)}")


async def channels(attacker: Attacker) -> None:
    """A new channel for each connection."""
    async with attacker.connect() as connection:
        await connection.open_websocket(f"/ws/comms/channel-{next(_names)}")
        await asyncio.sleep(5)


async def deaf_members(attacker: Attacker) -> None:
    """Members that read nothing."""
    async with attacker.connect(narrow=True) as connection:
        await connection.open_websocket(CHANNEL)
        await asyncio.sleep(30)


async def malformed_frames(attacker: Attacker) -> None:
    """Frames that break the protocol."""
    for malformed in MALFORMED:
        async with attacker.connect() as connection:
            await connection.open_websocket(CHANNEL)
            await connection.send(malformed)
            await connection.read_to_end(2)


async def unfinished_fragments(attacker: Attacker) -> None:
    """Messages in fragments, without a last one."""
    async with attacker.connect() as connection:
        await connection.open_websocket(CHANNEL)
        await connection.send_frame(b"x" * 100, final=False)
        while True:
            await connection.send_frame(b"x" * 1000, opcode=0, final=False)
            await asyncio.sleep(0.01)
