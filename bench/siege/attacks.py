"""All attacks, and the process that runs some of them at once."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.machine import raise_file_limit
from bench.siege import channel_attacks, http_attacks
from bench.siege.connection import Attacker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

RETRY_S = 0.05
"""Seconds before a connection that the server refused or closed is opened again."""

FIRST_ADDRESS = 11
"""The first attack comes from 127.0.0.11."""

NICENESS = 5
"""The attacks leave the clients that are measured enough of the second core."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One kind of attack.

    Attributes:
        run: what one connection does. It is run again when it returns or the server closes it.
        connections: how many run at once.
    """

    run: Callable[[Attacker], Awaitable[None]]
    connections: int


ATTACKS = {
    "endless-headers": Attack(http_attacks.endless_headers, 20),
    "many-headers": Attack(http_attacks.many_headers, 5),
    "slow-headers": Attack(http_attacks.slow_headers, 200),
    "slow-bodies": Attack(http_attacks.slow_bodies, 100),
    "slow-readers": Attack(http_attacks.slow_readers, 300),
    "views": Attack(http_attacks.views, 32),
    "histories": Attack(http_attacks.histories, 8),
    "trickled-uploads": Attack(http_attacks.trickled_uploads, 20),
    "connects": Attack(http_attacks.connects, 5),
    "wrong-tokens": Attack(http_attacks.wrong_tokens, 4),
    "images": Attack(http_attacks.images, 8),
    "long-queries": Attack(http_attacks.long_queries, 4),
    "resets": Attack(http_attacks.resets, 8),
    "half-headers": Attack(http_attacks.half_headers, 400),
    "pipelined": Attack(http_attacks.pipelined, 4),
    "missing-pages": Attack(http_attacks.missing_pages, 4),
    "garbage": Attack(http_attacks.garbage, 4),
    "refused-handshakes": Attack(http_attacks.refused_handshakes, 4),
    "small-chunks": Attack(http_attacks.small_chunks, 8),
    "large-messages": Attack(channel_attacks.large_messages, 2),
    "small-messages": Attack(channel_attacks.small_messages, 4),
    "pings": Attack(channel_attacks.pings, 4),
    "small-fragments": Attack(channel_attacks.small_fragments, 4),
    "empty-fragments": Attack(channel_attacks.empty_fragments, 4),
    "joins": Attack(channel_attacks.joins, 10),
    "channels": Attack(channel_attacks.channels, 100),
    "deaf-members": Attack(channel_attacks.deaf_members, 50),
    "malformed-frames": Attack(channel_attacks.malformed_frames, 5),
    "unfinished-fragments": Attack(channel_attacks.unfinished_fragments, 20),
}


def address_of(name: str) -> str:
    """The address that an attack comes from."""
    return f"127.0.0.{FIRST_ADDRESS + list(ATTACKS).index(name)}"


async def _repeat(attack: Attack, attacker: Attacker) -> None:
    while True:
        try:
            await attack.run(attacker)
        except (OSError, TimeoutError):
            await asyncio.sleep(RETRY_S)
        await asyncio.sleep(0)


async def _attack(port: int, seconds: float, names: list[str]) -> dict[str, Attacker]:
    attackers = {name: Attacker(address_of(name), port) for name in names}
    tasks = [
        asyncio.create_task(_repeat(ATTACKS[name], attacker))
        for name, attacker in attackers.items()
        for _ in range(ATTACKS[name].connections)
    ]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return attackers


def main(port: int, seconds: float, names: list[str]) -> None:
    """Run the attacks, and print what the server answered as JSON."""
    raise_file_limit()
    os.nice(NICENESS)
    done = asyncio.run(_attack(port, seconds, names))
    print(
        json.dumps(
            {
                name: {
                    "connections": attacker.connections,
                    "refused": attacker.refused,
                    "statuses": attacker.statuses,
                }
                for name, attacker in done.items()
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:])
