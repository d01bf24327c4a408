"""python-socketio: an event to all clients of its ASGI server, by WebSocket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import socketio

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from bench.servers import Workload


def create_app(workload: Workload) -> ASGIApp:
    server = socketio.AsyncServer(async_mode="asgi", transports=["websocket"])

    @server.on("say")  # type: ignore[untyped-decorator]
    async def say(_: str, message: dict[str, Any]) -> None:
        await server.emit("message", message)

    app: ASGIApp = socketio.ASGIApp(server)
    return app
