"""Raw ASGI requests of any content, as Hypothesis strategies, and a client that sends them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anyio import fail_after, sleep_forever
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp

TOKEN = b"a-token-of-the-lab"

PATHS = {
    "/": "GET",
    "/stream/rover-image": "GET",
    "/stream/rover-telemetry": "GET",
    "/images": "GET",
    "/images/a.png": "GET",
    "/images/a.png/thumbnail": "GET",
    "/stream/rover-snapshot": "GET",
    "/stream/rover-video": "GET",
    "/stream/rover-time-lapse": "GET",
    "/telemetry/span": "GET",
    "/telemetry/parameters": "GET",
    "/telemetry/latest": "GET",
    "/telemetry/history": "GET",
    "/telemetry/export": "GET",
    "/ingest/telemetry": "POST",
    "/api/v2/write": "POST",
    "/events": "GET",
    "/alarms": "GET",
    "/alarms/1/acknowledge": "POST",
    "/alarms/1/shelve": "POST",
    "/comms": "GET",
    "/comms/export": "GET",
    "/comms/flight/messages": "POST",
    "/comms/flight/stream": "GET",
    "/comms/flight/polls": "GET",
    "/comms/flight/calls": "GET",
    "/ws/comms/flight": "GET",
    "/upload/rover-commands": "POST",
    "/uploads": "POST",
    "/uploads/1": "PATCH",
    "/uploads/1/artifact": "GET",
    "/uploads/1/events": "GET",
    "/uploads/1/file": "GET",
    "/uploads/1/release": "POST",
    "/uploads/1/hold": "POST",
    "/uploads/1/withdraw": "POST",
    "/uploads/1/move": "POST",
    "/uploads/1/resend": "POST",
    "/uploads/1/sent": "POST",
    "/queue": "GET",
    "/sign-in": "POST",
    "/sign-out": "POST",
    "/session": "GET",
    "/tickets": "POST",
    "/openapi.json": "GET",
    "/asyncapi.json": "GET",
    "/metrics": "GET",
    "/healthz": "GET",
    "/readyz": "GET",
}
"""Addresses, each with a method that it supports."""

HEADERS = [
    b"accept",
    b"access-control-request-method",
    b"authorization",
    b"content-disposition",
    b"content-encoding",
    b"content-length",
    b"content-type",
    b"cookie",
    b"expect",
    b"forwarded",
    b"host",
    b"if-match",
    b"if-none-match",
    b"if-range",
    b"last-event-id",
    b"origin",
    b"range",
    b"prefer",
    b"transfer-encoding",
    b"tus-resumable",
    b"upload-complete",
    b"upload-length",
    b"upload-checksum",
    b"upload-metadata",
    b"upload-offset",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-proto",
    b"x-request-id",
]
KEYS = [
    "after",
    "camera",
    "device",
    "fields",
    "hz",
    "id",
    "last",
    "limit",
    "max_points",
    "name",
    "precision",
    "severity",
    "since",
    "source",
    "tags",
    "ticket",
    "token",
    "until",
]
WORDS = [
    "",
    "-1",
    "0",
    "1e999",
    "nan",
    "speed",
    "2026-11-28",
    "0-0",
    "telemetry",
    "%",
    "%00",
    "a,b",
]
BODIES = [
    b"key=x&token=%ff&next=//evil&code=",
    b"{}",
    b"[]",
    b'{"by": "x", "minutes": 1}',
    b'{"t": 1790000000, "a": 2}',
    b"m f=1",
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nDRIVE 1\r\n--b--\r\n',
]
VALUES = [
    b"application/json",
    b"multipart/form-data; boundary=b",
    b"text/plain",
    b"bytes=0-",
    b"bytes=9-1",
    b"*",
    b'"a", W/"b"',
    b"gzip",
    b"rover_session_80=x_y; a=b",
    b'rover_session_80="; =; ;\x00',
    b"Basic eDp5",
    b"Bearer " + TOKEN,
    b"http://[",
    b"1",
    b"-1",
    b"9" * 30,
]
FRAMES = [
    '{"type": "say", "text": "hello", "ref": "1"}',
    '{"type": "ping"}',
    '{"type": "say", "text": "\\ud800"}',
    "[" * 5_000,
    "hello",
]

words = st.sampled_from(WORDS) | st.text(max_size=12)
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "x"]

subprotocols = st.sampled_from([[], ["rover.comms.v1"], ["x"], ["x", "rover.comms.v1"]])
parameters = st.tuples(st.sampled_from(KEYS), words)
raw_bytes = st.binary(max_size=40)
headers = st.tuples(st.sampled_from(HEADERS), st.sampled_from(VALUES) | raw_bytes)
chunks = st.lists(st.sampled_from(BODIES) | raw_bytes, max_size=3)
frames = st.lists(
    st.one_of(
        st.sampled_from(FRAMES).map(lambda text: {"text": text}),
        st.text(max_size=20).map(lambda text: {"text": text}),
        raw_bytes.map(lambda data: {"bytes": data}),
    ),
    max_size=4,
)


@dataclass(frozen=True)
class RawRequest:
    """One request.

    Attributes:
        scope: of ASGI.
        messages: what the client sends before it disconnects.
    """

    scope: dict[str, Any]
    messages: Sequence[dict[str, Any]]


@st.composite
def requests(draw: st.DrawFn) -> RawRequest:
    """A request over HTTP, or a WebSocket."""
    path, method = draw(st.sampled_from([*PATHS.items()]))
    if not draw(st.integers(0, 4)):
        path += draw(st.text(max_size=8).map("/".__add__))
    query = "&".join(f"{key}={word}" for key, word in draw(st.lists(parameters, max_size=3)))
    own = [(b"host", b"localhost")]
    if draw(st.integers(0, 9)):  # nine of ten requests have access
        own.append((b"authorization", b"Bearer " + TOKEN))
    scope = {
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(errors="replace"),
        "root_path": "",
        "query_string": draw(st.just(query.encode(errors="replace")) | raw_bytes),
        "headers": [*own, *draw(st.lists(headers, max_size=4))],
        "client": draw(st.sampled_from([("127.0.0.1", 50_000), ("::1", 50_000), None])),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }
    if path.startswith("/ws/") or not draw(st.integers(0, 9)):
        return _websocket(scope, draw(frames), draw(subprotocols))
    method = draw(st.just(method) | st.sampled_from(METHODS))
    return _http({**scope, "method": method}, draw(chunks), draw(st.booleans()))


def _http(scope: dict[str, Any], body: Sequence[bytes], complete: bool) -> RawRequest:
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in body]
    if complete:
        messages.append({"type": "http.request", "body": b"", "more_body": False})
    return RawRequest({**scope, "type": "http"}, [*messages, {"type": "http.disconnect"}])


def _websocket(
    scope: dict[str, Any], sent: Sequence[dict[str, Any]], subprotocols: Sequence[str]
) -> RawRequest:
    messages: list[dict[str, Any]] = [{"type": "websocket.connect"}]
    messages += [{"type": "websocket.receive", **frame} for frame in sent]
    messages.append({"type": "websocket.disconnect", "code": 1005})
    scope = {**scope, "type": "websocket", "scheme": "ws", "subprotocols": list(subprotocols)}
    return RawRequest(scope, messages)


async def status_of(app: ASGIApp, request: RawRequest) -> int:
    """The status of the response; 499 if the client disconnected first, 101 for a WebSocket.

    Raises:
        Exception: what the app raises. A server answers it with status 500.
        TimeoutError: the app has not returned 30 s after the client disconnected.
    """
    messages = list(request.messages)
    found = []

    async def receive() -> Any:
        if not messages:
            await sleep_forever()
        return messages.pop(0)

    async def send(message: Any) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            found.append(message["status"])
        elif message["type"] == "websocket.accept":
            found.append(101)

    with fail_after(30):
        await app(request.scope, receive, send)
    return found[0] if found else 499
