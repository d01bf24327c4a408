"""The pace of a channel: a fast speaker waits for members that read, and for no others."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import pytest
from anyio import CancelScope, create_task_group, current_time, fail_after, wait_all_tasks_blocked

from rover.comms.channel import Channel
from rover.comms.member_names import MemberNames
from rover.comms.pace import SHARE, STALLED_S, Pace
from rover.settings import Settings
from tests.comms_site import comms, receive, say

if TYPE_CHECKING:
    from rover.comms.member import Member
    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

EVENTS = 40
NOW = 1_790_000_000.0


class Crowd:
    """A channel, some members, and its pace."""

    def __init__(self, members: int = 2, max_wait_s: float = 60.0) -> None:
        self.channel = Channel(
            "flight",
            Settings(room_events=EVENTS),
            MemberNames(lambda _: False),
            None,
            lambda: NOW,
        )
        self.members = [self.channel.join("", None, CancelScope()) for _ in range(members)]
        self.channel.pace = Pace(2**20, EVENTS, max_wait_s)
        self.channel.topic.release()

    def publish(self, count: int) -> None:
        for _ in range(count):
            self.members[0].say("hello")
        self.channel.topic.release()

    async def wait(self) -> None:
        await self.channel.pace.wait(self.members, NOW)

    async def read(self, member: Member) -> None:
        await anext(member.subscriber)
        self.channel.pace.advance(member, member.subscriber.offset)


def is_open(crowd: Crowd) -> bool:
    return crowd.channel.pace._caught_up is None


async def test_a_speaker_does_not_wait_for_a_few_messages() -> None:
    crowd = Crowd()
    crowd.publish(int(SHARE * EVENTS) - 1)
    await crowd.wait()
    assert all(member.subscriber.lag for member in crowd.members)


async def test_a_speaker_waits_until_each_member_has_read() -> None:
    crowd = Crowd()
    crowd.publish(int(SHARE * EVENTS))
    with fail_after(5):
        async with create_task_group() as tasks:
            tasks.start_soon(crowd.wait)
            for member in crowd.members:
                await wait_all_tasks_blocked()
                assert not is_open(crowd)
                await crowd.read(member)
        await crowd.wait()


async def test_a_speaker_waits_for_no_member_that_has_left() -> None:
    crowd = Crowd()
    crowd.publish(int(SHARE * EVENTS))
    with fail_after(5):
        async with create_task_group() as tasks:
            tasks.start_soon(crowd.wait)
            await wait_all_tasks_blocked()
            for member in crowd.members:
                crowd.channel.leave(member)


async def test_a_speaker_waits_for_no_stalled_member() -> None:
    crowd = Crowd()
    for member in crowd.members:
        assert member.sending_since == inf
        member.sending_since = NOW - STALLED_S
    crowd.publish(int(SHARE * EVENTS))
    with fail_after(5):
        await crowd.wait()


async def test_a_wait_has_a_limit() -> None:
    crowd = Crowd(max_wait_s=0.02)
    crowd.publish(int(SHARE * EVENTS))
    began = current_time()
    with fail_after(5):
        await crowd.wait()
    assert current_time() - began >= 0.02


async def test_nobody_loses_messages_to_a_fast_speaker(serve: Serve) -> None:
    async with (
        comms(serve, room_events=50) as server,
        server.join("eva") as reader,
        server.join("eva") as speaker,
    ):
        for number in range(500):
            await say(speaker, str(number))
        found: list[str] = []
        while len(found) < 500:
            frame = await receive(reader)
            assert frame["type"] != "gap"
            if frame["type"] == "message":
                found.append(frame["text"])
    assert found == [str(number) for number in range(500)]
