"""One channel: its members by name, and its topic.

Messages, joins and leaves are events of one topic, so that every member receives them in the same
order.
"""

from __future__ import annotations

import secrets
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from rover import errors
from rover.comms.buckets import Buckets
from rover.comms.crew.crew import Crew
from rover.comms.crew.sanctions import is_moderator
from rover.comms.events import MessageEvent, PresenceEvent, check_text, message_size
from rover.comms.frames import Frame, encode
from rover.comms.kinds import PLAIN, Content
from rover.comms.member import Member, Request
from rover.comms.members import Members
from rover.comms.pace import Pace
from rover.comms.refs import Refs, digest_of
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
    from rover.comms.seats import Seat
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

MAX_HISTORY_BYTES = 256 * 1024
"""Maximum size of the history in a `welcome`: WebSocket clients accept 1 MiB by default."""

MAX_RESULT_BYTES = 64 * 1024
"""More than the bytes of the result of a poll with a full roll."""


class Channel:
    """One channel.

    Args:
        name: of the channel.
        settings: the limits; also an attribute.
        names: the rules of the names of members.
        notify: called with the topic when it has new events.
        clock: POSIX seconds; also an attribute.
        store: keeps the events; `None` if a restart may forget them.
        client: who opened the channel; also an attribute.
        refused: counts the members that are refused.
        save_crew: called when `crew` has changed.
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
        save_crew: Callable[[Channel], object] = lambda _: None,
        is_recorded: bool = False,
        is_pinned: bool = False,
    ) -> None:
        self.is_pinned = is_pinned
        self.name = name
        self._names = names
        self._is_recorded = is_recorded
        self.client = client
        self.members = Members()
        self.pool = Pool(
            f"members of channel {name!r}",
            "ROVER_MAX_MEMBERS",
            settings.max_members,
            settings.client_share,
            refused,
        )
        self.topic: Topic[ChannelEvent, Frame] = Topic(
            partial(encode, name),
            size=lambda frame: frame.size,
            max_events=settings.room_events,
            max_bytes=settings.room_bytes,
            notify=notify,
            store=store,
            is_transient=lambda event: isinstance(event, PresenceEvent),
            max_transient=MAX_PRESENCE_EVENTS,
            on_renew=self._rename,
        )
        self.pace = Pace(settings.room_bytes, settings.room_events)
        if store is not None and store.stream is not None:
            self.topic.restore_position(store.stream)
        self.settings = settings
        self.clock = clock
        self.buckets = Buckets(settings.message_rate, settings.message_burst)
        self.crew = Crew(self)
        self._save_crew = save_crew
        self._refs = Refs(settings.room_events)
        self._seats = Seats()

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
            ChannelRefused: the name looks like that of a member.
            PoolFull: the channel has `ROVER_MAX_MEMBERS` members, or the client's share of them.
            Removed: a moderator has removed the member.
        """
        seat = self._seats.find(resume_token, identity.name)
        requested_name = seat.requested_name if seat is not None else name or _guest_name()
        removal = self.crew.removal_of(identity.name or requested_name, self.clock())
        if removal is not None and not is_moderator(identity, self.name):
            raise removal
        if seat is not None and seat.member is not None:
            return self._replace(seat.member, after, scope, client, identity)
        device = self.members.of(identity)
        name = self._name_of(seat, requested_name) if device is None else device.name
        self.pool.acquire(client)
        if device is None:
            joined = self._publish_presence("join", name, len(self.members) + 1, identity.role)
        else:
            joined = self.topic.last_id
        member = Member(self, name, requested_name, joined, after, scope, client, identity)
        self.members.add(member)
        member.bucket = self.buckets.join(client, identity)
        member.resume_token = self._seats.take(member, resume_token if seat is not None else "")
        return member

    def _name_of(self, seat: Seat | None, requested_name: str) -> str:
        if seat is not None and self.members.find(seat.name) is None:
            return seat.name
        return self._names.unique(requested_name, self.members.names())

    def _publish_presence(
        self, kind: Literal["join", "leave"], name: str, count: int, role: str
    ) -> EventId:
        return self.topic.publish(PresenceEvent(kind, name, count, self.clock(), role))

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
        self.members.replace(absent, member)
        member.bucket = absent.bucket
        member.resume_token = self._seats.take(member, absent.resume_token)
        absent.close(errors.Replaced())
        return member

    def leave(self, member: Member) -> None:
        """Remove a member and publish its leave, unless another connection took its place."""
        self.pace.leave(member)
        if not member.has_place:
            return
        is_last = self.members.remove(member)
        self._seats.leave(member)
        self.buckets.leave(member.bucket, member.client, member.identity)
        self.pool.release(member.client)
        if is_last and not self.topic.closed:
            role = member.identity.role
            self._publish_presence("leave", member.name, len(self.members), role)

    def speaker(self, name: str, identity: Identity, sender: str = "") -> Speaker:
        """A speaker that is not a member; without a token, its name is that of no member.

        Args:
            name: the one that it asks for.
            identity: of the client.
            sender: of a member of another channel; by default, the refs belong to the name.

        Raises:
            ChannelRefused: the name looks like that of a member.
        """
        unique = name if identity.name else self._names.unique(name, self.members.names())
        return Request(identity, unique, name, sender or f":{name}")

    def say(self, member: Speaker, text: str, ref: str | None, content: Content = PLAIN) -> EventId:
        """See `Member.say`."""
        text = content.text_of(text)
        check_text(text)
        if self._is_recorded:
            raise errors.MessageRefused("recorded", str(errors.MissionRecorded()))
        if not member.identity.allows("say", self.name):
            raise errors.MessageForbidden(
                "not_allowed",
                f"you may only listen in channel {self.name!r}: your token lacks the scope "
                f"`say:{self.name}`",
            )
        event = MessageEvent(
            member.name,
            text,
            self.clock(),
            ref,
            member.identity.role,
            member.requested_name,
            content,
            member.identity.name,
            member.sender if ref is not None else "",
        )
        if (known := self._refs.find(event)) is not None:
            return self.topic.epochs.id(known)
        completed = self.crew.checked(event, member)
        if ref is not None and completed.content != content:
            completed = completed._replace(sent=digest_of(event))
        event = completed
        size = message_size(event, self.settings.max_message_bytes)
        event_id = self._publish(event, size)
        self.close_polls()
        return event_id

    def _publish(self, event: MessageEvent, size: int) -> EventId:
        self.pace.add(2 * size)  # the topic keeps it in both protocols
        event_id = self.topic.publish(event)
        self._refs.add(event, event_id.offset)
        if self.crew.apply(event_id.offset, event):
            self._save_crew(self)
        self.crew.close_removed(event)
        return event_id

    def _rename(self, after: int) -> None:
        if self.crew.rename(after):
            self._save_crew(self)

    def close_polls(self) -> None:
        """Publish the results of the polls that every station has voted in, or that are over."""
        for result in () if self._is_recorded else self.crew.results(self.clock()):
            self._publish(result, message_size(result, MAX_RESULT_BYTES))

    def restore(self, records: Iterable[Record]) -> None:
        """Retain the events of the log; call it before any other event, after `crew.load`."""
        for record, event in self.topic.restore(records):
            if isinstance(event, MessageEvent):
                self._refs.add(event, record.offset)
                self.crew.apply(record.offset, event)

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


def _guest_name() -> str:
    return f"guest-{secrets.token_hex(2)}"
