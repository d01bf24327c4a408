"""Tasks that receive images, and the iterators of their ids."""

from __future__ import annotations

from collections import deque
from time import time
from typing import TYPE_CHECKING, Self

from anyio import CancelScope, Event, create_task_group

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

    Receive = Callable[[Callable[[str], None]], Awaitable[None]]


class Reception:
    """Yields the ids that a task announces. The task ends when the reader ends.

    Args:
        receive: the task; it calls its argument with each id.
        max_waiting: maximum number of ids that wait to be read; the oldest are dropped.
    """

    def __init__(self, receive: Receive, max_waiting: int) -> None:
        self._receive = receive
        self._waiting: deque[str] = deque(maxlen=max_waiting)
        self._changed = Event()
        self._scope = CancelScope()
        self._failure: Exception | None = None
        self._done = False

    async def run(self) -> None:
        """Run the task; its error is raised to the reader."""
        try:
            with self._scope:
                await self._receive(self._announce)
        except Exception as exc:  # any exception: it must not end the camera
            self._failure = exc
        finally:
            self._done = True
            self._changed.set()

    def cancel(self) -> None:
        """End the task, and the iterator."""
        self._scope.cancel()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        try:
            while not self._waiting and not self._done:
                self._changed = Event()
                await self._changed.wait()
        except BaseException:  # the reader is cancelled
            self.cancel()
            raise
        if self._waiting:
            return self._waiting.popleft()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End the task."""
        self.cancel()

    def _announce(self, item: str) -> None:
        self._waiting.append(item)
        self._changed.set()


class Receptions:
    """The receptions of a camera, one at a time. Enter it with the camera.

    Args:
        receive: as for `Reception`.
        max_waiting: as for `Reception`.

    Attributes:
        contact_at: POSIX seconds of the last answer; see `HasContact`.
    """

    def __init__(self, receive: Receive, max_waiting: int) -> None:
        self._receive = receive
        self._max_waiting = max_waiting
        self.contact_at: float | None = None
        self._newest: Reception | None = None
        self._tasks: TaskGroup | None = None

    async def __aenter__(self) -> Self:
        self._tasks = await create_task_group().__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._tasks is not None:
            self._tasks.cancel_scope.cancel()
            await self._tasks.__aexit__(None, None, None)

    def note_contact(self) -> None:
        """Note that the machine has answered now."""
        self.contact_at = time()

    def begin(self) -> Reception:
        """Begin a reception, and end the one before."""
        if self._tasks is None:
            raise RuntimeError("the camera must be entered first: async with camera")
        if self._newest is not None:
            self._newest.cancel()
        self._newest = Reception(self._receive, self._max_waiting)
        self._tasks.start_soon(self._newest.run)
        return self._newest
