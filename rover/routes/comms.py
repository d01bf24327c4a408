"""Team comms: the WebSocket of a room's member, and the list of the rooms.

A connection has two tasks: one hears the member, the other tells it what the room says. They take
turns at the socket, so that the answer to a message goes out before the message itself.
"""

from __future__ import annotations

import functools
from contextlib import contextmanager
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from anyio import Lock, create_task_group, move_on_after
from starlette.endpoints import WebSocketEndpoint
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from rover import errors
from rover.asgi.query import resume_point
from rover.asgi.responses import json_response
from rover.comms.protocol import CommsV1, Language, PlainText
from rover.topic import Batch, Gap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anyio import CancelScope
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute
    from starlette.types import Message, Receive, Scope, Send

    from rover.asgi.connections import Connections
    from rover.comms.comms import Member, Rooms
    from rover.settings import Settings

SUBPROTOCOL = "rover.comms.v1"

CLOSE_CODES: dict[type[errors.RoverError], int] = {
    errors.NotText: 1003,
    errors.BadQuery: 1008,
    errors.ChannelRefused: 1008,
    errors.MessageRefused: 1008,
    errors.MessageTooBig: 1009,
    errors.Draining: 1012,
    errors.RoomFull: 1013,
    errors.TooSlow: 1013,
}
"""What ends a conversation, and the code that says so (RFC 6455, 7.4, and IANA's registry)."""

REASON_BYTES = 123
"""A close frame has no room for more (RFC 6455, 5.5)."""

FAREWELL_S = 0.5
"""Who takes nothing takes no farewell either: so long it is tried."""


class Conversations:
    """How many connections are open; also of those who only take their farewell any more."""

    def __init__(self) -> None:
        self.open = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count one more inside the block."""
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1


class Line:
    """The way out to one member, for two tasks that take turns."""

    def __init__(self, websocket: WebSocket, member: Member) -> None:
        self.member = member
        self.turn = Lock(fast_acquire=True)  # a batch of frames need not yield at each of them
        self._websocket = websocket

    async def send(self, text: str) -> None:
        """Send one frame when it is our turn.

        Raises:
            WebSocketDisconnect: the member is gone.
        """
        async with self.turn:
            await self.send_in_turn(text)

    async def send_in_turn(self, text: str) -> None:
        """Send one frame; the caller holds `turn`."""
        self.member.sending_since = monotonic()
        try:
            await self._websocket.send_text(text)
        except RuntimeError as exc:  # uvicorn closed by itself, as when a ping has no answer
            raise WebSocketDisconnect(1006) from exc
        self.member.sending_since = inf


class Comms(WebSocketEndpoint):
    """One connection of a member to a room.

    The socket is accepted before anything is refused: a browser shows its page the code and the
    reason of a close, but nothing at all of a refused handshake.
    """

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        rooms: Rooms,
        max_message_bytes: int,
        connections: Connections,
        conversations: Conversations | None = None,
    ) -> None:
        super().__init__(scope, receive, send)
        self._rooms = rooms
        self._conversations = conversations or Conversations()
        self._max_message_bytes = max_message_bytes
        self._connections = connections
        self._subprotocol = SUBPROTOCOL if SUBPROTOCOL in scope["subprotocols"] else None
        self._language: Language = CommsV1() if self._subprotocol else PlainText()

    async def dispatch(self) -> None:
        """Take part in the room until either side ends it."""
        with self._conversations.one():
            await self._converse()

    async def _converse(self) -> None:
        websocket = WebSocket(self.scope, self.receive, self.send)
        member = None
        try:
            await self.on_connect(websocket)
            channel = websocket.path_params["team_channel"]
            name = websocket.query_params.get("name", "")
            with self._rooms.join(channel, name, resume_point(websocket)) as member:
                await self._take_part(websocket, member)
        except WebSocketDisconnect:
            pass
        except errors.RoverError as exc:
            await self._say_farewell(websocket, exc)
        if member is not None and member.sending_since < inf:
            # it takes nothing, a farewell neither: the server would wait for good
            self._connections.cut(self.scope, self.receive)

    async def on_connect(self, websocket: WebSocket) -> None:
        """Accept the socket, in the language that it offers."""
        await websocket.accept(self._subprotocol)
        self._connections.expect_acks(self.scope, self.receive)

    async def decode(self, websocket: WebSocket, message: Message) -> str:
        """The frame's text.

        Raises:
            NotText: it was a binary one.
            MessageTooBig: it is longer than the settings allow.
        """
        text: str | None = message.get("text")
        if text is None:
            raise errors.NotText
        if len(text.encode()) > self._max_message_bytes:
            raise errors.MessageTooBig(self._max_message_bytes)
        return text

    async def _take_part(self, websocket: WebSocket, member: Member) -> None:
        line = Line(websocket, member)
        if (welcome := self._language.welcome(member)) is not None:
            await line.send(welcome)
        async with create_task_group() as tasks:
            tasks.start_soon(self._tell, line, tasks.cancel_scope)
            tasks.start_soon(self._hear, websocket, line, tasks.cancel_scope)

    async def _tell(self, line: Line, both: CancelScope) -> None:
        try:
            async for news in line.member.subscription:
                if isinstance(news, Batch):
                    for frame in news.frames:
                        if (text := self._language.event(frame)) is not None:
                            await line.send(text)
                elif isinstance(news, Gap):
                    await line.send(self._language.gap(news))
        except WebSocketDisconnect:
            pass
        both.cancel()

    async def _hear(self, websocket: WebSocket, line: Line, both: CancelScope) -> None:
        try:
            while (message := await websocket.receive())["type"] == "websocket.receive":
                await self._answer(await self.decode(websocket, message), line)
        except WebSocketDisconnect:
            pass
        except errors.RoverError as exc:
            line.member.dismiss(exc)
        both.cancel()

    async def _answer(self, text: str, line: Line) -> None:
        if not self._language.answers:
            self._language.hear(text, line.member)
            return
        async with line.turn:
            if (answer := self._language.hear(text, line.member)) is not None:
                await line.send_in_turn(answer)

    async def _say_farewell(self, websocket: WebSocket, reason: errors.RoverError) -> None:
        kinds = type(reason).__mro__
        code = next((CLOSE_CODES[kind] for kind in kinds if kind in CLOSE_CODES), 1011)
        with move_on_after(FAREWELL_S):
            try:
                await websocket.close(code, close_reason(str(reason)))
            except (WebSocketDisconnect, RuntimeError):
                return  # the other side was quicker


def close_reason(text: str) -> str:
    """The text, cut to what a close frame can hold."""
    if len(text.encode()) <= REASON_BYTES:
        return text
    return text.encode()[: REASON_BYTES - 3].decode(errors="ignore") + "…"


def routes(
    rooms: Rooms,
    settings: Settings,
    connections: Connections,
    conversations: Conversations | None = None,
) -> list[BaseRoute]:
    """`WS /ws/comms/{team_channel}` and `GET /comms`."""

    async def channels(request: Request) -> Response:
        told = [
            {"name": name, "members": members, "last_id": str(last_id)}
            for name, members, last_id in rooms.channels()
        ]
        return json_response({"channels": told})

    endpoint = functools.partial(
        Comms,
        rooms=rooms,
        max_message_bytes=settings.max_message_bytes,
        connections=connections,
        conversations=conversations,
    )
    return [
        Route("/comms", channels, name="channels"),
        # `path`, because a slash is to be refused with a reason, as any other bad name is
        WebSocketRoute("/ws/comms/{team_channel:path}", endpoint, name="comms"),
    ]
