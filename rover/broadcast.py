"""One topic of server-sent events for an app of your own, without a mission.

    news = Broadcast()
    app = Starlette(routes=[Route("/news", news.respond)], lifespan=news.lifespan)
    …
    news.publish({"headline": "landed"})

It works as the telemetry stream does: clients resume by `Last-Event-ID`, receive `gap` events and
heartbeats, are aborted when they stall, and receive `bye` when the server shuts down.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from rover.asgi.problems import problem
from rover.asgi.query import RESUME_POINT
from rover.errors import Draining, NotStarted, RoverError
from rover.serving import Phase, Serving, Stage
from rover.settings import Settings
from rover.topic import EventId, Topic
from rover.wire import dumps, sse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

CLOSE_TIMEOUT_S = 1.0
"""Seconds that clients have to read `bye` at a shutdown."""

NOT_STARTED = (
    "this stream has not started: run its lifespan with your app's, "
    "`Starlette(lifespan=broadcast.lifespan)`"
)


class Announcement(NamedTuple):
    """One published value.

    Attributes:
        value: anything that JSON can encode.
        event: the event's name; an unnamed event reaches `onmessage`.
    """

    value: Any
    event: str | None = None


def encode(event_id: EventId, announcement: Announcement) -> bytes:
    """The server-sent event."""
    return sse(dumps(announcement.value), event=announcement.event, event_id=event_id)


class Broadcast:
    """A topic that any number of clients of one route receive. Its `lifespan` must run.

    Args:
        settings: heartbeat, timeouts and `max_readers`; `telemetry_events` and `telemetry_bytes`
            bound the events that are retained for clients that resume.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self._reset()

    def _reset(self) -> None:
        self.serving = serving = Serving(self.settings)
        self.topic: Topic[Announcement, bytes] = Topic(
            encode,
            size=len,
            max_events=self.settings.telemetry_events,
            max_bytes=self.settings.telemetry_bytes,
            notify=serving.flusher.mark,
        )
        serving.drain_in_order(
            Stage(
                open=lambda: len(serving.streams),
                close=self.topic.close,
                timeout_s=CLOSE_TIMEOUT_S,
                abort=serving.streams.abort_stalled,
            ),
            counts={"broadcast readers": lambda: len(serving.streams)},
        )

    def publish(self, value: Any, *, event: str | None = None) -> EventId:
        """Send a value to all current clients and to those that resume. Never waits.

        Call it on the event loop's thread only.

        Args:
            value: anything that JSON can encode.
            event: the event's name; an unnamed event reaches `onmessage`.

        Raises:
            RuntimeError: the server is shutting down.
            TypeError: JSON cannot encode the value.
        """
        return self.topic.publish(Announcement(value, event))

    async def respond(self, request: Request) -> Response:
        """The response to a GET: the events after its `Last-Event-ID`, then all new events.

        If the request cannot be served, the response is a problem document: 400 or 503.
        """
        try:
            if self.topic.closed:
                raise Draining(max(1, self.settings.retry_ms // 1000))
            if self.serving.phase is not Phase.RUNNING:
                raise NotStarted(NOT_STARTED)
            client = self.serving.clients.name_of(request.scope, request.receive)
            subscriber = self.topic.subscribe(RESUME_POINT.of(request))
            return self.serving.streams.respond(subscriber, client=client)
        except RoverError as exc:
            return problem(exc)

    @asynccontextmanager
    async def lifespan(self, _app: object = None) -> AsyncIterator[None]:
        """Serve until the block ends or a shutdown begins. It may run again, with a new epoch."""
        if self.topic.closed:
            self._reset()
        self.serving.flusher.mark(self.topic)  # heartbeats begin
        async with self.serving:
            yield
