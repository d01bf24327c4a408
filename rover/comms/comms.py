"""The channels of one mission."""

from __future__ import annotations

import logging
import re
from collections import Counter
from contextlib import contextmanager, suppress
from functools import cached_property
from math import inf
from time import monotonic, time
from typing import TYPE_CHECKING, NamedTuple
from unicodedata import normalize

from anyio import CancelScope, create_task_group, sleep

from rover import errors
from rover.comms.channel import MAX_PRESENCE_EVENTS, Channel, Member
from rover.comms.expiry import Limits, first_kept
from rover.comms.history import Page, find, missed
from rover.comms.kinds import PLAIN, Content
from rover.comms.names import MAX_NAME_CHARACTERS, ChannelNames
from rover.comms.records import PREFIX, channel_store
from rover.comms.rules import ChannelRules, PinnedChannel
from rover.counts import GapCounts
from rover.events import EventId
from rover.identity import EVERYONE
from rover.names import looks_of, name_fault
from rover.shares import Pool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from rover.comms.channel import Clock, Notify
    from rover.comms.history import Query
    from rover.comms.protocol import Frame
    from rover.identity import Identity
    from rover.logs.base import Log
    from rover.settings import Settings
    from rover.shares import Refusal
    from rover.topic import Gap

logger = logging.getLogger("rover.comms")

SUFFIX = re.compile(r"-\d+$")
"""What is appended to the name of a member whose name the channel already has."""

MAX_STORED_CHANNELS = 10_000
"""Maximum number of channels in the log."""

DAY_S = 86_400.0

EXPIRE_PERIOD_S = 600.0
"""Seconds between two times that old messages are deleted."""

RETRY_AFTER_S = 2
"""Seconds after which a member that was closed by a shutdown should connect again."""


class ChannelInfo(NamedTuple):
    """One channel as `GET /comms` lists it."""

    name: str
    members: int
    last_id: EventId


class Said(NamedTuple):
    """A message that was sent.

    Attributes:
        id: of the message.
        name: the name that it has.
        is_kept: whether it survives a power cut.
    """

    id: EventId
    name: str
    is_kept: bool


