"""The server-sent events of a channel: what a script receives that does not join."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from anyio import fail_after

from rover.comms import Comms
from rover.events import EventId
from rover.logs import SqliteLog
from rover.routes import comms_messages
from rover.serving import Serving
from tests.one_stream import OneStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

MESSAGES = "/comms/flight/messages"


@asynccontextmanager
async def client_of(
    serve: Serve, log: SqliteLog | None = None, **settings: Any
) -> AsyncIterator[tuple[httpx.AsyncClient, Comms]]:
    site = OneStream(**settings)
    site.serving = Serving(site.settings, log=log)
    site.comms = Comms(site.settings, notify=site.serving.flusher.mark, log=log)
    app = site.app(comms_messages.routes(site), site.comms.run)
    async with serve(app) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        yield client, site.comms


class Events:
    """The events of one response."""

    def __init__(self, response: httpx.Response) -> None:
        response.raise_for_status()
        self._lines = response.aiter_lines()

    async def next(self) -> tuple[str, str, Any]:
        """The name, the id and the data of the next event."""
        fields: dict[str, str] = {}
        with fail_after(5):
            while line := await anext(self._lines):
                name, _, value = line.partition(": ")
                fields[name] = value
        if "data" not in fields:
            return await self.next()  # a heartbeat
        return fields.get("event", ""), fields.get("id", ""), json.loads(fields["data"])


@asynccontextmanager
async def events(client: httpx.AsyncClient, query: str = "") -> AsyncIterator[Events]:
    async with client.stream("GET", f"/comms/flight/stream{query}") as response:
        yield Events(response)


async def test_a_script_receives_messages_joins_and_leaves_without_joining(serve: Serve) -> None:
    async with client_of(serve) as (client, comms), events(client) as stream:
        name, _, state = await stream.next()
        assert (name, state["channel"], state["member_count"]) == ("channel", "flight", 0)
        with comms.join("Flight", "ada") as ada:
            sent = ada.say("two\nlines", "r-1")
        join, message, leave = [await stream.next() for _ in range(3)]
    assert (join[0], join[2]["name"]) == ("join", "ada")
    assert message[:2] == ("", str(sent))
    assert (message[2]["from"], message[2]["text"]) == ("ada", "two\nlines")
    assert (leave[0], leave[2]["member_count"]) == ("leave", 0)


async def test_a_script_resumes_after_an_id_also_from_the_log(serve: Serve, tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    await log.open()
    async with client_of(serve, log, room_events=3) as (client, _):
        sent = [
            (await client.post(MESSAGES, json={"text": str(number)})).json()["id"]
            for number in range(12)
        ]
        for query, first in (("?last=2", 10), (f"?after={sent[1]}", 2)):
            async with events(client, query) as stream:
                await stream.next()
                found = [await stream.next() for _ in range(first, 12)]
            assert [event[1] for event in found] == sent[first:]
    await log.close()


async def test_a_script_with_an_id_of_another_epoch_receives_a_gap(serve: Serve) -> None:
    async with client_of(serve) as (client, _):
        await client.post(MESSAGES, json={"text": "hello"})
        async with events(client, "?after=other-7") as stream:
            found = [await stream.next() for _ in range(3)]
    assert [event[0] for event in found] == ["channel", "gap", ""]
    assert found[1][2]["reason"] == "epoch"


async def test_a_channel_that_a_script_follows_is_not_closed_for_another(serve: Serve) -> None:
    async with client_of(serve, max_channels=1, client_share=1.0) as (client, comms):
        async with events(client) as stream:
            await stream.next()
            refused = await client.post("/comms/ops/messages", json={"text": "hello"})
            assert refused.status_code == 503
        assert comms.channels.pool.refused["limit"] == 1


@pytest.mark.parametrize(
    ("path", "status"),
    [("/comms/-a/stream", 400), ("/comms/flight/stream?after=x", 400)],
)
async def test_a_wrong_name_or_id_is_refused(serve: Serve, path: str, status: int) -> None:
    async with client_of(serve) as (client, _):
        assert (await client.get(path)).status_code == status


async def test_the_stream_ends_with_bye_when_the_server_shuts_down(serve: Serve) -> None:
    async with client_of(serve) as (client, comms), events(client) as stream:
        await stream.next()
        with comms.join("flight", "ada"):
            pass
        comms.close()
        comms.close_streams()
        names = [(await stream.next())[0] for _ in range(3)]
    assert names == ["join", "leave", "bye"]


class BusyLog(SqliteLog):
    """A log during whose commits somebody speaks."""

    speak: Callable[[], object] = staticmethod(lambda: None)

    async def commit(self) -> bool:
        self.speak()
        is_committed = await super().commit()
        self.speak()
        return is_committed


@pytest.mark.parametrize(("query", "before"), [("", 0), ("?last=0", 0), ("?last=2", 2)])
async def test_a_script_receives_what_is_said_while_its_stream_opens(
    serve: Serve, tmp_path: Path, query: str, before: int
) -> None:
    log = BusyLog(tmp_path)
    await log.open()
    async with client_of(serve, log) as (client, comms):
        with comms.join("flight", "ada") as ada:
            for text in "abc":
                ada.say(text)
            log.speak = lambda: ada.say("busy")
            async with events(client, query) as stream:
                state = (await stream.next())[2]
                found = [await stream.next() for _ in range(before + 2)]
    newest = EventId.parse(state["last_id"]).offset
    offsets = [EventId.parse(event[1]).offset for event in found]
    assert offsets == list(range(newest - before + 1, newest + 3))
    await log.close()
