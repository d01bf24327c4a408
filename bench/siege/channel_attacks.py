"""Attacks on the comms channels, over WebSockets."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import TYPE_CHECKING

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


async def flood(attacker: Attacker) -> None:
    """Messages of 10 kB, as fast as the server reads them."""
    frame = json.dumps({"type": "say", "text": "x" * 10_000}).encode()
    async with attacker.connect() as connection:
        await connection.open_websocket(CHANNEL)
        reading = asyncio.ensure_future(connection.read_to_end(3600))
        try:
            while not reading.done():
                await connection.send_frame(frame)
                await asyncio.sleep(0)
        finally:
            reading.cancel()


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
    for frame in MALFORMED:
        async with attacker.connect() as connection:
            await connection.open_websocket(CHANNEL)
            await connection.send(frame)
            await connection.read_to_end(2)


async def unfinished_fragments(attacker: Attacker) -> None:
    """Messages in fragments, without a last one."""
    async with attacker.connect() as connection:
        await connection.open_websocket(CHANNEL)
        await connection.send_frame(b"x" * 100, final=False)
        while True:
            await connection.send_frame(b"x" * 1000, opcode=0, final=False)
            await asyncio.sleep(0.01)
