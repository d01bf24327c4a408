"""An app's ASGI lifespan as an async context manager, for one that is put inside another."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from anyio import Event, create_task_group

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.types import Message

    AnyApp = Callable[..., Awaitable[None]]
    """An ASGI app of any framework: each has types of its own for what it is called with."""


@asynccontextmanager
async def lifespan_of(app: AnyApp) -> AsyncIterator[dict[str, Any]]:
    """Start the app, give the state that its requests are to have, and end it after the block.

    An app without a lifespan, as Django's, raises at it; that is no failure (ASGI, Lifespan).

    Raises:
        RuntimeError: the app says that it could not start, or not end; with its words.
    """
    state: dict[str, Any] = {}
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
    to_come = ["lifespan.startup", "lifespan.shutdown"]
    said, ending = Event(), Event()
    failures: list[str] = []

    async def receive() -> Message:
        if len(to_come) == 1:
            await ending.wait()
        return {"type": to_come.pop(0)}

    async def send(message: Message) -> None:
        if message["type"].endswith(".failed"):
            failures.append(message.get("message", "") or f"{app!r} failed")
        said.set()

    async def live() -> None:
        try:
            await app(scope, receive, send)
        except Exception:
            if said.is_set() and not failures:
                raise
        finally:
            said.set()

    async with create_task_group() as tasks:
        tasks.start_soon(live)
        await said.wait()
        if not failures:
            yield state
        ending.set()
    if failures:
        raise RuntimeError(failures[0])
