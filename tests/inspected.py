"""Serve an app inside asgion's inspector; after shutdown, write a report of its findings.

    python -m tests.inspected APP PORT LIFESPAN CONNECTION REPORT

`test_asgion.py` runs this with the Python of an environment that has asgion. The project's own
environment has none, because asgion needs Python 3.12.
"""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from contextvars import ContextVar
from importlib import import_module
from pathlib import Path
from types import MethodType
from typing import TYPE_CHECKING, Any, Literal

import uvicorn
from asgion import BUILTIN_PROFILES, Inspector  # type: ignore[import-not-found] # see above

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

PROFILE = "recommended"
"""Errors and warnings, without remarks such as "the response is streamed"."""

Connection = Literal["shown", "hidden"]
"""Whether the app can find uvicorn's transport through `receive`.

Middleware that wraps `receive` hides the transport. asgion does so, too, unless it is shown again.
"""


class Inspected:
    """An app inside the inspector."""

    def __init__(self, app: ASGIApp, connection: Connection) -> None:
        self.inspector = Inspector(self._enter, config=BUILTIN_PROFILES[PROFILE])
        self.seen = Counter[str]()
        self._app = app
        self._connection = connection
        self._shows: ContextVar[object] = ContextVar("shows")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the inspector watch the app."""
        self._shows.set(getattr(receive, "__self__", self))
        await self.inspector(scope, receive, send)

    async def _enter(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen[scope["type"]] += 1
        if self._connection == "shown":
            await self._app(scope, MethodType(lambda _: receive(), self._shows.get()), send)
        else:
            await self._app(scope, receive, send)

    def report(self) -> dict[str, Any]:
        """The number of scopes of each type, and the number of times of each finding."""
        found = Counter(
            f"{one.rule_id} {one.method or one.scope_type} {one.path}: {one.message}"
            for one in self.inspector.violations
        )
        return {"seen": self.seen, "found": found}


def main(target: str, port: str, lifespan: Any, connection: Any, report: str) -> None:
    module, _, name = target.partition(":")
    inspected = Inspected(getattr(import_module(module), name), connection)
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it again before the report
    uvicorn.run(inspected, port=int(port), lifespan=lifespan, log_level="warning")
    Path(report).write_text(json.dumps(inspected.report()), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
