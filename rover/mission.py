"""One mission: its sources, its four streams, its routes, from start to drain.

    async with MissionControl(settings) as mission:   # sources run
        mission.app                                   # an ASGI app over them

Nothing is global: two missions in one process know nothing of each other.
"""

from __future__ import annotations

import logging
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, Self
from weakref import WeakSet

from anyio import Event, create_task_group, current_time
from starlette.responses import RedirectResponse
from starlette.routing import Mount, Route, Router, WebSocketRoute

from rover.asgi.access import Gate
from rover.asgi.connections import Connections
from rover.asgi.event_stream import EventStreams
from rover.asgi.lifespan import lifespan_of
from rover.asgi.problems import ProblemApp, Problems
from rover.asgi.shutdown import End, hear_the_end, watch_parent
from rover.commands import Uplink
from rover.comms import Rooms
from rover.flush import Flusher
from rover.images import Downlink
from rover.routes import commands, comms, dashboard, images, ingest, ops
from rover.routes import telemetry as telemetry_routes
from rover.settings import Settings
from rover.telemetry import Telemetry
from sources.registry import open_source

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Receive, Scope, Send

    from rover.asgi.lifespan import AnyApp
    from rover.supervise import Health
    from sources.base import Camera, CommandValidator, TelemetrySource

logger = logging.getLogger("rover")

MEMBERS_FIRST_S = 0.5
"""Members have so long before the readers: granian closes WebSockets without a word as soon as no
HTTP response is open any more."""

LEAST_GRACE = 0.5
"""Transfers have so much of their grace from when the others are gone, however long that took."""

_Guarded = Route | WebSocketRoute

Part = Literal["telemetry", "images", "comms", "commands", "ops", "dashboard"]
"""What can be put into another app by itself."""


