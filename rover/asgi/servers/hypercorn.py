"""hypercorn: its worker processes receive no signal; their parent process sets an event instead.

Source: hypercorn/run.py, which passes `shutdown_event` to `multiprocessing.Process`.
"""

from __future__ import annotations

import multiprocessing
import signal
from typing import TYPE_CHECKING

from anyio import sleep

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event

POLL_INTERVAL_S = 0.1


async def wait_for_shutdown_event() -> bool:
    """Wait for the event of the parent process. Returns `False` at once in other processes."""
    if (event := shutdown_event()) is None:
        return False
    while not event.is_set():  # noqa: ASYNC110 # another process sets it
        await sleep(POLL_INTERVAL_S)
    return True


def shutdown_event() -> Event | None:
    """The event in the arguments of this process; `None` if hypercorn did not start it."""
    process = multiprocessing.current_process()
    event = getattr(process, "_kwargs", {}).get("shutdown_event")
    return event if hasattr(event, "is_set") else None


def ends_workers_by_sigterm() -> bool:
    """Whether SIGTERM has no handler in this worker process of hypercorn.

    Its parent ends all workers by SIGTERM when one of them has ended.
    """
    no_handler = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    return no_handler and shutdown_event() is not None
