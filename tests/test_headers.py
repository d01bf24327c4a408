"""Headers of all responses of a mission: security and CORS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from anyio import connect_tcp
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from rover.mission import MissionControl
from rover.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

LAB = "https://lab.example"
OTHER = "https://other.example"
ALLOW_ORIGIN = "access-control-allow-origin"
PATHS = [
    *("/", "/images", "/comms", "/telemetry/parameters", "/readyz", "/nothing", "/upload"),
    *("/alarms/none/shelve", "/images/none", "/stream/rover-telemetry?hz=x"),
]
TOKEN = "open-sesame-4f1c"  # noqa: S105 # of this test only


def mission(folder: Path, origins: str = "", tokens: str = "") -> MissionControl:
    settings = Settings(data_dir=folder, allowed_origins=origins, tokens=tokens)
    return MissionControl(settings, camera="none:")


async def test_each_response_has_each_security_header_once(serve: Serve, tmp_path: Path) -> None:
    async with serve(mission(tmp_path).app) as url, httpx.AsyncClient(base_url=url) as client:
        for path in PATHS:
            headers = (await client.get(path)).headers
            for name in (
                *("x-content-type-options", "cross-origin-resource-policy"),
                *("referrer-policy", "permissions-policy", "cache-control"),
            ):
                assert len(headers.get_list(name)) == 1, (path, name)
            assert ALLOW_ORIGIN not in headers
            assert headers.get("vary", "Accept-Encoding") == "Accept-Encoding"
        signed_in = await client.get("/?token=any")
        assert signed_in.headers["cache-control"] == "no-store"
        client.cookies.clear()  # a session gives access under any name
        refused = await client.get("/images", headers={"Host": "evil.example"})
        assert (refused.status_code, refused.headers["x-content-type-options"]) == (403, "nosniff")
        async with client.stream("GET", "/stream/rover-telemetry") as stream:
            assert stream.headers["cross-origin-resource-policy"] == "same-origin"


async def test_a_refused_websocket_has_the_security_headers(serve: Serve, tmp_path: Path) -> None:
    async with serve(mission(tmp_path).app) as url:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"ws{url[4:]}/ws/comms/eva", origin=OTHER):  # type: ignore[arg-type] # its own str
                pass
    assert refused.value.response.status_code == 403
    assert refused.value.response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/images", "/telemetry/parameters", "/stream/rover-telemetry"])
@pytest.mark.parametrize("tokens", ["", TOKEN])
async def test_an_allowed_origin_may_read_with_credentials(
    serve: Serve, tmp_path: Path, path: str, tokens: str
) -> None:
    app = mission(tmp_path, f"{LAB}, http://x.example", tokens).app
    async with serve(app) as url, httpx.AsyncClient(base_url=url) as client:
        for headers, allowed in (({"Origin": LAB}, LAB), ({"Origin": OTHER}, None), ({}, None)):
            async with client.stream("GET", path, headers=headers) as answer:
                assert answer.status_code == (401 if tokens else 200)
                assert answer.headers["vary"] in ("Origin", "Accept-Encoding, Origin")
                assert answer.headers.get(ALLOW_ORIGIN) == allowed
                assert ("access-control-allow-credentials" in answer.headers) == bool(allowed)
                exposed = answer.headers.get("access-control-expose-headers", "")
                assert ("etag" in exposed) == bool(allowed)


@pytest.mark.parametrize(
    "path", ["/upload/rover-commands", "/images", "/stream/rover-telemetry", "/ingest/telemetry"]
)
async def test_a_preflight_needs_no_token_but_an_allowed_origin(
    serve: Serve, tmp_path: Path, path: str
) -> None:
    ask = {"Access-Control-Request-Method": "POST"}
    app = mission(tmp_path, LAB, TOKEN).app
    async with serve(app) as url, httpx.AsyncClient(base_url=url) as client:
        allowed = await client.options(path, headers={**ask, "Origin": LAB})
        assert (allowed.status_code, allowed.headers[ALLOW_ORIGIN]) == (204, LAB)
        assert "POST" in allowed.headers["access-control-allow-methods"]
        assert "authorization" in allowed.headers["access-control-allow-headers"]
        for headers in ({**ask, "Origin": OTHER}, ask, {}):
            refused = await client.options(path, headers=headers)
            assert not [name for name in refused.headers if name.startswith("access-control")]


async def test_an_allowed_origin_may_use_all_documented_headers(
    serve: Serve, tmp_path: Path
) -> None:
    app = mission(tmp_path, LAB).app
    async with serve(app) as url, httpx.AsyncClient(base_url=url) as client:
        document = (await client.get("/openapi.json")).json()
        preflight = (await client.options("/images", headers={"Origin": LAB})).headers
        answer = (await client.get("/images", headers={"Origin": LAB})).headers
    operations = [
        one for path in document["paths"].values() for one in path.values() if isinstance(one, dict)
    ]
    sent = {
        parameter["name"].lower()
        for one in operations
        for parameter in one.get("parameters", ())
        if parameter.get("in") == "header"
    }
    received = {
        name.lower()
        for one in operations
        for response in one.get("responses", {}).values()
        for name in response.get("headers", {})
    }
    methods = {method.upper() for path in document["paths"].values() for method in path}
    assert {"PUT", "PATCH", "DELETE", "HEAD"} < methods
    assert methods - {"OPTIONS"} <= set(preflight["access-control-allow-methods"].split(", "))
    assert {"if-match", "last-event-id", "prefer", "tus-resumable", "upload-offset"} < sent
    assert sent <= set(preflight["access-control-allow-headers"].split(", "))
    assert {"etag", "content-location", "location", "tus-version", "accept-patch"} < received
    assert received <= set(answer["access-control-expose-headers"].split(", "))


async def test_options_that_are_not_a_preflight_reach_the_route(
    serve: Serve, tmp_path: Path
) -> None:
    asks = {"Access-Control-Request-Method": "PATCH"}
    async with serve(mission(tmp_path, LAB).app) as url, httpx.AsyncClient(base_url=url) as client:
        supported = await client.options("/uploads", headers={"Origin": LAB})
        assert supported.headers["tus-version"]
        assert supported.headers[ALLOW_ORIGIN] == LAB
        preflight = await client.options("/uploads", headers={"Origin": LAB, **asks})
        assert "tus-version" not in preflight.headers
        assert "tus-resumable" in preflight.headers["access-control-allow-headers"]


async def test_with_all_origins_no_credentials_are_allowed(serve: Serve, tmp_path: Path) -> None:
    app = mission(tmp_path, "*").app
    async with serve(app) as url, httpx.AsyncClient(base_url=url) as client:
        for answer in (
            await client.get("/images", headers={"Origin": OTHER}),
            await client.options("/images", headers={"Origin": OTHER}),
        ):
            assert answer.headers[ALLOW_ORIGIN] == "*"
            assert "access-control-allow-credentials" not in answer.headers


async def test_an_allowed_origin_may_read_each_error(serve: Serve, tmp_path: Path) -> None:
    async with serve(mission(tmp_path, LAB).app) as url, httpx.AsyncClient(base_url=url) as client:
        for method, path, status in (
            ("GET", "/nothing", 404),
            ("DELETE", "/images", 405),
            ("GET", "/images?limit=0", 400),
        ):
            response = await client.request(method, path, headers={"Origin": LAB})
            assert response.status_code == status
            assert response.headers["access-control-allow-origin"] == LAB


async def test_without_allowed_origins_options_is_not_a_method(
    serve: Serve, tmp_path: Path
) -> None:
    async with serve(mission(tmp_path).app) as url, httpx.AsyncClient(base_url=url) as client:
        assert (await client.options("/images")).status_code == 405


async def test_a_link_with_a_token_starts_no_session_without_tokens(
    serve: Serve, tmp_path: Path
) -> None:
    async with serve(mission(tmp_path).app) as url, httpx.AsyncClient(base_url=url) as client:
        answer = await client.get("/?token=any")
        assert answer.status_code == 303
        assert "set-cookie" not in answer.headers


async def test_a_proxy_with_the_defaults_of_nginx_needs_a_token(
    serve: Serve, tmp_path: Path
) -> None:
    request = b"GET /images HTTP/1.0\r\nHost: 127.0.0.1:8000\r\nConnection: close\r\n\r\n"
    for tokens, status in (("", b"403"), (TOKEN, b"401")):
        async with (
            serve(mission(tmp_path, tokens=tokens).app) as url,
            await connect_tcp("127.0.0.1", int(url.rpartition(":")[2])) as client,
        ):
            await client.send(request)
            assert (await client.receive()).split(b" ")[1] == status
