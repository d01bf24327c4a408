"""Rooms where teams talk: who is in, and what was said, in one order for everyone.

A room is a topic. Messages, joins and leaves are events of one log, so every member sees them in
the same order, and one that comes back continues where it left. Each event becomes text once, in
both of the languages that members speak: plain text and the JSON of `rover.comms.v1`.
"""

from __future__ import annotations

import logging
import re
import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, count, islice
from math import inf
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from anyio import CancelScope, sleep

from rover import errors
from rover.topic import Topic
from rover.wire import dumps, iso

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rover.settings import Settings
    from rover.topic import EventId, Subscription

    Notify = Callable[[Topic[Any, Any]], None]
    Clock = Callable[[], float]

logger = logging.getLogger("rover.comms.comms")

CHANNEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

NAME_CHARACTERS = 64

HISTORY_BYTES = 256 * 1024
"""A welcome stays well under the 1 MiB that WebSocket clients take by default."""

RETRY_AFTER_S = 2


class Said(NamedTuple):
    """A member said something."""

    name: str
    text: str
    at: float


class Moved(NamedTuple):
    """A member came or went; so many were in the room afterwards."""

    kind: Literal["join", "leave"]
    name: str
    member_count: int
    at: float


@dataclass(frozen=True, slots=True)
class Frame:
    """One event as its readers get it.

    Attributes:
        json: of `rover.comms.v1`.
        plain: for plain-text members; `None` for what they are not told.
        size: in bytes, of both.
    """

    json: str
    plain: str | None
    size: int


def encode(event_id: EventId, event: Said | Moved) -> Frame:
    """The event in both languages."""
    about: dict[str, str | int]
    if isinstance(event, Said):
        kind, plain = "message", f"Message: {event.text}"
        about = {"from": event.name, "text": event.text}
    else:
        kind, plain = event.kind, None
        about = {"name": event.name, "member_count": event.member_count}
    text = dumps({"type": kind, "id": str(event_id), **about, "at": iso(event.at)})
    return Frame(text, plain, len(text.encode()) + len((plain or "").encode()))


class Channel(NamedTuple):
    """What is known of a room from outside."""

    name: str
    members: int
    last_id: EventId


class Member:
    """A seat in a room, for as long as the block of `Rooms.join` lasts.

    Asked right away, before any `await`, names, count and history are those of its join.

    Attributes:
        channel: the room's name.
        name: unique in the room; not always the one that was asked for.
        subscription: what the room says. Behind `after`, where that was given, it begins with what
            was missed; otherwise with what follows the member's own join.
        joined: the event of the member's own join.
        resumed: whether `after` was given.
        sending_since: `monotonic()` when the send that is under way began, else infinity; set by
            whoever writes to the member, so that `Rooms.run` finds those that are stuck.
        dismissal: why the member was sent away, if it was.
    """

    def __init__(
        self, room: Room, name: str, joined: EventId, after: EventId | None, scope: CancelScope
    ) -> None:
        self.channel = room.name
        self.name = name
        self.joined = joined
        self.resumed = after is not None
        self.subscription: Subscription[Frame] = room.topic.subscribe(after)
        self.sending_since = inf
        self.dismissal: errors.RoverError | None = None
        self._room = room
        self._scope = scope

    def say(self, text: str) -> EventId:
        """Tell everyone in the room, this member too; gives the message's id.

        Never waits. Who reads too slowly is told of the gap.

        Raises:
            MessageRefused: it is empty, or holds what cannot be sent on.
            MessageTooBig: it is longer than the settings allow.
        """
        return self._room.say(self.name, text)

    def dismiss(self, reason: errors.RoverError) -> None:
        """Cancel the member's block, and have it raise `reason`. Only the first reason counts."""
        if self.dismissal is None:
            self.dismissal = reason
            self._scope.cancel()

    def names(self, limit: int) -> list[str]:
        """Up to so many of the members, longest there first."""
        return list(islice(self._room.members, limit))

    @property
    def member_count(self) -> int:
        """How many are in the room."""
        return len(self._room.members)

    def history(self) -> list[Frame]:
        """The newest messages, oldest first; none where `subscription` begins with them."""
        return [] if self.resumed else self._room.history()


class Room:
    """One channel: its members by name, and its log."""

    def __init__(self, name: str, settings: Settings, notify: Notify | None, clock: Clock) -> None:
        self.name = name
        self.members: dict[str, Member] = {}
        self.topic: Topic[Said | Moved, Frame] = Topic(
            encode,
            size=lambda frame: frame.size,
            max_events=settings.room_events,
            max_bytes=settings.room_bytes,
            notify=notify,
        )
        self._settings = settings
        self._clock = clock

    def enter(self, name: str, after: EventId | None, scope: CancelScope) -> Member:
        """Seat a member and tell the others.

        Raises:
            RoomFull: every seat is taken.
        """
        if len(self.members) >= self._settings.max_members:
            there = f"channel {self.name!r} has {len(self.members):,} members"
            raise errors.RoomFull(f"{there}, which is the most (ROVER_MAX_MEMBERS)")
        name = self._unique(name or f"guest-{secrets.token_hex(2)}")
        moved = Moved("join", name, len(self.members) + 1, self._clock())
        member = Member(self, name, self.topic.publish(moved), after, scope)
        self.members[name] = member
        return member

    def leave(self, member: Member) -> None:
        """Give a member's seat up and tell the others."""
        del self.members[member.name]
        self.topic.publish(Moved("leave", member.name, len(self.members), self._clock()))

    def say(self, name: str, text: str) -> EventId:
        """See `Member.say`."""
        if not text.strip():
            raise errors.MessageRefused("empty", "a message needs some text")
        if "\0" in text:
            raise errors.MessageRefused("malformed", "a message must not hold the NUL character")
        try:
            size = len(text.encode())
        except UnicodeEncodeError:  # JSON can spell half a surrogate pair, UTF-8 cannot
            detail = "a message must not hold half of a surrogate pair"
            raise errors.MessageRefused("malformed", detail) from None
        if size > self._settings.max_message_bytes:
            raise errors.MessageTooBig(self._settings.max_message_bytes)
        return self.topic.publish(Said(name, text, self._clock()))

    def history(self) -> list[Frame]:
        """The newest messages, up to the setting's number and `HISTORY_BYTES`, oldest first."""
        newest: list[Frame] = []
        room_left = HISTORY_BYTES
        messages = (frame for frame in reversed(self.topic.retained()) if frame.plain is not None)
        for frame in islice(messages, self._settings.welcome_events):
            room_left -= frame.size
            if room_left < 0:
                break
            newest.append(frame)
        return newest[::-1]

    def _unique(self, name: str) -> str:
        taken = {other.casefold() for other in self.members}
        endings = chain([""], (f"-{n}" for n in count(2)))
        candidates = (name[: NAME_CHARACTERS - len(ending)] + ending for ending in endings)
        return next(n for n in candidates if n.casefold() not in taken)


