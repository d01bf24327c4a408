"""Signing in and out with a browser, attacked by other sites and by other programs of the host."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from anyio import create_task_group, fail_after
from starlette.applications import Starlette
from starlette.routing import Mount

from rover.asgi.forms import local_target
from rover.mission import MissionControl
from rover.settings import Settings
from rover.tokens.commands import add_token, revoke_token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from starlette.types import ASGIApp

    from tests.conftest import Serve

TOKEN = "open-sesame-4f1c"  # noqa: S105 # of this test only

HTML = {"accept": "text/html,*/*;q=0.8"}

pytestmark = pytest.mark.anyio


def mission_settings(folder: Path, tokens: str = TOKEN, **more: Any) -> Settings:
    return Settings(
        telemetry="none:", camera="none:", commands="none:", data_dir=folder, tokens=tokens, **more
    )


@pytest.fixture
async def mission(tmp_path: Path) -> AsyncIterator[MissionControl]:
    async with MissionControl(mission_settings(tmp_path)) as mission:
        yield mission


def browser(
    app: ASGIApp, url: str = "http://rover.lab:8000", address: str = "10.0.0.7", **options: Any
) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(address, 4000), root_path="")
    return httpx.AsyncClient(transport=transport, base_url=url, **options)


def visible_fields_of(page: httpx.Response) -> list[str]:
    """The names of the fields that a person must fill in."""
    names = re.findall(r'<input[^>]*name="(\w+)"', page.text)
    return [name for name in names if name not in fields_of(page)]


def fields_of(page: httpx.Response) -> dict[str, str]:
    """The hidden fields of a page's form."""
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text))


async def sign_in(
    client: httpx.AsyncClient, token: str = TOKEN, headers: Mapping[str, str] = HTML, **more: str
) -> httpx.Response:
    page = await client.get("sign-in", headers=HTML)
    fields = {**fields_of(page), "token": token, **more}
    return await client.post("sign-in", data=fields, headers=headers)


async def test_a_browser_signs_in_and_out(mission: MissionControl) -> None:
    async with browser(mission.app) as client:
        page = await client.get("/", headers=HTML)
        assert page.status_code == 401
        assert page.headers["content-type"].startswith("text/html")
        assert page.headers["cache-control"] == "no-store"
        assert visible_fields_of(page) == ["token"]
        assert "script-src" not in page.headers["content-security-policy"]
        answer = await client.post("/sign-in", data={**fields_of(page), "token": TOKEN})
        assert (answer.status_code, answer.headers["location"]) == (303, "./")
        assert answer.headers["cache-control"] == "no-store"
        [cookie] = answer.headers.get_list("set-cookie")
        assert cookie.startswith("rover_session_8000=")
        assert {"httponly", "samesite=strict"} <= set(cookie.lower().split("; "))
        assert TOKEN not in cookie
        assert (await client.get("/")).status_code == 200
        assert (await client.get("/session")).json()["signed_in"] is True
        stolen = dict(client.cookies)
        assert (await client.post("/sign-out")).status_code == 204
        assert "rover_session_8000" not in client.cookies
        client.cookies.update(stolen)
        assert (await client.get("/session")).status_code == 401


async def test_programs_receive_a_problem_document(mission: MissionControl) -> None:
    async with browser(mission.app) as client:
        for headers in ({}, {"accept": "*/*"}, {"accept": "text/event-stream"}):
            answer = await client.get("/", headers=headers)
            assert answer.status_code == 401
            assert answer.headers["content-type"] == "application/problem+json"


async def test_a_page_below_the_top_leads_to_the_form(mission: MissionControl) -> None:
    async with browser(mission.app) as client:
        page = await client.get("/telemetry/latest?fields=a", headers=HTML)
        assert page.status_code == 401
        [link] = re.findall(r'href="([^"]*sign-in[^"]*)"', page.text)
        form = await client.get(page.url.join(link), headers=HTML)
        answer = await client.post("/sign-in", data={**fields_of(form), "token": TOKEN})
        assert answer.url.join(answer.headers["location"]).path == "/telemetry/latest"
        assert answer.headers["location"].endswith("?fields=a")


