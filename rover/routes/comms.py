"""Comms channels: the WebSocket of a member, and the list of channels.

The task of a connection receives from the member; `MemberStream` sends the channel's events.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from anyio import move_on_after, sleep
from starlette.endpoints import WebSocketEndpoint
from starlette.websockets import WebSocket, WebSocketDisconnect

from rover import errors
from rover.api import Answer, Channel, Operation
from rover.api.schema import ref
from rover.asgi.backlog import backlog_of
from rover.asgi.close_frames import close_reason
from rover.asgi.member_stream import MemberStream
from rover.asgi.query import RESUME_POINT, Text
from rover.asgi.responses import json_response
from rover.asgi.servers.uvicorn import max_frame_bytes, transport_of
from rover.comms.protocol import PROTOCOLS, SUBPROTOCOL, WireProtocol
from rover.identity import EVERYONE, IDENTITY

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute
    from starlette.types import Message, Receive, Scope, Send

    from rover.comms import Comms
    from rover.comms.member import Member
    from rover.serving import Serving

CLOSE_CODES: dict[type[errors.RoverError], int] = {
    errors.NotText: 1003,
    errors.AccessEnded: 1008,
    errors.BadQuery: 1008,
    errors.ChannelRefused: 1008,
    errors.MessageRefused: 1008,
    errors.Removed: 1008,
    errors.Replaced: 1008,
    errors.SubprotocolRefused: 1008,
    errors.MessageTooBig: 1009,
    errors.Draining: 1012,
    errors.PoolFull: 1013,
    errors.MemberStalled: 1013,
}
"""The close code for each error that ends a connection (RFC 6455, 7.4, and IANA's registry)."""

NAME = Text(name="name", summary="name of the member")

RESUME = Text(
    name="resume", summary="`resume` of an earlier `welcome`, to be the same member again"
)

CLOSE_TIMEOUT_S = 0.5
"""Seconds to send a close frame. A stalled client does not receive it."""


class HasComms(Protocol):
    """The parts of a mission that these routes use."""

    comms: Comms
    serving: Serving


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
            if (offered := self.scope["subprotocols"]) and self._subprotocol is None:
                raise errors.SubprotocolRefused(offered, SUBPROTOCOL)
            channel = websocket.path_params["team_channel"]
            name, resume = NAME.of(websocket) or "", RESUME.of(websocket) or ""
            client = self._serving.clients.name_of(self.scope, self.receive)
            await self._comms.load(channel, client)
            after = RESUME_POINT.of(websocket)
            grants, identity = self._serving.connections.grants, self.scope.get(IDENTITY, EVERYONE)
            with (
                self._comms.join(channel, name, after, client, identity, resume) as member,
                grants.hold(identity, member.close),
            ):
                await self._run(websocket, member)
        except WebSocketDisconnect:
            pass
        except errors.RoverError as exc:
            self._comms.closed_members[type(exc).__name__] += 1
            await _close(websocket, exc)
        if member is not None and (
            member.sending_since < inf or isinstance(member.close_reason, errors.MemberStalled)
        ):
            # the client does not read the close frame either, and the server would wait for it
            self._serving.connections.abort(self.receive)

    async def on_connect(self, websocket: WebSocket) -> None:
        """Accept the handshake, with `rover.comms.v1` if the client offers it."""
        await websocket.accept(self._subprotocol)

    async def decode(self, websocket: WebSocket, message: Message) -> str:
        """The frame's text.

        Raises:
            NotText: the frame is binary.
            MessageTooBig: no message of `ROVER_MAX_MESSAGE_BYTES` needs such a frame.
        """
        text: str | None = message.get("text")
        if text is None:
            raise errors.NotText
        limit = self._serving.settings.max_message_bytes
        if len(text) > limit and len(text.encode()) > max_frame_bytes(limit):
            raise errors.MessageTooBig(limit)
        return text

    async def _run(self, websocket: WebSocket, member: Member) -> None:
        member.read_backlog = partial(backlog_of, transport_of(self.receive))
        stream = MemberStream(websocket, self.send, member, self._protocol, self._comms)
        if (welcome := self._protocol.welcome(member)) is not None:
            # a client may resume after the ids in the welcome
            joined = await self._comms.final_id(member.channel, member.joined.offset, synced=False)
            with suppress(WebSocketDisconnect):  # frames sent before the close still count
                await stream.send(welcome(joined))
        stream.resume()
        try:
            with stream:
                await self._receive(websocket, stream)
        finally:
            await stream.subscriptions.close()
            writer = await stream.stop()
        if writer is not None and not writer.cancelled():
            writer.result()  # raises what the writer raised

    async def _receive(self, websocket: WebSocket, stream: MemberStream) -> None:
        try:
            while (message := await websocket.receive())["type"] == "websocket.receive":
                stream.received_at = inf
                await self._handle(await self.decode(websocket, message), stream)
                await self._wait(stream.member)
                stream.received_at = monotonic()
        except WebSocketDisconnect:
            pass
        except errors.RoverError as exc:
            stream.member.close(exc)

    async def _wait(self, member: Member) -> None:
        """Wait before the next frame is read, so that no member is faster than the others read."""
        member.bucket.take()
        if (wait_s := member.bucket.wait_s) > 0:
            await sleep(wait_s)
        await member.spoke_in.pace.wait(member.spoke_in.members, monotonic())

    async def _handle(self, text: str, stream: MemberStream) -> None:
        if self._protocol.replies:
            await stream.reply(text)
        else:
            self._protocol.receive(text, stream.member)


async def _close(websocket: WebSocket, error: errors.RoverError) -> None:
    classes = type(error).__mro__
    code = next((CLOSE_CODES[cls] for cls in classes if cls in CLOSE_CODES), 1011)
    with move_on_after(CLOSE_TIMEOUT_S):
        try:
            await websocket.close(code, close_reason(str(error)))
        except (WebSocketDisconnect, RuntimeError):
            return  # the client closed first


def routes(mission: HasComms) -> list[BaseRoute]:
    """`WS /ws/comms/{team_channel}`, which answers other requests with 426, and `GET /comms`."""

    async def channels(request: Request) -> Response:
        listed = [
            {"name": name, "members": members, "last_id": str(last_id)}
            for name, members, last_id in mission.comms.channels.listed()
        ]
        return json_response({"channels": listed})

    async def upgrade(request: Request) -> Response:
        raise errors.UpgradeRequired(request.scope["http_version"])

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
            query=[NAME, RESUME, RESUME_POINT],
        ),
        Operation(
            "/ws/comms/{team_channel:path}",
            upgrade,
            "Refused: the URL is that of a WebSocket",
            path_parameters={"team_channel": {"type": "string"}},
            answers={},
            errors=[errors.UpgradeRequired],
        ),
    ]
