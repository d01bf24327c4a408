"""The chat of most tutorials: a list of WebSockets, and a loop that sends to each in turn."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from bench.servers import Workload


def create_app(workload: Workload) -> ASGIApp:
    channels: dict[str, list[WebSocket]] = defaultdict(list)

    async def channel(websocket: WebSocket) -> None:
        await websocket.accept()
        members = channels[websocket.path_params["name"]]
        members.append(websocket)
        try:
            while True:
                text = await websocket.receive_text()
                for member in members:
                    await member.send_text(f"Message: {text}")
        except WebSocketDisconnect:
            members.remove(websocket)

    return Starlette(routes=[WebSocketRoute("/{name}", channel)])