async def test_a_wrong_token_shows_the_form_again(mission: MissionControl) -> None:
    async with browser(mission.app) as client:
        answer = await sign_in(client, "wrong")
        assert answer.status_code == 401
        assert 'role="alert"' in answer.text
        assert "wrong" not in fields_of(answer).values()
        again = {**fields_of(answer), "token": TOKEN}
        assert (await client.post("/sign-in", data=again)).status_code == 303


async def test_the_link_with_a_token_becomes_a_session(mission: MissionControl) -> None:
    async with browser(mission.app) as client:
        answer = await client.get("/", params={"token": TOKEN})
        assert (answer.status_code, answer.headers["location"]) == (303, "./")
        assert TOKEN not in str(answer.headers)
        assert (await client.get("/")).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_the_link_of_another_site_signs_in_only_after_a_button(
    mission: MissionControl, site: str
) -> None:
    async with browser(mission.app) as client:
        page = await client.get("/", params={"token": TOKEN}, headers={"sec-fetch-site": site})
        assert page.status_code == 200
        assert visible_fields_of(page) == []
        assert (await client.get("/session")).status_code == 401
        assert (await client.post("/sign-in", data=fields_of(page))).status_code == 303
        assert (await client.get("/session")).status_code == 200


FOREIGN = [
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://rover.lab:8001"},
    {"origin": "http://["},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
]


@pytest.mark.parametrize("allowed", ["", "*", "https://evil.example"])
async def test_a_page_of_another_origin_can_sign_nobody_in_or_out(
    allowed: str, tmp_path: Path
) -> None:
    mission = MissionControl(mission_settings(tmp_path, allowed_origins=allowed))
    async with mission:
        for headers in FOREIGN:
            async with browser(mission.app) as client:
                for accept in ("*/*", "text/html"):
                    answer = await sign_in(client, headers={**headers, "accept": accept})
                    assert answer.status_code == 403
                    assert (await client.get("/session")).status_code == 401
                await sign_in(client)
                assert (await client.post("/sign-out", headers=headers)).status_code == 403
                assert (await client.get("/session")).status_code == 200


@pytest.mark.parametrize("key", ["", "0" * 64, "é", "stolen"])
async def test_a_form_without_the_key_of_the_browser_is_refused(
    mission: MissionControl, key: str
) -> None:
    async with browser(mission.app) as attacker, browser(mission.app) as client:
        stolen = fields_of(await attacker.get("/sign-in"))["key"]
        given = stolen if key == "stolen" else key
        for _ in range(2):  # without a cookie, and with one
            answer = await client.post("/sign-in", data={"key": given, "token": TOKEN})
            assert answer.status_code == 403
            await client.get("/sign-in")
        assert (await sign_in(client)).status_code == 303


async def test_a_form_of_a_previous_run_is_shown_again(tmp_path: Path) -> None:
    settings = mission_settings(tmp_path)
    async with MissionControl(settings) as before, browser(before.app) as client:
        await sign_in(client)
        fields = {**fields_of(await client.get("/sign-in?code=x")), "token": TOKEN}
        cookies = dict(client.cookies)
    async with MissionControl(settings) as after, browser(after.app, cookies=cookies) as client:
        page = await client.get("/", headers=HTML)
        assert page.status_code == 401
        assert 'role="alert"' in page.text  # the session of this browser has ended
        assert (await client.post("/sign-in", data=fields, headers=HTML)).status_code == 403
        assert (await sign_in(client)).status_code == 303


async def test_signing_in_replaces_the_session_that_somebody_else_set(
    mission: MissionControl,
) -> None:
    async with browser(mission.app) as attacker, browser(mission.app) as client:
        await sign_in(attacker)
        known = attacker.cookies["rover_session_8000"]
        page = await client.get("/sign-in")
        cookies = {**client.cookies, "rover_session_8000": known}
        header = "; ".join(f"{name}={value}" for name, value in cookies.items())
        data = {**fields_of(page), "token": TOKEN}
        answer = await client.post("/sign-in", data=data, headers={"cookie": header})
        assert answer.status_code == 303
        assert answer.cookies["rover_session_8000"] != known
        assert (await attacker.get("/session")).status_code == 401


