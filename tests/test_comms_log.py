"""The log of a channel: what it keeps beyond the memory of the channel, and who receives it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from rover.comms import Comms
from rover.comms.expiry import READ_RECORDS
from rover.comms.history import Query
from rover.comms.records import PREFIX
from rover.errors import LogDamaged
from rover.events import EventId, Gap
from rover.logs import SqliteLog
from rover.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from rover.comms.member import Member
    from rover.logs.base import Log

pytestmark = pytest.mark.anyio

T = 1_790_000_000.0


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Log]:
    log = SqliteLog(tmp_path)
    await log.open()
    yield log
    await log.close()


def comms_of(log: Log, **settings: Any) -> Comms:
    def notify(topic: Any) -> None:
        topic.release()

    return Comms(
        Settings(room_events=5, **settings), notify, lambda: T, log=log, retention=lambda: T
    )


async def caught_up(comms: Comms, member: Member) -> list[str | Gap]:
    """What a resuming member receives until it has caught up."""
    found: list[str | Gap] = []
    while member.subscriber.lag:
        news = await anext(member.subscriber)
        if not isinstance(news, Gap):
            found += [text for frame in news.frames if (text := shown(frame.json))]  # type: ignore[union-attr] # a batch
            continue
        async for missed in comms.missed(member.channel, news):
            if isinstance(missed, Gap):
                found.append(missed)
            else:
                found += [text for frame in missed if (text := shown(frame.json))]
    return found


def shown(frame: str) -> str:
    return str(json.loads(frame).get("text", ""))


async def test_a_member_receives_from_the_log_what_has_left_the_memory(log: Log) -> None:
    comms = comms_of(log)
    texts = [f"m{number}" for number in range(40)]
    with comms.join("ops", "ada") as ada:
        for text in texts:
            ada.say(text)
        await log.sync()
        with comms.join("ops", "bo", after=ada.joined) as bo:
            assert await caught_up(comms, bo) == texts
        assert await caught_up(comms, ada) == texts  # it did not read meanwhile
    comms = comms_of(log)  # after a restart
    await comms.channels.load("ops")
    with comms.join("ops", "bo", after=ada.joined) as bo:
        assert await caught_up(comms, bo) == texts


async def test_the_log_keeps_the_newest_messages_up_to_its_own_number(log: Log) -> None:
    comms = comms_of(log, keep_comms_messages=10)
    with comms.join("ops", "ada") as ada:
        for number in range(25):
            ada.say(f"m{number}")
        await log.sync()
        await comms.channels.expire()
        await log.sync()
        kept = await log.read(PREFIX + "ops", kinds=("message",))
        assert [json.loads(one.data)["text"] for one in kept] == [f"m{n}" for n in range(15, 25)]

        with comms.join("ops", "bo", after=ada.joined) as bo:
            first, *rest = await caught_up(comms, bo)
    assert isinstance(first, Gap)
    assert (first.after, first.lost) == (ada.joined, 15)
    assert rest == [f"m{number}" for number in range(15, 25)]


@pytest.mark.parametrize(
    ("limit", "count"), [({"keep_comms_messages": 3}, 3), ({"keep_comms_bytes": 2_048}, 1)]
)
async def test_limits_below_those_of_the_memory_are_kept(
    log: Log, limit: dict[str, Any], count: int
) -> None:
    comms = comms_of(log, **limit)
    with comms.join("ops", "ada") as ada:
        for number in range(20):
            ada.say(f"{number} ".ljust(900, "x"))
        await log.sync()
        await comms.channels.expire()
        await log.sync()
        assert len(await log.read(PREFIX + "ops", kinds=("message",))) <= max(count, 2)
        assert 1 <= len(ada.channel.history()) <= count
        newest = (await comms.messages("ops", Query())).messages[-1]
        assert newest.id.offset == ada.joined.offset + 20


async def test_joins_do_not_count_as_messages(log: Log) -> None:
    comms = comms_of(log, keep_comms_messages=10)
    with comms.join("ops", "ada") as ada:
        for number in range(10):
            ada.say(f"m{number}")
        for _ in range(1_100):
            with comms.join("ops", "flaky"):
                pass
    await log.sync()
    await comms.channels.expire()
    await log.sync()
    assert len(await log.read(PREFIX + "ops", kinds=("message",))) == 10


@pytest.mark.parametrize("is_open", [True, False])
async def test_the_log_keeps_the_newest_messages_up_to_its_own_size(
    log: Log, *, is_open: bool
) -> None:
    comms = comms_of(log, keep_comms_bytes=50_000, room_bytes=2_000)
    with comms.join("ops", "ada") as ada:
        for number in range(READ_RECORDS // 20):
            ada.say(f"{number} ".ljust(1_000, "x"))
        await log.sync()
        if is_open:
            await comms.channels.expire()
    if not is_open:
        await comms_of(log, keep_comms_bytes=50_000, room_bytes=2_000).channels.expire()
    await log.sync()
    kept = await log.read(PREFIX + "ops", kinds=("message",))
    assert sum(len(one.data) for one in kept) <= 50_000
    assert len(kept) >= 40
    assert json.loads(kept[-1].data)["text"].startswith("99 ")


async def test_a_member_of_an_unknown_epoch_receives_a_gap_and_no_old_message(log: Log) -> None:
    comms = comms_of(log)
    with comms.join("ops", "ada") as ada:
        for number in range(20):
            ada.say(f"m{number}")
        await log.sync()
        with comms.join("ops", "bo", after=EventId("other", 1)) as bo:
            gap, *rest = await caught_up(comms, bo)
    assert isinstance(gap, Gap)
    assert gap.reason == "epoch"
    assert rest == [f"m{number}" for number in range(15, 20)]


async def test_a_member_receives_a_gap_while_the_log_cannot_be_read(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    comms = comms_of(log)
    with comms.join("ops", "ada") as ada:
        for number in range(20):
            ada.say(f"m{number}")
        await log.sync()

        async def fail(*_: object, **__: object) -> None:
            raise LogDamaged("ops", "a test")

        monkeypatch.setattr(log, "read", fail)
        with comms.join("ops", "bo", after=ada.joined) as bo:
            gap, *rest = await caught_up(comms, bo)
    assert isinstance(gap, Gap)
    assert gap.lost == 15
    assert rest == [f"m{number}" for number in range(15, 20)]
