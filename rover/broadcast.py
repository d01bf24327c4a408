"""One topic of server-sent events for an app of your own, without a mission around it.

    news = Broadcast()
    app = Starlette(routes=[Route("/news", news.respond)], lifespan=news.lifespan)
    ...
    news.publish({"headline": "landed"})

Readers resume by `Last-Event-ID`, are told of gaps, kept alive by heartbeats, cut off when they
take nothing, and sent away with a `bye` when the server goes down: what telemetry's readers have.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from anyio import Event, create_task_group, current_time

from rover.asgi.connections import Connections
from rover.asgi.event_stream import EventStreams
from rover.asgi.problems import problem
from rover.asgi.query import resume_point
from rover.asgi.shutdown import End, hear_the_end, watch_parent
from rover.errors import Draining, NotStarted, RoverError
from rover.flush import Flusher
from rover.settings import Settings
from rover.topic import EventId, Topic
from rover.wire import dumps, sse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

logger = logging.getLogger("rover")

NOT_STARTED = (
    "this stream was not started: run its lifespan with your app's, "
    "`Starlette(lifespan=broadcast.lifespan)`"
)


class Announcement(NamedTuple):
    """What is published.

    Attributes:
        value: anything that JSON can say.
        event: its name; an unnamed one reaches `onmessage`.
    """

    value: Any
    event: str | None = None


def encode(event_id: EventId, announcement: Announcement) -> bytes:
    """The event as readers get it."""
    return sse(dumps(announcement.value), event=announcement.event, event_id=event_id)


class Broadcast:
    """Publishes to any number of readers of one route. `lifespan` must run, in one event loop.

    Args:
        settings: heartbeat, timeouts, most readers; `telemetry_events` and `telemetry_bytes` bound
            what is kept for readers who come back.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self._running = False
        self._begin()

    def _begin(self) -> None:
        settings = self.settings
        self._connections = Connections(settings.send_timeout_s)
        self.streams = EventStreams(settings, self._connections)
        self._flusher = Flusher(settings.heartbeat_s)
        self.topic: Topic[Announcement, bytes] = Topic(
            encode,
            size=len,
            max_events=settings.telemetry_events,
            max_bytes=settings.telemetry_bytes,
            notify=self._flusher.mark,
        )

    def publish(self, value: Any, *, event: str | None = None) -> EventId:
        """Tell everyone, now and later; never waits. On the event loop's thread only.

        Args:
            value: anything that JSON can say.
            event: its name; an unnamed one reaches `onmessage`.

        Raises:
            RuntimeError: the server is going down.
            TypeError: JSON cannot say it.
        """
        return self.topic.publish(Announcement(value, event))

    async def respond(self, request: Request) -> Response:
        """The endless response to a GET: what came after its `Last-Event-ID`, then what comes.

        A request that cannot be followed is answered with a problem: 400, or 503.
        """
        try:
            if self.topic.closed:
                raise Draining(max(1, self.settings.retry_ms // 1000))
            if not self._running:
                raise NotStarted(NOT_STARTED)
            return self.streams.respond(self.topic.subscribe(resume_point(request)))
        except RoverError as exc:
            return problem(exc)

    @asynccontextmanager
    async def lifespan(self, _app: object = None) -> AsyncIterator[None]:
        """Heartbeats, until the block ends or the process is told to: then, the farewell."""
        if self.topic.closed:
            self._begin()  # what ran and ended begins anew, and tells by its new ids
        end, gone = End(), Event()

        async def farewell() -> None:
            await end.told.wait()
            level = logging.WARNING if self.streams else logging.INFO
            logger.log(level, "draining: %d readers of a broadcast", len(self.streams))
            self.topic.close()
            await self.streams.leave(end, current_time())
            gone.set()
            await self._connections.keep_clearing()

        self._flusher.mark(self.topic)  # from now on, silence is filled with heartbeats
        async with create_task_group() as tasks:
            for run in (self._flusher.run, self._connections.run, self.streams.sweep, farewell):
                tasks.start_soon(run)
            tasks.start_soon(watch_parent, end)
            self._running = True
            with hear_the_end(end):
                yield
            end.told.set()
            await gone.wait()
            tasks.cancel_scope.cancel()
