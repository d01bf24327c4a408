"""The three sources: a TCP client, a TCP listener and a UDP listener."""

from __future__ import annotations

import time as clocks
from typing import TYPE_CHECKING, ClassVar

from sources.lines import Format, LineTelemetry
from sources.lines.influx import Precision  # noqa: TC001 # the registry resolves it
from sources.lines.telemetry import Prefix  # noqa: TC001 # the registry resolves it
from sources.links import Address, Link, TcpClient, TcpListener, UdpListener
from sources.links.addresses import LOOPBACK
from sources.values.ranges import OptionError, Range

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class NetTelemetry(LineTelemetry):
    """Samples from the lines of machines in a network.

    Args:
        url: `scheme://host:port`.
        format: of the lines; see `LineTelemetry` for this and the other options.

    Attributes:
        scheme: of the URL.
        default_host: of a URL without a host; empty if it needs one.
        min_port: the smallest port; 0 lets the operating system choose one.
    """

    scheme: ClassVar[str]
    default_host: ClassVar[str] = LOOPBACK
    min_port: ClassVar[int] = 0

    def __init__(
        self,
        url: str,
        /,
        format: Format = "auto",  # noqa: A002 # the name of the option
        columns: str = "",
        prefix: Prefix = "",
        precision: Precision = "ns",
        time: str = "",
        timezone: str = "",
        path: str = "",
        parameters: Path | None = None,
        period_s: float | None = None,
        *,
        clock: Callable[[], float] = clocks.time,
    ) -> None:
        address = Address.parse(url, f"{self.scheme}://host:port", self.default_host)
        ports = Range(self.min_port, 65_535)
        if address.port not in ports:
            raise OptionError("port", address.port, ports.must_be("a whole number"))
        if prefix and not self.default_host:
            raise OptionError("prefix", prefix, "must be left out: there is one sender")
        super().__init__(
            self.link_of(address),
            form=format,
            columns=columns,
            prefix=prefix,
            precision=precision,
            time=time,
            timezone=timezone,
            path=path,
            parameters=parameters,
            period_s=period_s,
            hint="set format= to the format of the lines",
            clock=clock,
        )

    def link_of(self, address: Address) -> Link:
        """The link to or from an address."""
        raise NotImplementedError


class TcpTelemetry(NetTelemetry):
    """Samples from the lines of a machine that this source connects to."""

    scheme = "tcp"
    default_host = ""
    min_port = 1

    def link_of(self, address: Address) -> Link:
        """A connection to the address."""
        return TcpClient(address)


class TcpListenTelemetry(NetTelemetry):
    """Samples from the lines of machines that connect to this source."""

    scheme = "tcp-listen"

    def link_of(self, address: Address) -> Link:
        """A listener on the address."""
        return TcpListener(address)


class UdpTelemetry(NetTelemetry):
    """Samples from the lines of datagrams, one or several in each."""

    scheme = "udp"

    def link_of(self, address: Address) -> Link:
        """A listener on the address."""
        return UdpListener(address)
