"""Raw ASGI requests of any content: the app responds, and never with status 500."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from anyio import fail_after, run, sleep_forever
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rover.mission import MissionControl
from rover.settings import Settings

PATHS = [
    "/",
    "/stream/rover-image",
    "/stream/rover-telemetry",
    "/images",
    "/images/a.png",
    "/telemetry/parameters",
    "/telemetry/latest",
    "/telemetry/history",
    "/ingest/telemetry",
    "/events",
    "/alarms",
    "/alarms/1/acknowledge",
    "/alarms/1/shelve",
    "/comms",
    "/ws/comms/flight",
    "/upload/rover-commands",
    "/uploads/1/events",
    "/healthz",
    "/metrics",
    "/readyz",
]
HEADERS = [
    b"accept",
    b"authorization",
    b"content-length",
    b"content-type",
    b"cookie",
    b"forwarded",
    b"host",
    b"if-match",
    b"if-none-match",
    b"if-range",
    b"last-event-id",
    b"origin",
    b"range",
    b"x-forwarded-for",
]
KEYS = ["fields", "hz", "after", "last", "since", "until", "max_points", "limit", "id", "camera"]

words = st.text(max_size=12) | st.sampled_from(["", "-1", "1e999", "nan", "speed", "2026-11-28"])
parameters = st.tuples(st.sampled_from(KEYS), words)
raw_bytes = st.binary(max_size=40)
bodies = raw_bytes | st.sampled_from([b"{}", b"[]", b'{"by": "x"}', b'{"t": 1, "a": 2}', b"m f=1"])


@st.composite
def requests(draw: st.DrawFn) -> tuple[dict[str, Any], bytes]:
    """An HTTP scope, and the body of the request."""
    path = draw(st.sampled_from(PATHS)) + draw(st.just("") | st.text(max_size=8).map("/".__add__))
    query = "&".join(f"{key}={word}" for key, word in draw(st.lists(parameters, max_size=3)))
    headers = draw(st.lists(st.tuples(st.sampled_from(HEADERS), raw_bytes), max_size=4))
    body = draw(bodies)
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": draw(st.sampled_from(["GET", "HEAD", "POST", "PUT", "OPTIONS", "x"])),
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(errors="replace"),
        "root_path": "",
        "query_string": draw(st.just(query.encode(errors="replace")) | raw_bytes),
        "headers": [(b"host", b"localhost"), *headers],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8000),
    }, body


async def statuses(batch: list[tuple[dict[str, Any], bytes]]) -> list[int]:
    """The status of each response. A client disconnects after its request."""
    with tempfile.TemporaryDirectory() as folder:
        mission = MissionControl(
            Settings(
                data_dir=Path(folder), telemetry="push:", camera="none:", commands="sim:?pace_s=0"
            )
        )
        async with mission:
            return [await status_of(mission, *one) for one in batch]


async def status_of(mission: MissionControl, scope: dict[str, Any], body: bytes) -> int:
    messages = [
        {"type": "http.request", "body": body, "more_body": False},
        {"type": "http.disconnect"},
    ]
    found = []

    async def receive() -> Any:
        if not messages:
            await sleep_forever()
        return messages.pop(0)

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            found.append(message["status"])

    with fail_after(30):
        await mission.app(scope, receive, send)
    return found[0] if found else 499


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(requests(), min_size=100, max_size=100))
def test_no_request_has_status_500(batch: list[tuple[dict[str, Any], bytes]]) -> None:
    found = run(statuses, batch)
    assert 500 not in found, batch[found.index(500)]
    assert max(found) < 600
