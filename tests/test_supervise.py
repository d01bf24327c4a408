"""A source is restarted whatever it raises, and its failures end nothing else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from anyio import create_task_group, fail_after, sleep_forever

from rover.supervise import MAX_PAUSE_S, Backoff, Health, State, Supervisor
from sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.anyio


async def states_of_two_restarts(follow: Callable[[], Awaitable[None]]) -> list[Health]:
    """The states of a source that is restarted twice."""
    states: list[Health] = []
    runs = 0

    async def run() -> None:
        nonlocal runs
        runs += 1
        if runs == 3:
            tasks.cancel_scope.cancel()
            await sleep_forever()
        await follow()

    supervisor = Supervisor("test", on_change=states.append, first_pause_s=0.001)
    with fail_after(5):
        async with create_task_group() as tasks:
            tasks.start_soon(supervisor.run, run)
    assert runs == 3
    return states


class UnusualError(BaseException):
    pass


@pytest.mark.parametrize(
    "error",
    [
        SourceError("the cable is out"),
        ValueError("driver bug"),
        asyncio.CancelledError(),
        SystemExit(3),
        UnusualError("unusual"),
        BaseExceptionGroup("several", [ValueError("one"), asyncio.CancelledError()]),
        ExceptionGroup("one", [SourceError("inside")]),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_source_is_restarted_whatever_it_raises(error: BaseException) -> None:
    async def follow() -> None:
        raise error

    assert [health.state for health in await states_of_two_restarts(follow)] == [State.DOWN] * 2


async def test_a_source_that_cancels_its_own_task_is_restarted() -> None:
    async def follow() -> None:
        task = asyncio.create_task(sleep_forever())
        await asyncio.sleep(0)
        task.cancel()
        await task

    assert "CancelledError" in (await states_of_two_restarts(follow))[0].detail


async def test_a_source_that_ends_is_restarted() -> None:
    async def follow() -> None:
        return

    assert len(await states_of_two_restarts(follow)) == 2


async def test_a_source_that_is_off_does_not_run() -> None:
    async def follow() -> None:
        raise AssertionError("runs")

    supervisor = Supervisor("test", idle=State.OFF)
    async with create_task_group() as tasks:
        tasks.start_soon(supervisor.run, follow)
        await asyncio.sleep(0)
        tasks.cancel_scope.cancel()
    assert supervisor.health.state is State.OFF


def test_a_source_is_degraded_until_it_delivers_usable_data() -> None:
    states: list[Health] = []
    supervisor = Supervisor("test", on_change=states.append)
    supervisor.unusable("speed: not a number")
    supervisor.unusable("speed: not a number")
    supervisor.data()
    assert [health.state for health in states] == [State.DEGRADED, State.LIVE]
    assert "speed" in states[0].detail


def test_a_mistake_keeps_a_source_degraded_until_it_is_corrected() -> None:
    supervisor = Supervisor("test")
    supervisor.data()
    supervisor.set_mistake("unit=None")
    supervisor.data()
    assert (supervisor.health.state, supervisor.health.detail) == (State.DEGRADED, "unit=None")
    supervisor.set_mistake("")
    supervisor.data()
    assert supervisor.health.state is State.LIVE


def test_mistakes_of_several_kinds_are_corrected_one_by_one() -> None:
    supervisor = Supervisor("test")
    supervisor.data()
    supervisor.set_mistake("no bucket", "copies")
    supervisor.set_mistake("no answer", "files")
    supervisor.set_mistake("", "copies")
    assert (supervisor.health.state, supervisor.health.detail) == (State.DEGRADED, "no answer")
    supervisor.set_mistake("", "files")
    assert supervisor.health.state is State.LIVE


def test_the_pauses_between_restarts_grow_to_a_limit() -> None:
    backoff = Backoff(0.5)
    pauses_s = [backoff.after(0.1, delivered=False) for _ in range(10)]
    assert pauses_s[:4] == [0.5, 1, 2, 4]
    assert pauses_s[-1] == MAX_PAUSE_S


@pytest.mark.parametrize(
    ("ran_s", "delivered", "pause_s"),
    [
        (2.0, True, 0.5),  # a broker that delivers for two seconds, again and again
        (0.1, True, 8.0),  # one that delivers a retained message and drops at once
        (2.0, False, 8.0),
        (61.0, False, 0.5),
    ],
)
def test_a_steady_run_starts_with_a_short_pause_again(
    ran_s: float, pause_s: float, *, delivered: bool
) -> None:
    backoff = Backoff(0.5)
    for _ in range(4):
        backoff.after(0.1, delivered=False)
    assert backoff.after(ran_s, delivered=delivered) == pause_s
