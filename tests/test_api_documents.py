"""`/openapi.json` and `/asyncapi.json`: they are valid, complete, and true of real answers."""

from __future__ import annotations

import json
import re
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import httpx
import pytest
from anyio import fail_after
from httpx_sse import aconnect_sse
from jsonschema import Draft7Validator, Draft202012Validator, ValidationError
from openapi_spec_validator import OpenAPIV31SpecValidator
from PIL import Image
from starlette.applications import Starlette
from starlette.routing import Mount
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from rover.api import Channel, Operation
from rover.api.asyncapi import STREAMS, TELEMETRY
from rover.api.examples import EXAMPLES
from rover.api.schemas import SCHEMAS
from rover.asgi.access import SAFE_METHODS
from rover.identity import ANY, SCOPES
from rover.mission import MissionControl
from rover.routes.dashboard import routes as page_routes
from rover.settings import Settings
from rover.wire import EVENT_STREAM
from sources.base import Limits, Parameter, Sample
from tests.api_schemas import check, check_json
from tests.command_files import FILE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

WEB = Path(__file__).parents[1] / "web"
HTTP_API = Path(__file__).parents[1] / "docs" / "http-api.md"
ASYNCAPI_SCHEMA = WEB / "node_modules" / "@asyncapi" / "specs" / "schemas" / "3.0.0.json"

ACCESS_PATHS = ("/sign-in", "/sign-out", "/tickets")
"""A `POST` to these changes nothing of the mission."""

START = 1_790_000_000.0


class Thermometer:
    """Yields one sample that is too warm, then nothing."""

    parameters = (Parameter("temperature", "°C", limits=Limits(yellow=(None, 40.0))),)

    async def samples(self) -> AsyncIterator[Sample]:
        yield Sample(START, {"temperature": 41.5})


@pytest.fixture
def mission(tmp_path: Path) -> MissionControl:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    settings = Settings(data_dir=tmp_path, commands="sim:?pace_s=0", camera=f"dir:{tmp_path}")
    return MissionControl(settings, telemetry=Thermometer())


