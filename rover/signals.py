"""Hear the end coming: a server tells its app of SIGTERM only after every stream has ended.

uvicorn waits for open responses before it runs the lifespan's shutdown, and an endless stream never
closes by itself. So the mission listens too: its handler goes before the server's own, calls it,
and is taken away again when the mission ends.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

SIGNALS = [signal.SIGINT, signal.SIGTERM]


@contextmanager
def hear_the_end(callback: Callable[[int], object]) -> Iterator[None]:
    """While inside, have `callback` run on this event loop whenever the process is told to end.

    It gets the signal's number. It runs in no task, where anyio may not know which loop it is on:
    have it set something that a task waits for.

    Only signals that somebody handles in Python already are listened to, and only in the main
    thread: elsewhere, whoever runs the loop calls `MissionControl.drain` itself.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {sig: handler for sig in SIGNALS if callable(handler := signal.getsignal(sig))}

    def handle(signum: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(callback, signum)
        before[signal.Signals(signum)](signum, frame)

    for sig in before:
        signal.signal(sig, handle)
    try:
        yield
    finally:
        for sig, handler in before.items():
            if signal.getsignal(sig) is handle:  # or somebody else has taken over since
                signal.signal(sig, handler)