class MissionControl:
    """Everything of one mission. Use it as an async context manager to run it.

    Args:
        settings: how it runs; by default what the environment says.
        telemetry: a source of your own, instead of the URL in the settings.
        camera: likewise.
        commands: likewise.

    Raises:
        SettingError: a setting makes no sense.
        SourceError: a source's URL is wrong, or what it names is not there.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        telemetry: TelemetrySource | None = None,
        camera: Camera | None = None,
        commands: CommandValidator | None = None,
    ) -> None:
        self.settings = settings = settings or Settings.from_env()
        self._sources = (
            telemetry or open_source("telemetry", settings.telemetry),
            camera or open_source("camera", settings.camera),
            commands or open_source("commands", settings.commands),
        )
        self.running = False
        self.draining = False
        self._entered = False
        self._parents: WeakSet[Starlette] = WeakSet()
        self._stack = AsyncExitStack()
        self._begin()
        self._routes = self._make_routes()
        self.app = self.app_for()

    def _begin(self) -> None:
        settings = self.settings
        self._flusher = Flusher(settings.heartbeat_s)
        self.connections = Connections(settings.send_timeout_s)
        self.streams = EventStreams(settings, self.connections)
        self.conversations = comms.Conversations()
        self.telemetry = Telemetry(self._sources[0], settings, self._flusher)
        self.downlink = Downlink(self._sources[1], settings, notify=self._flusher.mark)
        self.rooms = Rooms(settings, notify=self._flusher.mark)
        self.uplink = Uplink(self._sources[2], settings)
        self._end, self._drained, self._grace_ends = End(), Event(), 0.0

    def _begin_anew(self) -> None:
        """With new streams, whose readers are told so, behind the routes that others have."""
        self._begin()
        for part, routes in self._make_routes().items():
            for route, new in zip(self._routes[part], routes, strict=True):
                if isinstance(route, _Guarded) and isinstance(new, _Guarded):
                    route.app = new.app

    async def __aenter__(self) -> Self:
        """Open the sources and start the streams. What ran and ended begins anew.

        Raises:
            SourceError: a source cannot be opened.
            RuntimeError: it runs already.
        """
        if self._entered:
            raise RuntimeError("this mission runs already; run its lifespan in one place only")
        self._entered = True
        if self.draining:
            self._begin_anew()
        try:
            await self._start()
        except BaseExceptionGroup as group:  # of the task group; there is one task that may fail
            raise group.exceptions[0] from None
        self.running, self.draining = True, False
        return self

    async def _start(self) -> None:
        async with AsyncExitStack() as stack:
            stack.callback(setattr, self, "_entered", False)
            for source in self._sources:
                if isinstance(source, AbstractAsyncContextManager):
                    await stack.enter_async_context(source)
            tasks = await stack.enter_async_context(create_task_group())
            stack.callback(tasks.cancel_scope.cancel)
            await tasks.start(self.uplink.run)  # first: it fails where the data folder is no good
            for run in (
                self._flusher.run,
                self.connections.run,
                self.streams.sweep,
                self.telemetry.run,
                self.downlink.run,
                self.rooms.run,
            ):
                tasks.start_soon(run)
            tasks.start_soon(self._drain_when_told)
            tasks.start_soon(watch_parent, self._end)
            stack.enter_context(hear_the_end(self._end))
            self._stack = stack.pop_all()

    async def __aexit__(self, *exc_info: Any) -> bool | None:
        """Drain, stop the streams and close the sources."""
        try:
            await self.drain()
        finally:
            self.running = False
            ended = await self._stack.__aexit__(*exc_info)
        return ended

    async def drain(self) -> None:
        """Say farewell to every reader and member, and give transfers their grace.

        From here on, new streams are refused with 503. The second time, it only waits for the
        first to end.
        """
        if self.draining:
            await self._drained.wait()
            return
        self.draining = True
        self._end.told.set()  # also where it was not a signal that told
        sent_away = (
            len(self.streams),
            self.rooms.members,
            self.downlink.readers,
            self.uplink.open_uploads,
        )
        logger.log(
            # what people notice is said under every server: most show no more of others' logs
            logging.WARNING if any(sent_away) else logging.INFO,
            "draining: %d telemetry readers, %d members, %d downloads, %d uploads",
            *sent_away,
        )
        began, grace_s, end = current_time(), self.settings.drain_s, self._end
        try:
            self.rooms.close()
            await end.wait_while(lambda: self.conversations.open, began + MEMBERS_FIRST_S)
            self.telemetry.close()
            await self.streams.leave(end, began)
            self._grace_ends = max(began + grace_s, current_time() + LEAST_GRACE * grace_s)
            await end.wait_while(lambda: self._transfers, self._grace_ends)
        finally:
            self.streams.close()
            self.uplink.close()
            self.downlink.close()
            self._drained.set()

    @property
    def _transfers(self) -> int:
        return self.downlink.readers + self.uplink.open_uploads + self.conversations.open

    @asynccontextmanager
    async def lifespan(self, _app: object = None) -> AsyncIterator[None]:
        """The mission's life as an ASGI lifespan: `Starlette(lifespan=mission.lifespan)`."""
        async with self:
            yield

    def health(self) -> Mapping[str, Health]:
        """How each source is, by its kind."""
        return {"telemetry": self.telemetry.health, "camera": self.downlink.health}

    @property
    def phase(self) -> str:
        """In one or two words, for people and probes."""
        if self.draining:
            return "draining" if self.running else "ended"
        return "running" if self.running else "not started"

    async def _drain_when_told(self) -> None:
        await self._end.told.wait()
        await self.drain()
        await self._end.wait_while(lambda: True, self._grace_ends)
        await self.connections.keep_clearing()

    def routes_for(self, *parts: Part) -> list[BaseRoute]:
        """The routes of some parts only, or of all: plain Starlette routes for an app of yours.

        Each guards itself and answers its own errors, wherever it is put.
        """
        return [route for part in parts or self._routes for route in self._routes[part]]

    def app_for(self, *parts: Part) -> Starlette:
        """An app of some parts only, or of all, that runs the mission when it is served itself."""
        app = ProblemApp(routes=self.routes_for(*parts), lifespan=self.lifespan)
        app.router.redirect_slashes = False  # to a URL that lacks what a proxy stripped from it
        return app

    def mount(self, parent: Starlette, path: str, *parts: Part) -> None:
        """Mount the mission in a Starlette or FastAPI app, and have that app run it.

        Args:
            parent: its lifespan runs the mission from now on, around its own.
            path: the prefix, such as `/rover`.
            parts: what to mount; all by default.
        """
        parent.mount(path, self.app_for(*parts))
        if parent in self._parents:
            return  # it runs the mission already, for another prefix
        self._parents.add(parent)
        own = parent.router.lifespan_context

        @asynccontextmanager
        async def both(app: Any) -> AsyncIterator[Any]:
            async with self, own(app) as state:
                yield state

        parent.router.lifespan_context = both

    def beside(self, app: AnyApp, path: str, *parts: Part) -> ASGIApp:
        """An app that is `app`, of any framework, with the mission under a prefix; runs both.

        Args:
            app: gets everything else, and its own lifespan, if it has one.
            path: the prefix, such as `/rover`.
            parts: what to serve there; all by default.
        """

        @asynccontextmanager
        async def both(_: object) -> AsyncIterator[Any]:
            async with self, lifespan_of(app) as state:
                yield state or None  # not every server has a place for it

        async def own(scope: Scope, receive: Receive, send: Send) -> None:
            await app({k: v for k, v in scope.items() if k != "router"}, receive, send)

        async def with_slash(request: Request) -> Response:
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse(f"{path.rpartition('/')[2]}/{query}")

        mission = [Route(path, with_slash), Mount(path, app=self.app_for(*parts))]
        return Router(mission, default=own, lifespan=both, redirect_slashes=False)

    def _make_routes(self) -> dict[Part, list[BaseRoute]]:
        settings = self.settings
        made: dict[Part, list[BaseRoute]] = {
            "telemetry": [
                *telemetry_routes.routes(self.telemetry, settings, self.streams),
                *ingest.routes(self.telemetry.source, settings),
            ],
            "images": images.routes(self.downlink, self.connections),
            "comms": comms.routes(self.rooms, settings, self.connections, self.conversations),
            "commands": commands.routes(self.uplink, settings, self.connections),
            "ops": ops.routes(lambda: self.phase, self.health),
            "dashboard": dashboard.routes(),
        }
        for routes in made.values():
            for route in routes:
                if isinstance(route, _Guarded):
                    route.app = Problems(Gate(route.app, self, settings, ops.OPEN_PATHS))
        return made


def create_app(
    settings: Settings | None = None,
    *,
    telemetry: TelemetrySource | None = None,
    camera: Camera | None = None,
    commands: CommandValidator | None = None,
) -> Starlette:
    """A ready ASGI app that runs one mission; arguments as for `MissionControl`."""
    return MissionControl(settings, telemetry=telemetry, camera=camera, commands=commands).app
