"""A member of a comms channel, across any number of connections.

The protocol is `rover.comms.v1`.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import deque
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.typing import Subprotocol

from rover.client.backoff import Backoff
from rover.client.channel_events import Message, Presence, event_of
from rover.client.errors import (
    ChannelClosed,
    ClientError,
    ConnectionFailed,
    InvalidArgument,
    MessageRefused,
    NotARover,
    Refused,
)
from rover.client.http import host_of, translated_handshake_errors
from rover.client.stream import CONNECT_TIMEOUT_S, Gap, Interruption, json_object
from rover.client.subscriptions import Subscription, Subscriptions
from rover.client.telemetry import Notice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rover.client.client import Client

SUBPROTOCOL = Subprotocol("rover.comms.v1")

PING_S = 10.0
"""Seconds between two pings, and seconds within which the server must answer one."""

MAX_FRAME_BYTES = 64 * 2**20
"""Maximum size of a frame. A `welcome` contains past messages."""

MAX_WAITING = 10_000
"""Maximum number of events that wait for the program; the oldest are dropped as a `Gap`."""

TEMPORARY = frozenset({1000, 1001, 1005, 1006, 1011, 1012, 1013, 1014})
"""Close codes after which the client connects again."""


class _Connect(connect):
    """A handshake that follows no redirect, as the requests of the client."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


CommsEvent = Message | Presence | Notice | Gap | Interruption


