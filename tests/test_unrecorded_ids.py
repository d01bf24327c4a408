"""Ids of events that are published when the disk fails: clients learn those that readers see."""

from __future__ import annotations

import json
import logging
import sqlite3
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from rover.comms import Comms
from rover.comms.protocol import CommsV1
from rover.logs import SqliteLog
from rover.logs.database import Database
from rover.settings import Settings
from tests.comms_site import comms, receive, say

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from rover.logs.batch import Batch
    from tests.comms_site import Server
    from tests.conftest import Serve

pytestmark = pytest.mark.anyio


class FailingDatabase(Database):
    """A file on a disk that fails once it is told to."""

    fails = False

    def write(self, batch: Batch) -> Any:
        if FailingDatabase.fails:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        return super().write(batch)


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    log = SqliteLog(tmp_path, open_database=FailingDatabase)
    await log.open()
    yield log
    FailingDatabase.fails = False
    await log.close()


def site(serve: Serve, log: SqliteLog) -> AbstractAsyncContextManager[Server]:
    return comms(serve, log=log, logged_below=logging.CRITICAL)


async def seen(member: Any, text: str) -> str:
    """The id with which a member receives a message."""
    while True:
        frame = await receive(member)
        if frame["type"] == "message" and frame["text"] == text:
            return str(frame["id"])


async def post(server: Server, **message: Any) -> dict[str, Any]:
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{server.url}/comms/eva/messages", json=message)
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


async def test_the_answer_to_a_post_has_the_id_that_members_receive(
    serve: Serve, log: SqliteLog
) -> None:
    async with site(serve, log) as server, server.join("eva?name=Bo") as bo:
        before = await post(server, text="before")
        assert await seen(bo, "before") == before["id"]
        FailingDatabase.fails = True
        answer = await post(server, text="GO", ref="1")
        assert answer["kept"] is False
        assert await seen(bo, "GO") == answer["id"] != before["id"]
        assert (await post(server, text="GO", ref="1"))["id"] == answer["id"]


async def test_an_ack_has_the_id_that_members_receive(serve: Serve, log: SqliteLog) -> None:
    async with (
        site(serve, log) as server,
        server.join("eva?name=Bo") as bo,
        server.join("eva?name=Ada") as ada,
    ):
        await receive(ada)
        FailingDatabase.fails = True
        await say(ada, "GO", ref="1")
        ack = await receive(ada)
        assert ack["type"] == "ack"
        assert await seen(bo, "GO") == ack["id"] == await seen(ada, "GO")


async def test_a_poll_can_be_voted_on_with_the_id_that_members_receive(
    serve: Serve, log: SqliteLog
) -> None:
    async with site(serve, log) as server, server.join("eva?name=Bo") as bo:
        await receive(bo)
        FailingDatabase.fails = True
        data = {"roll": ["Bo"], "seconds": 60}
        await post(server, text="Go?", kind="poll", data=data)
        poll = await seen(bo, "Go?")
        await say(bo, "", kind="vote", data={"poll": poll, "vote": "go"})
        assert (await receive(bo))["data"]["vote"] == "go"
        result = await receive(bo)
        assert (result["kind"], result["data"]["poll"]) == ("result", poll)


async def test_a_call_can_be_acknowledged_with_the_id_that_members_receive(
    serve: Serve, log: SqliteLog
) -> None:
    async with site(serve, log) as server, server.join("eva?name=Bo") as bo:
        await receive(bo)
        FailingDatabase.fails = True
        await post(server, text="Hold", kind="call", data={"roll": ["Bo"]})
        await say(bo, "", kind="ack", data={"call": await seen(bo, "Hold")})
        assert (await receive(bo))["data"]["station"] == "Bo"


async def test_a_welcome_has_the_ids_that_members_receive(log: SqliteLog) -> None:
    channels = Comms(Settings(), lambda _: None, log=log)  # the flusher is not run yet
    with channels.join("eva", "Bo") as bo:
        await log.sync()
        bo.channel.topic.release()
        FailingDatabase.fails = True
        bo.say("GO")
        await channels.load("eva", None)
        with channels.join("eva", "Ada") as ada:
            text = CommsV1().welcome(ada)
            welcome = json.loads(text(await channels.final_id(ada.channel, 3, synced=False)))
            assert not await log.sync()
            ada.channel.topic.renew_if_stored()
            ada.channel.topic.release()
            received = [json.loads(frame.json)["id"] for frame in ada.channel.topic.retained()]
            assert [welcome["history"][0]["id"], welcome["last_id"]] == received[1:]


async def test_an_id_that_a_client_knows_does_not_change(log: SqliteLog) -> None:
    channels = Comms(Settings(), lambda _: None, log=log)
    with channels.join("eva", "Bo") as bo:
        first = bo.say("first")
        assert await channels.final_id(bo.channel, first.offset, synced=True) == first
        FailingDatabase.fails = True
        second = bo.say("second")
        assert not await log.sync()
        bo.channel.topic.renew_if_stored()
        assert bo.channel.topic.epochs.id(first.offset) == first
        assert bo.channel.topic.epochs.id(second.offset) != second
