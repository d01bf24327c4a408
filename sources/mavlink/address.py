"""The link that an address names, as pymavlink writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sources.base import SourceError
from sources.links import Address, TcpClient, TcpListener, UdpListener
from sources.links.addresses import LOOPBACK
from sources.links.serial_port import SerialPort
from sources.values.ranges import Range

if TYPE_CHECKING:
    from sources.links.chunk import Link

BAUD = Range(50, 4_000_000, "bit/s")

_FORM = (
    "write udpin:HOST:PORT, tcp:HOST:PORT, tcpin:HOST:PORT or a serial device, such as"
    " mavlink:udpin:0.0.0.0:14550"
)


def link_of(text: str, baud: int) -> Link:
    """The link of an address such as `udpin:0.0.0.0:14550` or `/dev/ttyACM0`.

    Args:
        text: the address; a listener without a host listens on 127.0.0.1 only.
        baud: bits per second of a serial device.

    Raises:
        SourceError: the address or the baud rate is invalid.
    """
    baud = BAUD.whole("baud", baud)
    kind, _, rest = text.partition(":")
    if text.startswith("/") and not text.startswith("//"):
        return SerialPort(text, baud, "8N1")
    match kind.lower():
        case "udpin" | "udp":
            return UdpListener(_address(rest, LOOPBACK))
        case "tcpin":
            return TcpListener(_address(rest, LOOPBACK))
        case "tcp":
            return TcpClient(_address(rest))
        case "udpout":
            raise SourceError(
                "udpout: this source only receives; have the vehicle send to this computer, and"
                " write udpin:HOST:PORT"
            )
    raise SourceError(f"{text:.80}: must be an address of a vehicle; {_FORM}")


def _address(text: str, default_host: str = "") -> Address:
    return Address.parse(f"mavlink://{text}", _FORM, default_host)
