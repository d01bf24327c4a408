"""Whether a server can listen at an address, before its mission starts."""

from __future__ import annotations

import socket

import click


def check_address(host: str, port: int) -> None:
    """Check that a server can listen at an address.

    Args:
        host: name or address.
        port: the port; 0 for any free one.

    Raises:
        click.UsageError: it cannot.
    """
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, _, _, _, address in found:
            _bind(family, address)
    except (OSError, UnicodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else "not a host"
        raise click.UsageError(f"cannot listen at {host}:{port}: {reason.lower()}") from exc


def _bind(family: int, address: tuple[object, ...]) -> None:
    """Bind an address as asyncio does, and release it."""
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError:  # the system has no IPv6, for example
        return
    with sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