EVIL = [
    *(
        "//evil",
        "///evil",
        "\\\\evil",
        "/\\evil",
        "https://evil",
        "https:evil",
        "javascript:alert(1)",
    ),
    *(
        "\tjavascript:x",
        "/\t/evil",
        "/\n/evil",
        "images\r\nx: y",
        ".//evil",
        "images//evil",
        "http:/x",
    ),
    *("..", "../other", "images/../../other", "/%2e%2e/other", ".%2E/other", "\x00", "é", " /x"),
    *("@evil", "?", "", "/", "x" * 5000, "https%3A%2F%2Fevil"),
]


@pytest.mark.parametrize("target", EVIL)
@pytest.mark.parametrize("top", ["http://rover.lab:8000/sign-in", "https://h/deep/rover/sign-in"])
def test_a_redirect_stays_below_the_prefix(target: str, top: str) -> None:
    location = local_target(target)
    reached = str(httpx.URL(top).join(location))
    assert reached.startswith(top.removesuffix("sign-in"))
    assert "//" not in reached.partition("://")[2].partition("?")[0]
    assert location.startswith("./")
    assert location.isascii()
    assert location.isprintable()


@pytest.mark.parametrize("target", ["images", "/images?x=1", "./telemetry/latest?fields=a,b"])
def test_a_local_target_is_kept(target: str) -> None:
    reached = httpx.URL("https://h/rover/sign-in").join(local_target(target))
    wanted = httpx.URL("https://h/rover/").join(target.removeprefix("/"))
    assert reached == wanted


@asynccontextmanager
async def behind_proxy(settings: Settings, prefix: str) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that uses HTTPS, and a proxy that removes nothing."""
    mission = MissionControl(settings)
    app = Starlette(routes=[Mount(prefix, mission.app)]) if prefix else mission.app
    forwarded = {"x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.5"}
    async with mission:
        url = f"https://rover.lab{prefix}/"
        async with browser(app, url, "127.0.0.1", headers=forwarded) as client:
            client._transport = HttpTransport(app, client=("127.0.0.1", 4000))
            yield client


class HttpTransport(httpx.ASGITransport):
    """Passes requests as a proxy that terminates TLS does."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(scheme="http")
        return await super().handle_async_request(request)


@pytest.mark.parametrize(
    ("trusted", "prefix", "start"),
    [
        ("127.0.0.1", "", "__Host-rover_session_443="),
        ("127.0.0.1", "/deep/rover", "__Secure-rover_session_443="),
        ("10.0.0.1", "", "rover_session_80="),
        ("", "", "rover_session_80="),
    ],
)
async def test_the_cookie_is_secure_if_a_trusted_proxy_says_so(
    trusted: str, prefix: str, start: str, tmp_path: Path
) -> None:
    settings = mission_settings(tmp_path, trusted_proxies=trusted)
    async with behind_proxy(settings, prefix) as client:
        answer = await sign_in(client)
        [cookie] = answer.headers.get_list("set-cookie")
        assert cookie.startswith(start)
        attributes = cookie.lower().split("; ")
        assert ("secure" in attributes) == start.startswith("__")
        # without a path, the cookie belongs to the prefix as the browser sees it
        assert ("path=/" in attributes) == start.startswith("__Host-")
        assert not any(one.startswith("domain=") for one in attributes)
        client.cookies.clear()
        name, _, value = cookie.partition(";")[0].partition("=")
        assert (
            await client.get("session", headers={"cookie": f"{name}={value}"})
        ).status_code == 200
        if start.startswith("__"):  # another program may have set a cookie without the prefix
            bare = name.removeprefix("__Host-").removeprefix("__Secure-")
            headers = {"cookie": f"{bare}={value}"}
            assert (await client.get("session", headers=headers)).status_code == 401


