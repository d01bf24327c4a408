"""The wire protocols of a channel: plain text, and the JSON of `rover.comms.v1`.

Sans-I/O: text frames in, text frames out. `rover.routes.comms` connects this to a WebSocket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from rover.comms.kinds import content_of
from rover.comms.listening import MAX_SUBSCRIPTIONS, channel_of, command_of
from rover.errors import (
    BadQuery,
    ChannelRefused,
    MessageRefused,
    MessageTooBig,
    PoolFull,
    RoverError,
)
from rover.json_input import parse_json
from rover.names import folded, normalized
from rover.topic import GapReason
from rover.wire import dumps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rover.comms.channel import Channel
    from rover.comms.frames import Frame
    from rover.comms.kinds import Content
    from rover.comms.listening import Subscribe, Unsubscribe
    from rover.comms.member import Member
    from rover.topic import EventId, Gap

SUBPROTOCOL = "rover.comms.v1"

MAX_REF_CHARACTERS = 64

MAX_WELCOME_NAMES = 200
"""Maximum number of members that a `welcome` names. `member_count` counts all of them."""


class Said(NamedTuple):
    """A message that a member has sent, and that is to be acknowledged.

    Attributes:
        offset: of its event.
        ref: the client's name for it.
    """

    offset: int
    ref: str


def ack(said: Said, event_id: EventId) -> str:
    """The frame that acknowledges a message."""
    return dumps({"type": "ack", "ref": said.ref, "id": str(event_id)})


class WireProtocol(Protocol):
    """One of the two protocols, for one connection."""

    @property
    def replies(self) -> bool:
        """Whether `receive` may return a reply. It is sent before any later event."""
        ...

    def welcome(self, member: Member) -> Callable[[EventId], str] | None:
        """Makes the first frame for a member from the final id of its join; `None` without one.

        Call it right after the member joined, and the result once the id is final.
        """
        ...

    def event(self, frame: Frame) -> str | None:
        """The frame for an event, or `None` if this protocol does not send it."""
        ...

    def gap(self, gap: Gap, channel: str) -> str:
        """The frame that reports missing events of a channel."""
        ...

    def receive(self, text: str, member: Member) -> str | Said | Subscribe | Unsubscribe | None:
        """Handle a frame from the member and return the reply to this member, if any.

        A message to acknowledge is returned instead of a reply: its id is final once it is kept. So
        is a subscription, which `rover.asgi.subscriptions` handles.

        Raises:
            MessageRefused: the frame is not acceptable, and this protocol has no error frame.
            MessageTooBig: the message is longer than `ROVER_MAX_MESSAGE_BYTES`, and this protocol
                has no error frame.
        """
        ...


class PlainText:
    """Messages only, so that any WebSocket client in a terminal works."""

    replies = False

    def welcome(self, member: Member) -> None:
        """Plain text has no welcome."""

    def event(self, frame: Frame) -> str | None:
        """The message. Joins and leaves are not sent."""
        return frame.plain

    def gap(self, gap: Gap, channel: str) -> str:
        """One line of text."""
        del channel
        lost = "an unknown number of" if gap.lost is None else f"{gap.lost:,}"
        return f"Gap: {lost} events are missing here; {PLAIN_GAP_REASONS[gap.reason]}."

    def receive(self, text: str, member: Member) -> None:
        """Send the frame's text as a message. An empty frame is ignored."""
        try:
            member.say(text)
        except MessageRefused as exc:
            if exc.code != "empty":
                raise


PLAIN_GAP_REASONS = {
    GapReason.EXPIRED: "they have expired",
    GapReason.UNRECORDED: "they were not recorded",
    GapReason.EPOCH: "the channel's log restarted",
    GapReason.SLOW: "they arrived faster than you read them",
}


PONG = dumps({"type": "pong"})


