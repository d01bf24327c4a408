"""Kinds and data of messages: which are allowed, and that everybody receives them unchanged."""

from __future__ import annotations

import csv
import json
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest

from rover.comms import Comms
from rover.comms.events import MessageEvent
from rover.comms.kinds import PLAIN, Content, content_of
from rover.comms.protocol import CommsV1
from rover.comms.records import pack, unpack
from rover.errors import MessageRefused, MessageTooBig
from rover.logs.base import Record
from rover.settings import Settings
from tests.api_schemas import check_json
from tests.test_comms_messages import FLIGHT, client_of, page

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

T = 1_790_000_000.0
LINK = {"kind": "link", "data": {"t": "2026-11-28T21:52:00Z"}}

NO_TIMES = [
    *(
        "yesterday",
        "",
        "now",
        "21:52",
        "2026-11-31T00:00:00Z",
        "2026-11-28T25:00:00Z",
        1_790_000_000,
    ),
    *("2026-11-28T21:52:00Z or so", "28.11.2026 21:52", "2026-332T21:52:00Z", None, True),
]


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "fields",
    [
        LINK,
        {"kind": "link", "data": {"alarm": "battery_level", "severity": 2}},
        *(
            {"kind": "link", "data": {"t": f"2026-11-28T21:52{rest}"}}
            for rest in ("", ":00.5+01:00")
        ),
        {"kind": "procedure-step", "data": {"steps": [1, None, "é", {"done": True}]}},
        {"kind": "call"},
        {"kind": "deep", "data": nested(8)},
    ],
)
def test_allowed_content(fields: dict[str, Any]) -> None:
    assert content_of(fields).as_json() == fields


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "Link"},
        {"kind": ""},
        {"kind": "a" * 33},
        {"kind": 7},
        {"data": {}},
        {"kind": "a", "data": [1]},
        {"kind": "a", "data": nested(9)},
        {"kind": "a", "data": {"a": "\ud800"}},
        {"kind": "a", "data": {"a": 2**53}},
        {"kind": "a", "data": {"a": [{"b": float("inf")}]}},
        {"kind": "link"},
        {"kind": "link", "data": {}},
        {"kind": "link", "data": {"t": 7}},
        {"kind": "link", "data": {"image": ""}},
        {"kind": "link", "data": {"image": "\u2003"}},
        {"kind": "link", "data": {"upload": ["a"]}},
        {"kind": "link", "data": {"time": "2026-11-28T21:52:00Z"}},
        *({"kind": "link", "data": {"t": t}} for t in NO_TIMES),
        {"kind": "link", "data": {"image": "a", "alarm": "b"}},
    ],
)
def test_malformed_content_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(MessageRefused) as refused:
        content_of(fields)
    assert refused.value.code == "malformed"


@pytest.mark.parametrize(
    "data",
    [
        *('{"a": 9007199254740993}', '{"a": [1e400]}', '{"a": -1e400}', '{"a": 1e-400}'),
        *('{"a": NaN}', '{"a": Infinity}', '{"a": 1, "a": 2}', '{"a": 3.14159265358979323846}'),
    ],
)
async def test_data_that_would_change_on_the_way_is_refused(tmp_path: Path, data: str) -> None:
    message = f'{{"type": "say", "text": "a", "kind": "a", "data": {data}}}'
    with Comms(Settings()).join("eva") as member:
        sent = CommsV1().receive(message, member)
        assert isinstance(sent, str)
        assert json.loads(sent)["code"] == "malformed"
        assert member.history() == []
    async with client_of(tmp_path) as client:
        headers = {"Content-Type": "application/json"}
        answer = await client.post(FLIGHT, content=message, headers=headers)
        assert answer.status_code == 400
        assert (await page(client))["messages"] == []


async def test_data_arrives_as_it_was_sent_in_every_format(tmp_path: Path) -> None:
    text = '{"a":9007199254740991,"b":-0.30000000000000004,"c":1e-07,"d":[true,null,"é\\n"]}'
    message = f'{{"text": "a", "kind": "a", "data": {text}}}'
    async with client_of(tmp_path) as client:
        headers = {"Content-Type": "application/json"}
        assert (await client.post(FLIGHT, content=message, headers=headers)).status_code == 201
        pages = [await client.get(FLIGHT, params={"format": one}) for one in ("json", "jsonl")]
        found = [one.text for one in pages]
        export = {"channel": "flight", "format": "jsonl"}
        found.append((await client.get("/comms/export", params=export)).text)
        assert [text in one for one in found] == [True] * 3
        for path in (FLIGHT, "/comms/export"):
            answer = await client.get(path, params={"channel": "flight", "format": "csv"})
            [row] = csv.DictReader(StringIO(answer.text, newline=""))
            assert row["data"] == text


@pytest.mark.parametrize("name", ["t", "image", "upload", "alarm"])
def test_the_error_names_the_field_of_a_link(name: str) -> None:
    with pytest.raises(MessageRefused, match=f"`{name}`"):
        content_of({"kind": "link", "data": {name: 7}})


def test_a_message_without_them_is_plain() -> None:
    assert content_of({"kind": None, "data": None}) is PLAIN
    assert PLAIN.as_json() == {}


async def test_deeply_nested_data_is_an_error_of_its_message() -> None:
    with Comms(Settings()).join("eva") as member:
        text = '{"type":"say","text":"a","ref":"1","kind":"a","data":' + '{"a":' * 900
        sent = CommsV1().receive(text + "1" + "}" * 901, member)
    assert isinstance(sent, str)
    reply = json.loads(sent)
    assert (reply["type"], reply["code"]) == ("error", "malformed")


async def test_data_counts_towards_the_limit_of_a_message() -> None:
    with Comms(Settings(max_message_bytes=64)).join("eva") as member:
        member.say("a" * 40, content=Content("a", {"b": "c"}))
        with pytest.raises(MessageTooBig):
            member.say("a" * 40, content=Content("a", {"b": "c" * 30}))


def test_a_record_keeps_them_and_older_records_have_none() -> None:
    event = MessageEvent("ada", "look", T, None, "", "ada", Content("link", LINK["data"]))  # type: ignore[arg-type] # a mapping
    packed = pack(event)
    assert unpack(Record(1, T, *packed)) == (event, T)
    assert "kind" not in pack(event._replace(content=PLAIN)).data


async def test_members_and_pages_have_the_kind_and_the_data(tmp_path: Path) -> None:
    async with client_of(tmp_path) as client:
        said = await client.post(FLIGHT, json={"text": "look", **LINK})
        assert said.status_code == 201
        refused = await client.post(FLIGHT, json={"text": "look", "kind": "link"})
        assert refused.status_code == 400
        [message] = (await page(client))["messages"]
        assert {key: message[key] for key in LINK} == LINK
    with Comms(Settings()).join("eva") as member:
        member.say("look", content=content_of(LINK))
        [frame] = member.history()
        assert check_json("Message", frame.json.encode())["data"] == LINK["data"]
        assert frame.plain == "Message: look"
