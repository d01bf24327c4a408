"""Whether a request comes from this machine, for servers without tokens.

The address alone does not show it: a web page can point its own host name at 127.0.0.1 (DNS
rebinding), and a proxy on this machine connects from 127.0.0.1 on behalf of anyone. So the `Host`
and the headers of proxies count too.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from rover.addresses import Proxies, address, host_of, words
from rover.addresses import host_name as host_name_of
from rover.asgi.clients import ADDRESS_HEADERS, client_chain, is_proxy, is_tcp, peer_of
from rover.asgi.servers.granian import UNIX_SOCKET_CLIENT
from rover.errors import AccessRefused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import Receive, Scope

TEST_CLIENT = "testclient"
"""The client address of Starlette's `TestClient`, which calls the app without a server."""

PROXY_HEADERS = frozenset(
    (
        *(b"x-real-ip", b"via", b"cdn-loop", b"client-ip", b"x-client-ip", b"x-cluster-client-ip"),
        *(b"x-originating-ip", b"true-client-ip", b"cf-connecting-ip", b"cf-connecting-ipv6"),
        *(b"fastly-client-ip", b"fly-client-ip", b"x-envoy-external-address"),
        *(b"x-envoy-internal", b"x-azure-clientip", b"x-azure-socketip", b"x-appengine-user-ip"),
        *(b"x-remote-ip", b"x-remote-addr", b"x-proxyuser-ip", b"x-nginx-proxy"),
        *(b"x-original-host", b"x-host"),
    )
)
"""Headers that only proxies send. Those with `forwarded` in their name are left out.

Their values count only if a proxy is trusted.
"""

SAFE_VERSIONS = frozenset({"1.1", "2", "2.0", "3", "3.0"})
"""Versions of HTTP that no proxy uses without a header of its own or a setting.

HTTP/1.0 is `1.0` under uvicorn and hypercorn, and `1` under granian.
"""


@lru_cache(1024)
def is_proxy_header(name: bytes) -> bool:
    """Whether only proxies send this header.

    Programs that read headers as environment variables send `_` for `-`.
    """
    return b"forwarded" in name or name.replace(b"_", b"-") in PROXY_HEADERS


def is_proxied(scope: Scope) -> bool:
    """Whether a request has a header of a proxy."""
    return any(is_proxy_header(name) for name, _ in scope["headers"])


class LocalClients:
    """Refuses requests that do not come from this machine.

    Args:
        hosts: comma-separated host names that count as this machine's, as `ROVER_HOSTS`.
        trusted_proxies: comma-separated proxies, as `ROVER_TRUSTED_PROXIES`.
    """

    def __init__(self, hosts: str, trusted_proxies: str) -> None:
        self._hosts = frozenset(map(host_name_of, words(hosts)))
        self._proxies = Proxies(trusted_proxies)
        self._is_own = lru_cache(256)(self._is_own_host)

    def check(self, scope: Scope, receive: Receive) -> None:
        """Check the client's address, the `Host` and the headers of proxies.

        Raises:
            AccessRefused: the request comes from elsewhere, or its origin is unknown.
        """
        hosts = []
        proxied: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            if name == b"host":
                hosts.append(value)
            elif is_proxy_header(name):
                proxied.setdefault(name, []).append(value)
        if scope.get("http_version", "1.1") not in SAFE_VERSIONS and not proxied:
            raise AccessRefused(
                "the request has HTTP/1.0, which proxies such as nginx use by default; have the "
                "proxy send X-Forwarded-For and add it to ROVER_TRUSTED_PROXIES, or set "
                "ROVER_TOKENS"
            )
        if proxied:
            self._check_proxied(peer_of(scope, receive), proxied)
        elif _is_test_client(scope):
            return
        elif not _is_local_client(scope):
            client = scope.get("client")
            raise AccessRefused(
                f"clients at {client[0] if client else 'an unknown address'} need a token: "
                "without tokens, this server serves only clients on its own machine that connect "
                "to localhost; add one with `rover token add`, or set ROVER_TOKENS"
            )
        if len(hosts) != 1:
            raise AccessRefused(
                f"the request has {len(hosts)} Host headers; without ROVER_TOKENS, this server "
                "requires one, which is localhost or one of ROVER_HOSTS"
            )
        if not self._is_own(hosts[0]):
            shown = hosts[0][:80].decode("ascii", "backslashreplace")
            raise AccessRefused(
                f"the host {shown} is not a name of this server; add it to ROVER_HOSTS, or set "
                "ROVER_TOKENS"
            )

    def _is_own_host(self, header: bytes) -> bool:
        host = host_of(header.decode("latin-1"))
        if host is None:
            return False
        if host == "localhost" or host in self._hosts:
            return True
        found = address(host)
        return found is not None and found.is_loopback

    def _check_proxied(self, peer: str | None, headers: Mapping[bytes, Sequence[bytes]]) -> None:
        if not is_proxy(peer, self._proxies):
            names = ", ".join(sorted(name.decode("latin-1") for name in headers))[:200]
            raise AccessRefused(
                f"the request came through a proxy at {peer or 'a Unix socket'} ({names}); add it "
                "to ROVER_TRUSTED_PROXIES, or set ROVER_TOKENS"
            )
        given = [headers[name] for name in ADDRESS_HEADERS if name in headers]
        is_own = peer is None or _is_loopback(peer)
        if not (given and is_own and all(self._is_own_chain(values) for values in given)):
            raise AccessRefused(
                "clients of other machines need a token: without ROVER_TOKENS, the proxy must be "
                "on this machine, and name a client of this machine in X-Forwarded-For"
            )

    def _is_own_chain(self, values: Sequence[bytes]) -> bool:
        """Whether the client and the proxies that a header names are on this machine."""
        chain = list(client_chain(self._proxies, values))
        return bool(chain) and all(one is not None and one.is_loopback for one in chain)


def _is_local_client(scope: Scope) -> bool:
    client = scope.get("client")
    if not client or client[0] == UNIX_SOCKET_CLIENT:
        return not is_tcp(scope)
    return _is_loopback(client[0])


@lru_cache(1024)
def _is_loopback(host: str) -> bool:
    found = address(host)
    return found is not None and found.is_loopback


def _is_test_client(scope: Scope) -> bool:
    """Whether Starlette's `TestClient` calls the app: its server is a name and a port.

    A real server is an IP address and a port, or the path of a Unix socket without a port.
    """
    client, server = scope.get("client"), scope.get("server")
    if not client or client[0] != TEST_CLIENT or not server:
        return False
    return server[1] is not None and address(str(server[0])) is None
