"""Comms channels: the WebSocket of a member, and the list of channels.

A connection has two tasks: one receives from the member, the other sends the channel's events. A
lock orders their sends, so that the reply to a message precedes the message itself.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Protocol

import anyio.lowlevel
from anyio import Lock, create_task_group, move_on_after, sleep
from starlette.endpoints import WebSocketEndpoint
from starlette.websockets import WebSocket, WebSocketDisconnect

from rover import errors
from rover.api import Answer, Channel, Operation
from rover.api.schemas import ref
from rover.asgi.close_frames import close_reason
from rover.asgi.query import RESUME_POINT, Text
from rover.asgi.responses import json_response
from rover.comms.protocol import PROTOCOLS, SUBPROTOCOL, WireProtocol
from rover.identity import EVERYONE, IDENTITY
from rover.topic import Batch, Gap

if TYPE_CHECKING:
    from anyio import CancelScope
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute
    from starlette.types import Message, Receive, Scope, Send

    from rover.comms import Comms
    from rover.comms.channel import Member
    from rover.serving import Serving

CLOSE_CODES: dict[type[errors.RoverError], int] = {
    errors.NotText: 1003,
    errors.AccessEnded: 1008,
    errors.BadQuery: 1008,
    errors.ChannelRefused: 1008,
    errors.MessageRefused: 1008,
    errors.MessageTooBig: 1009,
    errors.Draining: 1012,
    errors.PoolFull: 1013,
    errors.MemberStalled: 1013,
}
"""The close code for each error that ends a connection (RFC 6455, 7.4, and IANA's registry)."""

NAME = Text(name="name", summary="name of the member")

LAST_FRAMES_S = 1.0
"""Seconds to handle the frames that a client sent before it closed, after a send has failed."""

CLOSE_TIMEOUT_S = 0.5
"""Seconds to send a close frame. A stalled client does not receive it."""


FRAMES_PER_TURN = 16
"""Number of frames after which a member's task lets the event loop run others."""


class HasComms(Protocol):
    """The parts of a mission that these routes use."""

    @property
    def comms(self) -> Comms:
        """The channels."""
        ...

    @property
    def serving(self) -> Serving:
        """The connections and the settings."""
        ...


class Sender:
    """Sends frames to one member, for two tasks that take turns."""

    def __init__(self, websocket: WebSocket, member: Member, comms: Comms) -> None:
        self.member = member
        self._comms = comms
        self.lock = Lock(fast_acquire=True)  # no checkpoint for each frame of a batch
        self._websocket = websocket

    async def send(self, text: str) -> None:
        """Acquire the lock and send one frame.

        Raises:
            WebSocketDisconnect: the member's connection is closed.
        """
        async with self.lock:
            await self.send_locked(text)

    async def send_locked(self, text: str) -> None:
        """Send one frame; the caller holds `lock`."""
        self.member.sending_since = monotonic()
        try:
            await self._websocket.send_text(text)
        except RuntimeError as exc:  # uvicorn closed it, for example after a ping without an answer
            raise WebSocketDisconnect(1006) from exc
        self.member.sending_since = inf
        self._comms.sent_bytes += len(text) if text.isascii() else len(text.encode())


class CommsEndpoint(WebSocketEndpoint):
    """One connection of a member to a channel.

    The handshake is always accepted, and then the connection may be closed: a browser shows its
    page the code and the reason of a close frame, but no details of a refused handshake.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, mission: HasComms) -> None:
        super().__init__(scope, receive, send)
        self._comms = mission.comms
        self._serving = mission.serving
        self._subprotocol = SUBPROTOCOL if SUBPROTOCOL in scope["subprotocols"] else None
        self._protocol: WireProtocol = PROTOCOLS[self._subprotocol]()

    async def dispatch(self) -> None:
        """Join the channel until either side closes the connection."""
        with self._serving.open_websocket():
            await self._dispatch()

    async def _dispatch(self) -> None:
        websocket = WebSocket(self.scope, self.receive, self.send)
        member = None
        try:
            await self.on_connect(websocket)
            channel = websocket.path_params["team_channel"]
            name = NAME.of(websocket) or ""
            client = self._serving.clients.name_of(self.scope, self.receive)
            await self._comms.load(channel, client)
            after = RESUME_POINT.of(websocket)
            grants, identity = self._serving.connections.grants, self.scope.get(IDENTITY, EVERYONE)
            with (
                self._comms.join(channel, name, after, client, identity) as member,
                grants.hold(identity, member.close),
            ):
                await self._run(websocket, member)
        except WebSocketDisconnect:
            pass
        except errors.RoverError as exc:
            self._comms.closed_members[type(exc).__name__] += 1
            await _close(websocket, exc)
        if member is not None and member.sending_since < inf:
            # stalled: the close frame is not sent either, and the server would wait for it
            self._serving.connections.abort(self.receive)

    async def on_connect(self, websocket: WebSocket) -> None:
        """Accept the handshake, with `rover.comms.v1` if the client offers it."""
        await websocket.accept(self._subprotocol)
        self._serving.connections.limit_unacknowledged(self.receive)

    async def decode(self, websocket: WebSocket, message: Message) -> str:
        """The frame's text.

        Raises:
            NotText: the frame is binary.
            MessageTooBig: it is longer than `ROVER_MAX_MESSAGE_BYTES`.
        """
        text: str | None = message.get("text")
        if text is None:
            raise errors.NotText
        if len(text.encode()) > self._serving.settings.max_message_bytes:
            raise errors.MessageTooBig(self._serving.settings.max_message_bytes)
        return text

    async def _run(self, websocket: WebSocket, member: Member) -> None:
        sender = Sender(websocket, member, self._comms)
        if (welcome := self._protocol.welcome(member)) is not None:
            await self._comms.committed()  # a client may resume after the ids in the welcome
            with suppress(WebSocketDisconnect):  # frames sent before the close still count
                await sender.send(welcome)
        async with create_task_group() as tasks:
            tasks.start_soon(self._send_events, sender, tasks.cancel_scope)
            tasks.start_soon(self._receive, websocket, sender, tasks.cancel_scope)

    async def _send_events(self, sender: Sender, both: CancelScope) -> None:
        try:
            pace = sender.member.channel.pace
            async for news in sender.member.subscriber:
                pace.advance(sender.member)
                if isinstance(news, Batch):
                    for number, frame in enumerate(news.frames, 1):
                        if (text := self._protocol.event(frame)) is not None:
                            await sender.send(text)
                        if not number % FRAMES_PER_TURN:  # a send rarely waits
                            await anyio.lowlevel.checkpoint()
                elif isinstance(news, Gap):
                    self._comms.gaps.add(news)
                    await sender.send(self._protocol.gap(news))
        except WebSocketDisconnect:
            await sleep(LAST_FRAMES_S)  # `_receive` ends earlier: the server reports the close
        both.cancel()

    async def _receive(self, websocket: WebSocket, sender: Sender, both: CancelScope) -> None:
        try:
            while (message := await websocket.receive())["type"] == "websocket.receive":
                await self._handle(await self.decode(websocket, message), sender)
                channel = sender.member.channel
                await channel.pace.wait(channel.members.values(), monotonic())
        except WebSocketDisconnect:
            pass
        except errors.RoverError as exc:
            sender.member.close(exc)
        both.cancel()

    async def _handle(self, text: str, sender: Sender) -> None:
        if not self._protocol.replies:
            self._protocol.receive(text, sender.member)
            return
        async with sender.lock:
            if (reply := self._protocol.receive(text, sender.member)) is not None:
                topic = sender.member.channel.topic
                if topic.released_id != topic.last_id:  # what is acknowledged is kept
                    await self._comms.synced()
                with suppress(WebSocketDisconnect):
                    await sender.send_locked(reply)


async def _close(websocket: WebSocket, error: errors.RoverError) -> None:
    classes = type(error).__mro__
    code = next((CLOSE_CODES[cls] for cls in classes if cls in CLOSE_CODES), 1011)
    with move_on_after(CLOSE_TIMEOUT_S):
        try:
            await websocket.close(code, close_reason(str(error)))
        except (WebSocketDisconnect, RuntimeError):
            return  # the client closed first


def routes(mission: HasComms) -> list[BaseRoute]:
    """`WS /ws/comms/{team_channel}` and `GET /comms`."""

    async def channels(request: Request) -> Response:
        listed = [
            {"name": name, "members": members, "last_id": str(last_id)}
            for name, members, last_id in mission.comms.channels()
        ]
        return json_response({"channels": listed})

    return [
        Operation(
            "/comms",
            channels,
            "The comms channels",
            answers={200: Answer("each with its number of members", ref("Channels"))},
        ),
        # `path`: a name with a slash is also refused with a reason
        Channel(
            "/ws/comms/{team_channel:path}",
            partial(CommsEndpoint, mission=mission),
            "Join a comms channel",
            query=[NAME, RESUME_POINT],
        ),
    ]
