"""The channels of one mission."""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import contextmanager, suppress
from math import inf
from time import monotonic, time
from typing import TYPE_CHECKING, NamedTuple

from anyio import CancelScope, create_task_group, move_on_after, sleep

from rover import errors
from rover.comms.changes import Changes
from rover.comms.channels import Channels
from rover.comms.events import check_text
from rover.comms.history import Page, find, missed
from rover.comms.kinds import PLAIN, Content
from rover.comms.member_names import MemberNames
from rover.comms.records import PREFIX
from rover.comms.rules import ChannelRules
from rover.counts import GapCounts
from rover.identity import EVERYONE
from rover.shares import Pool
from rover.stalls import Stalls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from rover.comms.channel import Channel, Clock, Notify
    from rover.comms.crew.crew import Crew
    from rover.comms.frames import Frame
    from rover.comms.history import Query
    from rover.comms.member import Member
    from rover.events import EventId
    from rover.identity import Identity
    from rover.logs.base import Log
    from rover.settings import Settings
    from rover.topic import Gap

logger = logging.getLogger("rover.comms")

EXPIRE_PERIOD_S = 60.0
"""Seconds between two times that old messages are deleted."""

RETRY_AFTER_S = 2
"""Seconds after which a member that was closed by a shutdown should connect again."""


MIN_CHANGE_WINDOW = 1_000
"""Minimum number of messages after a page among which its edits are looked for."""

