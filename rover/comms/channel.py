"""One channel: its members by name, and its topic.

Messages, joins and leaves are events of one topic, so that every member receives them in the same
order.
"""

from __future__ import annotations

import secrets
from itertools import islice
from math import ceil
from typing import TYPE_CHECKING, Any

from rover import errors
from rover.comms.bucket import Bucket
from rover.comms.events import MessageEvent, PresenceEvent, message_size
from rover.comms.frames import Frame, encode
from rover.comms.kinds import PLAIN, Content
from rover.comms.member import Member, Request
from rover.comms.pace import Pace
from rover.comms.refs import Refs
from rover.comms.seats import Seats
from rover.identity import EVERYONE
from rover.retention import expired_count
from rover.shares import Pool
from rover.topic import Topic

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable

    from anyio import CancelScope

    from rover.comms.events import ChannelEvent
    from rover.comms.member import Speaker
    from rover.comms.member_names import MemberNames
    from rover.identity import Identity
    from rover.logs.base import Record
    from rover.logs.store import Store
    from rover.settings import Settings
    from rover.shares import Refusal
    from rover.topic import EventId

    Notify = Callable[[Topic[Any, Any]], None]
    Clock = Callable[[], float]

MAX_PRESENCE_EVENTS = 1_000
"""Maximum number of joins and leaves kept in a channel. They never replace messages."""

MAX_REQUEST_BUCKETS = 1_000
"""Maximum number of clients of a channel, apart from members, whose messages are counted."""

MAX_HISTORY_BYTES = 256 * 1024
"""Maximum size of the history in a `welcome`: WebSocket clients accept 1 MiB by default."""


class Channel:
    """One channel.

    Args:
        name: of the channel.
        settings: the limits; also an attribute.
        names: the rules of the names of members.
        notify: called with the topic when it has new events.
        clock: POSIX seconds.
        store: keeps the events; `None` if a restart may forget them.
        client: who opened the channel; also an attribute.
        refused: counts the members that are refused.
        is_recorded: whether it is of a recorded mission, in which nothing can be said.
        is_pinned: whether it is always there; also an attribute.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        names: MemberNames,
        notify: Notify | None,
        clock: Clock,
        store: Store[ChannelEvent] | None = None,
        *,
        client: str | None = None,
        refused: Counter[Refusal] | None = None,
        is_recorded: bool = False,
        is_pinned: bool = False,
    ) -> None:
        self.is_pinned = is_pinned
        self.name = name
        self._names = names
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
        self._refs = Refs(settings.room_events)
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
        name = (
            seat.name
            if seat is not None and is_free
            else self._names.unique(requested_name, self.members)
        )
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
        unique = name if identity.name else self._names.unique(name, self.members)
        return Request(identity, unique, name)

    def say(self, member: Speaker, text: str, ref: str | None, content: Content = PLAIN) -> EventId:
        """See `Member.say`."""
        size = message_size(text, content, self.settings.max_message_bytes)
        if self._is_recorded:
            raise errors.MessageRefused("recorded", str(errors.MissionRecorded()))
        if not member.identity.allows("say", self.name):
            raise errors.MessageRefused(
                "not_allowed",
                f"you may only listen in channel {self.name!r}: your token lacks the scope "
                f"`say:{self.name}`",
            )
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
        if (known := self._refs.find(event)) is not None:
            return self.topic.epochs.id(known)
        event_id = self.topic.publish(event)
        self._refs.add(event, event_id.offset)
        return event_id

    def restore(self, records: Iterable[Record]) -> None:
        """Retain the events of the log; call it before any other event."""
        for record, event in self.topic.restore(records):
            if isinstance(event, MessageEvent):
                self._refs.add(event, record.offset)

    def expire(self, before: float) -> None:
        """Expire the events that are older than a time in POSIX seconds."""
        times = (event.at for event in self.topic.retained_items())
        self.topic.expire_oldest(expired_count(times, before))

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
