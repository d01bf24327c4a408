"""Telemetry over HTTP: the dictionary, the latest values, the history, and the stream."""

from __future__ import annotations

from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, Protocol

from rover.api import Answer, Operation
from rover.api.schema import BINARY, ref
from rover.archive.table import table_of
from rover.asgi.large_response import MAX_BYTES
from rover.asgi.query import Choice, Moment, Number, WholeNumber
from rover.asgi.responses import json_response
from rover.errors import FormatMissing, NoDataYet, PoolFull
from rover.exports import FORMATS
from rover.logs.gaps import saved_gaps
from rover.routes.replay import HasRecord
from rover.routes.telemetry_stream import TelemetryStream, fields_of
from rover.simulated_spans import saved_spans
from rover.telemetry.events import parameter_json
from rover.telemetry.exported import exported
from rover.telemetry.recording import Recording
from rover.wire import EVENT_STREAM, dumps, iso, iso_or_none

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from rover.archive.table import Table
    from rover.audit import AuditLog
    from rover.telemetry.history import History
    from rover.tokens import Tokens


MAX_POINTS = 20_000
"""Maximum number of points of a history, requested or not."""

ROWS_AT_ONCE = 256
"""Number of rows that are encoded in one step, during which other threads cannot run."""

SINCE = Moment(name="since", summary="time of the first sample")

UNTIL = Moment(name="until", summary="time before which the last sample is")

POINTS = WholeNumber(
    name="max_points",
    summary="maximum number of rows, with every spike",
    at_least=1,
    at_most=MAX_POINTS,
    default=MAX_POINTS,
)


FORMAT = Choice(
    name="format", summary="of the file, `csv` by default", choices=lambda: list(FORMATS)
)
ALIGN = Number(
    name="align",
    summary="seconds from one row to the next, each with the newest value of every parameter; "
    "0 keeps the rows",
    at_least=0.001,
    at_most=86_400,
    or_zero=True,
)


class HasTelemetry(HasRecord, Protocol):
    """The parts of a mission that these routes use."""

    audit: AuditLog
    tokens: Tokens


def routes(mission: HasTelemetry) -> list[BaseRoute]:
    """`GET /stream/rover-telemetry`, and the paths below `/telemetry`."""
    fields = fields_of(mission)
    stream = TelemetryStream(mission)

    async def history(request: Request) -> Response:
        telemetry = mission.telemetry
        chosen, limit = fields.of(request), POINTS.of(request)
        since, until = SINCE.of(request), UNTIL.of(request)
        encode = partial(history_json, telemetry.history, since, until, chosen, limit)
        return mission.serving.large_responses.respond(encode)

    async def export(request: Request) -> Response:
        telemetry, file_format = mission.telemetry, FORMAT.of(request) or "csv"
        pieces = exported(
            telemetry.history,
            telemetry.parameters,
            file_format,
            SINCE.of(request),
            UNTIL.of(request),
            fields.of(request),
            ALIGN.of(request),
        )
        name = f'attachment; filename="telemetry.{file_format}"'
        return mission.serving.large_responses.stream(
            pieces, FORMATS[file_format], {"Content-Disposition": name}
        )

    async def span(_: Request) -> Response:
        recording = Recording(mission.telemetry.history, mission.log)
        begin, deleted = await recording.beginning()
        first, last = [iso(t) if isfinite(t) else None for t in (begin, await recording.last())]
        values = mission.log.values()
        gaps = [*([] if deleted is None else [deleted]), *saved_gaps(values)]
        simulated = {
            key: [[iso(since), iso_or_none(until)] for since, until in spans]
            for key, spans in saved_spans(values, recording.clock()).items()
        }
        return json_response(
            {
                "first": first,
                "last": last,
                "now": iso(recording.clock()),
                "gaps": [gap.as_json() for gap in gaps],
                "alarms": await recording.alarm_marks(),
                "simulated": simulated,
            }
        )

    async def parameters(_: Request) -> Response:
        known = mission.telemetry.parameters
        return json_response({"parameters": [parameter_json(p) for p in known]})

    async def latest(request: Request) -> Response:
        return json_response(mission.telemetry.latest_values(fields.of(request)))

    return [
        Operation(
            "/stream/rover-telemetry",
            stream,
            "Telemetry as server-sent events",
            description="`asyncapi.json` describes the events. With `at`, the recorded mission is "
            "replayed from that time on, at first the newest values, states and alarms.",
            query=stream.query,
            answers={200: Answer("events without end", BINARY, [EVENT_STREAM])},
            errors=[PoolFull],
        ),
        Operation(
            "/telemetry/parameters",
            parameters,
            "The telemetry dictionary",
            answers={200: Answer("all parameters", ref("Parameters"))},
        ),
        Operation(
            "/telemetry/latest",
            latest,
            "The newest value of each parameter",
            query=[fields],
            answers={200: Answer("values, with the time and quality of each", ref("Latest"))},
            errors=[NoDataYet],
        ),
        Operation(
            "/telemetry/history",
            history,
            "Samples of a time range, as columns",
            query=[SINCE, UNTIL, fields, POINTS],
            answers={200: Answer("columns of equal length, oldest first", ref("History"))},
        ),
        Operation(
            "/telemetry/span",
            span,
            "The time range that is recorded",
            description="A replay can begin at any time from `first` to `now`, the time of the "
            "server.",
            answers={200: Answer("its ends, `null` while nothing is recorded", ref("Span"))},
        ),
        Operation(
            "/telemetry/export",
            export,
            "Past telemetry as a file, however long",
            description="Every value is exact. A row has the values of one time.",
            query=[FORMAT, SINCE, UNTIL, fields, ALIGN],
            answers={200: Answer("the file", BINARY, [*FORMATS.values()])},
            errors=[FormatMissing, PoolFull],
        ),
    ]


def history_json(
    history: History,
    since: float | None,
    until: float | None,
    fields: Collection[str] | None,
    max_points: int,
    max_bytes: int = MAX_BYTES,
) -> bytes:
    """The samples of a time range as columns in JSON, with about `max_points` rows at most.

    Of more samples, it has every spike, unless the spikes alone exceed `max_bytes`.
    """
    excerpt = history.load(since, until, fields, max_points)
    table = table_of(excerpt, max_points)
    while (size := table.json_bytes()) > max_bytes and max_points > 1:
        max_points = max(1, min(len(table.t) // 2, len(table.t) * max_bytes // size))
        table = table_of(excerpt, max_points)
    if table.json_bytes() > max_bytes:
        table = table.newest()
    return b"".join(_json_parts(table, history.integers))


def _json_parts(table: Table, integers: Collection[str]) -> Iterator[bytes]:
    columns = table.as_columns(integers)
    columns["t"] = [iso(t) for t in columns["t"]]
    before = "{"
    for name, column in columns.items():
        yield f"{before}{dumps(name)}:[".encode()
        for start in range(0, len(column), ROWS_AT_ONCE):
            rows = dumps(column[start : start + ROWS_AT_ONCE])[1:-1]
            yield ("," if start else "").encode() + rows.encode()
        yield b"]"
        before = ","
    yield f',"resolution_s":{table.resolution_s:.6g}}}'.encode()