async def test_two_missions_below_prefixes_of_one_host_have_their_own_sessions(
    tmp_path: Path,
) -> None:
    missions = [MissionControl(mission_settings(tmp_path / name)) for name in "ab"]
    routes = [Mount(f"/{n}", one.app) for n, one in enumerate(missions)]
    async with missions[0], missions[1], browser(Starlette(routes=routes)) as client:
        for n in range(2):
            page = await client.get(f"/{n}/sign-in")
            data = {**fields_of(page), "token": TOKEN}
            answer = await client.post(f"/{n}/sign-in", data=data)
            assert answer.status_code == 303
            assert str(answer.url.join(answer.headers["location"])).endswith(f":8000/{n}/")
        for n in range(2):
            assert (await client.get(f"/{n}/session")).status_code == 200


async def test_a_ticket_lets_one_request_in(mission: MissionControl) -> None:
    async with browser(mission.app) as client:
        bearer = {"authorization": f"Bearer {TOKEN}"}
        answer = await client.post("/tickets", headers=bearer)
        assert answer.json()["expires_s"] == 30
        url = f"/session?ticket={answer.json()['ticket']}"
        statuses: list[int] = []

        async def use() -> None:
            statuses.append((await client.get(url)).status_code)

        async with create_task_group() as tasks:
            tasks.start_soon(use)
            tasks.start_soon(use)
        assert sorted(statuses) == [200, 401]


async def test_a_ticket_cannot_change_anything_or_make_another(mission: MissionControl) -> None:
    async with browser(mission.app) as client:
        bearer = {"authorization": f"Bearer {TOKEN}"}
        ticket = (await client.post("/tickets", headers=bearer)).json()["ticket"]
        assert (await client.post(f"/tickets?ticket={ticket}")).status_code == 401
        assert (await client.post("/tickets")).status_code == 401


async def test_a_ticket_ends_with_the_session_that_made_it(mission: MissionControl) -> None:
    async with browser(mission.app) as client:
        await sign_in(client)
        ticket = (await client.post("/tickets")).json()["ticket"]
        await client.post("/sign-out")
        assert (await client.get(f"/session?ticket={ticket}")).status_code == 401


async def test_a_token_without_view_cannot_sign_in(mission: MissionControl) -> None:
    device = add_token(mission.settings, "rover-7", "ingest").text
    await mission.tokens.refresh()
    async with browser(mission.app) as client:
        assert (await sign_in(client, device)).status_code == 403
        assert "rover_session_8000" not in client.cookies
        answer = await client.post("/tickets", headers={"authorization": f"Bearer {device}"})
        ticket = answer.json()["ticket"]
        assert (await client.get(f"/telemetry/latest?ticket={ticket}")).status_code == 403


async def test_a_session_has_the_name_and_ends_with_its_token(mission: MissionControl) -> None:
    added = add_token(mission.settings, "Ada", "view,say:flight-*", role="CAPCOM")
    await mission.tokens.refresh()
    async with browser(mission.app) as client:
        await sign_in(client, added.text)
        shown = (await client.get("/session")).json()
        assert (shown["name"], shown["role"]) == ("Ada", "CAPCOM")
        assert shown["scopes"] == ["say:flight-*", "view"]
        revoke_token(mission.settings, added.token.id)
        await mission.tokens.refresh()
        assert (await client.get("/session")).status_code == 401


WAYS = ["header", "query", "form"]


async def attempt(client: httpx.AsyncClient, way: str, token: str) -> httpx.Response:
    if way == "header":
        return await client.get("/session", headers={"authorization": f"Bearer {token}"})
    if way == "query":
        return await client.get("/session", params={"token": token})
    return await sign_in(client, token)


@pytest.mark.parametrize("way", WAYS)
async def test_wrong_tokens_are_slowed_but_a_right_one_is_not(
    mission: MissionControl, way: str
) -> None:
    async with browser(mission.app) as client:
        statuses = [(await attempt(client, way, f"wrong-{n}")).status_code for n in range(30)]
        assert set(statuses) == {401, 429}
        assert statuses == sorted(statuses)
        answer = await attempt(client, way, "wrong")
        assert answer.status_code == 429
        assert 0 < int(answer.headers["retry-after"]) < 60
        for other in WAYS:  # one limit for all ways
            async with browser(mission.app) as another:
                assert (await attempt(another, other, "wrong")).status_code == 429
                assert (await attempt(another, other, TOKEN)).status_code in (200, 303)


