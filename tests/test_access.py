"""Access checks, called as an ASGI server calls an app."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from anyio import create_task_group
from starlette.responses import PlainTextResponse

from rover.asgi.access import Access
from rover.asgi.problems import Problems
from rover.errors import SettingError
from rover.identity import EVERYONE, Identity
from rover.mission import MissionControl
from rover.sessions import SignIns
from rover.settings import Settings
from rover.tokens import Tokens
from rover.tokens.commands import add_token

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from starlette.types import Message, Receive, Scope, Send

TOKEN = "open-sesame-4f1c"  # noqa: S105 # of this test only
SECOND = "second=/%41+token"

pytestmark = pytest.mark.anyio


@dataclass
class Mission:
    settings: Settings = field(default_factory=Settings)
    phase: str = "running"

    def __post_init__(self) -> None:
        self.tokens = Tokens.of(self.settings)
        self.sign_ins = SignIns(self.tokens, self.settings)


async def inside(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
    else:
        await PlainTextResponse("in")(scope, receive, send)


async def ask(
    *,
    kind: str = "http",
    client: str | None = "127.0.0.1",
    method: str = "GET",
    path: str = "/stream",
    query: str = "",
    phase: str = "running",
    settings: Settings | None = None,
    mission: Mission | None = None,
    host: str | None = "localhost:8000",
    server: tuple[str, int | None] | None = ("127.0.0.1", 8000),
    more: Sequence[tuple[str, str]] = (),
    **headers: str,
) -> tuple[int, bytes]:
    """The status (101 for an accepted WebSocket) and the body of the response."""
    scope: Scope = {
        "type": kind,
        "method": method,
        "path": path,
        "root_path": "",
        "query_string": query.encode(),
        "client": None if client is None else (client, 4000),
        "server": server,
        "headers": [
            *([] if host is None else [(b"host", host.encode("latin-1"))]),
            *((name.encode(), value.encode("latin-1")) for name, value in more),
            *((name.encode(), value.encode()) for name, value in headers.items()),
        ],
        "extensions": {"websocket.http.response": {}},
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": f"{kind}.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    mission = mission or Mission(settings or Settings(), phase)
    access = Access(inside, mission, frozenset({"/healthz", "/readyz"}))
    await Problems(access)(scope, receive, send)
    if sent[0]["type"] == "websocket.accept":
        return 101, b""
    return sent[0]["status"], sent[1]["body"]


LOOPBACK = ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"]
REMOTE = [
    *("10.0.0.7", "192.168.1.4", "fe80::1", "::ffff:8.8.8.8", "unknown", "localhost.evil"),
    *("testclient", "", None),
]
UNIX_SOCKET = ("/run/rover.sock", None)
BROWSER = "http://localhost:8000"
ODD_ORIGINS = [
    "http://[",
    "http://[::1",
    "",
    "localhost:8000",
    "http://\xff",
    "://",
    "http://a@localhost",
]
FOREIGN = "https://evil.example"


@pytest.mark.parametrize("client", LOOPBACK)
async def test_without_tokens_local_clients_are_allowed(client: str | None) -> None:
    assert await ask(client=client) == (200, b"in")


@pytest.mark.parametrize("client", ["", None])
@pytest.mark.parametrize("server", [UNIX_SOCKET, None])
async def test_without_tokens_clients_of_a_unix_socket_are_allowed(
    client: str | None, server: tuple[str, None] | None
) -> None:
    assert (await ask(client=client, server=server))[0] == 200


async def test_without_tokens_the_test_client_is_allowed_only_in_process() -> None:
    in_process = ("testserver", 80)
    assert (await ask(client="testclient", server=in_process, host="testserver"))[0] == 200
    for server in (("127.0.0.1", 80), ("::", 80), UNIX_SOCKET, None):
        assert (await ask(client="testclient", server=server))[0] == 403


OWN_HOSTS = [
    *("localhost", "LOCALHOST:8000", "localhost.", "localhost.:8000"),
    *("127.0.0.1", "127.9.9.9:8000", "[::1]", "[::1]:8000", "[0:0::1]", "localhost:"),
]
FOREIGN_HOSTS = [
    *("evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example"),
    *("localhost@evil.example", "evil.example@localhost", "localhost/", "localhost:80:80", ""),
    *("localhost..", "10.0.0.7", "0.0.0.0", "[::]", "[::1", "::1]x", "[fe80::1%25lo]", "127.1"),
    *("localhost,evil.example", "local host", "loc\xe4lhost", "localhost#", "evil\\.localhost"),
    *("evil.localhost", "rover.localhost:1", ".localhost"),
]


@pytest.mark.parametrize("host", OWN_HOSTS)
@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_without_tokens_the_names_of_this_machine_are_allowed(host: str, kind: str) -> None:
    assert (await ask(host=host, kind=kind))[0] in (200, 101)


@pytest.mark.parametrize("host", [*FOREIGN_HOSTS, "evil.example" * 1000, None])
@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_without_tokens_other_hosts_are_refused(host: str | None, kind: str) -> None:
    status, body = await ask(host=host, kind=kind)
    assert (status, b"ROVER_HOSTS" in body) == (403, True)
    assert len(body) < 1000


async def test_without_tokens_two_hosts_are_refused() -> None:
    assert (await ask(more=[("host", "localhost:8000")]))[0] == 403


@pytest.mark.parametrize(
    "host", ["Rover.lab.example:80", "bücher.example", "[fd00::7]", "10.1.2.3"]
)
async def test_a_host_of_the_settings_is_allowed(host: str) -> None:
    settings = Settings(hosts="Rover.Lab.example, bücher.example, FD00::7, 10.1.2.3")
    sent = host.encode("idna").decode() if "ü" in host else host
    assert (await ask(host=sent, settings=settings))[0] == 200
    assert (await ask(host="other.example", settings=settings))[0] == 403


PROXIED = [
    *(("x-forwarded-for", "127.0.0.1"), ("x-forwarded-for", "203.0.113.5, 127.0.0.1")),
    *(("x-forwarded-for", ""), ("x-forwarded-for", "testclient"), ("x-forwarded-anything", "")),
    *(("forwarded", "for=127.0.0.1"), ("x-real-ip", "127.0.0.1"), ("via", "1.1 proxy.example")),
    *(("cf-connecting-ip", "127.0.0.1"), ("true-client-ip", ""), ("cdn-loop", "cloudflare")),
    *(("x_forwarded_for", "127.0.0.1"), ("x-forwarded", "for=127.0.0.1"), ("client-ip", "")),
    *(("x-envoy-external-address", "127.0.0.1"), ("x-azure-clientip", ""), ("x_real_ip", "")),
    *(("x-vercel-forwarded-for", ""), ("x-real_ip", ""), ("x-original-forwarded-for", "")),
]


@pytest.mark.parametrize("header", PROXIED)
@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("trusted", ["", "10.0.0.0/8, unix"])
async def test_without_tokens_an_untrusted_proxy_is_refused(
    header: tuple[str, str], kind: str, trusted: str
) -> None:
    settings = Settings(trusted_proxies=trusted)
    status, body = await ask(more=[header], kind=kind, settings=settings)
    assert (status, b"ROVER_TRUSTED_PROXIES" in body) == (403, True)


FOR = "x-forwarded-for"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(FOR, "127.0.0.1")], 200),
        ([(FOR, "127.0.0.1, ::ffff:127.0.0.2")], 200),  # two proxies
        ([(FOR, "127.0.0.1, 10.0.0.7")], 403),  # of the machine of the first proxy
        ([(FOR, "203.0.113.5, 127.0.0.1, 10.0.0.7")], 403),
        ([(FOR, "[::1]:4000")], 200),
        ([(FOR, "127.0.0.1:4000")], 200),
        ([("forwarded", 'for="[::1]:4000";proto=http')], 200),
        ([("forwarded", "for=127.0.0.1, for=203.0.113.5;by=_x")], 403),
        ([(FOR, "203.0.113.5")], 403),
        ([(FOR, "127.0.0.1, 203.0.113.5")], 403),  # the client invented the first
        ([(FOR, "127.0.0.1"), (FOR, "203.0.113.5")], 403),
        ([(FOR, "127.0.0.1, unknown")], 403),
        ([(FOR, "testclient")], 403),
        ([(FOR, "")], 403),
        ([(FOR, "203.0.113.5"), ("forwarded", "for=127.0.0.1")], 403),
        ([(FOR, "127.0.0.1"), ("x-real-ip", "203.0.113.5")], 403),
        ([("via", "1.1 nginx")], 403),
        ([("x-forwarded-proto", "https")], 403),
    ],
)
@pytest.mark.parametrize("client", ["127.0.0.1", "::ffff:127.0.0.1", "10.0.0.9", None])
async def test_behind_a_trusted_proxy_of_this_machine_its_own_clients_are_served(
    headers: list[tuple[str, str]], status: int, client: str | None
) -> None:
    settings = Settings(trusted_proxies="::ffff:127.0.0.0/104, ::1, 10.0.0.0/8, unix")
    server = UNIX_SOCKET if client is None else ("127.0.0.1", 8000)
    got = await ask(client=client, server=server, more=headers, settings=settings)
    # `localhost` behind a proxy of another machine is that machine
    assert got[0] == (403 if client == "10.0.0.9" else status)


ALL_PROXIES = [
    *("*", "0.0.0.0/0", "::/0", "0.0.0.0/1, 128.0.0.0/1", "::/1, 8000::/1", "127.0.0.1, 0.0.0.0/1"),
    ", ".join(f"{first}.0.0.0/8" for first in range(256) if first != 10),
]


@pytest.mark.parametrize("trusted", ALL_PROXIES)
async def test_trust_in_all_proxies_requires_tokens(trusted: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, trusted_proxies=trusted)
    with pytest.raises(SettingError) as refused:
        MissionControl(settings)
    assert refused.value.name == "ROVER_TRUSTED_PROXIES"
    MissionControl(replace(settings, tokens=TOKEN))
    add_token(settings, "Ada", "view")
    MissionControl(settings)


@pytest.mark.parametrize("trusted", ["10.0.0.0/8, 172.16.0.0/12, unix", "fc00::/7, ::1", ""])
async def test_trust_in_some_proxies_requires_no_tokens(trusted: str, tmp_path: Path) -> None:
    MissionControl(Settings(data_dir=tmp_path, trusted_proxies=trusted))


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_health_checks_are_open_to_strangers(path: str) -> None:
    assert (await ask(path=path, client="10.0.0.7", host="lab.example"))[0] == 200


@pytest.mark.parametrize("client", REMOTE)
@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_without_tokens_remote_clients_are_refused(client: str, kind: str) -> None:
    status, body = await ask(client=client, kind=kind)
    assert status == 403
    assert b"ROVER_TOKENS" in body


@pytest.mark.parametrize(
    "given",
    [
        {"authorization": f"Bearer {TOKEN}"},
        {"authorization": f"bearer  {SECOND} "},
        {"authorization": f"Token {TOKEN}"},
        {"query": f"a=b&token={TOKEN}"},
    ],
    ids=["bearer", "another token", "token", "query"],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_a_token_allows_any_client(given: dict[str, Any], kind: str) -> None:
    settings = Settings(tokens=f"{TOKEN}, {SECOND}")
    status, _ = await ask(client="10.0.0.7", kind=kind, settings=settings, **given)
    assert status in (200, 101)


ODD_COOKIES = ["a/b=c", '{"a":1}', "=", "xrover_session_8000=x", "a=\xff\x00", "rover_session_8000"]


@pytest.mark.parametrize(
    ("cookies", "status"),
    [
        ("a=b; rover_session_8000=TEXT", 200),
        ('rover_session_8000="TEXT"', 200),
        ("rover_session_8000=stale; rover_session_8000=TEXT", 200),
        *((f"{odd}; rover_session_8000=TEXT", 200) for odd in ODD_COOKIES),
        ("rover_session_8001=TEXT", 401),
        ("rover_session_80=TEXT", 401),
        ("rover_session_=TEXT", 401),
        ("__Host-rover_session_8000=TEXT", 401),
        ("rover_session_8000=TEXTx", 401),
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_the_cookie_of_a_session_allows_a_browser_on_its_port(
    cookies: str, status: int, kind: str
) -> None:
    mission = Mission(Settings(tokens=TOKEN))
    text = mission.sign_ins.sessions.start(EVERYONE, "10.0.0.7")
    cookie = cookies.replace("TEXT", text)
    got, _ = await ask(client="10.0.0.7", kind=kind, mission=mission, more=[("cookie", cookie)])
    assert got == (101 if status == 200 and kind == "websocket" else status)


async def test_the_cookie_may_be_distributed_over_two_headers() -> None:
    mission = Mission(Settings(tokens=TOKEN))
    text = mission.sign_ins.sessions.start(EVERYONE, "10.0.0.7")
    headers = [("cookie", "a=b"), ("cookie", f"rover_session_8000={text}")]
    assert (await ask(mission=mission, more=headers))[0] == 200


async def test_cookies_of_two_people_allow_nobody() -> None:
    mission = Mission(Settings(tokens=TOKEN))
    start = mission.sign_ins.sessions.start
    ada, bob = (start(Identity(name, EVERYONE.scopes), "10.0.0.7") for name in ("Ada", "Bob"))
    cookie = f"rover_session_8000={ada}; rover_session_8000={bob}"
    assert (await ask(mission=mission, cookie=cookie))[0] == 401


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"authorization": "Bearer open"},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": "Bearer \xff"},
        {"authorization": "Bearer"},
        {"cookie": f"rover_token={TOKEN}"},
        {"cookie": f"rover_session_8000={TOKEN}"},
        {"cookie": "a/b=c"},
        {"query": "token=%ff&="},
        {"query": f"ticket={TOKEN}"},
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_with_tokens_a_client_without_one_is_refused(
    given: dict[str, Any], kind: str
) -> None:
    assert (await ask(settings=Settings(tokens=TOKEN), kind=kind, **given))[0] == 401


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_a_new_token_gives_access_at_once(tmp_path: Path, kind: str, is_first: bool) -> None:
    settings = Settings(data_dir=tmp_path)
    if not is_first:
        add_token(settings, "Ada", "view")
    mission = Mission(settings)
    remote: dict[str, Any] = {"client": "10.0.0.7", "kind": kind, "mission": mission}
    refused = await ask(authorization=f"Bearer rvr_01234567_{'0' * 40}", **remote)
    assert refused[0] == (403 if is_first else 401)
    for _ in range(3):
        token = add_token(settings, "Ada", "view").text
        assert (await ask(authorization=f"Bearer {token}", **remote))[0] in (200, 101)
        assert (await ask(authorization=f"Bearer {token}0", **remote))[0] == 401


async def test_many_unknown_tokens_share_the_checks_of_the_file(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    add_token(settings, "Ada", "view")
    tokens = Tokens.of(settings)
    reads = 0

    async def refresh() -> None:
        nonlocal reads
        reads += 1

    tokens.refresh = refresh  # type: ignore[method-assign]
    async with create_task_group() as tasks:
        for number in range(500):
            tasks.start_soon(tokens.identify_new, f"rvr_{number:08x}_{'0' * 40}".encode())
    assert 1 <= reads <= 3
    assert await tokens.identify_new(b"x" * 53) is None
    assert await tokens.identify_new(b"rvr_") is None


async def test_the_repr_of_settings_has_no_token() -> None:
    assert TOKEN not in repr(Settings(tokens=TOKEN))


@pytest.mark.parametrize(
    ("kind", "method", "origin", "allowed", "status"),
    [
        ("websocket", "GET", BROWSER, "", 101),
        ("websocket", "GET", FOREIGN, "", 403),
        ("websocket", "GET", "null", "", 403),
        *(("websocket", "GET", odd, "", 403) for odd in ODD_ORIGINS),
        *(("http", "POST", odd, "", 403) for odd in ODD_ORIGINS),
        ("websocket", "GET", FOREIGN, FOREIGN, 101),
        ("websocket", "GET", FOREIGN, "*", 101),
        ("http", "POST", BROWSER, "", 200),
        ("http", "POST", FOREIGN, "", 403),
        ("http", "GET", FOREIGN, "", 200),  # the browser hides the response from the page
    ],
)
async def test_a_page_of_another_origin_can_neither_receive_nor_send(
    kind: str, method: str, origin: str, allowed: str, status: int
) -> None:
    settings = Settings(allowed_origins=allowed)
    assert (await ask(kind=kind, method=method, settings=settings, origin=origin))[0] == status


@pytest.mark.parametrize(
    ("origin", "allowed", "may"),
    [
        (None, "*", True),
        (BROWSER, "*", True),
        (BROWSER.upper(), "*", True),
        (FOREIGN, f"*, {FOREIGN}", True),
        (FOREIGN, FOREIGN, True),
        (FOREIGN, "*", False),
        ("http://localhost:8001", "*", False),
        ("http://localhost", "*", False),
        ("null", "*", False),
        (f"{FOREIGN} {BROWSER}", f"*, {FOREIGN}", False),
    ],
)
@pytest.mark.parametrize(
    ("kind", "method"), [("websocket", "GET"), ("http", "POST"), ("http", "GET")]
)
async def test_a_session_counts_only_for_pages_of_the_server_and_of_named_origins(
    kind: str, method: str, origin: str | None, allowed: str, may: bool
) -> None:
    mission = Mission(Settings(tokens=TOKEN, allowed_origins=allowed))
    text = mission.sign_ins.sessions.start(EVERYONE, "10.0.0.7")
    page: dict[str, Any] = {"kind": kind, "method": method, "mission": mission}
    more = [("origin", origin)] if origin else []
    cookie = ("cookie", f"rover_session_8000={text}")
    served = 101 if kind == "websocket" else 200
    assert (await ask(more=[*more, cookie], **page))[0] == (served if may else 401)
    assert (await ask(more=[*more, cookie], query=f"token={TOKEN}", **page))[0] == served


@pytest.mark.parametrize("phase", ["draining", "ended"])
async def test_a_draining_mission_refuses_new_streams_but_not_health_checks(phase: str) -> None:
    assert (await ask(phase=phase))[0] == 503
    assert (await ask(phase=phase, path="/healthz"))[0] == 200


async def test_the_error_of_a_mission_that_was_not_started_names_the_lifespan() -> None:
    status, body = await ask(phase="not started")
    assert (status, b"lifespan" in body) == (503, True)
