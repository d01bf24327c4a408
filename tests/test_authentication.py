"""The users of the app that contains the mission."""

from __future__ import annotations

import json
import runpy
from base64 import b64encode
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    AuthenticationError,
    BaseUser,
    SimpleUser,
    UnauthenticatedUser,
)
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from rover.comms.protocol import SUBPROTOCOL
from rover.mission import MissionControl
from rover.settings import Settings
from rover.tokens.commands import add_token
from tests.serving import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from starlette.requests import HTTPConnection

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

Found = tuple[AuthCredentials, BaseUser] | None


class Officer(SimpleUser):
    role = "CAPCOM"


class Users(AuthenticationBackend):
    """Knows the user whose name is in a header."""

    async def authenticate(self, conn: HTTPConnection) -> Found:
        match conn.headers.get("x-user"):
            case "ada":
                return AuthCredentials(["view", "say:flight-*", "paint"]), Officer("Ada")
            case "bo":
                return AuthCredentials(["authenticated", "viewer", "View"]), SimpleUser("Bo")
            case "guest":
                return AuthCredentials(["view"]), UnauthenticatedUser()
            case "error":
                raise AuthenticationError("expired")
            case "crash":
                raise KeyError("user")
            case "odd":
                return AuthCredentials(["view", "say"]), SimpleUser(
                    "\x1b[31m\u202eOdd\n" + "x" * 99
                )
            case _:
                return None


class UserOfTheApp(AuthenticationBackend):
    """Knows the user whom a middleware has found."""

    async def authenticate(self, conn: HTTPConnection) -> Found:
        user = conn.scope.get("user")
        return None if user is None else (conn.scope["auth"], user)


class Site:
    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        self.url = url
        self._client = client

    async def status(
        self, user: str | None, path: str = "/telemetry/parameters", **more: Any
    ) -> int:
        headers = {"X-User": user} if user else {}
        headers |= more.pop("headers", {})
        response = await self._client.get(f"{self.url}{path}", headers=headers, **more)
        return response.status_code

    async def welcome(self, user: str) -> dict[str, Any]:
        url = self.url.replace("http", "ws", 1) + "/ws/comms/science?name=Grace"
        headers = {"X-User": user}
        async with connect(
            url, additional_headers=headers, subprotocols=[Subprotocol(SUBPROTOCOL)], proxy=None
        ) as member:
            return dict(json.loads(await member.recv()))


@asynccontextmanager
async def site(
    serve: Serve,
    tmp_path: Path,
    backend: AuthenticationBackend,
    host: Callable[[], Starlette] = Starlette,
    **settings: Any,
) -> AsyncIterator[Site]:
    mission = MissionControl(
        Settings(data_dir=tmp_path / "data", **settings),
        telemetry="push:",
        camera="none:",
        commands="none:",
        authentication=backend,
    )
    app = host()
    mission.mount(app, "/rover")
    async with serve(app) as url, httpx.AsyncClient() as client:
        yield Site(f"{url}/rover", client)


async def test_a_backend_that_fails_gives_nobody_access(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with site(serve, tmp_path, Users()) as at:
        assert await at.status("crash") == 500
        assert await at.status("ada") == 200
    assert "KeyError" in caplog.text


@pytest.mark.parametrize("host", [Starlette, FastAPI])
async def test_the_users_of_the_app_have_access(
    serve: Serve, tmp_path: Path, host: Callable[[], Starlette]
) -> None:
    async with site(serve, tmp_path, Users(), host) as at:
        assert await at.status("ada") == 200
        welcome = await at.welcome("ada")
        assert (welcome["you"], welcome["roles"]) == ("Ada", {"Ada": "CAPCOM"})
        assert welcome["may_say"] is False  # in this channel
        for user, status in (("bo", 403), ("guest", 401), ("error", 401), ("x", 401), (None, 401)):
            assert await at.status(user) == status
            if user is not None:
                with pytest.raises(InvalidStatus) as refused:
                    await at.welcome(user)
                assert refused.value.response.status_code == status


async def test_the_backend_is_not_asked_about_pages_that_only_a_star_allows(
    serve: Serve, tmp_path: Path
) -> None:
    lab = "https://lab.example"
    async with site(serve, tmp_path, Users(), allowed_origins=f"*, {lab}") as at:
        for origin, status in ((lab, 200), (at.url[: -len("/rover")], 200), ("null", 401)):
            assert await at.status("ada", headers={"Origin": origin}) == status


async def test_a_name_that_cannot_be_shown_is_cleaned(serve: Serve, tmp_path: Path) -> None:
    async with site(serve, tmp_path, Users()) as at:
        name = (await at.welcome("odd"))["you"]
        assert name.isprintable()
        assert len(name) <= 64


async def test_devices_still_use_tokens(serve: Serve, tmp_path: Path) -> None:
    shared = "shared-token-16-characters"
    data = Settings(data_dir=tmp_path / "data")
    device = add_token(data, "rover-7", "ingest").text
    async with site(serve, tmp_path, Users(), tokens=shared) as at:
        for user in (None, "error"):
            headers = {"Authorization": f"Bearer {shared}"}
            assert await at.status(user, headers=headers) == 200
            headers = {"Authorization": f"Bearer {device}"}
            assert await at.status(user, headers=headers) == 403


async def test_details_of_readiness_are_for_users_that_may_view(
    serve: Serve, tmp_path: Path
) -> None:
    async with site(serve, tmp_path, Users()) as at, httpx.AsyncClient() as client:
        for user, is_shown in (("ada", True), ("bo", False), ("guest", False)):
            ready = await client.get(f"{at.url}/readyz", headers={"X-User": user})
            assert ("sources" in ready.json()) is is_shown


async def test_without_the_middleware_that_finds_users_nobody_has_access(
    serve: Serve, tmp_path: Path
) -> None:
    async with site(serve, tmp_path, UserOfTheApp()) as at:
        assert await at.status("ada") == 401
        with pytest.raises(InvalidStatus):
            await at.welcome("ada")


async def test_a_user_whom_a_middleware_has_found_has_access(serve: Serve, tmp_path: Path) -> None:
    def host() -> Starlette:
        return Starlette(middleware=[Middleware(AuthenticationMiddleware, backend=Users())])

    async with site(serve, tmp_path, UserOfTheApp(), host) as at:
        assert await at.status("ada") == 200
        assert (await at.welcome("ada"))["you"] == "Ada"
        assert await at.status(None) == 401  # the middleware found nobody


async def test_the_example_of_the_docs(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for part in ("TELEMETRY", "CAMERA", "COMMANDS"):
        monkeypatch.setenv(f"ROVER_{part}", "none:")
    app = runpy.run_path(str(EXAMPLES / "with_authentication.py"))["app"]
    async with serve(app) as url, httpx.AsyncClient() as client:
        for user, password, statuses in (
            ("Ada", "an example, not a secret", (200, 200)),
            ("Bo", "another example", (200, 403)),
            ("Bo", "an example, not a secret", (403, 401)),
            ("", "", (403, 401)),
        ):
            basic = b64encode(f"{user}:{password}".encode()).decode()
            headers = {"Authorization": f"Basic {basic}"}
            got = [
                (await client.get(f"{url}/{path}", headers=headers)).status_code
                for path in ("own", "rover/telemetry/parameters")
            ]
            assert tuple(got) == statuses