class CommsV1:
    """The JSON protocol `rover.comms.v1`."""

    replies = True

    def welcome(self, member: Member) -> Callable[[EventId], str]:
        """The members and the newest messages.

        `last_id` is the member's own join, and `resume` a token for its next connection. `members`
        already includes all joins and leaves up to that event, also those that a resuming member
        receives again. `roles` has the roles of the members that have one, if any. `may_say` is
        false for a member that may only listen, and missing for others.
        """
        fields: dict[str, Any] = {
            "type": "welcome",
            "channel": member.channel.name,
            "you": member.name,
            "members": member.names(MAX_WELCOME_NAMES),
            "member_count": member.member_count,
            "last_id": None,
            "resume": member.resume_token,
            "limits": {
                "message_bytes": member.max_message_bytes,
                "ref_characters": MAX_REF_CHARACTERS,
                "messages_per_s": member.channel.settings.message_rate,
                "burst": member.channel.settings.message_burst,
                "subscriptions": MAX_SUBSCRIPTIONS,
            },
        }
        if roles := member.roles(MAX_WELCOME_NAMES):
            fields["roles"] = roles
        if not member.may_say:
            fields["may_say"] = False
        if member.may_moderate:
            fields["may_moderate"] = True
        fields |= member.channel.crew.open_state(member.channel.clock())
        history = ",".join(frame.json for frame in member.history())

        def text(joined: EventId) -> str:
            fields["last_id"] = str(joined)
            return f'{dumps(fields)[:-1]},"history":[{history}]}}'  # the frames are JSON already

        return text

    def event(self, frame: Frame) -> str:
        """The event as JSON."""
        return frame.json

    def gap(self, gap: Gap, channel: str) -> str:
        """The missing events and the reason."""
        fields = {"after": str(gap.after), "resumed": str(gap.resumed), "lost": gap.lost}
        return dumps({"type": "gap", "channel": channel, **fields, "reason": gap.reason})

    def receive(self, text: str, member: Member) -> str | Said | Subscribe | Unsubscribe | None:
        """Handle `say` and `ping`. Returns the message if it has a `ref`, or `pong` or `error`.

        Browsers cannot send WebSocket pings: `ping` lets a page notice a half-open connection.
        """
        about: dict[str, str] = {}
        try:
            request = _parse(text)
            if request.get("type") == "ping":
                return PONG
            if (channel := channel_of(request)) is not None:
                about = {"channel": channel}
                return command_of(request, channel)
            if (ref := check_ref(request.get("ref"))) is not None:
                about = {"ref": ref}
            if request.get("type") != "say":
                types = "`say`, `subscribe`, `unsubscribe` or `ping`"
                raise MessageRefused("unknown_type", f"a frame needs a `type`, which is {types}")
            message, content = text_and_content(request)
            event_id = member.say(message, ref, content, _channel(request, member))
        except REFUSALS as exc:
            return error_frame(exc, about)
        return None if ref is None else Said(event_id.offset, ref)


REFUSALS = (BadQuery, ChannelRefused, MessageRefused, MessageTooBig, PoolFull)
"""Errors after which the connection goes on."""

CODES: dict[type[RoverError], str] = {
    BadQuery: "malformed",
    ChannelRefused: "channel",
    MessageTooBig: "too_long",
    PoolFull: "full",
}
"""The `code` of each, except of `MessageRefused`, which has one."""


def error_frame(exc: RoverError, fields: Mapping[str, str]) -> str:
    """The frame for a refusal.

    Args:
        exc: why the server refuses the frame of the client.
        fields: what was refused.
    """
    codes = (code for kind, code in CODES.items() if isinstance(exc, kind))
    code = exc.code if isinstance(exc, MessageRefused) else next(codes)
    return dumps({"type": "error", "code": code, "detail": str(exc), **fields})


PROTOCOLS: dict[str | None, Callable[[], WireProtocol]] = {None: PlainText, SUBPROTOCOL: CommsV1}
"""The protocols by WebSocket subprotocol."""


def _parse(text: str) -> dict[str, Any]:
    try:
        request = parse_json(text)
    except ValueError as exc:
        raise MessageRefused("malformed", f"a frame must be JSON: {exc}"[:200]) from None
    if not isinstance(request, dict):
        raise MessageRefused("malformed", "a frame must be a JSON object")
    return request


def check_ref(ref: object) -> str | None:
    """The sender's name for a message, if it has one.

    Raises:
        MessageRefused: it is not a short printable string.
    """
    if ref is None:
        return None
    # a lone surrogate is not printable either; it could not be sent back
    if not isinstance(ref, str) or len(ref) > MAX_REF_CHARACTERS or not ref.isprintable():
        detail = f"`ref` must be a string of at most {MAX_REF_CHARACTERS} printable characters"
        raise MessageRefused("malformed", detail)
    return ref


def _channel(request: dict[str, Any], member: Member) -> Channel:
    """The channel of a message: the member's, or one that it listens to."""
    name = request.get("channel")
    if name is None or name == member.channel.name:
        return member.channel
    if isinstance(name, str):
        if name in member.listening:
            return member.listening[name]
        for channel in (member.channel, *member.listening.values()):
            if folded(channel.name) == folded(normalized(name)):  # another spelling
                return channel
    reason = "`channel` must be a channel that you listen to; send `subscribe` first"
    raise MessageRefused("not_subscribed", reason)


def text_and_content(fields: Mapping[str, Any]) -> tuple[str, Content]:
    """The text of a message from a client, and what it has beside it.

    The text may be missing if the kind has a text of its own.

    Raises:
        MessageRefused: one of them is malformed.
    """
    content, text = content_of(fields), fields.get("text")
    if text is None:
        text = content.text_of("") or None
    if not isinstance(text, str):
        raise MessageRefused("malformed", "`text` must be a string")
    return text, content
