"""Tasks and files that a source leaves open."""

from __future__ import annotations

import asyncio
import os
from time import monotonic

from rover.testing.clauses import Clause, ContractBroken


class NewTasks:
    """The tasks that start after this object is created.

    Args:
        timeout_s: Seconds in which the tasks must end.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._before = asyncio.all_tasks()

    async def require_done(self, event: str) -> None:
        """Return when all of them have ended.

        Args:
            event: after which they must end, for the message.

        Raises:
            ContractBroken: some still run. They are cancelled, so that the test can end.
        """
        deadline = monotonic() + self._timeout_s
        while running := asyncio.all_tasks() - self._before:
            left_s = deadline - monotonic()
            if left_s <= 0:
                names = ", ".join(sorted(_name(task) for task in running))
                for task in running:
                    task.cancel()
                raise ContractBroken(
                    Clause.SOURCE_CLEANUP,
                    f"{event}, and these tasks still run: {names}; cancel and await them",
                )
            await asyncio.wait(running, timeout=left_s)


def _name(task: asyncio.Task[object]) -> str:
    return getattr(task.get_coro(), "__qualname__", task.get_name())


def count_open_files() -> int:
    """Return the number of this process's open files, sockets and pipes; 0 if it is unknown."""
    try:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 # only the number of entries
    except OSError:
        return 0
