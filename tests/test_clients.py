"""Names of clients, from their address, their token or what a trusted proxy forwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rover.asgi.clients import UNIX_SOCKET, Clients
from rover.identity import IDENTITY, Identity

if TYPE_CHECKING:
    from starlette.types import Message, Scope

TCP = ("127.0.0.1", 8000)


async def receive() -> Message:
    return {"type": "http.disconnect"}


def name(
    client: str | None,
    headers: dict[str, str] | None = None,
    *,
    trusted: str = "",
    server: tuple[str, int | None] = TCP,
    identity: Identity | None = None,
) -> str:
    scope: Scope = {
        "type": "http",
        "client": None if client is None else (client, 50_000),
        "server": server,
        "headers": [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()],
    }
    if identity is not None:
        scope[IDENTITY] = identity
    return Clients(trusted).name_of(scope, receive)


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::2", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
    ],
)
def test_a_client_is_an_address_or_an_ipv6_network(client: str, expected: str) -> None:
    assert name(client) == expected


def test_a_unix_socket_is_one_client() -> None:
    assert name(None, server=("/run/rover.sock", None)) == UNIX_SOCKET
    assert name(None, server=TCP) != UNIX_SOCKET


def test_a_client_with_a_token_of_its_own_is_that_token_at_any_address() -> None:
    rover = Identity(name="rover", token="rvr_3f9d")  # noqa: S106 # an id, no secret
    assert name("192.0.2.7", identity=rover) == name("192.0.2.8", identity=rover)
    assert name("192.0.2.7", identity=Identity()) == "192.0.2.7"  # a shared token


FORWARDED = [
    ({"X-Forwarded-For": "203.0.113.5"}, "203.0.113.5"),
    ({"X-Forwarded-For": "198.51.100.1, 203.0.113.5, 10.0.0.2"}, "203.0.113.5"),
    ({"X-Forwarded-For": "203.0.113.5", "Forwarded": "for=198.51.100.1"}, "203.0.113.5"),
    ({"Forwarded": 'for="[2001:db8::1]:443";proto=https'}, "2001:db8::/64"),
    ({"X-Real-IP": "203.0.113.5"}, "203.0.113.5"),
    ({"X-Forwarded-For": "unknown"}, "10.0.0.1"),
    ({}, "10.0.0.1"),
]


@pytest.mark.parametrize(("headers", "expected"), FORWARDED)
def test_behind_a_trusted_proxy_a_client_is_the_forwarded_address(
    headers: dict[str, str], expected: str
) -> None:
    assert name("10.0.0.1", headers, trusted="10.0.0.0/8") == expected
    assert name("192.0.2.7", headers, trusted="10.0.0.0/8") == "192.0.2.7"


def test_behind_a_trusted_unix_socket_a_client_is_the_forwarded_address() -> None:
    headers = {"X-Forwarded-For": "203.0.113.5"}
    unix = ("/run/rover.sock", None)
    assert name(None, headers, trusted="unix", server=unix) == "203.0.113.5"
    assert name(None, headers, trusted="127.0.0.1", server=unix) == UNIX_SOCKET
