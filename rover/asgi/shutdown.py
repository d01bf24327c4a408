"""Early detection of a shutdown, by the signals that the server receives.

A server runs the lifespan's shutdown only after all open responses have finished. An endless stream
never finishes by itself, so it must end before that. While a mission runs, its own handler of
SIGINT and SIGTERM replaces the server's: it notes the signal, then calls the server's handler.
docs/architecture.md draws the sequence.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from anyio import Event, current_time, sleep

from rover.asgi.servers import hypercorn
from rover.asgi.servers.uvicorn import RELAY_WINDOW_S, SECOND_SIGNAL_DELAY_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType
    from typing import Any

    Handler = Callable[[int, FrameType | None], object]

SIGNALS = [signal.SIGINT, signal.SIGTERM]

POLL_INTERVAL_S = 0.01


class Shutdown:
    """Whether a shutdown of this process is requested, and whether it is immediate.

    Args:
        clock: monotonic seconds.

    Attributes:
        requested: set when a shutdown begins.
        immediate: whether a second signal was received: grace periods are skipped.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self.requested = Event()
        self.immediate = False
        self._clock = clock
        self._first: tuple[int, float] | None = None

    def note_signal(self, signum: int) -> bool:
        """Note a signal. Returns whether this signal made the shutdown immediate."""
        if self._first is None:
            self._first = signum, self._clock()
            return False
        first, at = self._first
        repeated = signum == first or self._clock() - at > RELAY_WINDOW_S
        became_immediate = repeated and not self.immediate
        self.immediate = self.immediate or repeated
        return became_immediate

    async def wait_while(self, busy: Callable[[], int], deadline: float) -> None:
        """Return when `busy` returns 0, at the deadline, or when the shutdown is immediate.

        Args:
            busy: returns, for example, the number of open streams.
            deadline: by the event loop's clock.
        """
        while busy() and current_time() < deadline and not self.immediate:  # noqa: ASYNC110 # counts
            await sleep(POLL_INTERVAL_S)

    async def watch_parent(self) -> None:
        """Request the shutdown when hypercorn's parent process does; else return at once."""
        if await hypercorn.wait_for_shutdown_event():
            self.requested.set()


@contextmanager
def listen_for_signals(
    shutdown: Shutdown, second_signal_delay_s: float = SECOND_SIGNAL_DELAY_S
) -> Iterator[None]:
    """Request `shutdown` on this event loop when the process receives SIGINT or SIGTERM.

    It listens to the signals that already have a Python handler. In hypercorn's worker processes it
    also listens to SIGTERM: their parent sends it after one of them has ended. Python delivers
    signals to the main thread only; in another thread, call `MissionControl.drain` instead.

    Args:
        shutdown: to request.
        second_signal_delay_s: seconds between a second signal and the server's handler for it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    handlers: dict[signal.Signals, Handler | signal.Handlers] = {
        sig: handler for sig in SIGNALS if callable(handler := signal.getsignal(sig))
    }
    if hypercorn.ends_workers_by_sigterm():
        handlers[signal.SIGTERM] = signal.SIG_DFL
    listeners = [
        Listener(sig, handler, shutdown, loop, second_signal_delay_s)
        for sig, handler in handlers.items()
    ]
    try:
        yield
    finally:
        for listener in listeners:
            listener.stop()


class Listener:
    """A signal handler that replaces the previous handler, and calls it.

    The listeners of several missions in one process form a chain. They may stop in any order.

    Args:
        sig: the signal.
        previous: the handler before.
        shutdown: to request.
        loop: the event loop of `shutdown`.
        second_signal_delay_s: seconds between a second signal and the previous handler.
    """

    def __init__(
        self,
        sig: signal.Signals,
        previous: Handler | signal.Handlers,
        shutdown: Shutdown,
        loop: asyncio.AbstractEventLoop,
        second_signal_delay_s: float,
    ) -> None:
        self.sig = sig
        self.previous = previous
        self._shutdown: Shutdown | None = shutdown
        self._loop = loop
        self._second_signal_delay_s = second_signal_delay_s
        signal.signal(sig, self)

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        """Note the signal in every listener of the chain, then call the server's handler."""
        handler: Handler | signal.Handlers = self
        immediate = False
        while isinstance(handler, Listener):
            immediate = handler.note(signum) or immediate
            handler = handler.previous
        if not callable(handler):
            return
        if immediate and not self._loop.is_closed():
            later = self._loop.call_later
            self._loop.call_soon_threadsafe(
                later, self._second_signal_delay_s, handler, signum, None
            )
        else:
            handler(signum, frame)

    @property
    def __self__(self) -> Any:
        """The object of the previous handler: sse-starlette finds uvicorn's server with it."""
        return getattr(self.previous, "__self__", None)

    def note(self, signum: int) -> bool:
        """Request the shutdown. Returns whether this signal made it immediate."""
        if self._shutdown is None or self._loop.is_closed():
            return False
        self._loop.call_soon_threadsafe(self._shutdown.requested.set)
        return self._shutdown.note_signal(signum)

    def stop(self) -> None:
        """Stop listening. Removes all stopped listeners from the start of the chain."""
        self._shutdown = None
        top = current = signal.getsignal(self.sig)
        while isinstance(top, Listener) and top._shutdown is None:
            top = top.previous
        if top is not current:
            signal.signal(self.sig, top)
