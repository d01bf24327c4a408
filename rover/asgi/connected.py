"""Work for a client, which ends when the client disconnects or loses its access."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from anyio import create_task_group

from rover.asgi.connections import wait_for_disconnect
from rover.identity import IDENTITY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio import CancelScope
    from starlette.types import Receive, Scope

    from rover.errors import AccessEnded
    from rover.tokens.grants import Grants


class Connected:
    """A client during a block, and afterwards the reason why the block was cancelled.

    Attributes:
        cancel_scope: of the block.
        has_disconnected: whether the client disconnected.
        access_ended: why the client lost its access; else `None`.
    """

    def __init__(self, cancel_scope: CancelScope) -> None:
        self.cancel_scope = cancel_scope
        self.has_disconnected = False
        self.access_ended: AccessEnded | None = None

    async def watch(self, receive: Receive) -> None:
        """Cancel the block when the client disconnects."""
        await wait_for_disconnect(receive)
        self.has_disconnected = True
        self.cancel_scope.cancel()

    def end(self, reason: AccessEnded) -> None:
        """Cancel the block because the client lost its access."""
        self.access_ended = reason
        self.cancel_scope.cancel()


@asynccontextmanager
async def while_connected(
    scope: Scope, receive: Receive, grants: Grants
) -> AsyncIterator[Connected]:
    """Cancel the block when the client of a request disconnects or loses its access."""
    async with create_task_group() as tasks:
        client = Connected(tasks.cancel_scope)
        tasks.start_soon(client.watch, receive)
        with grants.hold(scope.get(IDENTITY), client.end):
            yield client
        tasks.cancel_scope.cancel()
