"""Waiting for a condition that no event announces, such as the state of a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio import fail_after, sleep

if TYPE_CHECKING:
    from collections.abc import Callable

POLL_INTERVAL_S = 0.002


async def until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Return once the condition is true; else raise `TimeoutError`."""
    with fail_after(timeout_s):
        while not condition():
            await sleep(POLL_INTERVAL_S)
