"""Serve one of the ASGI apps with uvicorn, with the same options for each: `python -m bench.serve`.

It prints one JSON line with its port as soon as it listens. A wrapper around the app answers
`GET /bench/tasks` with the number of tasks on the event loop.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import socket
from typing import TYPE_CHECKING

import uvicorn

from bench.servers import Workload

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

BACKLOG = 4096

TASKS_PATH = "/bench/tasks"


class TaskCounter:
    """Answers `TASKS_PATH` with the number of tasks; passes other requests to the app."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != TASKS_PATH:
            await self.app(scope, receive, send)
            return
        body = json.dumps({"tasks": len(asyncio.all_tasks())}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


class AnnouncingServer(uvicorn.Server):
    """Prints its port as soon as it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if sockets and self.started:
            print(json.dumps({"port": sockets[0].getsockname()[1]}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.serve")
    parser.add_argument("module", help="name of a module in bench.peers")
    parser.add_argument("--rate-hz", type=float, required=True)
    parser.add_argument("--send-buffer-bytes", type=int)
    parser.add_argument("--small-history", action="store_true")
    args = parser.parse_args()
    workload = Workload(args.rate_hz, args.send_buffer_bytes, args.small_history)
    app = importlib.import_module(f"bench.peers.{args.module}").create_app(workload)
    listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    if workload.send_buffer_bytes is not None:  # accepted sockets inherit it
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, workload.send_buffer_bytes)
    config = uvicorn.Config(
        TaskCounter(app),
        loop="uvloop",
        http="httptools",
        lifespan="on",
        log_level="warning",
        access_log=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=1,
        ws_ping_interval=None,  # the load generator answers no pings
    )
    AnnouncingServer(config).run([listener])


if __name__ == "__main__":
    main()
