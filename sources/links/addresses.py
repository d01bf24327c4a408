"""Hosts and ports in a URL."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOPBACK = "127.0.0.1"

_MISTAKES: Mapping[int | None, str] = {
    errno.EADDRINUSE: "another program listens there; end it, or choose another port",
    errno.EADDRNOTAVAIL: "this computer has no such address; 0.0.0.0 is all of its addresses",
    errno.EACCES: "ports below 1024 need privileges; choose a higher port",
}


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port.

    Attributes:
        host: a name, an IPv4 or an IPv6 address.
        port: 0 lets the operating system choose a port for a listener.
    """

    host: str
    port: int

    @classmethod
    def parse(cls, url: str, form: str, default_host: str = "") -> Self:
        """The address in `scheme://host:port`; the slashes, and `host:`, may be left out.

        Args:
            url: without a query.
            form: the right form, for the error.
            default_host: the host if the URL has none; empty if it needs one.

        Raises:
            SourceError: the URL is invalid.
        """
        scheme, _, rest = url.partition(":")
        rest = rest.removeprefix("//")
        if rest.isdecimal():
            rest = f":{rest}"
        try:
            parts = urlsplit(f"//{rest}")
            host, port = parts.hostname or default_host, parts.port
        except ValueError as exc:
            raise SourceError(f"{exc}; write {form}") from exc
        if not host or port is None or parts.path.strip("/") or parts.username:
            raise SourceError(f"{scheme}: must be followed by a host and a port; write {form}")
        return cls(host, port)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def cannot_listen(place: object, exc: OSError) -> SourceError:
    """The error for an address that cannot be listened on; the text says how to fix it."""
    hint = _MISTAKES.get(exc.errno, "is the address right?")
    return SourceError(f"cannot listen on {place} ({exc.strerror or exc}); {hint}")
