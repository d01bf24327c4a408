"""Channels against a model: joins, says, votes, stalls, closes, removals and restarts.

The model knows who is in each channel, what was said, and how each station voted. Every client
remembers the events that it has received: an id must never stand for another event, and a client
that resumes must miss nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rover.comms import Comms
from rover.comms.history import Query
from rover.comms.kinds import PLAIN, Content
from rover.errors import MemberStalled, MessageRefused, PoolFull, RoverError
from rover.events import EventId, Gap, GapReason
from rover.identity import EVERYONE, Identity
from rover.logs import MemoryLog, SqliteLog
from rover.settings import Settings
from rover.topic import Batch, Topic

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from rover.comms.member import Member
    from rover.logs.base import Log

FULL = bool(os.environ.get("TEST_FULL"))

T = 1_790_000_000.0
CHANNELS = ("flight", "science", "eva")
ROOM_EVENTS = 8
MAX_CHANNELS = 2
MAX_DEVICES = 4

ADA = Identity(name="Ada", role="FD", scopes=frozenset({"view", "say"}))

CLIENTS = [("", ADA), ("", ADA), ("bo", EVERYONE), ("bo", EVERYONE), ("cy", EVERYONE)]
"""The name and the identity of each client. The first two are devices of one person."""


class Client:
    """One client: what it has received, and its connection."""

    def __init__(self, name: str, identity: Identity) -> None:
        self.name = name
        self.identity = identity
        self.member: Member | None = None
        self.settled, self.leave = anyio.Event(), anyio.Event()
        self.closed_by: RoverError | None = None
        self.forget()

    def forget(self) -> None:
        """Begin without a memory of a channel."""
        self.channel = ""
        self.last: EventId | None = None
        self.token = ""
        self.view: set[str] | None = set()  # who is here; `None` after a gap

    async def stay(self, comms: Comms, channel: str) -> None:
        """Be a member until `leave` is set, or the server closes the connection."""
        self.closed_by, mine = None, None
        try:
            await comms.channels.load(channel)
            with comms.join(
                channel,
                self.name,
                self.last,
                identity=self.identity,
                resume_token=self.token,
            ) as member:
                self.member = mine = member
                self.token = member.resume_token
                self.view, self.leave = set(member.names(99)), anyio.Event()
                self.last = self.last or member.joined
                self.settled.set()
                await self.leave.wait()
        except RoverError as exc:
            self.closed_by = exc
        finally:
            if self.member is mine:  # else another connection has taken its place
                self.member = None
            self.settled.set()

    def receive(self, frame: dict[str, Any], joined: EventId) -> None:
        """Note an event, which must follow the one before."""
        event_id = EventId.parse(frame["id"])
        assert self.last is not None
        assert event_id.offset == self.last.offset + 1
        self.last = event_id
        if event_id.offset > joined.offset and self.view is not None:
            if frame["type"] == "join":
                self.view.add(frame["name"])
            elif frame["type"] == "leave":
                self.view.remove(frame["name"])


class CommsMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.root = Path(tempfile.mkdtemp())
        self.folder = self.root / "0"
        self.restarts = 0
        self.clients = [Client(*one) for one in CLIENTS]
        self.tasks: dict[Client, asyncio.Task[None]] = {}
        self.seen: dict[tuple[str, str], dict[str, Any]] = {}
        self.said: dict[str, list[tuple[str, str]]] = {name: [] for name in CHANNELS}
        self.sent: dict[tuple[str, str, str], EventId] = {}
        self.polls: dict[str, dict[str, dict[str, str]]] = {name: {} for name in CHANNELS}
        self.number = 0

    def run(self, coroutine: Coroutine[Any, Any, object]) -> None:
        async def bounded() -> None:
            with anyio.fail_after(20):
                await coroutine

        self.loop.run_until_complete(bounded())

    @initialize(
        in_file=st.booleans(),
        channels=st.lists(
            st.sampled_from([*CHANNELS, "flight", "flight", ""]),
            min_size=len(CLIENTS),
            max_size=len(CLIENTS),
        ),
    )
    def start(self, in_file: bool, channels: list[str]) -> None:
        self.in_file = in_file
        self.memory = MemoryLog()
        self.run(self.open())
        for who, channel in enumerate(channels):
            if channel:
                self.join(who, channel)

    async def open(self) -> None:
        self.log: Log = SqliteLog(self.folder, retry_s=60) if self.in_file else self.memory
        await self.log.open()
        self.marked: dict[Topic[Any, Any], None] = {}
        self.comms = Comms(
            Settings(
                room_events=ROOM_EVENTS,
                max_channels=MAX_CHANNELS,
                max_members=MAX_DEVICES,
                client_share=1.0,
            ),
            lambda topic: self.marked.update({topic: None}),
            lambda: T,
            log=self.log,
        )
        await self.comms.channels.open_needed()

    async def flush(self) -> None:
        """Release what was published, after it is kept."""
        topics, self.marked = self.marked, {}
        await self.log.sync()
        for topic in topics:
            topic.release()

    @property
    def here(self) -> list[Client]:
        return [one for one in self.clients if one.member is not None]

    def members_of(self, channel: str) -> list[Client]:
        return [one for one in self.here if one.channel == channel]

    @rule(who=st.integers(0, len(CLIENTS) - 1), channel=st.sampled_from(CHANNELS))
    def join(self, who: int, channel: str) -> None:
        """Join a channel; the same one as before is joined again after the last event."""
        client = self.clients[who]
        if client.member is not None:
            return
        if client.channel != channel:
            client.forget()
        client.channel = channel
        busy = {one.channel for one in self.here} | {
            name for name, polls in self.polls.items() if any(map(is_open, polls.values()))
        }
        is_full = len(self.members_of(channel)) == MAX_DEVICES
        has_place = channel in busy or len(busy) < MAX_CHANNELS
        self.run(self.connect(client))
        assert (client.member is not None) == (has_place and not is_full)
        if client.member is None:
            assert isinstance(client.closed_by, PoolFull)
            client.forget()

    async def connect(self, client: Client) -> None:
        client.settled = anyio.Event()
        stay = client.stay(self.comms, client.channel)
        self.tasks[client] = self.loop.create_task(stay)
        await client.settled.wait()
        await self.flush()

    @precondition(lambda self: self.here)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        self.run(self.disconnect(data.draw(st.sampled_from(self.here))))

    async def disconnect(self, client: Client) -> None:
        client.leave.set()
        await self.tasks[client]
        await self.flush()

    @precondition(lambda self: self.here)
    @rule(data=st.data())
    def stall(self, data: st.DataObject) -> None:
        """The server closes a client that reads nothing; it may connect again."""
        client = data.draw(st.sampled_from(self.here))

        async def stalling() -> None:
            assert client.member is not None
            client.member.sending_since = 0.0
            self.comms.close_stalled(now=31.0)
            await self.tasks[client]
            await self.flush()

        self.run(stalling())
        assert isinstance(client.closed_by, MemberStalled)

    @precondition(lambda self: self.here)
    @rule(data=st.data())
    def replace(self, data: st.DataObject) -> None:
        """A client connects again while the server has its half-open connection."""
        client = data.draw(st.sampled_from(self.here))
        assert client.member is not None
        name, half_open, before = client.member.name, self.tasks[client], client.member.member_count

        async def connecting() -> None:
            await self.connect(client)
            await half_open

        self.run(connecting())
        assert client.member is not None
        assert (client.member.name, client.member.member_count) == (name, before)

    @precondition(lambda self: self.here)
    @rule(data=st.data(), count=st.sampled_from([1, 2, 12]))
    def say(self, data: st.DataObject, count: int) -> None:
        client = data.draw(st.sampled_from(self.here))
        for _ in range(count):
            self.number += 1
            self.speak(client, f"message {self.number}", None)
        self.run(self.flush())

    @precondition(lambda self: self.here)
    @rule(data=st.data(), ref=st.sampled_from("ab"))
    def say_again(self, data: st.DataObject, ref: str) -> None:
        """The same message with the same `ref` is published once, while the channel has it."""
        client = data.draw(st.sampled_from(self.here))
        assert client.member is not None
        key = client.channel, client.member.name, ref
        known = self.sent.get(key)
        event_id = self.speak(client, "again", ref, is_new=known is None)
        if known is not None and event_id != known:
            assert client.member.channel.topic.epochs.id(known.offset) != known or (
                event_id.offset - known.offset > ROOM_EVENTS
            )
            self.said[client.channel].append((client.member.name, "again"))
        self.sent[key] = event_id
        self.run(self.flush())

    def speak(
        self,
        client: Client,
        text: str,
        ref: str | None,
        content: Content = PLAIN,
        *,
        is_new: bool = True,
    ) -> EventId:
        assert client.member is not None
        event_id = client.member.say(text, ref, content)
        if is_new:
            self.said[client.channel].append((client.member.name, text))
        return event_id

    @precondition(lambda self: self.here)
    @rule(data=st.data())
    def call_poll(self, data: st.DataObject) -> None:
        client = data.draw(st.sampled_from(self.here))
        if sum(map(is_open, self.polls[client.channel].values())) == 2:
            return
        content = Content("poll", {"roll": ["FD", "bo", "cy"], "seconds": 60})
        poll = self.speak(client, "Go?", None, content)
        self.polls[client.channel][str(poll)] = {}
        self.run(self.flush())

    @precondition(lambda self: any(self.polls[one.channel] for one in self.here))
    @rule(data=st.data(), choice=st.sampled_from(["go", "no-go"]))
    def vote(self, data: st.DataObject, choice: str) -> None:
        voters = [one for one in self.here if self.polls[one.channel]]
        client = data.draw(st.sampled_from(voters))
        assert client.member is not None
        polls = self.polls[client.channel]
        poll = data.draw(st.sampled_from(list(polls)))
        station = "FD" if client.identity is ADA else client.member.name
        content = Content("vote", {"poll": poll, "vote": choice})
        counts = station in ("FD", "bo", "cy") and station not in polls[poll]
        if not counts:
            with pytest.raises(MessageRefused):
                self.speak(client, choice, None, content)
            return
        self.speak(client, choice, None, content)
        polls[poll][station] = choice
        if not is_open(polls[poll]):
            text = "NO-GO" if "no-go" in polls[poll].values() else "GO"
            self.said[client.channel].append(("system", text))
        self.run(self.flush())
        self.check_the_record()

    @precondition(lambda self: self.here)
    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        """Some clients read everything, and then know who is here."""
        for client in data.draw(st.sampled_from([self.here, self.here[:1], self.here[-1:]])):
            self.run(self.reading(client))
            assert client.member is not None
            assert client.view in (None, set(client.member.names(99)))

    async def reading(self, client: Client) -> None:
        member = client.member
        assert member is not None
        last = member.channel.topic.last_id.offset
        subscriber = member.subscriber
        while subscriber.position.offset < last or subscriber._gap is not None:
            news = await anext(subscriber)
            if isinstance(news, Gap):
                async for found in self.comms.missed(member.channel, news):
                    if isinstance(found, Gap):
                        self.miss(client, found)
                    else:
                        self.take(client, [json.loads(frame.json) for frame in found], member)
            elif isinstance(news, Batch):
                self.take(client, [json.loads(frame.json) for frame in news.frames], member)

    def take(self, client: Client, frames: list[dict[str, Any]], member: Member) -> None:
        for frame in frames:
            assert self.seen.setdefault((client.channel, frame["id"]), frame) == frame
            client.receive(frame, member.joined)

    def miss(self, client: Client, gap: Gap) -> None:
        """Only a log in memory forgets; a channel without messages begins again."""
        assert not self.in_file or gap.reason is GapReason.EPOCH
        if gap.reason is GapReason.EPOCH:
            assert not self.said[client.channel] or not self.in_file
        assert client.member is not None
        client.last = client.member.channel.topic.epochs.id(gap.resumed.offset - 1)
        client.view = None

    @precondition(lambda self: self.in_file)
    @rule(is_clean=st.booleans())
    def restart(self, is_clean: bool) -> None:
        """End the process: cleanly, or killed while clients are here."""
        self.run(self.end(is_clean))
        self.run(self.open())
        self.check_the_record()

    async def end(self, is_clean: bool) -> None:
        self.restarts += 1
        folder = self.root / str(self.restarts)
        if not is_clean:
            shutil.copytree(self.folder, folder)
        for client in self.here:
            await self.disconnect(client)
        await self.log.close()
        if is_clean:
            shutil.copytree(self.folder, folder)
        shutil.rmtree(self.folder)
        self.folder = folder

    @invariant()
    def the_members_are_those_of_the_model(self) -> None:
        if not hasattr(self, "comms"):
            return
        for channel in self.comms.channels:
            here = self.members_of(channel.name)
            names = {one.member.name for one in here if one.member is not None}
            people = {"Ada" if one.identity is ADA else id(one) for one in here}
            assert set(channel.members.names()) == names
            assert len(channel.members) == len(names) == len(people)
            assert all(one.sending_since == inf for one in channel.members)

    @rule()
    def check_the_record(self) -> None:
        """The log has everything that was said, in order, and the polls have the votes."""
        for channel, said in self.said.items():
            if said:
                with suppress(PoolFull):  # the channel cannot be opened for its polls now
                    self.run(self.checking(channel, said))

    async def checking(self, channel: str, said: list[tuple[str, str]]) -> None:
        page = await self.comms.messages(channel, Query(limit=1000))
        kept = [(one.event.name, one.event.text.split(" by ")[0]) for one in page.messages]
        if not self.in_file:
            assert len(kept) >= min(len(said), ROOM_EVENTS)
        assert kept == said[len(said) - len(kept) if not self.in_file else 0 :]
        crew = await self.comms.crew(channel)
        if crew is not None:
            tallies = {one["id"]: one["votes"] for one in crew.polls.as_json()}
            assert tallies == self.polls[channel]

    def teardown(self) -> None:
        if hasattr(self, "comms"):
            for client in self.here:
                self.run(self.disconnect(client))
            self.run(self.log.close())
        self.loop.close()
        shutil.rmtree(self.root)


def is_open(votes: dict[str, str]) -> bool:
    return len(votes) < 3


CommsMachine.TestCase.settings = settings(
    max_examples=300 if FULL else 12,
    stateful_step_count=40 if FULL else 25,
    suppress_health_check=[HealthCheck.too_slow],
)
TestCommsMachine = pytest.mark.timeout(1800)(CommsMachine.TestCase)