class Rooms:
    """Every channel of one mission. A channel begins when somebody joins it.

    When everyone has left, what was said is kept, until the channels number `max_channels` and a
    new one is wanted: then the one that has been empty longest is forgotten.

    Args:
        settings: the bounds.
        notify: called with the topic of each room that has news, as `Flusher.mark` wants it.
        clock: POSIX seconds.
    """

    def __init__(
        self, settings: Settings, notify: Notify | None = None, clock: Clock = time
    ) -> None:
        self._settings = settings
        self._notify = notify
        self._clock = clock
        self._rooms: dict[str, Room] = {}  # empty ones in the order in which they became so
        self._closed = False

    @property
    def members(self) -> int:
        """How many are in all rooms together."""
        return sum(len(room.members) for room in self._rooms.values())

    def channels(self) -> list[Channel]:
        """The rooms that are kept, those where nobody is too, by name."""
        rooms = sorted(self._rooms.values(), key=lambda room: room.name)
        return [Channel(room.name, len(room.members), room.topic.last_id) for room in rooms]

    @contextmanager
    def join(self, channel: str, name: str = "", after: EventId | None = None) -> Iterator[Member]:
        """A seat in the room of that name, until the block ends; the others are told of both.

        The block is cancelled when the member is dismissed, and then raises why.

        Args:
            channel: up to 64 letters, digits, `_`, `.` and `-`, a letter or digit first.
            name: what to be called, 1 to 64 printable characters; made up when empty. If somebody
                in the room has it already, a number is added.
            after: the last event that the member has, if it comes back.

        Raises:
            ChannelRefused: one of the names is not allowed.
            RoomFull: no seat is left in the room, or no room is left.
            TooSlow: the member took nothing for too long.
            Draining: the server is going down.
        """
        if self._closed:
            raise errors.Draining(RETRY_AFTER_S)
        name = _member_name(name)
        room = self._room(channel)
        with CancelScope() as scope:
            member = room.enter(name, after, scope)
            try:
                with member.subscription:
                    yield member
            finally:
                room.leave(member)
                if not room.members:
                    self._rooms[channel] = self._rooms.pop(channel)
        if member.dismissal is not None:
            raise member.dismissal

    async def run(self) -> None:
        """Send members away that are stuck, until cancelled. One timer for all of them."""
        while True:
            await sleep(self._settings.send_timeout_s / 4)
            self.sweep(monotonic())

    def sweep(self, now: float) -> None:
        """Dismiss every member that has taken nothing for `send_timeout_s`."""
        timeout_s = self._settings.send_timeout_s
        for member in self._everyone():
            if now - member.sending_since > timeout_s:
                logger.info("%s: %s took nothing for %g s", member.channel, member.name, timeout_s)
                member.dismiss(errors.TooSlow(timeout_s))

    def close(self) -> None:
        """Dismiss everyone, and let nobody in any more."""
        self._closed = True
        for member in self._everyone():
            member.dismiss(errors.Draining(RETRY_AFTER_S))

    def _everyone(self) -> list[Member]:
        return [member for room in self._rooms.values() for member in room.members.values()]

    def _room(self, channel: str) -> Room:
        if room := self._rooms.get(channel):
            return room
        if not CHANNEL.fullmatch(channel):
            reason = "up to 64 letters, digits, `_`, `.`, `-`, and a letter or digit first"
            raise errors.ChannelRefused("channel", channel, reason)
        if len(self._rooms) >= self._settings.max_channels:
            self._forget_one()
        room = Room(channel, self._settings, self._notify, self._clock)
        self._rooms[channel] = room
        return room

    def _forget_one(self) -> None:
        empty = next((room for room in self._rooms.values() if not room.members), None)
        if empty is None:
            there = f"{len(self._rooms):,} channels are in use"
            raise errors.RoomFull(f"{there}, which is the most (ROVER_MAX_CHANNELS)")
        del self._rooms[empty.name]
        empty.topic.close()


def _member_name(asked: str) -> str:
    name = asked.strip()
    # what is not printable includes controls and the marks that reverse the text around them
    if len(name) > NAME_CHARACTERS or not name.isprintable():
        reason = f"1 to {NAME_CHARACTERS} printable characters"
        raise errors.ChannelRefused("member name", asked, reason)
    return name
