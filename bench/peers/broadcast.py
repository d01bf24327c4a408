"""The tutorial's chat room: a list of sockets, and a loop that sends to one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from bench.servers import Load


def create_app(load: Load) -> ASGIApp:
    members: list[WebSocket] = []

    async def room(websocket: WebSocket) -> None:
        await websocket.accept()
        members.append(websocket)
        try:
            while True:
                text = await websocket.receive_text()
                for member in members:
                    await member.send_text(f"Message: {text}")
        except WebSocketDisconnect:
            members.remove(websocket)

    return Starlette(routes=[WebSocketRoute("/room", room)])