@asynccontextmanager
async def client_of(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 50_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def document(app: Any, path: str = "/openapi.json") -> dict[str, Any]:
    async with client_of(app) as client:
        found: dict[str, Any] = (await client.get(path)).raise_for_status().json()
        return found


def test_every_route_is_described(mission: MissionControl) -> None:
    files = {str(route) for route in page_routes(mission) if not isinstance(route, Operation)}
    for route in mission.routes_for():
        assert str(route) in files or isinstance(route, Operation | Channel), (
            f"{route} has no description: declare it as `Operation` or `Channel` of `rover.api`, "
            "as the other modules of `rover/routes` do"
        )


def test_every_stream_has_its_messages(mission: MissionControl) -> None:
    streams = {
        route.path.replace(":path", "")
        for route in mission.routes_for()
        if isinstance(route, Channel)
        or (isinstance(route, Operation) and EVENT_STREAM in media_types(route))
    }
    assert streams | {"/stream/rover-image"} == STREAMS.keys()


def media_types(operation: Operation) -> set[str]:
    """The media types of all answers of an operation."""
    return {kind for answer in operation.answers.values() for kind in answer.media_types}


async def test_the_asyncapi_document_has_clear_names_and_examples(mission: MissionControl) -> None:
    async with mission:
        found = await document(mission.app, "/asyncapi.json")
    assert found["channels"].keys() == {
        *("telemetry", "comms", "channel", "image", "upload", "uploadProgress")
    }
    documented = re.search("channels are (.+?)\\.", HTTP_API.read_text(), re.DOTALL)
    assert documented is not None
    assert set(re.findall("`(\\w+)`", documented[1])) == found["channels"].keys()
    assert "receiveComms" in found["operations"]
    for channel in found["channels"].values():
        addressed = set(re.findall(r"{(\w+)}", channel["address"]))
        assert addressed == channel.get("parameters", {}).keys()
        for message in channel["messages"].values():
            assert "examples" in message or message["contentType"] == "image/*", message
    for operation in found["operations"].values():
        assert operation["messages"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_conforms(name: str) -> None:
    check(name, EXAMPLES[name])


def test_every_scope_exists_and_view_changes_nothing(mission: MissionControl) -> None:
    operations = [route for route in mission.routes_for() if isinstance(route, Operation)]
    for operation in operations:
        assert operation.required_scope in ("", ANY, *SCOPES), operation.path
        if operation.method not in SAFE_METHODS and operation.path not in ACCESS_PATHS:
            assert operation.required_scope not in ("", "view"), operation.path


async def test_the_openapi_document_is_valid(mission: MissionControl) -> None:
    async with mission:
        OpenAPIV31SpecValidator(await document(mission.app)).validate()


@pytest.mark.skipif(not ASYNCAPI_SCHEMA.exists(), reason="needs web/node_modules (make web)")
async def test_the_asyncapi_document_is_valid(mission: MissionControl) -> None:
    validator = Draft7Validator(json.loads(ASYNCAPI_SCHEMA.read_text()))
    async with mission:
        found = await document(mission.app, "/asyncapi.json")
    validator.validate(found)
    del found["info"]["title"]
    with pytest.raises(ValidationError):
        validator.validate(found)


async def test_every_reference_has_a_target(mission: MissionControl) -> None:
    async with mission:
        for path in ("/openapi.json", "/asyncapi.json"):
            found = await document(mission.app, path)
            for pointer in references(found):
                target: Any = found
                for step in pointer.removeprefix("#/").split("/"):
                    target = target[step]
                assert target, pointer


def references(value: Any) -> set[str]:
    if isinstance(value, list):
        return {pointer for one in value for pointer in references(one)}
    if not isinstance(value, dict):
        return set()
    own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
    return own | references(list(value.values()))


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_valid(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])


async def test_links_work_under_a_prefix(mission: MissionControl) -> None:
    host = Starlette()
    mission.mount(host, "/lab/rover")
    async with mission, client_of(host) as client:
        at = "http://localhost/lab/rover/openapi.json"
        found = (await client.get(at)).raise_for_status().json()
        base = urljoin(at, found["servers"][0]["url"])
        assert "/healthz" in found["paths"]
        assert (await client.get(f"{base.rstrip('/')}/healthz")).status_code == 200


async def test_an_app_of_some_parts_describes_those(mission: MissionControl) -> None:
    async with mission:
        some = (await document(mission.app_for("ops", "comms")))["paths"]
        assert {"/comms", "/healthz"} <= some.keys()
        assert "/telemetry/latest" not in some
        host = Starlette(routes=[Mount("/x", routes=mission.routes_for("ops", "commands"))])
        assert "/upload/rover-commands" in (await document(host, "/x/openapi.json"))["paths"]


async def test_without_tokens_a_token_is_optional(tmp_path: Path) -> None:
    for tokens in ("", "a-token-of-the-lab"):
        mission = MissionControl(Settings(data_dir=tmp_path, tokens=tokens, camera="none:"))
        async with mission, client_of(mission.app) as client:
            headers = {"Authorization": f"Bearer {tokens}"}
            paths = (await client.get("/openapi.json", headers=headers)).json()["paths"]
        security = paths["/upload/rover-commands"]["post"]["security"]
        assert {"bearer": ["upload"]} in security
        assert ({} in security) is (not tokens)
        assert paths["/healthz"]["get"]["security"] == []


async def test_each_operation_with_a_scope_needs_a_right_token(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, tokens="a-token-of-the-lab", camera="none:")
    mission = MissionControl(settings, telemetry="none:")
    operations = [route for route in mission.routes_for() if isinstance(route, Operation)]
    protected = [one for one in operations if one.required_scope]
    async with mission, client_of(mission.app) as client:
        for operation in protected:
            for headers in ({}, {"Authorization": "Bearer wrong"}):
                answer = await client.request(operation.method, operation.path, headers=headers)
                assert answer.status_code in (401, 429), operation.path  # 429: many failures
    assert len(protected) > 20


ANSWERS = {
    "/telemetry/parameters": "Parameters",
    "/telemetry/latest": "Latest",
    "/telemetry/history": "History",
    "/telemetry/span": "Span",
    "/alarms": "Alarms",
    "/events": "Events",
    "/images": "Images",
    "/comms": "Channels",
    "/healthz": "Health",
    "/readyz": "Readiness",
    "/nothing": "Problem",
}


FRAMES = {
    "ack": "Ack",
    "error": "Refusal",
    "join": "Presence",
    "message": "Message",
    "pong": "Pong",
    "welcome": "Welcome",
}


async def test_real_answers_conform(mission: MissionControl, serve: Serve) -> None:
    async with serve(mission.app) as url, httpx.AsyncClient(base_url=url) as client:
        with fail_after(20):
            alarm = await first_alarm(client)
            await client.get("/stream/rover-image")
            async with connect(
                url.replace("http", "ws") + "/ws/comms/flight",
                subprotocols=[Subprotocol("rover.comms.v1")],
            ) as member:
                await check_member(member)
                for path, name in ANSWERS.items():
                    check_json(name, (await client.get(path)).content)
            note = {"by": "Ada", "comment": "seen", "minutes": 5}
            check("Shelving", note)
            for action in ("acknowledge", "shelve"):
                answer = await client.post(f"/alarms/{alarm['id']}/{action}", json=note)
                check_json("Alarm", answer.raise_for_status().content)
            check_json("Alarms", (await client.get("/alarms")).content)
            await check_upload(client)


async def first_alarm(client: httpx.AsyncClient) -> dict[str, Any]:
    """The first alarm of the stream. All events up to it conform."""
    names = {one.event or "message": one.payload["$ref"] for one in TELEMETRY.values()}
    async with aconnect_sse(client, "GET", "/stream/rover-telemetry?last=9") as stream:
        async for event in stream.aiter_sse():
            value: dict[str, Any] = check_json(names[event.event].rpartition("/")[2], event.data)
            if event.event == "alarm":
                return value
    raise AssertionError


async def check_member(member: Any) -> None:
    frames = ({"type": "ping"}, {"type": "say", "text": "hello", "ref": "1"}, {"type": "shout"})
    for name, frame in zip(("Ping", "Say"), frames, strict=False):
        check(name, frame)
    for frame in frames:
        await member.send(json.dumps(frame))
    awaited = {"welcome", "pong", "ack", "message", "error"}
    while awaited:
        frame = json.loads(await member.recv())
        check(FRAMES[frame["type"]], frame)
        awaited.discard(frame["type"])


async def check_upload(client: httpx.AsyncClient) -> None:
    answer = await client.post("/upload/rover-commands", files={"file": ("a.rcs", FILE)})
    events = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
    for text in events:
        value = json.loads(text)
        check("Progress" if "status" in value else "Finding", value)
