"""The cost of the access check per request: the time that `Access` adds to its inner app."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from statistics import median
from time import process_time
from typing import TYPE_CHECKING, Any

from rover.asgi.access import Access
from rover.mission import MissionControl
from rover.settings import Settings
from rover.tokens.commands import add_token

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

REQUESTS = 4_000
ROUNDS = 25

MAX_COST_US = 3.0
"""Goal in microseconds of CPU time per request."""

SHARED_TOKEN = "a-token-of-the-bench"

SIGNED_IN = "session"
"""Used instead of a token: the browser has a session."""

BROWSER = [
    (b"host", b"localhost:8000"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0"),
    (b"accept", b"text/event-stream"),
    (b"accept-encoding", b"gzip, deflate, br"),
    (b"accept-language", b"en-US,en;q=0.9"),
    (b"cache-control", b"no-cache"),
    (b"connection", b"keep-alive"),
    (b"referer", b"http://localhost:8000/"),
]
"""Headers as a browser sends them."""


def main() -> int:
    """Print the cost for each kind of client; return 1 if one exceeds the goal."""
    reached = True
    print("| access check of | µs per request | goal |\n| --- | --: | --: |")
    with tempfile.TemporaryDirectory() as folder:
        alone = Settings(data_dir=Path(folder, "alone"), camera="none:", telemetry="none:")
        shared = Settings(data_dir=Path(folder, "shared"), camera="none:", tokens=SHARED_TOKEN)
        named = Settings(data_dir=Path(folder, "named"), camera="none:", telemetry="none:")
        for title, settings, token in (
            ("a browser that has signed in", shared, SIGNED_IN),
            ("a client of this machine, without tokens", alone, ""),
            ("a shared token", shared, SHARED_TOKEN),
            ("a named token", named, add_token(named, "Ada", "view").text),
        ):
            cost_us = asyncio.run(_cost_us(settings, token))
            reached = reached and cost_us <= MAX_COST_US
            print(f"| {title} | {cost_us:.2f} | ≤ {MAX_COST_US:g} |")
    return 0 if reached else 1


async def _cost_us(settings: Settings, token: str) -> float:
    own = [(b"authorization", f"Bearer {token}".encode())] if token else []
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/telemetry/latest",
        "root_path": "",
        "query_string": b"",
        "headers": [*BROWSER, *own],
        "client": ("127.0.0.1", 50_000),
    }
    async with MissionControl(settings) as mission:
        access = Access(_inner, mission)
        if token == SIGNED_IN:
            identity = mission.tokens.identify(SHARED_TOKEN.encode())
            assert identity is not None
            session = mission.sign_ins.sessions.start(identity, "127.0.0.1")
            cookies = f"theme=dark; rover_session_8000={session}".encode()
            scope["headers"] = [*BROWSER, (b"cookie", cookies)]
        costs = [
            await _seconds(access, scope) - await _seconds(_inner, scope) for _ in range(ROUNDS)
        ]
    return median(costs) * 1e6


async def _seconds(app: ASGIApp, scope: dict[str, Any]) -> float:
    """CPU time of one request."""
    began = process_time()
    for _ in range(REQUESTS):
        await app(scope, _receive, _send)
    return (process_time() - began) / REQUESTS


async def _inner(_scope: Scope, _receive: Receive, _send: Send) -> None:
    return


async def _receive() -> Any:
    return {"type": "http.disconnect"}


async def _send(_: object) -> None:
    return
