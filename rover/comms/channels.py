"""The channels of one mission: which ones are open, and which ones the log keeps."""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from anyio import Event

from rover import errors
from rover.comms.channel import MAX_PRESENCE_EVENTS, Channel
from rover.comms.crew.crew import has_open_poll
from rover.comms.expiry import Limits, first_kept
from rover.comms.names import ChannelNames
from rover.comms.records import CREW, PREFIX, channel_store
from rover.comms.rules import PinnedChannel
from rover.events import EventId
from rover.shares import Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rover.comms.channel import Clock, Notify
    from rover.comms.member_names import MemberNames
    from rover.comms.rules import ChannelRules
    from rover.logs.base import Log
    from rover.settings import Settings
    from rover.shares import Refusal

logger = logging.getLogger("rover.comms")

MAX_STORED_CHANNELS = 10_000
"""Maximum number of channels in the log."""


class ChannelInfo(NamedTuple):
    """One channel as `GET /comms` lists it."""

    name: str
    members: int
    last_id: EventId


class Channels:
    """The channels of one mission, of which a limited number is open.

    An empty channel keeps its events. When a new channel is needed and there are `max_channels`,
    the channel that has been empty longest is closed. A channel counts for the client that opened
    it. If that client's share is used, only its own empty channels are closed. The log keeps the
    events of a closed channel; without a log, they are deleted.

    Args:
        settings: the limits.
        rules: the channels that are always there.
        member_names: the rules of the names of members.
        notify: as in `Channel`.
        clock: POSIX seconds.
        log: keeps the channels; `None` if a restart may forget them.
        retention: POSIX seconds, for `keep_comms_days`.

    Attributes:
        pool: the retained channels.
        members_refused: counts refused members of all channels.
        crew_changed: set, and replaced, when a poll, a call or a sanction of a channel changes.
    """

    def __init__(
        self,
        settings: Settings,
        rules: ChannelRules,
        member_names: MemberNames,
        notify: Notify | None,
        clock: Clock,
        log: Log | None,
        retention: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._rules = rules
        self._member_names = member_names
        self._notify = notify
        self._clock = clock
        self._log = log
        self._retention = retention
        self._open: dict[str, Channel] = {}  # empty ones in the order in which they emptied
        self.pool = Pool(
            "channels", "ROVER_MAX_CHANNELS", settings.max_channels, settings.client_share
        )
        self.members_refused: Counter[Refusal] = Counter()
        self.crew_changed = Event()
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
    def pinned(self) -> dict[str, PinnedChannel]:
        """The channels that are always there, with the spelling that the log has."""
        found = {}
        for name, one in self._rules.pinned.items():
            with suppress(errors.ChannelRefused):
                found[self.names.find(name)] = one
        return found

    @property
    def is_recorded(self) -> bool:
        """Whether they are of a recorded mission, which does not change."""
        return self._log is not None and self._log.recorded is not None

    @property
    def events(self) -> int:
        """Number of events so far: messages, joins and leaves."""
        retained = sum(channel.topic.last_id.offset for channel in self)
        return self._deleted_events + retained

    def __iter__(self) -> Iterator[Channel]:
        """The open channels."""
        return iter(self._open.values())

    def find(self, name: str) -> Channel | None:
        """The open channel of that exact name; `None` if it is not open."""
        return self._open.get(name)

    def listed(self) -> list[ChannelInfo]:
        """All channels, also those without members: pinned ones first, the others by name."""
        found = {
            stream.key.removeprefix(PREFIX): ChannelInfo(
                stream.key.removeprefix(PREFIX), 0, EventId(stream.epochs[-1][0], stream.last)
            )
            for stream in (self._log.streams(PREFIX) if self._log is not None else ())
        }
        for channel in self:
            members, last_id = len(channel.members), channel.topic.released_id
            found[channel.name] = ChannelInfo(channel.name, members, last_id)
        others = sorted(one for name, one in found.items() if name not in self.pinned)
        return [found[name] for name in self.pinned if name in found] + others

    async def load(self, name: str, client: str | None = None) -> None:
        """Open a channel with its events from the log, if the log has any.

        Args:
            name: as in `Comms.join`.
            client: as in `Comms.join`.

        Raises:
            ChannelRefused: the name is not allowed.
            PoolFull: there are too many channels, or the client's share of them is used.
        """
        if self._log is None:
            return
        name = self.names.find(name)
        if name in self._open or self._log.stream(PREFIX + name) is None:
            return
        with suppress(errors.LogDamaged):  # the channel then goes on without its old events
            await self._log.commit()  # also the last events of a channel that was just closed
            store = channel_store(self._log, name, self._clock)
            limit = self._settings.room_events + MAX_PRESENCE_EVENTS
            records = await store.newest(limit, self._settings.room_bytes)
            if name not in self._open:
                channel = self.open(name, client)
                channel.restore(records)
                channel.expire(self._limits_of(name).before)

    def open(self, name: str, client: str | None) -> Channel:
        """The open channel of that exact name, or a new one. Call `load` before.

        Raises:
            ChannelRefused: there are fixed channels only.
            PoolFull: as in `load`.
        """
        if channel := self._open.get(name):
            return channel
        is_pinned = name in self.pinned
        if not is_pinned:
            self._acquire_place(name, client)
        store = None
        if self._log is not None:
            store = channel_store(self._log, name, self._clock)
            if store.stream is None:
                self._limit_stored(self._log)
        limits = self._limits_of(name)
        channel = self._open[name] = Channel(
            name,
            replace(  # the memory must hold no more than the channel may keep
                self._settings,
                room_events=min(self._settings.room_events, limits.messages),
                room_bytes=min(self._settings.room_bytes, limits.bytes),
            ),
            self._member_names,
            self._notify,
            self._clock,
            store,
            client=client,
            refused=self.members_refused,
            save_crew=self._save_crew,
            is_recorded=self.is_recorded,
            is_pinned=is_pinned,
        )
        if self._log is not None:
            channel.crew.load(self._log.values(CREW + name).get(CREW + name))
        self.names.add(name)
        return channel

    async def open_needed(self) -> None:
        """Open the channels that have something to do: pinned ones, and those with open polls."""
        for name in self.pinned:
            await self.load(name)
            self.open(name, None)
        saved = {} if self._log is None or self.is_recorded else self._log.values(CREW)
        for key, state in saved.items():
            if has_open_poll(state):
                with suppress(errors.ChannelRefused, errors.PoolFull):
                    await self.load(key.removeprefix(CREW))

    def _save_crew(self, channel: Channel) -> None:
        if self._log is not None:
            self._log.put(CREW + channel.name, channel.crew.saved())
        self.crew_changed.set()
        self.crew_changed = Event()

    @property
    def next_deadline_in_s(self) -> float:
        """Seconds until the first deadline of an open poll; infinity if there is none."""
        deadlines = (channel.crew.polls.next_deadline for channel in self)
        return max(0.0, min(deadlines, default=inf) - self._clock())

    def note_empty(self, channel: Channel) -> None:
        """Note that a channel is empty from now on."""
        self._open[channel.name] = self._open.pop(channel.name)

    async def expire(self) -> None:
        """Delete the messages beyond the limits of the log, also of closed channels.

        These are `ROVER_KEEP_COMMS_DAYS`, `ROVER_KEEP_COMMS_MESSAGES` and `ROVER_KEEP_COMMS_BYTES`.
        A closed channel without other messages is deleted.

        Raises:
            LogDamaged: the log cannot be read.
        """
        for channel in self:
            channel.expire(self._limits_of(channel.name).before)
        if self._log is None or self.is_recorded:
            return
        for stream in self._log.streams(PREFIX):
            limits = self._limits_of(stream.key.removeprefix(PREFIX))
            first = await first_kept(self._log, stream, limits)
            if self._log.stream(stream.key) is not stream:  # it was deleted meanwhile
                continue
            is_open = stream.key.removeprefix(PREFIX) in self._open
            if first > stream.last and not is_open:
                self._delete_stored(self._log, stream.key)
            elif first > 1:
                self._log.trim(stream.key, first)

    def _limits_of(self, name: str) -> Limits:
        pinned = self.pinned.get(name, PinnedChannel())
        now = -inf if self.is_recorded else self._retention()
        return Limits.of(self._settings, pinned, now)

    def _acquire_place(self, name: str, client: str | None) -> None:
        """Count a channel that is not pinned, and close another one if there are too many."""
        if self._rules.is_fixed:
            allowed = ", ".join(self.pinned)
            raise errors.ChannelRefused("channel", name, f"the channels are {allowed}")
        if self.pool.is_full(client):
            self._delete_empty(client)
        self.pool.acquire(client)

    def _limit_stored(self, log: Log) -> None:
        """Delete a stored channel if there are too many.

        It is the one that began last, so that new channels cannot replace old ones.
        """
        stored = log.streams(PREFIX)
        if len(stored) < MAX_STORED_CHANNELS:
            return
        for stream in reversed(stored):
            if stream.key.removeprefix(PREFIX) not in self._open:
                self._delete_stored(log, stream.key)
                return

    def _delete_stored(self, log: Log, key: str) -> None:
        log.delete(key)
        log.put(CREW + key.removeprefix(PREFIX), None)
        self.names.remove(key.removeprefix(PREFIX))

    def _delete_empty(self, client: str | None) -> None:
        own_only = self.pool.is_share_used(client)
        for channel in self:
            if channel.is_pinned or channel.topic.subscribers or channel.crew.polls.open:
                continue
            if channel.client == client or not own_only:
                del self._open[channel.name]
                channel.topic.close()
                self._deleted_events += channel.topic.last_id.offset
                if self._log is None:
                    self.names.remove(channel.name)
                elif not channel.has_messages:
                    self._delete_stored(self._log, PREFIX + channel.name)
                self.pool.release(channel.client)
                return
