"""What a source leaves behind."""

from __future__ import annotations

import asyncio
import os
from time import monotonic

from rover.testing.clauses import Clause, ContractBroken

PROMPT_S = 2.0
"""Long enough to say goodbye to a device, short enough for the server's own end."""

PULSE_S = 0.01


class Leftovers:
    """The tasks that were not there when this was made."""

    def __init__(self) -> None:
        self._before = asyncio.all_tasks()

    async def require_none(self, when: str) -> None:
        """Return when they are gone, which may take a moment.

        Raises:
            ContractBroken: some stay; they are cancelled, so that the test can end.
        """
        deadline = monotonic() + PROMPT_S
        while left := asyncio.all_tasks() - self._before:
            if monotonic() > deadline:
                names = ", ".join(sorted(_named(task) for task in left))
                for task in left:
                    task.cancel()
                raise ContractBroken(
                    Clause.SOURCE_CLEANUP, f"{when}, and these tasks still run: {names}"
                )
            await asyncio.sleep(PULSE_S)


def _named(task: asyncio.Task[object]) -> str:
    return getattr(task.get_coro(), "__qualname__", task.get_name())


def open_files() -> int:
    """How many files, sockets and pipes this process has open; 0 where nobody tells."""
    try:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 # only how many
    except OSError:
        return 0