class Comms:
    """Every channel of one mission. A channel begins when its first member joins.

    An empty channel keeps its events. When a new channel is needed and there are `max_channels`,
    the channel that has been empty longest is closed. A channel counts for the client that opened
    it. If that client's share is used, only its own empty channels are closed. The log keeps the
    events of a closed channel; without a log, they are deleted.

    Args:
        settings: the limits.
        notify: called with the topic of each channel that has new events, as `Flusher.mark`.
        clock: POSIX seconds.
        has_name: whether a name belongs to a token, as `Tokens.has_name`. Clients without such a
            token cannot use it.
        log: keeps the channels; `None` if a restart may forget them.
        retention: POSIX seconds, for `keep_comms_days`; by default those of `clock`.
        rules: the channels that are always there.

    Attributes:
        pool: the retained channels.
        members_refused: counts refused members of all channels.
        gaps: those that members received.
        closed_members: number of members that the server closed, by the name of the error's class.
        sent_bytes: bytes of the texts that members received.
    """

    def __init__(
        self,
        settings: Settings,
        notify: Notify | None = None,
        clock: Clock = time,
        has_name: Callable[[str], bool] = lambda _: False,
        log: Log | None = None,
        retention: Callable[[], float] | None = None,
        rules: ChannelRules | None = None,
    ) -> None:
        self._rules = rules or ChannelRules()
        self._has_name = has_name
        self._retention = retention or clock
        self._settings = settings
        self._log = log
        self._notify = notify
        self._clock = clock
        self._channels: dict[str, Channel] = {}  # empty ones in the order in which they emptied
        self._closed = False
        self.pool = Pool(
            "channels", "ROVER_MAX_CHANNELS", settings.max_channels, settings.client_share
        )
        self.members_refused: Counter[Refusal] = Counter()
        self.gaps = GapCounts()
        self.closed_members: Counter[str] = Counter()
        self.sent_bytes = 0
        self._deleted_events = 0  # of deleted channels

    @cached_property
    def names(self) -> ChannelNames:
        """The names of all channels. Use it when the log is open."""
        stored = self._log.streams(PREFIX) if self._log is not None else ()
        names = ChannelNames(stream.key.removeprefix(PREFIX) for stream in stored)
        for name in self._rules.pinned:
            try:
                names.add(names.find(name))
            except errors.ChannelRefused as exc:  # the log has a channel that looks like it
                logger.warning("%s", exc)
        return names

    @cached_property
    def _pinned(self) -> dict[str, PinnedChannel]:
        """The channels that are always there, with the spelling that the log has."""
        found = {}
        for name, one in self._rules.pinned.items():
            with suppress(errors.ChannelRefused):
                found[self.names.find(name)] = one
        return found

    @property
    def events(self) -> int:
        """Number of events in all channels so far: messages, joins and leaves."""
        retained = sum(channel.topic.last_id.offset for channel in self._channels.values())
        return self._deleted_events + retained

    @property
    def members(self) -> int:
        """Number of members in all channels."""
        return sum(len(channel.members) for channel in self._channels.values())

    def channels(self) -> list[ChannelInfo]:
        """All channels, also those without members: pinned ones first, the others by name."""
        found = {
            stream.key.removeprefix(PREFIX): ChannelInfo(
                stream.key.removeprefix(PREFIX), 0, EventId(stream.epochs[-1][0], stream.last)
            )
            for stream in (self._log.streams(PREFIX) if self._log is not None else ())
        }
        for channel in self._channels.values():
            members, last_id = len(channel.members), channel.topic.released_id
            found[channel.name] = ChannelInfo(channel.name, members, last_id)
        others = sorted(one for name, one in found.items() if name not in self._pinned)
        return [found[name] for name in self._pinned if name in found] + others

    async def load(self, channel_name: str, client: str | None = None) -> None:
        """Open a channel with its events from the log; call it before `join`.

        Args:
            channel_name: as in `join`.
            client: as in `join`.

        Raises:
            ChannelRefused: as in `join`.
            PoolFull: as in `join`.
        """
        if self._log is None:
            return
        channel_name = self.names.find(channel_name)
        if channel_name in self._channels:
            return
        if self._log.stream(PREFIX + channel_name) is None:
            return
        with suppress(errors.LogDamaged):  # the channel then goes on without its old events
            await self._log.commit()  # also the last events of a channel that was just closed
            store = channel_store(self._log, channel_name, self._clock)
            limit = self._settings.room_events + MAX_PRESENCE_EVENTS
            records = await store.newest(limit, self._settings.room_bytes)
            if channel_name not in self._channels:
                channel = self._channel(channel_name, client)
                channel.restore(records)
                channel.expire(self._expire_before(channel_name))

    async def messages(self, channel_name: str, query: Query) -> Page:
        """A page of the messages that the log keeps, also of a channel that is not open.

        Args:
            channel_name: as in `join`; a channel without events has no messages.
            query: selects the messages.

        Raises:
            BadQuery: `after` or `before` is not the id of an event of the channel.
            ChannelRefused: the name is not allowed.
            LogDamaged: the messages cannot be read.
        """
        channel_name = self.names.find(channel_name)
        if self._log is None:
            return Page([], None)
        channel = self._channels.get(channel_name)
        last = None if channel is None else channel.topic.last_id.offset
        if channel is not None and channel.topic.released_id.offset < channel.topic.last_id.offset:
            await self._log.sync()  # a client that has sent a message finds it
        else:
            await self._log.commit()  # also the last events of a channel that was just closed
        return await find(self._log, channel_name, query, last)

    async def say(
        self,
        channel_name: str,
        text: str,
        name: str = "",
        ref: str | None = None,
        client: str | None = None,
        identity: Identity = EVERYONE,
        content: Content = PLAIN,
    ) -> Said:
        """Send a message without joining; returns when it is kept, or the log fails.

        Waits for the members as members do between two messages. If the call is cancelled, the
        message may have been sent; with the same `ref`, it is sent once.

        Args:
            channel_name: as in `join`.
            text: as in `Member.say`.
            name: as in `join`, but `guest` if empty.
            ref: as in `Member.say`.
            client: as in `join`.
            identity: as in `join`.
            content: as in `Member.say`.

        Raises:
            ChannelRefused: one of the names is not allowed.
            PoolFull: there are too many channels, or the client's share of them is used.
            MessageRefused: as in `Member.say`.
            MessageTooBig: as in `Member.say`.
            MissionRecorded: the mission does not change.
            ScopeRequired: the client may not send messages in this channel.
            TooManyMessages: the client sends more than `ROVER_MESSAGE_RATE`.
            Draining: the server is shutting down.
        """
        channel_name = self.names.find(channel_name)
        if not identity.allows("say", channel_name):
            raise errors.ScopeRequired(f"say:{channel_name}")
        if self._log is not None and self._log.recorded is not None:
            raise errors.MissionRecorded
        name = self._allowed_name(name or "guest", identity)
        if not text.strip():  # before a channel is opened for it
            raise errors.MessageRefused("empty", "a message must not be empty")
        await self.load(channel_name, client)
        channel = self._channel(channel_name, client)
        if client is not None:
            channel.take_request(client)
        await channel.pace.wait(channel.members.values(), monotonic())
        if self._closed:
            raise errors.Draining(RETRY_AFTER_S)
        channel = self._channel(channel_name, client)  # it may have been closed meanwhile
        speaker = channel.speaker(name, identity)
        newest = channel.topic.last_id
        event_id = channel.say(speaker, text, ref, content)
        kept = self._log is not None and await self._log.sync()
        if kept and event_id.offset <= newest.offset:  # it was sent before, with the same `ref`
            kept = await self._is_stored(channel_name, event_id)
        return Said(event_id, speaker.name, kept)

    async def _is_stored(self, channel_name: str, event_id: EventId) -> bool:
        """Whether the log has an event: its file may have been deleted in the meantime."""
        assert self._log is not None  # noqa: S101 # the caller has checked it
        found = await self._log.read(PREFIX + channel_name, after=event_id.offset - 1, limit=1)
        return [one.offset for one in found] == [event_id.offset]

    async def synced(self) -> None:
        """Return when everything published so far survives a power cut, or the log fails."""
        if self._log is not None:
            await self._log.sync()

    async def committed(self) -> None:
        """Return when everything published so far survives this process, or the log fails."""
        if self._log is not None:
            await self._log.commit()

    @contextmanager
    def join(
        self,
        channel_name: str,
        name: str = "",
        after: EventId | None = None,
        client: str | None = None,
        identity: Identity = EVERYONE,
        resume_token: str = "",
    ) -> Iterator[Member]:
        """A member of a channel until the block ends. Join and leave are published.

        When the server closes the member, the block is cancelled and the reason is raised.

        Args:
            channel_name: up to 64 letters, digits, `_`, `.` and `-`, a letter or digit first, in
                any script and case.
            name: 1 to 64 printable characters; generated if empty. If the channel has a member of
                that name, a number is appended. Ignored if the identity has a name.
            after: the last event that the member has received, if it resumes.
            client: who joins; `None` is this program.
            identity: the name and role of the client, and what it may do.
            resume_token: `Member.resume_token` of an earlier connection of this member. It then has
                the same name, and takes the place of that connection if it is still open.

        Raises:
            ChannelRefused: one of the names is not allowed.
            PoolFull: the channel is full, there are too many channels, or the client's share of
                one of these is used.
            MemberStalled: the member read no data for `ROVER_SEND_TIMEOUT_S`.
            Draining: the server is shutting down.
            Replaced: the member has another connection now.
        """
        if self._closed:
            raise errors.Draining(RETRY_AFTER_S)
        name = self._allowed_name(name, identity)
        channel = self._channel(self.names.find(channel_name), client)
        with CancelScope() as scope:
            member = channel.join(name, after, scope, client, identity, resume_token)
            try:
                with member.subscriber:
                    yield member
            finally:
                channel.leave(member)
                if not channel.members:
                    self._channels[channel.name] = self._channels.pop(channel.name)
        if member.close_reason is not None:
            raise member.close_reason

    async def run(self) -> None:
        """Open the pinned channels, then close stalled members and expire old messages."""
        for name in () if self._closed else self._pinned:
            await self.load(name)
            self._channel(name, None)
        async with create_task_group() as tasks:
            tasks.start_soon(self._close_stalled)
            if self._log is not None:
                tasks.start_soon(self._expire)

    async def _close_stalled(self) -> None:
        while True:
            await sleep(self._settings.send_timeout_s / 4)
            self.close_stalled(monotonic())

    async def _expire(self) -> None:
        while True:
            with suppress(errors.LogDamaged):  # the log reports it
                await self.expire()
            await sleep(EXPIRE_PERIOD_S)

    def _expire_before(self, channel_name: str) -> float:
        """The time before which messages are too old."""
        days = self._pinned.get(channel_name, PinnedChannel()).keep_days
        days = self._settings.keep_comms_days if days is None else days
        is_recorded = self._log is not None and self._log.recorded is not None
        return self._retention() - days * DAY_S if days and not is_recorded else -inf

    async def expire(self) -> None:
        """Delete the messages beyond the limits of the log, also of closed channels.

        These are `ROVER_KEEP_COMMS_DAYS`, `ROVER_KEEP_COMMS_MESSAGES` and `ROVER_KEEP_COMMS_BYTES`.
        A closed channel without other messages is deleted.

        Raises:
            LogDamaged: the log cannot be read.
        """
        for channel in self._channels.values():
            channel.expire(self._expire_before(channel.name))
        if self._log is None or self._log.recorded is not None:
            return
        for stream in self._log.streams(PREFIX):
            limits = self._limits(stream.key.removeprefix(PREFIX))
            first = await first_kept(self._log, stream, limits)
            if self._log.stream(stream.key) is not stream:  # it was deleted meanwhile
                continue
            is_open = stream.key.removeprefix(PREFIX) in self._channels
            if first > stream.last and not is_open:
                self._delete_stored(self._log, stream.key)
            elif first > 1:
                self._log.trim(stream.key, first)

    def _limits(self, channel_name: str) -> Limits:
        settings, pinned = self._settings, self._pinned.get(channel_name, PinnedChannel())
        return Limits(
            self._expire_before(channel_name),
            # the channel needs as many as it has in memory
            max(pinned.keep_messages or settings.keep_comms_messages, settings.room_events),
            max(pinned.keep_bytes or settings.keep_comms_bytes, settings.room_bytes),
            settings.max_message_bytes,
        )

    async def missed(self, channel: Channel, gap: Gap) -> AsyncIterator[Gap | Sequence[Frame]]:
        """The events of a gap that the log still has, in order, with gaps for the others.

        Args:
            channel: whose subscriber received the gap.
            gap: of the subscriber.
        """
        if self._log is None:
            yield gap
            return
        async for found in missed(self._log, channel, gap):
            yield found

    def close_stalled(self, now: float) -> None:
        """Close every member that has read no data for `send_timeout_s`."""
        timeout_s = self._settings.send_timeout_s
        for member in self._members():
            if now - member.sending_since > timeout_s:
                channel = member.channel.name
                logger.info(
                    "%s: %s read no data for %g s",
                    channel,
                    member.name,
                    timeout_s,
                    extra={"channel": channel},
                )
                member.close(errors.MemberStalled(timeout_s))

    def close(self) -> None:
        """Close every member and accept no new ones."""
        self._closed = True
        for member in self._members():
            member.close(errors.Draining(RETRY_AFTER_S))

    def close_streams(self) -> None:
        """End the event streams of all channels, after `close`."""
        for channel in self._channels.values():
            channel.topic.close()

    async def open(self, channel_name: str, client: str | None = None) -> Channel:
        """A channel with its events from the log, for a client that only reads it.

        Args:
            channel_name: as in `join`.
            client: as in `join`.

        Raises:
            ChannelRefused: as in `join`.
            PoolFull: as in `join`.
            Draining: as in `join`.
        """
        await self.load(channel_name, client)
        if self._closed:
            raise errors.Draining(RETRY_AFTER_S)
        return self._channel(self.names.find(channel_name), client)

    def _allowed_name(self, name: str, identity: Identity) -> str:
        name = identity.name or _member_name(name)
        if not identity.name and self._is_reserved(name):
            raise errors.ChannelRefused(
                "member name", name, "it looks like the name of a token; use another"
            )
        return name

    def _is_reserved(self, name: str) -> bool:
        """Whether a name looks like that of a token, or like that of its second connection."""
        return self._has_name(name) or any(
            self._has_name(SUFFIX.sub("", look)) for look in looks_of(name)
        )

    def _members(self) -> list[Member]:
        return [member for c in self._channels.values() for member in c.members.values()]

    def _channel(self, name: str, client: str | None) -> Channel:
        if channel := self._channels.get(name):
            return channel
        is_pinned = name in self._pinned
        if not is_pinned:
            self._acquire_place(name, client)
        store = None
        if self._log is not None:
            store = channel_store(self._log, name, self._clock)
            if store.stream is None:
                self._limit_stored(self._log)
        channel = Channel(
            name,
            self._settings,
            self._notify,
            self._clock,
            client,
            self.members_refused,
            self._has_name,
            store,
            is_recorded=self._log is not None and self._log.recorded is not None,
            is_pinned=is_pinned,
        )
        self._channels[name] = channel
        self.names.add(name)
        return channel

    def _acquire_place(self, name: str, client: str | None) -> None:
        """Count a channel that is not pinned, and close another one if there are too many."""
        if self._rules.is_fixed:
            allowed = ", ".join(self._pinned)
            raise errors.ChannelRefused("channel", name, f"the channels are {allowed}")
        if self.pool.is_full(client):
            self._delete_empty_channel(client)
        self.pool.acquire(client)

    def _limit_stored(self, log: Log) -> None:
        """Delete a stored channel if there are too many.

        It is the one that began last, so that new channels cannot replace old ones.
        """
        stored = log.streams(PREFIX)
        if len(stored) < MAX_STORED_CHANNELS:
            return
        for stream in reversed(stored):
            if stream.key.removeprefix(PREFIX) not in self._channels:
                self._delete_stored(log, stream.key)
                return

    def _delete_stored(self, log: Log, key: str) -> None:
        log.delete(key)
        self.names.remove(key.removeprefix(PREFIX))

    def _delete_empty_channel(self, client: str | None) -> None:
        own_only = self.pool.is_share_used(client)
        for channel in self._channels.values():
            if channel.is_pinned or channel.topic.subscribers:
                continue
            if channel.client == client or not own_only:
                del self._channels[channel.name]
                channel.topic.close()
                self._deleted_events += channel.topic.last_id.offset
                if self._log is None:
                    self.names.remove(channel.name)
                elif not channel.has_messages:
                    self._delete_stored(self._log, PREFIX + channel.name)
                self.pool.release(channel.client)
                return


def _member_name(name: str) -> str:
    name = normalize("NFC", name.strip())
    if fault := name_fault(name, MAX_NAME_CHARACTERS):
        raise errors.ChannelRefused("member name", name, fault)
    return name
