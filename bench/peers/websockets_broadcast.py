"""`websockets.broadcast`: a server of the library websockets, on uvloop, without an ASGI app."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve


async def main() -> None:
    channels: dict[str, set[ServerConnection]] = defaultdict(set)

    async def handle(member: ServerConnection) -> None:
        assert member.request is not None
        members = channels[member.request.path]
        members.add(member)
        try:
            async for text in member:
                broadcast(members, f"Message: {text!s}")
        finally:
            members.remove(member)

    # the load generator answers no pings
    async with serve(handle, "127.0.0.1", 0, backlog=4096, ping_interval=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        print(json.dumps({"port": port}), flush=True)
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    uvloop.run(main())
