"""The comms endpoint without a server: the order of its sends, failed sends, and close frames."""

from __future__ import annotations

import json
import math
from contextlib import asynccontextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
from anyio import (
    Event,
    create_memory_object_stream,
    create_task_group,
    fail_after,
    wait_all_tasks_blocked,
)
from starlette.types import Message

from rover.asgi.close_frames import MAX_REASON_BYTES, close_reason
from rover.comms import Comms
from rover.comms.protocol import SUBPROTOCOL
from rover.routes.comms import (
    CLOSE_CODES,
    CommsEndpoint,
)
from rover.settings import Settings
from tests.one_stream import OneStream
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


pytestmark = pytest.mark.anyio


def test_a_close_reason_is_truncated_to_the_size_of_a_close_frame() -> None:
    assert close_reason("short") == "short"
    assert close_reason("x" * MAX_REASON_BYTES) == "x" * MAX_REASON_BYTES
    for text in ["x" * 124, "é" * 80, "👋" * 40]:
        reason = close_reason(text)
        assert reason.endswith("…")
        assert MAX_REASON_BYTES - 3 <= len(reason.encode()) <= MAX_REASON_BYTES
        assert text.startswith(reason[:-1])


def test_all_close_codes_are_allowed_by_rfc_6455() -> None:
    assert set(CLOSE_CODES.values()) == {1003, 1008, 1009, 1012, 1013}


class Wire:
    """The server's side of a connection. It sends frames while `open` is set."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.open = Event()
        self.open.set()
        self.busy = False
        self.broken: Exception | None = None
        self.received_bytes = 0
        self.client, self.inbox = create_memory_object_stream[Message](math.inf)
        self.client.send_nowait({"type": "websocket.connect"})

    def say(self, text: str, **more: Any) -> None:
        frame = json.dumps({"type": "say", "text": text, **more})
        self.client.send_nowait({"type": "websocket.receive", "text": frame})

    async def send(self, message: Message) -> None:
        assert not self.busy, "concurrent sends"
        self.busy = True
        await self.open.wait()
        self.busy = False
        if self.broken is not None:
            raise self.broken
        self.received_bytes += len(message.get("text", "").encode())
        kind = json.loads(message["text"])["type"] if "text" in message else message["type"]
        self.sent.append(kind.removeprefix("websocket."))

    async def run(self, comms: Comms) -> None:
        scope = {
            "type": "websocket",
            "subprotocols": [SUBPROTOCOL],
            "path_params": {"team_channel": "eva"},
            "query_string": b"",
            "headers": [],
        }
        site = OneStream(max_message_bytes=100)
        site.comms = comms
        with self.client, self.inbox:
            await CommsEndpoint(
                scope,
                self.inbox.receive,
                self.send,
                mission=site,
            )


@asynccontextmanager
async def wired(comms: Comms) -> AsyncIterator[Wire]:
    wire = Wire()
    with fail_after(5):
        async with create_task_group() as tasks:
            tasks.start_soon(wire.run, comms)
            await wait_all_tasks_blocked()
            assert wire.sent == ["accept", "welcome"]
            wire.sent.clear()
            yield wire
            tasks.cancel_scope.cancel()


async def test_an_ack_precedes_its_message_also_after_a_blocked_send() -> None:
    comms = Comms(Settings())
    async with wired(comms) as ada:
        with comms.join("eva") as bo:
            ada.open = Event()
            bo.say("first")
            await wait_all_tasks_blocked()
            ada.say("mine", ref="r")
            await wait_all_tasks_blocked()
            ada.open.set()
            await until(lambda: len(ada.sent) == 4)
            mine = len(ada.sent) - 1  # after the other member's join and message
            assert sorted(ada.sent[:mine]) == ["ack", "join", "message"]
            assert ada.sent[mine] == "message"


async def test_a_member_of_a_silent_channel_is_not_stalled() -> None:
    comms = Comms(Settings())
    async with wired(comms) as ada:
        ada.say("hello", ref="r")
        await until(lambda: ada.sent == ["ack", "message"])
        comms.close_stalled(now=monotonic() + 1000)
        ada.say("still here")
        await until(lambda: ada.sent == ["ack", "message", "message"])


async def test_the_bytes_that_members_receive_are_counted() -> None:
    comms = Comms(Settings())
    async with wired(comms) as ada, wired(comms) as bo:
        for text in ("hello", "-40 °C"):
            bo.say(text)
        await until(lambda: ada.sent == ["join", "message", "message"])
        await until(lambda: bo.sent.count("message") == 2)
        assert comms.sent_bytes == ada.received_bytes + bo.received_bytes > 500


@pytest.mark.parametrize("ref", [None, "r"])
@pytest.mark.parametrize(
    "broken", [OSError("reset by peer"), RuntimeError("after sending 'websocket.close'")]
)
async def test_a_failed_send_ends_the_membership(broken: Exception, ref: str | None) -> None:
    comms = Comms(Settings())
    async with wired(comms) as ada:
        ada.broken = broken
        ada.say("hello", ref=ref)
        await until(lambda: comms.members == 0)


async def test_sending_a_close_frame_times_out() -> None:
    comms = Comms(Settings())
    wire = Wire()
    with fail_after(5):
        async with create_task_group() as tasks:
            tasks.start_soon(wire.run, comms)
            await wait_all_tasks_blocked()
            wire.open = Event()
            comms.close()
    assert wire.sent == ["accept", "welcome"]