class Channel:
    """A member of a channel: use it in `async with`, and iterate over it.

    It connects again after a cut, and resumes after the last event that it received. While it is
    open, it receives events in a task of its own; at most `MAX_WAITING` wait for the program.

    Args:
        client: the client of the server.
        channel: the name of the channel.
        name: of the member; by default the server chooses one.
        after: resume after this event, instead of the newest messages.

    Attributes:
        you: the member's name, as the server knows it.
        members: the names at the last connection; long lists are truncated.
        last_id: the id of the newest event that has arrived; at first that of the own join.

    Raises:
        ConnectionFailed: the first attempt failed.
        Refused: the server does not allow it.
        ChannelClosed: the server closed the channel and does not allow a return.
        NotARover: the server does not speak the protocol.
    """

    def __init__(self, client: Client, channel: str, name: str = "", after: str = "") -> None:
        self.you = ""
        self.members: list[str] = []
        self.last_id = after
        self._client = client
        self._channel = channel
        self._name = name
        self._resume = ""
        self._backoff = Backoff()
        self._connection: ClientConnection | None = None
        self._waiting: deque[CommsEvent] = deque()
        self._dropped = 0
        self._news = asyncio.Event()
        self._said: dict[str, tuple[str, asyncio.Future[str]]] = {}  # frames by `ref`
        self._subscriptions = Subscriptions()
        self._sending = asyncio.Lock()  # `_connection` and `_subscriptions` belong together
        self._error: ClientError | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Join the channel."""
        connection = await self._connect()
        self._task = asyncio.create_task(self._run(connection))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave the channel."""
        connection = self._connection
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if connection is not None:  # the task may not have begun
            await connection.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> CommsEvent:
        while not self._waiting and not self._dropped:
            if self._error is not None:
                raise self._error
            self._news.clear()
            await self._news.wait()
        if self._dropped:
            lost, self._dropped = self._dropped, 0
            return Gap(lost, "slow")
        return self._waiting.popleft()

    async def say(
        self,
        text: str,
        *,
        kind: str = "",
        data: Mapping[str, Any] | None = None,
        ref: str = "",
        channel: str = "",
    ) -> str:
        """Send a message; returns its id when the server has accepted it.

        After a cut it is sent again with the same `ref`, so that the channel has it once.

        Args:
            text: the message.
            kind: such as `link`; empty for a plain message.
            data: for programs; it needs a kind.
            ref: the program's name for the message; by default a random one. A program that may
                have sent it before, in an earlier run, gives the same one again.
            channel: one that the member listens to, as its `Subscription` has it; by default its
                own.

        Raises:
            MessageRefused: the channel does not accept the message.
            InvalidArgument: a message with this `ref` has no acknowledgement yet, or `data` is not
                JSON.
            ClientError: as the class.
        """
        if self._error is not None:
            raise self._error
        ref = ref or secrets.token_hex(8)
        if ref in self._said:
            raise InvalidArgument(f"ref={ref[:64]}: a message with it is being sent")
        fields = {"type": "say", "ref": ref, **message_fields(text, kind, data)}
        frame = json_of({**fields, "channel": channel} if channel else fields)
        accepted = asyncio.get_running_loop().create_future()
        self._said[ref] = (frame, accepted)
        try:
            async with self._sending:
                await self._send(frame)
            accepted_id: str = await accepted
            return accepted_id
        finally:
            del self._said[ref]

    async def subscribe(self, channel: str, *, after: str = "", read: str = "") -> Subscription:
        """Listen to another channel on this connection, without joining it.

        Its events are among those of the iteration, with its name in `channel`. After a cut, it
        resumes after its last event.

        Args:
            channel: the name of the channel.
            after: past events after this id.
            read: the last event that the person has read; counts unread messages.

        Raises:
            MessageRefused: the server refuses it.
            ClientError: as the class.
        """
        ids = {"after": after, "read": read}
        return Subscription.from_json(await self._ask("subscribe", channel=channel, **ids))

    async def unsubscribe(self, channel: str) -> None:
        """Listen no more to another channel.

        Raises:
            MessageRefused: the member does not listen to it.
            ClientError: as the class.
        """
        await self._ask("unsubscribe", channel=channel)

    async def _ask(self, kind: str, **fields: str) -> Mapping[str, Any]:
        if self._error is not None:
            raise self._error
        async with self._sending:
            frame, reply = self._subscriptions.ask(kind, **fields)
            await self._send(json_of(frame))
        return await reply

    async def _send(self, frame: str) -> None:
        """Send a frame, unless the connection was cut. The caller holds `_sending`."""
        if self._connection is not None:
            with suppress(ConnectionClosed):  # it is sent again on the next connection
                await self._connection.send(frame)

    async def _run(self, connection: ClientConnection) -> None:
        """Receive from this connection and from those after it, until an error is permanent."""
        while True:
            error = await self._receive(connection)
            while isinstance(error, ConnectionFailed) or _is_temporary(error):
                delay_s = self._backoff.next_delay_s(getattr(error, "retry_after_s", None))
                self._add(Interruption(str(error), delay_s))
                await asyncio.sleep(delay_s)
                try:
                    connection = await self._connect()
                    break
                except ClientError as exc:
                    error = exc
            else:
                self._fail(error)
                return

    async def _connect(self) -> ClientConnection:
        """Join, and handle the welcome."""
        base = self._client.url.replace("http", "ws", 1)
        query = {"name": self._name, "after": self.last_id, "resume": self._resume}
        given = urlencode({key: value for key, value in query.items() if value})
        url = f"{base}ws/comms/{quote(self._channel, safe='')}{'?' if given else ''}{given}"
        host = host_of(url)
        headers = dict(self._client.headers)
        with translated_handshake_errors(url):
            connection = await _Connect(
                url,
                subprotocols=[SUBPROTOCOL],
                additional_headers={k: v for k, v in headers.items() if k != "User-Agent"},
                user_agent_header=headers["User-Agent"],
                ssl=self._client.tls,
                open_timeout=CONNECT_TIMEOUT_S,
                ping_interval=PING_S,
                ping_timeout=PING_S,
                close_timeout=1,
                max_size=MAX_FRAME_BYTES,
            )
        try:
            if connection.subprotocol != SUBPROTOCOL:
                raise NotARover(f"{host} does not speak {SUBPROTOCOL}")
            self._welcome(json_object(await _next_frame(connection)))
            async with self._sending:  # later frames follow on this connection
                for subscription in self._subscriptions.frames():
                    await connection.send(json_of(subscription))
                for frame, _ in list(self._said.values()):
                    await connection.send(frame)
                self._connection = connection
        except ConnectionClosed as exc:
            raise _closed(exc) from exc
        except ChannelClosed as exc:
            if exc.code == CloseCode.POLICY_VIOLATION:  # of a name or `after`, as 400 over HTTP
                raise Refused(HTTPStatus.BAD_REQUEST, exc.reason) from exc
            raise
        except BaseException:
            await connection.close()
            raise
        return connection

    def _welcome(self, fields: Mapping[str, Any]) -> None:
        if fields.get("type") != "welcome":
            raise NotARover("the channel does not begin with a welcome")
        self.you = str(fields.get("you", ""))
        self._resume = str(fields.get("resume", ""))
        # with the same name, the server recognises messages that are sent again
        self._name = self._name or self.you
        self.members = [str(name) for name in fields.get("members", [])]
        for past in fields.get("history", []):
            self._handle(past)
        self.last_id = self.last_id or str(fields.get("last_id", ""))

    async def _receive(self, connection: ClientConnection) -> ClientError:
        """Receive until the connection ends; returns why."""
        try:
            while True:
                self._handle(json_object(await _next_frame(connection)))
                self._backoff.succeed()
        except ClientError as exc:
            return exc
        finally:
            self._connection = None
            await connection.close()

    def _handle(self, fields: Mapping[str, Any]) -> None:
        event_id = str(fields.get("id", ""))
        match fields.get("type"):
            case "gap":
                self._add(Gap.from_json(fields))
            case "ack":
                if (waiting := self._said.get(str(fields.get("ref")))) and not waiting[1].done():
                    waiting[1].set_result(event_id)
            case "subscribed" | "unsubscribed":
                self._subscriptions.replied(fields)
            case "error" if "channel" in fields:
                if self._subscriptions.replied(fields):
                    self._add(event_of(fields))
            case "error":
                refused = MessageRefused(str(fields.get("code")), str(fields.get("detail", "")))
                if (waiting := self._said.get(str(fields.get("ref")))) and not waiting[1].done():
                    waiting[1].set_exception(refused)
            case _ if event_id:
                self._add(event_of(fields))
                if not self._subscriptions.received(str(fields.get("channel")), event_id):
                    self.last_id = event_id

    def _add(self, event: CommsEvent) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self._dropped += 1
        self._waiting.append(event)
        self._news.set()

    def _fail(self, error: ClientError) -> None:
        self._error = error
        self._news.set()
        self._subscriptions.fail(error)
        for _, accepted in self._said.values():
            if not accepted.done():
                accepted.set_exception(error)


async def _next_frame(connection: ClientConnection) -> str:
    try:
        frame = await connection.recv()
    except ConnectionClosed as exc:
        raise _closed(exc) from exc
    return frame if isinstance(frame, str) else ""


def _closed(exc: ConnectionClosed) -> ClientError:
    if exc.rcvd is None:
        return ConnectionFailed("the connection to the channel was cut")
    return ChannelClosed(exc.rcvd.code, exc.rcvd.reason)


def _is_temporary(error: ClientError) -> bool:
    if isinstance(error, ChannelClosed):
        return error.code in TEMPORARY
    return isinstance(error, Refused) and error.is_temporary


def message_fields(text: str, kind: str, data: Mapping[str, Any] | None) -> dict[str, Any]:
    """The fields of a message from this client."""
    fields: dict[str, Any] = {"text": text}
    if kind:
        fields["kind"] = kind
    return fields if data is None else {**fields, "data": data}


def json_of(fields: Mapping[str, Any]) -> str:
    """The fields as JSON.

    Raises:
        InvalidArgument: they are not JSON.
    """
    try:
        return json.dumps(fields, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as exc:
        raise InvalidArgument(f"data: must be JSON: {exc}") from exc
