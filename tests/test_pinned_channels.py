"""The channels of `rover.toml`: always there, listed first, with a retention of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from anyio import create_task_group

from rover.comms import Comms
from rover.comms.records import PREFIX
from rover.comms.rules import ChannelRules, PinnedChannel
from rover.config import Config
from rover.errors import ChannelRefused, ConfigError
from rover.logs import MemoryLog, SqliteLog
from rover.settings import Settings
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rover.logs.base import Log

pytestmark = pytest.mark.anyio

DAY_S = 86_400.0
T = 1_790_000_000.0

FILE = """
[comms]
fixed = true

[comms.channel.Flight]
keep_days = 365

[comms.channel.science]
keep_messages = 20
"""

RULES = ChannelRules(
    pinned={"Flight": PinnedChannel(keep_days=365.0), "science": PinnedChannel(keep_messages=20)},
    is_fixed=True,
)


def load(folder: Path, text: str) -> Config:
    path = folder / "rover.toml"
    path.write_text(text, encoding="utf-8")
    return Config.load(path, {})


def test_a_file_pins_channels(tmp_path: Path) -> None:
    assert load(tmp_path, FILE).channels == RULES
    assert load(tmp_path, "").channels == ChannelRules()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[comms]\nfixed = 1", "comms.fixed=1: "),
        ("[comms]\nfixed = true", "comms.fixed: "),
        ("[comms]\npinned = true", "comms.pinned: "),
        ("[comms.channel.'-a']", "comms.channel.-a: "),
        ("[comms.channel.Flight]\n[comms.channel.flight]", "comms.channel.flight: "),
        ("[comms.channel.a]\nkeep_days = -1", "comms.channel.a.keep_days=-1: "),
        ("[comms.channel.a]\nkeep_days = true", "comms.channel.a.keep_days=true: "),
        ("[comms.channel.a]\nkeep_messages = 1.5", "comms.channel.a.keep_messages=1.5: "),
        ("[comms.channel.a]\nkeep_bytes = 10", "comms.channel.a.keep_bytes=10: "),
        ("[comms.channel.a]\nkeep = 10", "comms.channel.a.keep: "),
        ("[comms.channel]\na = 1", "comms.channel.a=1: "),
    ],
)
def test_a_mistake_has_its_place(tmp_path: Path, text: str, place: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, text)
    assert [one.startswith(place) for one in refused.value.problems] == [True]


def comms_of(
    log: Log,
    rules: ChannelRules = RULES,
    clock: Callable[[], float] = lambda: T,
    **settings: Any,
) -> Comms:
    def notify(topic: Any) -> None:
        topic.release()

    return Comms(Settings(**settings), notify, clock, log=log, retention=lambda: T, rules=rules)


async def test_pinned_channels_are_listed_first_and_never_closed_for_others() -> None:
    comms = comms_of(
        MemoryLog(), ChannelRules(pinned=RULES.pinned), max_channels=1, client_share=1.0
    )
    async with create_task_group() as tasks:
        tasks.start_soon(comms.run)
        await until(lambda: len(comms.channels.listed()) == 2)
        for name in ("eva", "drive"):
            with comms.join(name):
                listed = [channel.name for channel in comms.channels.listed()]
                assert listed[:2] == ["Flight", "science"]
                assert name in listed
        with comms.join("flight") as member:
            assert member.channel.name == "Flight"
        tasks.cancel_scope.cancel()


async def test_no_other_channel_can_be_opened_if_the_list_is_fixed() -> None:
    comms = comms_of(MemoryLog())
    with pytest.raises(ChannelRefused), comms.join("eva"):
        pass
    with pytest.raises(ChannelRefused):
        await comms.say("eva", "hello")
    with pytest.raises(ChannelRefused):
        await comms.open("eva")
    assert (await comms.say("FLIGHT", "hello")).id.offset == 1


async def test_a_pinned_channel_keeps_the_spelling_and_the_messages_of_the_log(
    tmp_path: Path,
) -> None:
    log = SqliteLog(tmp_path)
    await log.open()
    before = comms_of(log, ChannelRules())
    await before.say("FLIGHT", "one")
    comms = comms_of(log)
    await comms.say("flight", "two")
    assert [channel.name for channel in comms.channels.listed()] == ["FLIGHT"]
    await log.close()


async def test_each_pinned_channel_has_a_retention_of_its_own(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    await log.open()
    now = T - 100 * DAY_S
    comms = comms_of(log, clock=lambda: now, keep_comms_days=7.0, room_events=5)
    for number in range(30):
        await comms.say("flight", str(number))
    now = T
    for number in range(30):
        await comms.say("science", str(number))
    await comms.channels.expire()
    await log.sync()
    kept = [await log.read(PREFIX + name, kinds=("message",)) for name in ("Flight", "science")]
    assert list(map(len, kept)) == [30, 20]
    await log.close()
