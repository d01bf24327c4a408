"""Hear the end coming: a server tells its app of SIGTERM only after every stream has ended.

uvicorn waits for open responses before it runs the lifespan's shutdown, and an endless stream never
closes by itself. So the mission listens too: its handler goes before the server's own, calls it,
and is taken away again when the mission ends. hypercorn's worker processes get no signal; there,
the event is watched by which their parent process tells them.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import threading
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from anyio import Event, current_time, sleep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.synchronize import Event as MultiprocessingEvent
    from types import FrameType
    from typing import Any

    Handler = Callable[[int, FrameType | None], object]

SIGNALS = [signal.SIGINT, signal.SIGTERM]

RELAYED_S = 1.0
"""A Ctrl-C reaches a server's worker twice: from the terminal, and so much later at most from the
server's parent process, as a SIGTERM."""

IMPATIENT_S = 0.5
"""uvicorn, told twice, leaves everything as it is; so long is first for ending in order."""

STEP_S = 0.01
WATCH_S = 0.1


class End:
    """A process's coming end: whether it was told to, and whether it is to hurry.

    Attributes:
        told: set when it was told to end.
        hurry: told again.
    """

    def __init__(self) -> None:
        self.told = Event()
        self.hurry = False
        self._first: tuple[int, float] | None = None

    def note(self, signum: int) -> bool:
        """Take note of a signal; whether it is the one that says to hurry."""
        if self._first is None:
            self._first = signum, monotonic()
            return False
        first, at = self._first
        again = signum == first or monotonic() - at > RELAYED_S
        hurry_now = again and not self.hurry
        self.hurry = self.hurry or again
        return hurry_now

    async def wait_while(self, busy: Callable[[], int], deadline: float) -> None:
        """Return when nobody is left, or at the deadline, or when told to hurry."""
        while busy() and current_time() < deadline and not self.hurry:  # noqa: ASYNC110 # counts
            await sleep(STEP_S)


@contextmanager
def hear_the_end(end: End) -> Iterator[None]:
    """While inside, have `end` know on this event loop when the process is told to end.

    Only signals that somebody handles in Python already are listened to, and SIGTERM in a worker
    process of hypercorn, whose parent kills all others by it when one has ended. And only in the
    main thread: elsewhere, whoever runs the loop calls `MissionControl.drain` itself.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    heard: dict[signal.Signals, Handler | signal.Handlers] = {
        sig: handler for sig in SIGNALS if callable(handler := signal.getsignal(sig))
    }
    if _parents_event() is not None and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        heard[signal.SIGTERM] = signal.SIG_DFL
    listeners = [Listener(sig, handler, end, loop) for sig, handler in heard.items()]
    try:
        yield
    finally:
        for listener in listeners:
            listener.stop()


async def watch_parent(end: End) -> None:
    """Have `end` told when hypercorn's parent process says so, if this is one of its workers."""
    if (event := _parents_event()) is None:
        return
    while not event.is_set():  # noqa: ASYNC110 # of another process
        await sleep(WATCH_S)
    end.told.set()


def _parents_event() -> MultiprocessingEvent | None:
    """What stands under hypercorn's name among the arguments that this process was made with."""
    process = multiprocessing.current_process()
    event = getattr(process, "_kwargs", {}).get("shutdown_event")
    return event if hasattr(event, "is_set") else None


class Listener:
    """A signal's handler before the one that was there.

    Args:
        sig: the signal.
        before: its handler.
        end: to be told.
        loop: on which.
    """

    def __init__(
        self,
        sig: signal.Signals,
        before: Handler | signal.Handlers,
        end: End,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.sig = sig
        self.before = before
        self._end: End | None = end
        self._loop = loop
        signal.signal(sig, self)

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        """Tell every listener of the signal, then the handler that was there before them all."""
        handler: Handler | signal.Handlers = self
        hurry = False
        while isinstance(handler, Listener):
            hurry = handler.hear(signum) or hurry
            handler = handler.before
        if not callable(handler):
            return
        if hurry and not self._loop.is_closed():
            later = self._loop.call_later
            self._loop.call_soon_threadsafe(later, IMPATIENT_S, handler, signum, None)
        else:
            handler(signum, frame)

    @property
    def __self__(self) -> Any:
        """As of the method that it calls: sse-starlette finds a host's server by it."""
        return getattr(self.before, "__self__", None)

    def hear(self, signum: int) -> bool:
        """Tell the end of it; whether it is to hurry now."""
        if self._end is None or self._loop.is_closed():
            return False
        self._loop.call_soon_threadsafe(self._end.told.set)
        return self._end.note(signum)

    def stop(self) -> None:
        """Hear nothing more, and go, together with those before it that stopped since."""
        self._end = None
        top = now = signal.getsignal(self.sig)
        while isinstance(top, Listener) and top._end is None:
            top = top.before
        if top is not now:
            signal.signal(self.sig, top)
