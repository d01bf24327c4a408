"""Sources are entered and exited in tasks of their own, which never cancel the mission."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from anyio import Event, create_task_group, fail_after, sleep_forever

from rover.lifetime import entered
from sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.anyio


async def nothing() -> None:
    return


class Source:
    """Calls a function when it is entered, and one when it is exited.

    Attributes:
        calls: what was called.
    """

    def __init__(
        self,
        enter: Callable[[], Awaitable[object]] = nothing,
        leave: Callable[[], Awaitable[object]] = nothing,
    ) -> None:
        self.calls: list[str] = []
        self._enter = enter
        self._leave = leave

    async def __aenter__(self) -> Source:
        self.calls.append("enter")
        await self._enter()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.calls.append("exit")
        await self._leave()


def raising(exc: BaseException) -> Callable[[], Awaitable[None]]:
    async def function() -> None:
        raise exc

    return function


async def test_sources_are_entered_and_exited_once() -> None:
    sources = [("telemetry", Source()), ("camera", object()), ("commands", Source())]
    async with entered(sources):
        assert [getattr(source, "calls", None) for _, source in sources] == [
            ["enter"],
            None,
            ["enter"],
        ]
    assert [getattr(source, "calls", None) for _, source in sources] == [
        ["enter", "exit"],
        None,
        ["enter", "exit"],
    ]


@pytest.mark.parametrize(
    "exc",
    [SourceError("no gauge"), ValueError("bug"), asyncio.CancelledError(), SystemExit(3)],
    ids=repr,
)
async def test_an_error_of_aenter_is_a_source_error_and_the_others_are_exited(
    exc: BaseException,
) -> None:
    first, failing = Source(), Source(raising(exc))
    with pytest.raises(SourceError):
        async with entered([("telemetry", first), ("camera", failing)]):
            raise AssertionError("entered")
    assert (first.calls, failing.calls) == (["enter", "exit"], ["enter"])


@pytest.mark.parametrize(
    "exc", [SourceError("x"), ValueError("bug"), asyncio.CancelledError(), SystemExit(3)], ids=repr
)
async def test_an_error_of_aexit_is_logged_only(
    exc: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    async with entered([("camera", Source(leave=raising(exc)))]):
        pass
    assert "camera" in caplog.text


async def test_a_source_that_hangs_in_aenter_is_named_and_can_be_cancelled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = Source(sleep_forever)
    with fail_after(5):
        async with create_task_group() as tasks:

            async def run() -> None:
                async with entered([("telemetry", source)], slow_enter_s=0.01):
                    raise AssertionError("entered")

            tasks.start_soon(run)
            while len(caplog.records) < 3:
                await asyncio.sleep(0.005)
            tasks.cancel_scope.cancel()
    assert {"telemetry", "Source"} <= set(caplog.records[0].args or ())


async def test_sources_that_hang_in_aexit_end_together_within_the_limit(
    caplog: pytest.LogCaptureFixture,
) -> None:
    released = asyncio.Event()
    steps: list[str] = []

    async def hang() -> None:
        steps.append("exit")
        try:
            await sleep_forever()
        finally:
            steps.append("cancelled")

    async def ignore_cancellation() -> None:
        steps.append("exit")
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue

    sources = [
        ("telemetry", Source(leave=hang)),
        ("camera", Source(leave=ignore_cancellation)),
        ("commands", Source(leave=hang)),
    ]
    async with entered(sources, exit_timeout_s=0.05):
        pass
    assert steps == ["exit"] * 3 + ["cancelled"] * 2
    assert {record.args[0] for record in caplog.records if record.args} == {  # type: ignore[index]
        "telemetry",
        "camera",
        "commands",
    }
    released.set()
    await asyncio.sleep(0)


class SourceWithTasks(Source):
    """Enters a task group, one of whose tasks fails when `failing` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.failing = Event()
        self.entered_again = Event()

    async def __aenter__(self) -> SourceWithTasks:
        self.calls.append("enter")
        if self.calls.count("enter") == 2:
            self.entered_again.set()
        self._tasks = create_task_group()
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._fail)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.calls.append("exit")
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)

    async def _fail(self) -> None:
        await self.failing.wait()
        self.failing = Event()
        raise OSError("the device was unplugged")


async def test_a_failing_task_of_a_source_cancels_nothing_and_the_source_is_entered_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = SourceWithTasks()
    with fail_after(5):
        async with entered([("telemetry", source)], first_pause_s=0.01):
            source.failing.set()
            await source.entered_again.wait()
    assert source.calls == ["enter", "exit", "enter", "exit"]
    assert "unplugged" in caplog.text
