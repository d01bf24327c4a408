"""The messages of a channel over HTTP: pages, search, files, and new messages."""

from __future__ import annotations

import csv
import json
from contextlib import asynccontextmanager
from io import StringIO
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from rover.comms import Comms
from rover.comms.history import Query, find
from rover.errors import ScopeRequired
from rover.identity import Identity
from rover.logs import MemoryLog
from rover.mission import MissionControl
from rover.settings import Settings
from tests.api_schemas import check_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

START = 1_790_000_000.0
FLIGHT = "/comms/flight/messages"


@asynccontextmanager
async def client_of(data_dir: Path, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a mission that keeps its log in a folder."""
    mission = MissionControl(
        Settings(data_dir=data_dir, camera="none:", log="sqlite:", **settings), telemetry="none:"
    )
    transport = httpx.ASGITransport(mission.app, client=("127.0.0.1", 50_000))
    async with (
        mission,
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        yield client


async def said(client: httpx.AsyncClient, *texts: str, path: str = FLIGHT) -> list[str]:
    """The ids of messages that are sent."""
    answers = [await client.post(path, json={"text": text, "name": "Ada"}) for text in texts]
    return [check_json("Said", answer.raise_for_status().content)["id"] for answer in answers]


async def page(client: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    answer = await client.get(FLIGHT, params=query)
    found: dict[str, Any] = check_json("Messages", answer.raise_for_status().content)
    return found


def texts(found: dict[str, Any]) -> list[str]:
    return [message["text"] for message in found["messages"]]


async def test_a_message_is_in_the_record_after_a_restart(tmp_path: Path) -> None:
    async with client_of(tmp_path) as client:
        answer = await client.post(FLIGHT, content="GO", headers={"Content-Type": "text/plain"})
        assert (answer.status_code, answer.json()["kept"]) == (201, True)
    async with client_of(tmp_path) as client:
        [message] = (await page(client))["messages"]
        assert (message["id"], message["text"]) == (answer.json()["id"], "GO")
        assert message["from"] == answer.json()["name"] == "guest"


async def test_pages_lead_through_all_messages_in_both_directions(tmp_path: Path) -> None:
    sent = [f"m{n}" for n in range(7)]
    async with client_of(tmp_path) as client:
        ids = await said(client, *sent)
        assert texts(newest := await page(client, limit=3)) == sent[4:]
        assert texts(older := await page(client, limit=3, before=newest["next"])) == sent[1:4]
        assert texts(oldest := await page(client, limit=3, before=older["next"])) == sent[:1]
        assert (oldest["more"], oldest["next"]) == (False, None)
        assert texts(first := await page(client, limit=3, after=ids[0])) == sent[1:4]
        assert texts(last := await page(client, limit=3, after=first["next"])) == sent[4:]
        assert last["more"] is False
        assert texts(await page(client, after=ids[1], before=ids[4])) == sent[2:4]


async def test_the_link_header_leads_to_the_next_page(tmp_path: Path) -> None:
    async with client_of(tmp_path) as client:
        await said(client, "a é", "b é", "c")
        answer = await client.get(FLIGHT, params={"q": "É", "limit": 1, "format": "jsonl"})
        assert json.loads(answer.text)["text"] == "b é"
        answer = await client.get(FLIGHT + answer.links["next"]["url"])
        assert json.loads(answer.text)["text"] == "a é"


@pytest.mark.parametrize(
    ("q", "found"),
    [("GO", ["Go for launch"]), ("straße", ["STRASSE"]), ("e\u0301", ["café"]), ("nothing", [])],
)
async def test_a_search_ignores_case_and_composition(
    tmp_path: Path, q: str, found: list[str]
) -> None:
    async with client_of(tmp_path) as client:
        await said(client, "Go for launch", "STRASSE", "café")
        assert texts(await page(client, q=q)) == found


async def test_a_search_that_takes_too_long_continues_at_next() -> None:
    log = MemoryLog()
    comms = Comms(Settings(), notify=lambda _: None, clock=lambda: START, log=log)
    for n in range(3):
        await comms.say("flight", f"m{n}")
    found = await find(log, "flight", Query(text="m0"), None, max_search_s=0)
    assert found.messages == []
    pages = 1
    while found.next is not None:
        query = Query(text="m0", before=found.next)
        found = await find(log, "flight", query, None, max_search_s=0)
        pages += 1
    assert [one.event.text for one in found.messages] == ["m0"]
    assert pages == 3


async def test_a_search_sorts_no_long_runs_of_marks() -> None:
    log = MemoryLog()
    comms = Comms(Settings(), notify=lambda _: None, clock=lambda: START, log=log)
    for n in range(20):
        await comms.say("flight", f"{n}" + "\u0301" * 4_000 + "\u0316" * 4_000)
    found = await find(log, "flight", Query(text="0\u0301"), None)
    assert found.next is None  # 0.2 s for each message would exceed MAX_SEARCH_S
    assert [one.event.text[:2] for one in found.messages] == ["0\u0301", "10"]


async def test_a_time_range_includes_its_beginning_only() -> None:
    log, now = MemoryLog(), [START]
    comms = Comms(Settings(), notify=lambda _: None, clock=lambda: now[0], log=log)
    for n in range(5):
        now[0] = START + n
        await comms.say("flight", f"m{n}")
    found = await comms.messages("flight", Query(since=START + 1, until=START + 3))
    assert [one.event.text for one in found.messages] == ["m1", "m2"]


async def test_csv_has_no_formulas_and_every_text_is_exact(tmp_path: Path) -> None:
    sent = ["=1+1", " @SUM(A1)", "-2", "'quoted", 'a "b", c\r\nd', "plain"]
    async with client_of(tmp_path) as client:
        await said(client, *sent)
        answer = await client.get(FLIGHT, params={"format": "csv"})
    fields = [row["text"] for row in csv.DictReader(StringIO(answer.text, newline=""))]
    assert not [field for field in fields if field.lstrip()[0] in "=+-@"]
    assert [field.removeprefix("'") for field in fields] == sent


async def test_a_repeated_request_with_a_ref_sends_the_message_once(tmp_path: Path) -> None:
    async with client_of(tmp_path) as client:
        answers = [await client.post(FLIGHT, json={"text": "GO", "ref": "1"}) for _ in range(2)]
        assert answers[0].json() == answers[1].json()
        assert texts(await page(client)) == ["GO"]


async def test_a_ref_is_that_of_one_message_also_after_a_restart(tmp_path: Path) -> None:
    data = {"roll": ["FD", "EVA"], "seconds": 600}  # the server completes it
    poll = {"text": "Go?", "ref": "1", "kind": "poll", "data": data}
    async with client_of(tmp_path) as client:
        first = await client.post(FLIGHT, json=poll)
    async with client_of(tmp_path) as client:
        assert (await client.post(FLIGHT, json=poll)).json() == first.json()
        for change in ({"text": "No?"}, {"data": {**data, "seconds": 60}}):
            refused = await client.post(FLIGHT, json={**poll, **change})
            assert (refused.status_code, refused.json()["code"]) == (409, "ref_reused")
        assert texts(await page(client)) == ["Go?"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"json": {"text": " "}}, 400),
        ({"json": {"text": 1}}, 400),
        ({"json": {"text": "a", "ref": 1}}, 400),
        ({"json": {"text": "a", "name": "\u200b"}}, 400),
        ({"json": {"text": "a\0"}}, 400),
        ({"json": {"text": "a" * 65}}, 413),
        ({"data": {"text": "a"}}, 415),
        ({"content": b"\xff", "headers": {"Content-Type": "text/plain"}}, 400),
    ],
)
async def test_a_message_that_is_refused_leaves_no_trace(
    tmp_path: Path, body: dict[str, Any], status: int
) -> None:
    async with client_of(tmp_path, max_message_bytes=64) as client:
        answer = await client.post(FLIGHT, **body)
        assert (answer.status_code, answer.json()["status"]) == (status, status)
        assert texts(await page(client)) == []


@pytest.mark.parametrize(
    "query", [{"after": "x"}, {"before": "other-1"}, {"limit": 0}, {"q": "a" * 201}]
)
async def test_a_query_that_is_wrong_is_refused(tmp_path: Path, query: dict[str, Any]) -> None:
    async with client_of(tmp_path) as client:
        await said(client, "GO")
        assert (await client.get(FLIGHT, params=query)).status_code == 400
        assert (await client.get("/comms/-bad-/messages")).status_code == 400


async def test_the_name_of_a_token_counts_and_its_scope_is_checked() -> None:
    comms = Comms(Settings(), notify=lambda _: None, log=MemoryLog())
    capcom = Identity(name="Ada", role="CAPCOM", scopes=frozenset({"say:flight"}))
    assert (await comms.say("flight", "GO", "Bo", identity=capcom)).name == "Ada"
    with pytest.raises(ScopeRequired):
        await comms.say("ops", "GO", identity=capcom)
    assert [one.name for one in comms.channels.listed()] == ["flight"]
    with comms.join("flight", "Bo"):
        assert (await comms.say("flight", "GO", "Bo")).name == "Bo-2"
