"""Rounds: callers share what is done for all of them."""

from __future__ import annotations

import asyncio

import pytest
from anyio import Event
from anyio.lowlevel import checkpoint

from rover.logs.worker import Rounds

pytestmark = pytest.mark.anyio


class Disk:
    """Counts its rounds, which end when it is told so."""

    def __init__(self) -> None:
        self.begun = 0
        self.may_end = Event()

    async def write(self) -> bool:
        self.begun += 1
        await self.may_end.wait()
        return True


async def settle() -> None:
    """Run the other tasks until all of them wait."""
    for _ in range(10):
        await checkpoint()


async def test_calls_share_a_round_that_begins_after_them() -> None:
    disk = Disk()
    rounds = Rounds(disk.write)
    first = [rounds.join(), rounds.join()]
    await settle()
    later = [rounds.join(), rounds.join()]
    await settle()
    assert disk.begun == 1
    disk.may_end.set()
    assert await asyncio.gather(*first, *later) == [True] * 4
    assert disk.begun == 2


async def test_a_caller_learns_when_its_round_begins() -> None:
    disk, begun = Disk(), []
    rounds = Rounds(disk.write)
    rounds.join(lambda: begun.append((1, disk.begun)))
    await settle()
    second = rounds.join(lambda: begun.append((2, disk.begun)))
    await settle()
    assert begun == [(1, 0)]
    disk.may_end.set()
    await second
    assert begun == [(1, 0), (2, 1)]


async def test_a_cancelled_caller_cancels_no_round() -> None:
    disk = Disk()
    rounds = Rounds(disk.write)
    impatient, patient = rounds.join(), rounds.join()
    await settle()
    impatient.cancel()
    disk.may_end.set()
    assert await patient


async def test_nobody_waits_for_a_round_that_was_given_up() -> None:
    disk = Disk()
    rounds = Rounds(disk.write)
    current = rounds.join()
    await settle()
    following = rounds.join()
    rounds.give_up()
    assert not await current
    assert not await following
    after = rounds.join()
    await settle()
    assert disk.begun == 1  # the round still runs
    disk.may_end.set()
    assert await after


async def test_callers_of_cancelled_rounds_do_not_wait() -> None:
    disk = Disk()
    rounds = Rounds(disk.write)
    callers = [rounds.join()]
    await settle()
    callers.append(rounds.join())
    await rounds.cancel()
    assert await asyncio.gather(*callers) == [False, False]


async def test_only_frequent_rounds_keep_an_interval() -> None:
    disk = Disk()
    disk.may_end.set()
    rounds = Rounds(disk.write, interval_s=3600.0, burst=3)
    for _ in range(4):
        assert await rounds.join()
    delayed = rounds.join()
    await settle()
    assert not delayed.done()
    assert disk.begun == 4
    await rounds.cancel()
