"""Access checks, called as an ASGI server calls an app."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from starlette.responses import PlainTextResponse

from rover.asgi.access import Access
from rover.asgi.problems import Problems
from rover.settings import Settings

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Mission:
    settings: Settings = field(default_factory=Settings)
    phase: str = "running"


async def inside(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
    else:
        await PlainTextResponse("in")(scope, receive, send)


async def ask(
    *,
    kind: str = "http",
    client: str | None = "127.0.0.1",
    method: str = "GET",
    path: str = "/stream",
    query: str = "",
    phase: str = "running",
    settings: Settings | None = None,
    **headers: str,
) -> tuple[int, bytes]:
    """The status (101 for an accepted WebSocket) and the body of the response."""
    scope: Scope = {
        "type": kind,
        "method": method,
        "path": path,
        "root_path": "",
        "query_string": query.encode(),
        "client": None if client is None else (client, 4000),
        "headers": [
            (b"host", b"mars.example:8000"),
            *((name.encode(), value.encode()) for name, value in headers.items()),
        ],
        "extensions": {"websocket.http.response": {}},
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": f"{kind}.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    mission = Mission(settings or Settings(), phase)
    access = Access(inside, mission, frozenset({"/healthz"}))
    await Problems(access)(scope, receive, send)
    if sent[0]["type"] == "websocket.accept":
        return 101, b""
    return sent[0]["status"], sent[1]["body"]


LOOPBACK = ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", "testclient", "", None]
REMOTE = ["10.0.0.7", "192.168.1.4", "fe80::1", "::ffff:8.8.8.8", "unknown", "localhost.evil"]
BROWSER = "http://mars.example:8000"
FOREIGN = "https://evil.example"


@pytest.mark.parametrize("client", LOOPBACK)
async def test_without_tokens_local_clients_are_allowed(client: str | None) -> None:
    assert await ask(client=client) == (200, b"in")


@pytest.mark.parametrize("client", REMOTE)
@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_without_tokens_remote_clients_are_refused(client: str, kind: str) -> None:
    status, body = await ask(client=client, kind=kind)
    assert status == 403
    assert b"ROVER_TOKENS" in body


@pytest.mark.parametrize(
    "given",
    [
        {"authorization": "Bearer sesame"},
        {"authorization": "bearer  second "},
        {"authorization": "Token sesame"},
        {"query": "token=sesame"},
        {"cookie": "a=b; rover_token=sesame"},
    ],
    ids=["bearer", "another token", "token", "query", "cookie"],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_a_token_allows_any_client(given: dict[str, str], kind: str) -> None:
    settings = Settings(tokens="sesame, second")
    status, _ = await ask(client="10.0.0.7", kind=kind, settings=settings, **given)
    assert status in (200, 101)


@pytest.mark.parametrize(
    "given", [{}, {"authorization": "Bearer open"}, {"cookie": "rover_token="}]
)
async def test_with_tokens_a_client_without_one_is_refused_with_instructions(
    given: dict[str, str],
) -> None:
    status, body = await ask(settings=Settings(tokens="sesame"), **given)
    assert status == 401
    assert b"Authorization: Bearer" in body


async def test_the_repr_of_settings_has_no_token() -> None:
    assert "sesame" not in repr(Settings(tokens="sesame"))


@pytest.mark.parametrize(
    ("kind", "method", "origin", "allowed", "status"),
    [
        ("websocket", "GET", BROWSER, "", 101),
        ("websocket", "GET", FOREIGN, "", 403),
        ("websocket", "GET", "null", "", 403),
        ("websocket", "GET", FOREIGN, FOREIGN, 101),
        ("websocket", "GET", FOREIGN, "*", 101),
        ("http", "POST", BROWSER, "", 200),
        ("http", "POST", FOREIGN, "", 403),
        ("http", "GET", FOREIGN, "", 200),  # the browser hides the response from the page
    ],
)
async def test_a_page_of_another_origin_can_neither_receive_nor_send(
    kind: str, method: str, origin: str, allowed: str, status: int
) -> None:
    settings = Settings(allowed_origins=allowed)
    assert (await ask(kind=kind, method=method, settings=settings, origin=origin))[0] == status


@pytest.mark.parametrize("phase", ["draining", "ended"])
async def test_a_draining_mission_refuses_new_streams_but_not_health_checks(phase: str) -> None:
    assert (await ask(phase=phase))[0] == 503
    assert (await ask(phase=phase, path="/healthz"))[0] == 200


async def test_the_error_of_a_mission_that_was_not_started_names_the_lifespan() -> None:
    status, body = await ask(phase="not started")
    assert (status, b"lifespan" in body) == (503, True)
