"""Sessions in documents: lines that clients send and receive, which a test repeats.

    Ada connects to /ws/comms/flight?name=Ada
    Ada < {"type": "welcome", …}
    Ada > {"type": "say", "text": "GO", "ref": "go-1"}
    Ada disconnects

Ids, times and tokens of a real server differ from those of the document. The first one at a place
stands for that of the document from then on.
"""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from datetime import datetime
from typing import TYPE_CHECKING, Any

from anyio import fail_after

if TYPE_CHECKING:
    from collections.abc import Callable

    from websockets.asyncio.client import ClientConnection, connect

GENERATED = frozenset(
    {"after", "at", "deadline", "id", "last_id", "message", "now", "poll", "resume", "resumed"}
)
"""Keys whose values the server generates."""


class Session:
    """Repeats the lines of a document.

    Args:
        join: connects to a path after `/ws/comms/`.
    """

    def __init__(self, join: Callable[[str], connect]) -> None:
        self._join = join
        self._members: dict[str, ClientConnection] = {}
        self._values: dict[str, str] = {}  # of the server, by those of the document
        self.steps = 0

    async def run(self, lines: list[str]) -> None:
        """Send the frames, and compare those that arrive."""
        async with AsyncExitStack() as stack:
            for line in lines:
                name, verb, rest = (
                    line.split(" ", 2) if line.count(" ") > 1 else (*line.split(), "")
                )
                with fail_after(10):
                    await self._step(stack, name, verb, rest)
                self.steps += 1

    async def _step(self, stack: AsyncExitStack, name: str, verb: str, rest: str) -> None:
        match verb:
            case "connects":
                path = rest.removeprefix("to /ws/comms/")
                for text in sorted(self._values, key=len, reverse=True):  # `a-12` before `a-1`
                    path = path.replace(text, self._values[text])
                self._members[name] = await stack.enter_async_context(self._join(path))
            case "disconnects":
                await self._members.pop(name).close()
            case ">":
                await self._members[name].send(json.dumps(self._sent(json.loads(rest))))
            case "<":
                frame = json.loads(await self._members[name].recv())
                self._compare(json.loads(rest), frame, rest)
            case _:
                raise AssertionError(f"{verb} is not a step")

    def _sent(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._sent(one) for key, one in value.items()}
        return self._values.get(value, value) if isinstance(value, str) else value

    def _compare(self, expected: Any, found: Any, line: str, key: str = "") -> None:
        if isinstance(expected, dict) and isinstance(found, dict):
            assert list(expected) == list(found), f"{line}\n{json.dumps(found)}"
            for name, one in expected.items():
                self._compare(one, found[name], line, name)
        elif isinstance(expected, list) and isinstance(found, list):
            assert len(expected) == len(found), f"{line}\n{json.dumps(found)}"
            for one, other in zip(expected, found, strict=True):
                self._compare(one, other, line, key)
        elif key == "at" and isinstance(found, str):
            datetime.fromisoformat(found)  # times that are equal in the document may differ here
        elif key in GENERATED and isinstance(expected, str):
            assert self._values.setdefault(expected, found) == found, f"{line}\n{found}"
        else:
            assert expected == found, f"{line}\n{json.dumps(found)}"
