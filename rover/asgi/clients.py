"""The name of the client behind a request, for the shares of the limits.

It is the client's token if it has one of its own, else its address; an IPv6 client has a /64
network, because one machine can use all addresses of it (RFC 6177). The address of a connection
from a trusted proxy is the one that the proxy forwards.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_network
from typing import TYPE_CHECKING

from rover.addresses import Address, Proxies, address, forwarded_address
from rover.asgi.servers.granian import UNIX_SOCKET_CLIENT
from rover.asgi.servers.uvicorn import transport_of
from rover.identity import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from starlette.types import Receive, Scope

    from rover.identity import Identity

ADDRESS_HEADERS = (b"x-forwarded-for", b"forwarded", b"x-real-ip")

UNIX_SOCKET = "the Unix socket"
"""The name of all clients that connect over a Unix socket."""

IPV6_PREFIX = 64


class Clients:
    """Names the clients of requests.

    Args:
        trusted_proxies: comma-separated proxies, as `ROVER_TRUSTED_PROXIES`.
    """

    def __init__(self, trusted_proxies: str) -> None:
        self._proxies = Proxies(trusted_proxies) if trusted_proxies else None

    def name_of(self, scope: Scope, receive: Receive) -> str:
        """The name of the client: `token ID`, an address, or a network."""
        identity: Identity | None = scope.get(IDENTITY)
        if identity is not None and identity.token:
            return f"token {identity.token}"
        found = self.address_of(scope, receive)
        return UNIX_SOCKET if found is None else client_name(found)

    def address_of(self, scope: Scope, receive: Receive) -> str | None:
        """The address of the client; `None` for a Unix socket."""
        peer = peer_of(scope, receive)
        if self._proxies is not None and is_proxy(peer, self._proxies):
            for wanted in ADDRESS_HEADERS:
                values = [value for name, value in scope["headers"] if name == wanted]
                if client := client_behind(self._proxies, values):
                    return str(client)
        return peer

    def is_proxy(self, host: str | None) -> bool:
        """Whether the other end of a connection is a trusted proxy; `None` is a Unix socket."""
        return self._proxies is not None and is_proxy(host, self._proxies)


@lru_cache(4096)
def client_name(host: str) -> str:
    """The name of the client with this address. Equal names are one object, to save memory."""
    found = address(host)
    if isinstance(found, IPv6Address):
        return str(ip_network((int(found), IPV6_PREFIX), strict=False))
    return host if found is None else str(found)


def is_proxy(peer: str | None, proxies: Proxies) -> bool:
    """Whether the other end of a connection is one of the proxies; `None` is a Unix socket."""
    proxy = None if peer is None else address(peer)
    return (peer is None or proxy is not None) and proxy in proxies


def peer_of(scope: Scope, receive: Receive) -> str | None:
    """The address of the other end of the connection; `None` for a Unix socket.

    Options of uvicorn replace the client of the scope by an address from `X-Forwarded-For`, so the
    address of the transport is used if there is one.
    """
    transport = transport_of(receive)
    client = scope.get("client")
    if transport is not None:
        client = transport.get_extra_info("peername") or None
    if client and client[0] != UNIX_SOCKET_CLIENT:
        return str(client[0])
    return "" if is_tcp(scope) else None


def is_tcp(scope: Scope) -> bool:
    """Whether the server listens on an IP address and not on a Unix socket."""
    server = scope.get("server")
    return server is not None and address(str(server[0])) is not None


def client_behind(proxies: Proxies, values: Sequence[bytes]) -> Address | None:
    """The address of the client: the last one that is not a trusted proxy; see `client_chain`."""
    chain = list(client_chain(proxies, values))
    return chain[-1] if chain else None


def client_chain(proxies: Proxies, values: Sequence[bytes]) -> Iterator[Address | None]:
    """The trusted proxies that a header names, from this server on, and then the client.

    An address is `None` if the entry has none.

    Args:
        proxies: the trusted ones.
        values: of one header of `ADDRESS_HEADERS`, in order.
    """
    entries = [entry for value in values for entry in value.decode("latin-1").split(",")]
    for entry in reversed(entries):
        found = forwarded_address(_for_of(entry))
        yield found
        if found is None or found not in proxies:
            return


def _for_of(entry: str) -> str:
    """The `for` parameter of an entry of `Forwarded`; entries of other headers have only that."""
    parameters = [part.strip() for part in entry.split(";")]
    chosen = [part for part in parameters if part.lower().startswith("for=")]
    return chosen[0] if len(chosen) == 1 else entry
