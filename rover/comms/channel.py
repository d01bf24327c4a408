"""One channel: its members by name, and its topic.

Messages, joins and leaves are events of one topic, so that every member receives them in the same
order.
"""

from __future__ import annotations

import secrets
from itertools import chain, count, islice
from math import ceil, inf
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from rover import errors
from rover.comms.bucket import Bucket
from rover.comms.kinds import PLAIN, Content
from rover.comms.names import MAX_NAME_CHARACTERS
from rover.comms.pace import Pace
from rover.comms.protocol import Frame, MessageEvent, PresenceEvent, encode
from rover.comms.seats import Seats
from rover.identity import EVERYONE
from rover.names import looks_of
from rover.retention import expired_count
from rover.shares import Pool
from rover.topic import Topic

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable

    from anyio import CancelScope

    from rover.comms.records import ChannelEvent
    from rover.identity import Identity
    from rover.logs.base import Record
    from rover.logs.store import Store
    from rover.settings import Settings
    from rover.shares import Refusal
    from rover.topic import EventId, Subscriber

    Notify = Callable[[Topic[Any, Any]], None]
    Clock = Callable[[], float]

MAX_PRESENCE_EVENTS = 1_000
"""Maximum number of joins and leaves kept in a channel. They never replace messages."""

MAX_REQUEST_BUCKETS = 1_000
"""Maximum number of clients of a channel, apart from members, whose messages are counted."""

MAX_HISTORY_BYTES = 256 * 1024
"""Maximum size of the history in a `welcome`: WebSocket clients accept 1 MiB by default."""


class Member:
    """One member of a channel, while the block of `Comms.join` runs.

    Read the names, the count and the history before the first `await` after the join: they are then
    as they were at the join.

    Attributes:
        channel: the channel.
        client: who it is, for the shares of the limits; several members may be of one client.
        identity: what it may do, and its role.
        name: unique in the channel, so not always the requested one.
        requested_name: the name that the client asked for, the same after it reconnects.
        subscriber: the channel's events. With `after`, it begins with the missed events; otherwise
            with the events after the member's own join.
        joined: the id of the member's own join.
        resumed: whether `after` was given.
        resume_token: for the next connection of this member.
        bucket: limits the frames that it sends.
        sending_since: `monotonic()` when the pending send began, else infinity. The sender sets it;
            `Comms.close_stalled` reads it.
        close_reason: why the server closed the member, if it did.
    """

    def __init__(
        self,
        channel: Channel,
        name: str,
        requested_name: str,
        joined: EventId,
        after: EventId | None,
        scope: CancelScope,
        client: str | None = None,
        identity: Identity = EVERYONE,
    ) -> None:
        self.channel = channel
        self.identity = identity
        self.client = client
        self.name = name
        self.requested_name = requested_name
        self.joined = joined
        self.resumed = after is not None
        self.resume_token = ""
        self.bucket = channel.bucket()
        self.has_place = True  # in the limit of members
        self.subscriber: Subscriber[ChannelEvent, Frame] = channel.topic.subscribe(after)
        self.sending_since = inf
        self.close_reason: errors.RoverError | None = None
        self._scope = scope

    def say(self, text: str, ref: str | None = None, content: Content = PLAIN) -> EventId:
        """Send a message to everyone in the channel, this member included; returns its id.

        Never waits. Between two messages, await `Channel.pace`, so that nobody is faster than
        the members that read. A member that reads too slowly receives a gap.

        Args:
            text: the message.
            ref: the client's name for the message. A client that did not receive the id sends the
                message again with the same `ref`: the same text with the same `ref` under the same
                requested name is sent once, and returns the id of the first time.
            content: what the message has beside its text.

        Raises:
            MessageRefused: it is empty or cannot be encoded, or the member may only listen.
            MessageTooBig: with `content`, it is longer than `ROVER_MAX_MESSAGE_BYTES`.
        """
        return self.channel.say(self, text, ref, content)

    def close(self, reason: errors.RoverError) -> None:
        """Cancel the member's block, which then raises `reason`. A second call has no effect."""
        if self.close_reason is None:
            self.close_reason = reason
            self._scope.cancel()

    def names(self, limit: int) -> list[str]:
        """Up to `limit` names of members, in the order in which they joined."""
        return list(islice(self.channel.members, limit))

    def roles(self, limit: int) -> dict[str, str]:
        """The roles of those among `names` that have one, by name."""
        members = islice(self.channel.members.values(), limit)
        return {one.name: one.identity.role for one in members if one.identity.role}

    @property
    def max_message_bytes(self) -> int:
        """Maximum size of a message in UTF-8."""
        return self.channel.max_message_bytes

    @property
    def may_say(self) -> bool:
        """Whether the member may send messages in this channel."""
        return self.identity.allows("say", self.channel.name)

    @property
    def member_count(self) -> int:
        """Number of members of the channel."""
        return len(self.channel.members)

    def history(self) -> list[Frame]:
        """The newest messages, oldest first. Empty for a resuming member: `subscriber` has them."""
        return [] if self.resumed else self.channel.history()


