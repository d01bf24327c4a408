"""Litestar's channels plugin with its backend in memory: a queue and a task for each subscriber."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anyio import create_task_group
from litestar import Litestar, WebSocket, websocket
from litestar.channels import ChannelsPlugin
from litestar.channels.backends.memory import MemoryChannelsBackend
from litestar.exceptions import WebSocketDisconnect

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from bench.servers import Workload

NAME = "channel"


def create_app(workload: Workload) -> ASGIApp:
    channels = ChannelsPlugin(backend=MemoryChannelsBackend(), channels=[NAME])

    @websocket("/channel")
    async def channel(socket: WebSocket[Any, Any, Any]) -> None:
        await socket.accept()
        async with channels.start_subscription(NAME) as subscriber, create_task_group() as tasks:

            async def send() -> None:
                async for text in subscriber.iter_events():
                    await socket.send_text(text.decode())

            tasks.start_soon(send)
            try:
                while True:
                    channels.publish(f"Message: {await socket.receive_text()}", NAME)
            except WebSocketDisconnect:
                tasks.cancel_scope.cancel()

    app: ASGIApp = Litestar([channel], plugins=[channels])  # type: ignore[assignment] # its own types of ASGI
    return app
