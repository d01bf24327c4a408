"""Messages of the mission itself in channels: alarms, images, command files and sources.

They are bounded. Events about one subject, such as an alarm, are merged while they wait: the
message has the newest one, and the number of the others. Nothing in a channel causes an event, so
messages never cause further ones.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from anyio import Event, move_on_after

from rover.comms.bucket import Bucket
from rover.comms.events import SYSTEM_NAME
from rover.comms.kinds import SYSTEM, Content
from rover.errors import RoverError
from rover.identity import Identity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rover.comms.rules import ChannelRules, SystemCategory

logger = logging.getLogger("rover.comms")

SENDER = Identity(name=SYSTEM_NAME, scopes=frozenset({"say"}))
"""The sender of the messages. No member has its name."""

RATE_HZ, BURST = 0.2, 30
"""Maximum number of messages per second for any longer time, and at once."""

SUBJECT_RATE_HZ, SUBJECT_BURST = 1 / 60, 4
"""The same about one subject: an alarm that flaps is one message a minute."""

MAX_CHARACTERS = 500
"""Maximum number of characters of a text."""

MAX_SUBJECTS = 200
"""Maximum number of subjects that wait; the events of the others are only counted."""


@dataclass(slots=True)
class SystemEvent:
    """What happened.

    Attributes:
        category: chooses the channels.
        subject: what it is about; unique within the category.
        text: one line for people.
        link: a part of the mission, as in a message of the kind `link`.
        earlier: number of events about the same subject that it stands for, beside itself.
    """

    category: SystemCategory
    subject: str
    text: str
    link: Mapping[str, str] = field(default_factory=dict)
    earlier: int = 0


class Say(Protocol):
    """Sends a message, as `Comms.say`."""

    async def __call__(
        self, channel_name: str, text: str, *, identity: Identity, content: Content
    ) -> Any:
        """Return when the message is sent."""
        ...


class SystemQueue:
    """The events that wait. No I/O.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._bucket = Bucket(RATE_HZ, BURST, clock)
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._waiting: dict[tuple[str, str], SystemEvent] = {}  # by category and subject
        self._unlisted = 0

    def add(self, event: SystemEvent) -> None:
        """Let an event wait. It replaces an earlier one about the same subject."""
        key = event.category, event.subject
        if (earlier := self._waiting.pop(key, None)) is not None:
            event.earlier += earlier.earlier + 1
        elif len(self._waiting) >= MAX_SUBJECTS:
            self._unlisted += 1
            return
        self._waiting[key] = event

    def due_in_s(self) -> float:
        """Seconds until an event is due; infinite while none waits."""
        if not self._waiting:
            return inf
        return max(self._bucket.wait_s, min(self._bucket_of(key).wait_s for key in self._waiting))

    def take(self) -> tuple[SystemEvent, str]:
        """The first event that is due, and the text of its message.

        Raises:
            StopIteration: none is due.
        """
        key = next(key for key in self._waiting if not self._bucket_of(key).wait_s)
        for bucket in (self._bucket, self._bucket_of(key)):
            bucket.take()
        self._buckets = {key: one for key, one in self._buckets.items() if one.full_in_s}
        event = self._waiting.pop(key)
        notes = [f"{event.earlier:,} earlier ones"] if event.earlier else []
        if self._unlisted:
            notes.append(f"{self._unlisted:,} other events are not shown")
            self._unlisted = 0
        text = event.text[:MAX_CHARACTERS]
        return event, f"{text} ({'; '.join(notes)})" if notes else text

    def _bucket_of(self, key: tuple[str, str]) -> Bucket:
        if (bucket := self._buckets.get(key)) is None:
            bucket = Bucket(SUBJECT_RATE_HZ, SUBJECT_BURST, self._clock)
            self._buckets[key] = bucket
        return bucket


class SystemMessages:
    """Sends the events of the mission to the channels that have their category.

    Args:
        say: sends a message.
        rules: the categories of each channel.

    Attributes:
        categories: those that any channel has.
    """

    def __init__(self, say: Say, rules: ChannelRules) -> None:
        self._say = say
        self._channels = {name: one.system for name, one in rules.pinned.items()}
        self.categories = frozenset[str]().union(*self._channels.values())
        self._queue = SystemQueue()
        self._added = Event()

    def add(self, event: SystemEvent) -> None:
        """Send an event soon, if a channel has its category. It never waits."""
        if event.category in self.categories:
            self._queue.add(event)
            self._added.set()

    async def run(self) -> None:
        """Send events until cancelled."""
        while True:
            while wait_s := self._queue.due_in_s():
                self._added = Event()
                with move_on_after(None if wait_s == inf else wait_s):
                    await self._added.wait()
            await self._send(*self._queue.take())

    async def _send(self, event: SystemEvent, text: str) -> None:
        content = Content(SYSTEM, {"category": event.category, **event.link})
        for channel, categories in self._channels.items():
            if event.category not in categories:
                continue
            try:
                await self._say(channel, text, identity=SENDER, content=content)
            except RoverError as exc:  # the server is shutting down, for example
                logger.warning("%s: a system message was not sent: %s", channel, exc)
