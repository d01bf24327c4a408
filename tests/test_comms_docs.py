"""The frames of docs/comms.md and docs/comms-session.md, sent to a real server."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rover.logs import MemoryLog
from tests.comms_site import comms as serving
from tests.comms_site import receive
from tests.doc_session import Session

if TYPE_CHECKING:
    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

DOCS = Path(__file__).parents[1] / "docs"

BLOCK = re.compile(r"```text\n(.*?)```", re.DOTALL)

FRAME = re.compile(r"`({\"type\": .*?})`")


async def test_a_server_answers_as_in_the_session_of_the_documentation(serve: Serve) -> None:
    blocks = BLOCK.findall((DOCS / "comms-session.md").read_text())
    lines = [line for block in blocks for line in block.splitlines()]
    async with serving(serve, log=MemoryLog(), message_rate=10.0) as at:
        session = Session(at.join)
        await session.run(lines)
    assert session.steps == len(lines) > 50


async def test_a_server_accepts_each_frame_of_the_documentation(serve: Serve) -> None:
    frames = FRAME.findall((DOCS / "comms.md").read_text())
    async with serving(serve, log=MemoryLog()) as at, at.join("flight") as member:
        await receive(member)
        for frame in frames:
            await member.send(json.dumps({"ref": "1", **json.loads(frame)}))
            reply = await receive(member)
            while reply["type"] in ("message", "join"):
                reply = await receive(member)
            assert reply["type"] != "error", (frame, reply)
    assert len(frames) >= 5
