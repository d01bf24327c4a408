"""One stream of a mission and its routes as an app, without the rest of the mission."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from anyio import create_task_group
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from rover.asgi.problems import Problems, http_problem
from rover.audit import AuditLog
from rover.logs import MemoryLog
from rover.serving import Serving
from rover.settings import Settings
from rover.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence

    from starlette.routing import BaseRoute

    from rover.commands import Commands
    from rover.comms import Comms
    from rover.images import Cameras
    from rover.logs.base import Log
    from rover.telemetry import Telemetry


class OneStream:
    """A mission for `routes(mission)`. The test sets the stream that it needs."""

    telemetry: Telemetry
    cameras: Cameras
    comms: Comms
    commands: Commands

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)
        self.serving = Serving(self.settings)
        self.audit = AuditLog(None)
        self.tokens = Tokens.of(self.settings)
        self.log: Log = MemoryLog()

    def app(
        self,
        routes: Sequence[BaseRoute],
        *run: Callable[[], Coroutine[Any, Any, None]],
        start: Sequence[Callable[..., Coroutine[Any, Any, None]]] = (),
    ) -> Starlette:
        """An app of these routes whose lifespan runs the stream.

        Args:
            routes: its routes.
            run: tasks of the stream.
            start: tasks that report that they have started; requests are served after that.
        """

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            async with self.serving, AsyncExitStack() as stack:
                tasks = await stack.enter_async_context(create_task_group())
                for task in start:
                    await tasks.start(task)
                for task in run:
                    tasks.start_soon(task)
                yield
                tasks.cancel_scope.cancel()

        return Starlette(
            routes=routes,
            middleware=[Middleware(Problems)],
            exception_handlers={HTTPException: http_problem},
            lifespan=lifespan,
        )