MAX_CLOCK_STEP_S = 1.0
"""Seconds after which a change of the server's clock counts for the deadlines of open polls."""


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
        channels: the open channels, and those in the log.
        subscriptions: the channels that members listen to beside their own.
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
        self._settings = settings
        self._stalls: Stalls[Member] = Stalls(settings.send_timeout_s)
        self._log = log
        self._names = MemberNames(has_name)
        self.channels = Channels(
            settings,
            rules or ChannelRules(),
            self._names,
            notify,
            clock,
            log,
            retention or clock,
        )
        self._closed = False
        self.subscriptions = Pool(
            "subscriptions",
            "ROVER_MAX_SUBSCRIPTIONS",
            settings.max_subscriptions,
            settings.client_share,
        )
        self.gaps = GapCounts()
        self.closed_members: Counter[str] = Counter()
        self.sent_bytes = 0

    @property
    def members(self) -> int:
        """Number of members in all channels."""
        return sum(len(channel.members) for channel in self.channels)

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
        channel_name = self.channels.names.find(channel_name)
        if self._log is None:
            return Page([], None, Changes())
        channel = self.channels.find(channel_name)
        last = None if channel is None else channel.topic.last_id.offset
        if channel is not None and channel.topic.released_id.offset < channel.topic.last_id.offset:
            # a client that has sent a message finds it
            await self.final_id(channel, channel.topic.last_id.offset, synced=True)
        else:
            await self._log.commit()  # also the last events of a channel that was just closed
        window = max(self._settings.room_events, MIN_CHANGE_WINDOW)
        return await find(self._log, channel_name, query, last, change_window=window)

    async def crew(self, channel_name: str) -> Crew | None:
        """The polls, calls and sanctions of a channel; `None` if it has no events.

        Raises:
            ChannelRefused: as in `join`.
            PoolFull: as in `join`.
        """
        await self.channels.load(channel_name)
        channel = self.channels.find(self.channels.names.find(channel_name))
        return None if channel is None else channel.crew

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
        channel_name = self.channels.names.find(channel_name)
        if not identity.allows("say", channel_name):
            raise errors.ScopeRequired(f"say:{channel_name}")
        if self.channels.is_recorded:
            raise errors.MissionRecorded
        name = self._names.allowed(name or "guest", identity)
        check_text(content.text_of(text))  # before a channel is opened for it
        await self.channels.load(channel_name, client)
        channel = self.channels.open(channel_name, client)
        if client is not None:
            channel.buckets.take_request(client, identity)
        await channel.pace.wait(channel.members, monotonic())
        if self._closed:
            raise errors.Draining(RETRY_AFTER_S)
        channel = self.channels.open(channel_name, client)  # it may have been closed meanwhile
        speaker = channel.speaker(name, identity)
        newest, offset = channel.topic.last_id, channel.say(speaker, text, ref, content).offset
        kept = self._log is not None and await self._log.sync()
        event_id = channel.topic.settle(offset, is_committed=kept)
        if kept and offset <= newest.offset:  # it was sent before, with the same `ref`
            kept = await self._is_stored(channel_name, event_id)
        return Said(event_id, speaker.name, kept)

    async def _is_stored(self, channel_name: str, event_id: EventId) -> bool:
        """Whether the log has an event: its file may have been deleted in the meantime."""
        assert self._log is not None  # noqa: S101 # the caller has checked it
        found = await self._log.read(PREFIX + channel_name, after=event_id.offset - 1, limit=1)
        return [one.offset for one in found] == [event_id.offset]

    async def final_id(self, channel: Channel, offset: int, *, synced: bool) -> EventId:
        """The id of an event that members receive; returns when it is kept, or the log fails.

        Args:
            channel: of the event.
            offset: of the event.
            synced: whether the event must survive a power cut, and not only this process.
        """
        topic = channel.topic
        if topic.released_id.offset >= offset:
            return topic.epochs.id(offset)
        is_kept = True
        if self._log is not None:
            is_kept = await (self._log.sync() if synced else self._log.commit())
        return topic.settle(offset, is_committed=is_kept)

    async def load(self, channel_name: str, client: str | None) -> None:
        """Load a channel from the log for a client that joins it at once.

        The ids of its events so far are then final. The arguments and errors are those of `open`.
        """
        await self.channels.load(channel_name, client)
        if (channel := self.channels.find(self.channels.names.find(channel_name))) is not None:
            await self.final_id(channel, channel.topic.last_id.offset, synced=False)

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
            identity: the name, role and scopes of the client.
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
        name = self._names.allowed(name, identity)
        channel = self.channels.open(self.channels.names.find(channel_name), client)
        with CancelScope() as scope:
            member = channel.join(name, after, scope, client, identity, resume_token)
            try:
                with member.subscriber:
                    yield member
            finally:
                channel.leave(member)
                if not channel.members:
                    self.channels.note_empty(channel)
        if member.close_reason is not None:
            raise member.close_reason

    async def run(self) -> None:
        """Open the channels that are needed, then close stalled members and polls that are over.

        These are pinned channels, and those with open polls. Old messages expire too.
        """
        if not self._closed:
            await self.channels.open_needed()
        async with create_task_group() as tasks:
            tasks.start_soon(self._close_stalled)
            tasks.start_soon(self._close_polls)
            if self._log is not None:
                tasks.start_soon(self._expire)

    async def _close_stalled(self) -> None:
        while True:
            await sleep(self._stalls.period_s)
            self.close_stalled(monotonic())

    async def _close_polls(self) -> None:
        while True:
            changed = self.channels.crew_changed
            wait_s = self.channels.next_deadline_in_s
            with move_on_after(wait_s if wait_s == inf else min(wait_s, MAX_CLOCK_STEP_S)):
                await changed.wait()
            self.close_polls()

    def close_polls(self) -> None:
        """Publish the results of the polls whose deadline has come."""
        for channel in self.channels:
            if not channel.topic.closed:
                channel.close_polls()

    async def _expire(self) -> None:
        while True:
            with suppress(errors.LogDamaged):  # the log reports it
                await self.channels.expire()
            await sleep(EXPIRE_PERIOD_S)

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
        for member in self._stalls.find(self._members(), now):
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
        for channel in self.channels:
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
        await self.channels.load(channel_name, client)
        if self._closed:
            raise errors.Draining(RETRY_AFTER_S)
        return self.channels.open(self.channels.names.find(channel_name), client)

    def _members(self) -> list[Member]:
        return [member for channel in self.channels for member in channel.members]