async def test_wrong_tokens_of_an_ipv6_network_count_together(mission: MissionControl) -> None:
    statuses = []
    for n in range(20):
        async with browser(mission.app, address=f"2001:db8::{n:x}") as client:
            statuses.append((await attempt(client, "header", "wrong")).status_code)
    assert 429 in statuses
    async with browser(mission.app, address="2001:db8:0:1::1") as client:
        assert (await attempt(client, "header", "wrong")).status_code == 401


async def test_cookies_of_ended_sessions_are_not_slowed(mission: MissionControl) -> None:
    async with browser(mission.app) as client:
        for n in range(50):
            headers = {"cookie": f"rover_session_8000={n:016x}_{'x' * 43}"}
            assert (await client.get("/session", headers=headers)).status_code == 401


@pytest.fixture
async def open_mission(tmp_path: Path) -> AsyncIterator[MissionControl]:
    """A mission without tokens."""
    async with MissionControl(mission_settings(tmp_path, tokens="")) as mission:
        yield mission


async def test_a_one_time_link_signs_in_one_remote_browser(open_mission: MissionControl) -> None:
    mission = open_mission
    code = mission.sign_ins.codes.issue()
    async with browser(mission.app) as client, browser(mission.app, address="10.0.0.9") as other:
        assert (await client.get("/", headers=HTML)).status_code == 403
        page = await client.get("/sign-in", params={"code": code})
        assert visible_fields_of(page) == []
        previewed = await other.get("/sign-in", params={"code": code})  # a link preview
        answer = await client.post("/sign-in", data=fields_of(page))
        assert answer.status_code == 303
        assert (await client.get("/session")).json()["signed_in"] is True
        assert (await client.get("/telemetry/latest")).status_code in (200, 404)
        assert (await other.post("/sign-in", data=fields_of(previewed))).status_code == 401
        assert (await other.get("/session")).status_code == 403
        add_token(mission.settings, "Ada", "view")
        await mission.tokens.refresh()
        assert (await client.get("/session")).status_code == 401
        code = mission.sign_ins.codes.issue()
        page = await client.get("/sign-in", params={"code": code})
        assert (await client.post("/sign-in", data=fields_of(page))).status_code == 401


async def test_without_tokens_a_stranger_finds_no_form(open_mission: MissionControl) -> None:
    async with browser(open_mission.app) as client:
        page = await client.get("/sign-in", headers=HTML)
        assert "<form" not in page.text
        assert (await sign_in(client, "anything")).status_code == 403


async def test_the_body_of_a_form_is_bounded(mission: MissionControl) -> None:
    async with browser(mission.app) as client:
        for data in ({"token": "x" * 20_000}, {f"f{n}": "" for n in range(100)}):
            assert (await client.post("/sign-in", data=data)).status_code == 400
        assert (await client.post("/sign-in", json={"token": TOKEN})).status_code == 400


async def test_signing_out_ends_an_open_event_stream(tmp_path: Path, serve: Serve) -> None:
    settings = mission_settings(tmp_path)
    app = MissionControl(settings).app
    async with serve(app) as url, httpx.AsyncClient(base_url=url) as client:
        await sign_in(client)
        async with client.stream("GET", "/stream/rover-telemetry") as stream:
            chunks = stream.aiter_bytes()
            await anext(chunks)
            with fail_after(settings.heartbeat_s / 2):
                async with create_task_group() as tasks:
                    tasks.start_soon(client.post, "/sign-out")
                    rest = b"".join([chunk async for chunk in chunks])
            assert b"event: bye" in rest


async def test_signing_out_ends_the_open_streams_of_the_session(mission: MissionControl) -> None:
    async with browser(mission.app) as client:
        await sign_in(client)
        identity = mission.sign_ins.sessions.find(client.cookies["rover_session_8000"].encode())
        ended: list[str] = []
        with fail_after(5), mission.tokens.grants.hold(identity, lambda e: ended.append(e.reason)):
            await client.post("/sign-out")
        assert ended == ["signed_out"]
