"""The three sources: a TCP client, a TCP listener and a UDP listener."""

from __future__ import annotations

import time as clocks
from typing import TYPE_CHECKING

from sources.lines import Format, LineTelemetry
from sources.lines.influx import Precision  # noqa: TC001 # the registry resolves it
from sources.lines.telemetry import Prefix  # noqa: TC001 # the registry resolves it
from sources.links import Address, TcpClient, TcpListener, UdpListener
from sources.links.addresses import LOOPBACK
from sources.values.ranges import OptionError, Range

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_HINT = "set format= to the format of the lines"


class TcpTelemetry(LineTelemetry):
    """Samples from the lines of a machine that this source connects to.

    Args:
        url: `tcp://host:port`.
        format: of the lines; see `LineTelemetry` for this and the other options.
    """

    def __init__(
        self,
        url: str,
        /,
        format: Format = "auto",  # noqa: A002 # the name of the option
        columns: str = "",
        precision: Precision = "ns",
        time: str = "",
        timezone: str = "",
        path: str = "",
        parameters: Path | None = None,
        period_s: float | None = None,
        *,
        clock: Callable[[], float] = clocks.time,
    ) -> None:
        address = Address.parse(url, "tcp://host:port")
        _check_port(address, at_least=1)
        super().__init__(
            TcpClient(address),
            form=format,
            columns=columns,
            precision=precision,
            time=time,
            timezone=timezone,
            path=path,
            parameters=parameters,
            period_s=period_s,
            hint=_HINT,
            clock=clock,
        )


class _Listener(LineTelemetry):
    link: type[TcpListener | UdpListener]
    form: str

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
        address = Address.parse(url, self.form, LOOPBACK)
        _check_port(address, at_least=0)
        super().__init__(
            self.link(address),
            form=format,
            columns=columns,
            prefix=prefix,
            precision=precision,
            time=time,
            timezone=timezone,
            path=path,
            parameters=parameters,
            period_s=period_s,
            hint=_HINT,
            clock=clock,
        )


class TcpListenTelemetry(_Listener):
    """Samples from the lines of machines that connect to this source.

    Args:
        url: `tcp-listen://host:port`; without a host it listens on 127.0.0.1 only.
        format: of the lines; see `LineTelemetry` for this and the other options.
    """

    link = TcpListener
    form = "tcp-listen://host:port"


class UdpTelemetry(_Listener):
    """Samples from the lines of datagrams, one or several in each.

    Args:
        url: `udp://host:port`; without a host it listens on 127.0.0.1 only.
        format: of the lines; see `LineTelemetry` for this and the other options.
    """

    link = UdpListener
    form = "udp://host:port"


def _check_port(address: Address, at_least: int) -> None:
    ports = Range(at_least, 65_535)
    if address.port not in ports:
        raise OptionError("port", address.port, ports.must_be("a whole number"))
