"""The name, role and scopes of a token in channels, uploads and alarms."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from starlette.websockets import WebSocketDisconnect

from rover.comms.protocol import SUBPROTOCOL
from rover.identity import EVERYONE
from rover.mission import MissionControl
from rover.settings import Settings
from rover.telemetry.limits import Bound, Level, LimitChange
from rover.tokens.commands import add_token
from tests.command_files import ACCEPTED, FILE, Script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.testclient import TestClient, WebSocketTestSession

pytestmark = pytest.mark.filterwarnings("ignore:Using `httpx`")  # a newer version works, too

SHARED = "shared-token-16-characters"


class Site:
    """A mission in this process, with tokens by the names of their owners."""

    def __init__(self, mission: MissionControl, client: TestClient) -> None:
        self.mission = mission
        self._client = client
        self._stack = ExitStack()
        self.tokens = {
            "Ada": self._add("Ada", "view,say:flight-*,upload", role="CAPCOM"),
            "Bob": self._add("Bob", "view,say"),
            "Eve": self._add("Eve", "view"),
            "Cy": self._add("Cy", "view,upload"),
            "Dee": self._add("Dee", "admin"),
            "rover-7": self._add("rover-7", "ingest"),
            "": SHARED,
        }
        assert client.portal is not None
        client.portal.call(mission.tokens.refresh)

    def _add(self, name: str, scopes: str, **more: Any) -> str:
        return add_token(self.mission.settings, name, scopes, **more).text

    def ask(self, who: str, method: str, path: str, **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.tokens[who]}", **more.pop("headers", {})}
        return self._client.request(method, path, headers=headers, **more)

    def join(
        self,
        who: str,
        channel: str = "flight-1",
        name: str = "",
        protocol: str | None = SUBPROTOCOL,
    ) -> WebSocketTestSession:
        """A member of a channel, until the end of the test."""
        return self._stack.enter_context(
            self._client.websocket_connect(
                f"/ws/comms/{channel}?name={name}",
                subprotocols=[protocol] if protocol else None,
                headers={"Authorization": f"Bearer {self.tokens[who]}"},
            )
        )

    def leave(self) -> None:
        self._stack.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    from starlette.testclient import TestClient

    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), tokens=SHARED)
    mission = MissionControl(settings, telemetry="push:", camera="none:", commands=Script(ACCEPTED))
    with TestClient(mission.app) as client:
        yield Site(mission, client)


@pytest.fixture
def site(running: Site) -> Iterator[Site]:
    """The mission. The members that a test adds leave after it."""
    yield running
    running.leave()


def say(member: WebSocketTestSession, text: str = "go") -> dict[str, Any]:
    """The reply to a message with a `ref`."""
    member.send_text(json.dumps({"type": "say", "text": text, "ref": "r"}))
    while (frame := member.receive_json())["type"] in ("join", "leave"):
        pass
    return dict(frame)


def test_the_name_and_role_of_a_token_are_those_of_the_member(site: Site) -> None:
    bob = site.join("Bob")
    bob.receive_json()
    welcome = site.join("Ada", name="Bob").receive_json()
    assert (welcome["you"], welcome["roles"]) == ("Ada", {"Ada": "CAPCOM"})
    joined = bob.receive_json()
    assert (joined["name"], joined["role"]) == ("Ada", "CAPCOM")


def test_a_message_has_the_role_of_its_sender(site: Site) -> None:
    ada = site.join("Ada")
    ada.receive_json()
    assert say(ada)["type"] == "ack"
    message = ada.receive_json()
    assert (message["from"], message["role"]) == ("Ada", "CAPCOM")


def test_two_connections_of_a_token_have_its_name(site: Site) -> None:
    names = [site.join("Ada").receive_json()["you"] for _ in range(2)]
    assert names == ["Ada", "Ada"]


@pytest.mark.parametrize(
    "name",
    [
        *("Ada", "aDA", "%41da", "Ada-2", "%EF%BC%A1da", "%20Ada%20", "Ada%E3%85%A4", "rover-7"),
        *("A%20d%20a", "Ad%EF%B8%8Fa", "A%CD%8Fda", "%CE%91da", "Ada%E2%80%902", "Ada-2%EF%B8%8F"),
    ],
)
@pytest.mark.parametrize("protocol", [SUBPROTOCOL, None])
def test_a_client_without_a_name_cannot_use_that_of_a_token(
    site: Site, name: str, protocol: str | None
) -> None:
    member = site.join("", name=name, protocol=protocol)
    with pytest.raises(WebSocketDisconnect) as refused:
        member.receive_text()
    assert refused.value.code == 1008


def test_a_number_that_is_appended_to_a_name_makes_no_name_of_a_token(site: Site) -> None:
    names = [site.join("", name="rover").receive_json()["you"] for _ in range(7)]
    assert names == ["rover", *(f"rover-{n}" for n in (2, 3, 4, 5, 6, 8))]


@pytest.mark.parametrize(
    ("who", "channel", "allowed"),
    [
        *(("Ada", "flight-1", True), ("Ada", "flight-", True), ("Ada", "flight-%31", True)),
        *(("Ada", "Flight-1", True), ("Ada", "flight", False), ("Ada", "xflight-1", False)),
        *(("Bob", "science", True), ("Eve", "flight-1", False), ("", "science", True)),
    ],
)
def test_the_scope_decides_in_which_channels_a_member_may_say_something(
    site: Site, who: str, channel: str, *, allowed: bool
) -> None:
    member = site.join(who, channel)
    assert member.receive_json().get("may_say", True) is allowed
    reply = say(member)
    assert (reply["type"], reply.get("code"), reply["ref"]) == (
        ("ack", None, "r") if allowed else ("error", "not_allowed", "r")
    )


@pytest.mark.parametrize(
    "channel",
    [
        *("flight-1%2f..%2fscience", "flight-%00", "%66light-1%20"),
        *("flight-1%252f", "flight-1/"),
    ],
)
def test_a_name_that_looks_like_an_allowed_channel_is_no_channel(site: Site, channel: str) -> None:
    member = site.join("Ada", channel)
    with pytest.raises(WebSocketDisconnect) as refused:
        member.receive_text()
    assert refused.value.code == 1008


def test_a_plain_text_member_that_may_only_listen_is_closed_when_it_sends(site: Site) -> None:
    eve, bob = site.join("Eve", protocol=None), site.join("Bob", protocol=None)
    bob.send_text("hello")
    assert eve.receive_text() == "Message: hello"
    eve.send_text("hello")
    with pytest.raises(WebSocketDisconnect) as refused:
        eve.receive_text()
    assert refused.value.code == 1008
    bob.send_text("still here")
    assert [bob.receive_text() for _ in range(2)] == ["Message: hello", "Message: still here"]


@pytest.mark.parametrize(("who", "by"), [("Ada", "Ada"), ("", None)])
def test_the_report_of_an_upload_names_its_sender(site: Site, who: str, by: str | None) -> None:
    response = site.ask(who, "POST", "/upload/rover-commands", files={"file": ("a.rcs", FILE)})
    lines = [line for line in response.text.splitlines() if line.startswith("data: ")]
    events = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert {event.get("by") for event in events if "id" in event} == {by}
    assert events[-1]["status"] == "COMPLETE"


@pytest.mark.parametrize(
    ("who", "status"), [("Ada", 409), ("Cy", 403), ("Bob", 403), ("Dee", 409), ("", 409)]
)
def test_only_the_sender_of_an_upload_or_an_admin_may_cancel_it(
    site: Site, who: str, status: int
) -> None:
    wait = {"Prefer": "wait"}
    site.ask("Ada", "PUT", f"/uploads/of-ada-{who}", content=FILE, headers=wait)
    answer = site.ask(who, "DELETE", f"/uploads/of-ada-{who}")
    assert answer.status_code == status  # 409: its verdict is known


def raised_alarm(site: Site) -> str:
    bound = Bound(Level.RED, "high", 80.0, 0.0)
    change = LimitChange("speed", "m/s", Level.RED, Level.NOMINAL, 90.0, 1_790_000_000.0, bound)
    return site.mission.telemetry.alarms.apply(change).id


def test_an_alarm_names_the_owner_of_the_token_that_handled_it(site: Site) -> None:
    alarm = raised_alarm(site)
    for path, key in (("acknowledge", "acknowledged"), ("shelve", "shelved")):
        body = {"by": "Eve", "minutes": 5}
        response = site.ask("Ada", "POST", f"/alarms/{alarm}/{path}", json=body)
        assert response.json()[key]["by"] == "Ada"


@pytest.mark.parametrize(("by", "status"), [("Ada", 400), ("ADA", 400), ("Grace", 200)])
def test_a_client_without_a_name_cannot_handle_an_alarm_as_the_owner_of_a_token(
    site: Site, by: str, status: int
) -> None:
    alarm = raised_alarm(site)
    response = site.ask("", "POST", f"/alarms/{alarm}/acknowledge", json={"by": by})
    assert response.status_code == status


READS = [
    *("/", "/telemetry/latest", "/telemetry/history", "/telemetry/parameters", "/images", "/comms"),
    *("/alarms", "/events", "/stream/rover-telemetry", "/stream/rover-image", "/uploads/x/events"),
    *("/metrics", "/openapi.json"),
]


@pytest.mark.parametrize("path", READS)
def test_a_token_of_a_device_cannot_read(site: Site, path: str) -> None:
    assert site.ask("rover-7", "GET", path).status_code == 403


def test_a_token_of_a_device_can_only_send_telemetry(site: Site) -> None:
    response = site.ask("rover-7", "POST", "/ingest/telemetry", json={"speed": 1})
    assert response.status_code == 202
    assert site.ask("Bob", "POST", "/ingest/telemetry", json={"speed": 1}).status_code == 403
    files = {"file": ("a.rcs", FILE)}
    assert site.ask("Bob", "POST", "/upload/rover-commands", files=files).status_code == 403
    assert site.ask("rover-7", "POST", "/upload/rover-commands", files=files).status_code == 403
    with pytest.raises(WebSocketDisconnect):
        site.join("rover-7")
    assert set(site.ask("rover-7", "GET", "/readyz").json()) == {"ready"}


@pytest.mark.parametrize("weak", ["rover-7", "wrong"])
def test_a_second_token_in_a_request_adds_no_scopes(site: Site, weak: str) -> None:
    strong, path = site.tokens[""], "/telemetry/latest"
    site.tokens["wrong"] = "rvr_01234567_0123"
    session = site.mission.sign_ins.sessions.start(EVERYONE, "10.0.0.7")
    cookie = {"Cookie": f"rover_session_80={session}"}
    status = 403 if weak == "rover-7" else 401
    assert site.ask(weak, "GET", path, headers=cookie).status_code == status
    assert site.ask(weak, "GET", f"{path}?token={strong}").status_code == status
    url = f"{path}?token={site.tokens[weak]}"
    assert site._client.get(url, headers=cookie).status_code == status
    assert site._client.get(f"{url}&token={strong}").status_code == status
