"""Clauses of the contract, and those that are for every kind of source."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
from anyio import CancelScope, Event, create_task_group, sleep, sleep_forever

from rover.testing import Clause, check_telemetry
from sources.base import Sample, SourceError
from tests import (
    test_testing_camera,
    test_testing_commands,
    test_testing_telemetry,
    test_testing_uplink,
)
from tests.contract_cases import Cases, assert_breaks
from tests.thermometer import Thermometer, ThermometerWithTask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = pytest.mark.anyio


class CatchesCancellation(Thermometer):
    async def samples(self) -> AsyncIterator[Sample]:
        yield Sample(time.time(), self.values)
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                continue


class CleansUpSlowly(Thermometer):
    cleanup_s = 3600.0

    async def samples(self) -> AsyncIterator[Sample]:
        try:
            async for sample in super().samples():
                yield sample
        finally:
            with CancelScope(shield=True):
                await sleep(self.cleanup_s)


class CleansUpInTime(CleansUpSlowly):
    cleanup_s = 0.02


class RaisesWhenCancelled(Thermometer):
    interval_s = 3600

    async def samples(self) -> AsyncIterator[Sample]:
        try:
            async for sample in super().samples():
                yield sample
        except asyncio.CancelledError as exc:
            raise SourceError("the line went dead") from exc


class LeavesTask(Thermometer):
    async def samples(self) -> AsyncIterator[Sample]:
        self.task = asyncio.create_task(self.poll())
        async for sample in super().samples():
            yield sample

    async def poll(self) -> None:
        await sleep_forever()


class LeavesTaskAtExit(ThermometerWithTask):
    async def __aexit__(self, *_: object) -> None:
        return


class LeavesSocket(Thermometer):
    def __init__(self) -> None:
        self.sockets: list[socket.socket] = []

    async def samples(self) -> AsyncIterator[Sample]:
        self.sockets.append(socket.socket(type=socket.SOCK_DGRAM))
        async for sample in super().samples():
            yield sample

    def __del__(self) -> None:
        for one in self.sockets:
            one.close()


class BlocksOnce(Thermometer):
    has_blocked = False

    async def samples(self) -> AsyncIterator[Sample]:
        if not self.has_blocked:
            self.has_blocked = True
            time.sleep(0.6)  # noqa: ASYNC251 # breaks the contract on purpose
        async for sample in super().samples():
            yield sample


class BlocksOften(Thermometer):
    async def samples(self) -> AsyncIterator[Sample]:
        async for sample in super().samples():
            time.sleep(0.1)  # noqa: ASYNC251 # breaks the contract on purpose
            yield sample


class RaisesOSError(Thermometer):
    async def samples(self) -> AsyncIterator[Sample]:
        yield Sample(time.time(), self.values)
        raise OSError(5, "Input/output error")


class CannotBeEntered(ThermometerWithTask):
    async def __aenter__(self) -> ThermometerWithTask:
        raise FileNotFoundError("/dev/ttyUSB0")


class CannotBeExited(ThermometerWithTask):
    async def __aexit__(self, *_: object) -> None:
        await super().__aexit__()
        raise OSError(19, "No such device")


class HasNoExit(Thermometer):
    async def __aenter__(self) -> HasNoExit:
        return self


class TaskFails(Thermometer):
    """Its own task fails while it is read, which cancels the task that entered the source."""

    async def __aenter__(self) -> TaskFails:
        self._read = Event()
        self._tasks = await create_task_group().__aenter__()
        self._tasks.start_soon(self._fail)
        return self

    async def __aexit__(self, *exc_info: Any) -> bool | None:
        self._tasks.cancel_scope.cancel()
        return await self._tasks.__aexit__(*exc_info)

    async def samples(self) -> AsyncIterator[Sample]:
        self._read.set()
        await sleep_forever()
        yield Sample(time.time(), self.values)

    async def _fail(self) -> None:
        await self._read.wait()
        raise OSError(19, "No such device")


CASES: Cases = {
    "cancellation caught": ("source.cancel", CatchesCancellation, "0.3 s"),
    "cleanup too slow": ("source.cancel", CleansUpSlowly, "0.3 s"),
    "other error when cancelled": ("source.cancel", RaisesWhenCancelled, "the line went dead"),
    "task left": ("source.cleanup", LeavesTask, "LeavesTask.poll"),
    "task left at exit": ("source.cleanup", LeavesTaskAtExit, "sleep_forever"),
    "socket left": ("source.cleanup", LeavesSocket, "samples()"),
    "blocks for long": ("source.blocking", BlocksOnce, "0.5 s"),
    "blocks often": ("source.blocking", BlocksOften, "anyio.to_thread.run_sync"),
    "not a SourceError": ("source.errors", RaisesOSError, "Input/output error"),
    "not a SourceError at enter": ("source.errors", CannotBeEntered, "/dev/ttyUSB0"),
    "error at exit": ("source.life", CannotBeExited, "No such device"),
    "error of a task": ("source.life", TaskFails, "No such device"),
    "no __aexit__": ("source.life", HasNoExit, "HasNoExit"),
}


def test_every_clause_is_broken_by_a_source_in_these_tests() -> None:
    cases = (
        CASES,
        test_testing_telemetry.CASES,
        test_testing_camera.CASES,
        test_testing_commands.CASES,
        test_testing_uplink.CASES,
        test_testing_uplink.UNREACHABLE,
    )
    assert {clause for table in cases for clause, *_ in table.values()} == set(Clause)


@pytest.mark.parametrize(("clause", "make", "contains"), CASES.values(), ids=CASES)
async def test_a_source_that_breaks_a_clause_raises_its_code(
    clause: str, make: Callable[[], Any], contains: str
) -> None:
    check = check_telemetry(make(), samples=2, timeout_s=0.5, cancel_timeout_s=0.3, max_stall_s=0.5)
    await assert_breaks(check, clause, contains)


async def test_cancel_timeout_s_limits_the_time_of_cleanup() -> None:
    await check_telemetry(CleansUpInTime(), cancel_timeout_s=10, max_stall_s=10)
    check = check_telemetry(CleansUpInTime(), cancel_timeout_s=0.001)
    await assert_breaks(check, "source.cancel", "0.001 s")
