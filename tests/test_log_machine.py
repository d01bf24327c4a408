"""A log, a topic and a flusher against a model: restarts, faults of the disk, and clients.

The model remembers every event that a client has received. An id must never stand for another
event, and a client that resumes must miss nothing without a gap.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rover.events import EventId
from rover.flush import Flusher
from rover.logs import SqliteLog
from rover.logs.database import Database
from rover.logs.journal import read_journal
from rover.logs.store import Packed, Store
from rover.schema import MAX_OFFSET
from rover.topic import Batch as Events
from rover.topic import Gap, Topic

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rover.logs.batch import Batch

MAX_EVENTS = 8

ENDS = ("clean", "kill", "kill in a transaction", "kill after a transaction")
"""How a process ends."""

DURING_OR_AFTER = ENDS[2:]
"""Ends of a process that has released events while a transaction was running."""


class Disk:
    """What the disk does with the next transactions: they fail, or do not finish."""

    def __init__(self) -> None:
        self.fails = False
        self.goes_on = threading.Event()
        self.goes_on.set()


class FaultyDatabase(Database):
    disk: Disk

    def write(self, batch: Batch) -> Any:
        self.disk.goes_on.wait(10)
        if self.disk.fails:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise error
        return super().write(batch)


class Client:
    """Follows the topic, and checks that what it receives is in order."""

    def __init__(self) -> None:
        self.last: EventId | None = None
        self.may_miss = False


class LogMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.root = Path(tempfile.mkdtemp())
        self.folders = 0
        self.folder = self.root / "0"
        self.boots = 0
        self.disk = Disk()
        self.seen: dict[EventId, str] = {}
        self.learned: dict[str, EventId] = {}
        self.published = 0
        self.clients = [Client(), Client()]

    def run(self, call: Callable[[], Awaitable[object]]) -> None:
        async def bounded() -> None:
            with anyio.fail_after(10):
                await call()

        self.loop.run_until_complete(bounded())

    @initialize()
    def start(self) -> None:
        self.run(self.open)

    async def open(self) -> None:
        def database(path: Path) -> Database:
            opened = FaultyDatabase(path)
            opened.disk = self.disk
            return opened

        self.log = SqliteLog(
            self.folder,
            open_database=database,
            boot=lambda: f"boot {self.boots}",
            retry_s=60,
            slow_s=0.02,
        )
        await self.log.open()
        self.flusher = Flusher(60, log=self.log)
        self.topic: Topic[str, str] = Topic(
            lambda event_id, text: f"{event_id} {text}",
            size=len,
            max_events=MAX_EVENTS,
            max_bytes=10**6,
            notify=self.flusher.mark,
            store=Store(
                self.log,
                "topic",
                pack=lambda text: Packed("sample", text, 0.0),
                unpack=lambda record: (record.data, 0.0),
                bounded=True,
            ),
        )
        await self.topic.load()

    @rule(count=st.integers(1, 12))
    def publish(self, count: int) -> None:
        for _ in range(count):
            self.published += 1
            self.topic.publish(f"event {self.published}")

    @rule()
    def flush(self) -> None:
        self.run(self.flusher._flush)

    @rule()
    def learn(self) -> None:
        """A client learns the newest id before the release, as the sender of a message does."""

        async def learning() -> None:
            if not (items := self.topic.retained_items()):
                return
            offset, text = self.topic.last_id.offset, items[-1]
            is_committed = await self.log.commit()
            event_id = self.topic.settle(offset, is_committed=is_committed)
            assert self.seen.setdefault(event_id, text) == text
            self.learned[text] = event_id

        self.run(learning)

    @rule(who=st.integers(0, 1))
    def read(self, who: int) -> None:
        async def reading() -> None:
            client = self.clients[who]
            released = self.topic.released_id.offset
            with self.topic.subscribe(client.last) as subscriber:
                while subscriber.position.offset < released or subscriber._gap is not None:
                    self.receive(client, await anext(subscriber))

        if self.clients[who].last is None:
            self.clients[who].last = self.topic.epochs.id(0)
        self.run(reading)

    def receive(self, client: Client, news: object) -> None:
        if isinstance(news, Gap):
            client.may_miss = True
            return
        assert isinstance(news, Events)
        for frame in news.frames:
            name, _, content = frame.partition(" ")
            event_id = EventId.parse(name)
            assert self.seen.setdefault(event_id, content) == content
            assert self.learned.get(content, event_id) == event_id
            assert client.last is not None
            if not client.may_miss:
                assert event_id.offset == client.last.offset + 1
            client.may_miss = False
            client.last = event_id

    @rule()
    def fail(self) -> None:
        self.disk.fails = True

    @precondition(lambda self: self.disk.fails)
    @rule()
    def recover(self) -> None:
        self.disk.fails = False
        self.run(lambda: asyncio.wait((self.log._transactions.join(),)))

    @rule(power_cut=st.booleans(), end=st.sampled_from(ENDS))
    def restart(self, power_cut: bool, end: str) -> None:
        """End the process: cleanly, or killed, or with the whole machine."""
        if end in DURING_OR_AFTER:
            self.disk.goes_on.clear()
            self.run(self.begin_transaction)
            self.publish(2)
            self.flush()
        if end == "kill after a transaction":
            self.disk.goes_on.set()
            self.run(self.end_transaction)
        released = self.topic.released_id
        self.folders += 1
        folder = self.root / str(self.folders)
        if end == "clean":
            self.disk.fails = False
            self.run(self.log.close)
            shutil.copytree(self.folder, folder)
        else:
            shutil.copytree(self.folder, folder)
            self.disk.goes_on.set()
            self.run(self.log.close)
        self.disk.fails = False
        shutil.rmtree(self.folder)
        self.folder = folder
        self.boots += power_cut
        self.run(self.open)
        found = self.topic.released_id
        assert power_cut or found.epoch != released.epoch or found.offset >= released.offset

    async def begin_transaction(self) -> None:
        self.log._transactions.join()
        while self.log._pending:  # until it is being written
            await anyio.sleep(0.001)

    async def end_transaction(self) -> None:
        if (running := self.log._transactions._writes.running) is not None:
            await asyncio.wait((running,))

    @invariant()
    def released_is_committed_or_has_an_epoch_that_is_not_stored(self) -> None:
        if not hasattr(self, "topic") or self.topic.released_id.offset == 0:
            return
        released = self.topic.released_id
        with sqlite3.connect(self.folder / "mission.db") as connection:
            epochs = {epoch for (epoch,) in connection.execute("SELECT epoch FROM epochs")}
            (newest,) = connection.execute("SELECT max(id) FROM records").fetchone()
            (run,) = connection.execute("SELECT value FROM meta WHERE key = 'run'").fetchone()
        connection.close()
        found = read_journal(self.folder / "mission.journal", [run])
        rows = [] if found is None else found.rows
        committed = max([newest or 0, *(row[0] for row in rows)]) & MAX_OFFSET
        assert committed >= released.offset or released.epoch not in epochs

    def teardown(self) -> None:
        if hasattr(self, "log"):
            self.disk.fails = False
            self.run(self.log.close)
        self.loop.close()
        shutil.rmtree(self.root)


LogMachine.TestCase.settings = settings(
    max_examples=500 if os.environ.get("TEST_FULL") else 15,
    stateful_step_count=25,
    suppress_health_check=[HealthCheck.too_slow],
)
TestLogMachine = pytest.mark.timeout(1800)(LogMachine.TestCase)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("transactions", [0, 1])  # each lets the journal use its other segment
def test_no_end_of_a_process_loses_or_changes_what_was_released(
    transactions: int, end: str
) -> None:
    machine = LogMachine()
    machine.start()
    try:
        for number in range(transactions + 1):
            machine.publish(1)
            machine.flush()  # the first one begins the stream, which is a transaction
            if number:
                machine.recover()
        for _ in range(2):
            machine.publish(2)
            machine.flush()
            machine.read(0)
            machine.restart(power_cut=False, end=end)
    finally:
        machine.teardown()
