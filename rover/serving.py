"""The parts that all streams of one mission or broadcast share, and the order of their shutdown.

    serving = Serving(settings)
    serving.drain_in_order(…)
    async with serving:  # wakes subscribers, aborts stalled clients
        …                # leaving the block drains first

docs/architecture.md draws the sequence.
"""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from anyio import Event, create_task_group, current_time

from rover.asgi.body import Bodies
from rover.asgi.clients import Clients
from rover.asgi.connections import Connections
from rover.asgi.event_stream import EventStreams
from rover.asgi.large_response import LargeResponses
from rover.asgi.shutdown import Shutdown, listen_for_signals
from rover.descriptors import max_clients
from rover.flush import Flusher
from rover.shares import Pool
from rover.tokens.grants import Grants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from starlette.requests import Request

    from rover.logs.base import Log
    from rover.settings import Settings

logger = logging.getLogger("rover")

MAX_REPLAYS = 24
"""Maximum number of open replays. Each holds a few megabytes of past samples."""

MAX_TIME_LAPSES = 2
"""Maximum number of time lapses being encoded. Each takes a core, at a low priority."""


class Phase(StrEnum):
    """The phase of one run of the server."""

    NOT_STARTED = "not started"
    RUNNING = "running"
    DRAINING = "draining"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a drain: close clients, wait for them, then abort the rest.

    Attributes:
        open: returns the number of clients that the stage waits for.
        close: begins to close them.
        timeout_s: seconds from the start of the drain after which they are aborted.
        min_timeout_s: minimum seconds from the start of this stage before they are aborted.
        abort: ends those that have not finished.
    """

    open: Callable[[], int]
    close: Callable[[], None] = lambda: None
    timeout_s: float = 0.0
    min_timeout_s: float = 0.0
    abort: Callable[[], None] = lambda: None


class Serving:
    """The parts that all streams of one run share. It can be entered once.

    Args:
        settings: timeouts and limits.
        grants: ends the streams of clients that lose their access.
        log: keeps the events of topics that have a store.

    Attributes:
        settings: the same.
        flusher: wakes the subscribers of topics.
        connections: aborts stalled clients.
        clients: names the clients of requests.
        readers: the open event streams; at most `max_readers`, or fewer if the system allows fewer
            open files.
        viewers: the open video streams.
        time_lapses: the time lapses being encoded; a client may have one.
        ingests: the requests being received that send telemetry or JSON.
        large_responses: histories and lists.
        streams: event streams without end.
        replay_pool: limits the open replays to `MAX_REPLAYS`.
        replays: event streams of the recorded mission.
        progress_streams: event streams that end with their topic.
        bodies: the request bodies that clients are sending.
        websockets: open WebSocket connections.
        phase: the phase of this run.
    """

    def __init__(
        self, settings: Settings, grants: Grants | None = None, log: Log | None = None
    ) -> None:
        grants = Grants() if grants is None else grants
        self.settings = settings
        self.flusher = Flusher(settings.heartbeat_s, log=log)
        self.connections = Connections(settings.send_timeout_s, grants=grants)
        self.clients = Clients(settings.trusted_proxies)
        share, max_readers = settings.client_share, max_clients(settings.max_readers)
        self.readers = Pool("readers", "ROVER_MAX_READERS", max_readers, share)
        self.viewers = Pool("viewers", "ROVER_MAX_VIEWERS", settings.max_viewers, share)
        self.time_lapses = Pool("time lapses", "", MAX_TIME_LAPSES, 1 / MAX_TIME_LAPSES)
        self.ingests = Pool("ingests", "ROVER_MAX_INGESTS", settings.max_ingests, share)
        self.large_responses = LargeResponses(self.connections, self.clients, share)
        self.streams = EventStreams(settings, self.connections, self.readers)
        self.replay_pool = Pool("replays", "", MAX_REPLAYS, share)
        self.replays = EventStreams(settings, self.connections, self.replay_pool)
        self.progress_streams = EventStreams(settings, self.connections, self.readers)
        self.bodies = Bodies(
            settings.upload_timeout_s,
            settings.min_body_rate,
            total_s=settings.body_timeout_s,
            grants=grants,
        )
        self.websockets = 0
        self.phase = Phase.NOT_STARTED
        self.shutdown = Shutdown()
        self._stages: Sequence[Stage] = ()
        self._counts: Mapping[str, Callable[[], int]] = {}
        self._drained = Event()
        self._deadline = 0.0
        self._stack = AsyncExitStack()

    def drain_in_order(self, *stages: Stage, counts: Mapping[str, Callable[[], int]]) -> None:
        """Set what a drain closes, in this order.

        Args:
            stages: the steps.
            counts: return the number of open clients of each kind, for the log.
        """
        self._stages = stages
        self._counts = counts

    @property
    def requests(self) -> int:
        """Number of requests with a body or a large response that have not ended."""
        return len(self.bodies) + len(self.large_responses.open)

    @contextmanager
    def receiving(self, request: Request) -> Iterator[None]:
        """Count a request with a body in `ingests` for the duration of the block.

        Raises:
            PoolFull: there are too many, or too many of this client.
        """
        with self.ingests.hold(self.clients.name_of(request.scope, request.receive)):
            yield

    @contextmanager
    def open_websocket(self) -> Iterator[None]:
        """Count a WebSocket connection for the duration of the block."""
        self.websockets += 1
        try:
            yield
        finally:
            self.websockets -= 1

    async def __aenter__(self) -> Self:
        """Start the tasks, and listen for signals."""
        async with AsyncExitStack() as stack:
            tasks = await stack.enter_async_context(create_task_group())
            stack.callback(tasks.cancel_scope.cancel)
            for run in (
                self.flusher.run,
                self.connections.run,
                self.streams.run,
                self.replays.run,
                self.progress_streams.run,
                self.shutdown.watch_parent,
                self._drain_when_requested,
            ):
                tasks.start_soon(run)
            stack.enter_context(listen_for_signals(self.shutdown))
            self._stack = stack.pop_all()
        self.phase = Phase.RUNNING
        return self

    async def __aexit__(self, *exc_info: Any) -> bool | None:
        """Drain, then stop the tasks."""
        try:
            await self.drain()
        finally:
            self.phase = Phase.ENDED
            ended = await self._stack.__aexit__(*exc_info)
        return ended

    async def drain(self) -> None:
        """Close all streams, in order. New streams are refused meanwhile.

        A second call waits for the first.
        """
        if self.phase is not Phase.RUNNING:
            if self.phase is Phase.DRAINING:
                await self._drained.wait()
            return
        self.phase = Phase.DRAINING
        self.shutdown.requested.set()
        counts = {name: count() for name, count in self._counts.items()}
        logger.log(
            # a warning, because most servers show only warnings of other loggers
            logging.WARNING if any(counts.values()) else logging.INFO,
            "draining: %s",
            ", ".join(f"{count} {name}" for name, count in counts.items()),
        )
        began = current_time()
        try:
            for stage in self._stages:
                stage.close()
                self._deadline = max(began + stage.timeout_s, current_time() + stage.min_timeout_s)
                await self.shutdown.wait_while(stage.open, self._deadline)
                stage.abort()
        finally:
            for stage in self._stages:
                stage.abort()
            self._drained.set()

    async def _drain_when_requested(self) -> None:
        await self.shutdown.requested.wait()
        await self.drain()
        await self.shutdown.wait_while(lambda: True, self._deadline)
        await self.connections.keep_aborting_ended()