class Speaker(Protocol):
    """Whoever sends a message: a member, or a request."""

    @property
    def identity(self) -> Identity:
        """What it may do, and its role."""
        ...

    @property
    def name(self) -> str:
        """The name that the message has."""
        ...

    @property
    def requested_name(self) -> str:
        """The name that the client asked for."""
        ...


class Request(NamedTuple):
    """A speaker that is not a member."""

    identity: Identity
    name: str
    requested_name: str


class Channel:
    """One channel.

    Args:
        name: of the channel.
        settings: the limits; also an attribute.
        notify: called with the topic when it has new events.
        clock: POSIX seconds.
        client: who opened the channel.
        refused: counts the members that are refused.
        has_name: whether a name belongs to a token; other members do not get it.
        store: keeps the events; `None` if a restart may forget them.
        is_recorded: whether it is of a recorded mission, in which nothing can be said.
        is_pinned: whether it is always there; also an attribute.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        notify: Notify | None,
        clock: Clock,
        client: str | None = None,
        refused: Counter[Refusal] | None = None,
        has_name: Callable[[str], bool] = lambda _: False,
        store: Store[ChannelEvent] | None = None,
        *,
        is_recorded: bool = False,
        is_pinned: bool = False,
    ) -> None:
        self.is_pinned = is_pinned
        self.name = name
        self._has_name = has_name
        self._is_recorded = is_recorded
        self.client = client
        self.members: dict[str, Member] = {}
        self.pool = Pool(
            f"members of channel {name!r}",
            "ROVER_MAX_MEMBERS",
            settings.max_members,
            settings.client_share,
            refused,
        )
        self.topic: Topic[ChannelEvent, Frame] = Topic(
            encode,
            size=lambda frame: frame.size,
            max_events=settings.room_events,
            max_bytes=settings.room_bytes,
            notify=notify,
            store=store,
            is_transient=lambda event: isinstance(event, PresenceEvent),
            max_transient=MAX_PRESENCE_EVENTS,
        )
        self.pace = Pace(settings.room_bytes, settings.room_events)
        if store is not None and store.stream is not None:
            self.topic.restore_position(store.stream)
        self.settings = settings
        self._clock = clock
        self._sent: dict[tuple[str, str, int], int] = {}  # offsets of messages with a ref
        self._seats = Seats()
        self._requests: dict[str, Bucket] = {}  # of clients that are not members

    def bucket(self) -> Bucket:
        """Limits the messages of one sender."""
        return Bucket(self.settings.message_rate, self.settings.message_burst)

    def take_request(self, client: str) -> None:
        """Count a message of a client that is not a member.

        Raises:
            TooManyMessages: it sends too many.
        """
        bucket = self._requests.pop(client, None) or self.bucket()
        self._requests[client] = bucket
        if len(self._requests) > MAX_REQUEST_BUCKETS:
            del self._requests[next(iter(self._requests))]
        if bucket.wait_s:
            raise errors.TooManyMessages(self.settings.message_rate, ceil(bucket.wait_s))
        bucket.take()

    def join(
        self,
        name: str,
        after: EventId | None,
        scope: CancelScope,
        client: str | None = None,
        identity: Identity = EVERYONE,
        resume_token: str = "",
    ) -> Member:
        """Add a member and publish its join.

        With the token of a member that is still here, it takes its place, without an event.

        Raises:
            PoolFull: the channel has `ROVER_MAX_MEMBERS` members, or the client's share of them.
        """
        seat = self._seats.find(resume_token, identity.name)
        if seat is not None and seat.member is not None:
            return self._replace(seat.member, after, scope, client, identity)
        self.pool.acquire(client)
        requested_name = name or f"guest-{secrets.token_hex(2)}"
        if seat is not None:
            requested_name = seat.requested_name
        is_free = seat is not None and seat.name not in self.members
        name = seat.name if seat is not None and is_free else self._unique(requested_name)
        count = len(self.members) + 1
        event = PresenceEvent("join", name, count, self._clock(), identity.role)
        joined = self.topic.publish(event)
        member = Member(self, name, requested_name, joined, after, scope, client, identity)
        self.members[name] = member
        member.resume_token = self._seats.take(member, resume_token if seat is not None else "")
        return member

    def _replace(
        self,
        absent: Member,
        after: EventId | None,
        scope: CancelScope,
        client: str | None,
        identity: Identity,
    ) -> Member:
        """A member in the place of one whose connection is half-open, which is closed."""
        self.pool.release(absent.client)
        try:
            self.pool.acquire(client)
        except errors.PoolFull:
            self.pool.acquire(absent.client)
            raise
        absent.has_place = False
        name, requested_name = absent.name, absent.requested_name
        joined = self.topic.last_id
        member = Member(self, name, requested_name, joined, after, scope, client, identity)
        self.members[name] = member
        member.bucket = absent.bucket
        member.resume_token = self._seats.take(member, absent.resume_token)
        absent.close(errors.Replaced())
        return member

    def leave(self, member: Member) -> None:
        """Remove a member and publish its leave, unless another connection took its place."""
        self.pace.leave(member)
        if not member.has_place:
            return
        del self.members[member.name]
        self._seats.leave(member)
        self.pool.release(member.client)
        if self.topic.closed:
            return
        role = member.identity.role
        event = PresenceEvent("leave", member.name, len(self.members), self._clock(), role)
        self.topic.publish(event)

    def speaker(self, name: str, identity: Identity) -> Speaker:
        """A speaker that is not a member; without a token, its name is that of no member."""
        return Request(identity, name if identity.name else self._unique(name), name)

    def say(self, member: Speaker, text: str, ref: str | None, content: Content = PLAIN) -> EventId:
        """See `Member.say`."""
        if not text.strip():
            raise errors.MessageRefused("empty", "a message must not be empty")
        if self._is_recorded:
            raise errors.MessageRefused("recorded", str(errors.MissionRecorded()))
        if not member.identity.allows("say", self.name):
            raise errors.MessageRefused(
                "not_allowed",
                f"you may only listen in channel {self.name!r}: your token lacks the scope "
                f"`say:{self.name}`",
            )
        if "\0" in text:
            raise errors.MessageRefused("malformed", "a message must not contain NUL characters")
        try:
            size = len(text.encode()) + content.size
        except UnicodeEncodeError:  # JSON can express a lone surrogate, UTF-8 cannot
            detail = "a message must not contain a lone surrogate"
            raise errors.MessageRefused("malformed", detail) from None
        if size > self.settings.max_message_bytes:
            raise errors.MessageTooBig(self.settings.max_message_bytes)
        self.pace.add(2 * size)  # the topic keeps it in both protocols
        event = MessageEvent(
            member.name,
            text,
            self._clock(),
            ref,
            member.identity.role,
            member.requested_name,
            content,
        )
        if ref is None:
            return self.topic.publish(event)
        known = self._sent.get((member.requested_name, ref, hash(text)))
        if known is not None:
            return self.topic.epochs.id(known)
        event_id = self.topic.publish(event)
        self._note_sent(event, event_id.offset)
        return event_id

    def restore(self, records: Iterable[Record]) -> None:
        """Retain the events of the log; call it before any other event."""
        for record, event in self.topic.restore(records):
            if isinstance(event, MessageEvent):
                self._note_sent(event, record.offset)

    def expire(self, before: float) -> None:
        """Expire the events that are older than a time in POSIX seconds."""
        times = (event.at for event in self.topic.retained_items())
        self.topic.expire_oldest(expired_count(times, before))

    def _note_sent(self, event: MessageEvent, offset: int) -> None:
        if event.ref is not None:
            self._sent[event.requested_name, event.ref, hash(event.text)] = offset
            if len(self._sent) > self.settings.room_events:
                del self._sent[next(iter(self._sent))]

    @property
    def max_message_bytes(self) -> int:
        """Maximum size of a message in UTF-8."""
        return self.settings.max_message_bytes

    @property
    def has_messages(self) -> bool:
        """Whether it retains a message."""
        return any(frame.plain is not None for frame in self.topic.retained())

    def history(self) -> list[Frame]:
        """The newest messages, oldest first.

        At most `ROVER_WELCOME_EVENTS` of them and `MAX_HISTORY_BYTES`.
        """
        newest: list[Frame] = []
        bytes_left = MAX_HISTORY_BYTES
        messages = (frame for frame in reversed(self.topic.retained()) if frame.plain is not None)
        for frame in islice(messages, self.settings.welcome_events):
            bytes_left -= frame.size
            if bytes_left < 0:
                break
            newest.append(frame)
        return newest[::-1]

    def _unique(self, name: str) -> str:
        taken = {look for other in self.members for look in looks_of(other)}
        suffixes = chain([""], (f"-{n}" for n in count(2)))
        candidates = (name[: MAX_NAME_CHARACTERS - len(suffix)] + suffix for suffix in suffixes)
        return next(
            one
            for one in candidates
            if taken.isdisjoint(looks_of(one)) and (one == name or not self._has_name(one))
        )
