"""Bytes of a transfer are written in blocks, and soon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from anyio import CancelScope, Event, create_task_group, wait_all_tasks_blocked

from rover.commands.block_writer import BLOCK_BYTES, BlockWriter
from rover.commands.inbox import CommandFile, Inbox
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

LONG_S = 3600.0


@pytest.fixture
def file(tmp_path: Path) -> Iterator[CommandFile]:
    file = Inbox(tmp_path).create("a")
    yield file
    file.close()


async def test_a_full_block_is_written_at_once(file: CommandFile) -> None:
    async with BlockWriter(file, LONG_S) as writer:
        await writer.add(bytes(BLOCK_BYTES - 1))
        assert file.path.stat().st_size == 0
        await writer.add(b"x")
        assert file.path.stat().st_size == BLOCK_BYTES


async def test_an_incomplete_block_is_written_while_nothing_more_arrives(file: CommandFile) -> None:
    async with BlockWriter(file, 0.01) as writer:
        for text in (b"ab", b"cd"):
            await writer.add(text)
            await until(lambda: file.path.read_bytes().endswith(text))  # noqa: B023
    assert file.path.read_bytes() == b"abcd"


async def test_all_bytes_are_written_at_the_end_in_order(file: CommandFile) -> None:
    pieces = [bytes([n]) * 70_000 for n in range(50)]
    async with BlockWriter(file, 0.001) as writer:
        for piece in pieces:
            await writer.add(piece)
    assert file.path.read_bytes() == b"".join(pieces)


async def test_all_bytes_are_written_if_the_transfer_is_cancelled(file: CommandFile) -> None:
    scope = CancelScope()

    async def transfer() -> None:
        with scope:
            async with BlockWriter(file, LONG_S) as writer:
                await writer.add(b"ab")
                await Event().wait()

    async with create_task_group() as tasks:
        tasks.start_soon(transfer)
        await wait_all_tasks_blocked()
        scope.cancel()
    assert file.path.read_bytes() == b"ab"


@pytest.mark.parametrize("delay_s", [0.001, LONG_S])
async def test_a_disk_error_is_raised_at_the_end(file: CommandFile, delay_s: float) -> None:
    async def transfer() -> None:
        async with BlockWriter(file, delay_s) as writer:
            await writer.add(b"x")

    file.close()  # then each write fails
    with pytest.raises(ValueError, match="closed"):
        await transfer()


async def test_a_disk_error_ends_the_transfer_at_its_next_bytes(file: CommandFile) -> None:
    async def transfer() -> None:
        async with BlockWriter(file, 0.001) as writer:
            while True:
                await writer.add(b"x")
                await wait_all_tasks_blocked()

    file.close()
    with pytest.raises(ValueError, match="closed"):
        await transfer()
