"""`GET /stream/rover-telemetry?at=`: the recorded mission as it was from a time on."""

from __future__ import annotations

from functools import partial
from math import inf
from typing import TYPE_CHECKING, Protocol

from rover.asgi.event_stream import EventStream
from rover.asgi.query import Moment, Number
from rover.errors import BadQuery
from rover.routes.image_json import past_image_json
from rover.telemetry.recording import Recording
from rover.telemetry.replay import Position, Replay
from rover.wire import HEARTBEAT, dumps, iso_or_text, sse

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.requests import Request

    from rover.asgi.event_stream import EventStreams
    from rover.images import Cameras
    from rover.logs.base import Log
    from rover.serving import Serving
    from rover.telemetry import Telemetry

AT = Moment(name="at", summary="replay the recorded mission from this time on")

SPEED = Number(
    name="speed", summary="recorded seconds per second of a replay", at_least=0.1, at_most=1000
)


TOLERANCE_S = 1.0
"""Seconds before the record within which a replay begins with it: a client may have rounded the
time of the beginning, such as `first` of `GET /telemetry/span`, to milliseconds or seconds."""


class HasRecord(Protocol):
    """The parts of a mission that a replay uses."""

    telemetry: Telemetry
    cameras: Cameras
    serving: Serving
    log: Log


class ReplayStream(EventStream):
    """The response with a replay. It ends with `end` where the record ends."""

    __slots__ = ("_replay",)

    def __init__(self, replay: Replay, streams: EventStreams, client: str | None) -> None:
        super().__init__(replay, HEARTBEAT, streams, client=client)
        self._replay = replay

    def _last_event(self) -> bytes:
        if self.close_reason is not None or self._replay.stopping.is_set():
            return super()._last_event()
        if (failure := self._replay.failure) is not None:
            retry_ms = self._streams.settings.retry_ms
            return sse(dumps({"detail": str(failure)}), event="bye", retry_ms=retry_ms)
        return self._replay.clock_event(self._replay.reached, "end")


async def open_replay(
    mission: HasRecord, request: Request, at: float, fields: Collection[str] | None
) -> ReplayStream:
    """The response to a request for a replay.

    Raises:
        BadQuery: the time is in the future, after the record ends, or before it begins.
        LogDamaged: the record cannot be read.
        PoolFull: too many replays are open, or too many of this client.
    """
    serving, speed = mission.serving, SPEED.of(request) or 1.0
    client = serving.clients.name_of(request.scope, request.receive)
    serving.replays.check_capacity(client)
    image_json = partial(past_image_json, mission.cameras)
    is_closed = mission.log.recorded is not None
    recording = Recording(
        mission.telemetry.history, mission.log, image_json=image_json, is_closed=is_closed
    )
    text = request.headers.get("Last-Event-ID")
    start = Position.parse(text, "Last-Event-ID") if text else Position(at)
    if start.t > max(recording.clock(), await recording.last()):
        raise BadQuery("at", iso_or_text(start.t), "is in the future")
    first, _ = await recording.beginning()
    if first - TOLERANCE_S < start.t < first:
        start = Position(first)
    if start.t < first:
        reason = (
            f"the record begins at {iso_or_text(first)}" if first < inf else "nothing is recorded"
        )
        raise BadQuery("at", iso_or_text(start.t), reason)
    replay = Replay(
        recording,
        start,
        speed,
        fields,
        has_past=not text,
        stopping=serving.shutdown.requested,
    )
    return ReplayStream(replay, serving.replays, client)
