"""An app with a lifespan inside another app: mounted in Starlette, or beside any ASGI app."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from starlette.responses import RedirectResponse
from starlette.routing import Mount, Route, Router

from rover.asgi.lifespan import lifespan_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from rover.asgi.lifespan import AnyApp

    Run = Callable[[], AbstractAsyncContextManager[object]]
    """Returns the context manager that runs the embedded app."""


class Hosts:
    """The Starlette apps whose lifespan already runs an embedded app."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._known: WeakKeyDictionary[Starlette, None] = WeakKeyDictionary()

    def mount(self, host: Starlette, path: str, app: ASGIApp) -> None:
        """Mount `app` in `host` at `path`. The host's lifespan then runs the embedded app, once.

        Starlette does not run the lifespan of a mounted app.
        """
        host.mount(path, app)
        if host in self._known:
            return  # mounted at another path already
        self._known[host] = None
        own = host.router.lifespan_context

        @asynccontextmanager
        async def lifespan(app: Any) -> AsyncIterator[Any]:
            async with self._run(), own(app) as state:
                yield state

        host.router.lifespan_context = lifespan


def beside(host: AnyApp, path: str, app: ASGIApp, run: Run) -> ASGIApp:
    """An ASGI app: `app` serves all requests below `path`, and `host` serves the others.

    Args:
        host: an app of any framework. Its own lifespan runs, if it has one.
        path: the prefix, such as `/rover`.
        app: the embedded app.
        run: returns the context manager that runs the embedded app, around the host's lifespan.
    """

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[Any]:
        async with run(), lifespan_of(host) as state:
            yield state or None  # not every server supports a lifespan state

    async def to_host(scope: Scope, receive: Receive, send: Send) -> None:
        await host({k: v for k, v in scope.items() if k != "router"}, receive, send)

    async def add_slash(request: Request) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"{path.rpartition('/')[2]}/{query}")

    routes = [Route(path, add_slash), Mount(path, app=app)]
    return Router(routes, default=to_host, lifespan=lifespan, redirect_slashes=False)
