"""The ASGI lifespan of an app as an async context manager, for an app inside another app."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from anyio import Event, create_task_group

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.types import Message

    AnyApp = Callable[..., Awaitable[None]]
    """An ASGI app of any framework. Each framework has its own types for the arguments."""


@asynccontextmanager
async def lifespan_of(app: AnyApp) -> AsyncIterator[dict[str, Any]]:
    """Start the app, return the state for its requests, and shut the app down after the block.

    An app without a lifespan, such as Django's, raises at once, which is not a failure.

    Raises:
        RuntimeError: the app reports that its startup or shutdown failed. The text is the app's.

    Source: ASGI specification, Lifespan protocol.
    """
    state: dict[str, Any] = {}
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
    messages = ["lifespan.startup", "lifespan.shutdown"]
    replied, ending = Event(), Event()
    failures: list[str] = []

    async def receive() -> Message:
        if len(messages) == 1:
            await ending.wait()
        return {"type": messages.pop(0)}

    async def send(message: Message) -> None:
        if message["type"].endswith(".failed"):
            failures.append(message.get("message", "") or f"{app!r} failed")
        replied.set()

    async def run() -> None:
        try:
            await app(scope, receive, send)
        except Exception:
            if replied.is_set() and not failures:
                raise
        finally:
            replied.set()

    async with create_task_group() as tasks:
        tasks.start_soon(run)
        await replied.wait()
        if not failures:
            yield state
        ending.set()
    if failures:
        raise RuntimeError(failures[0])
