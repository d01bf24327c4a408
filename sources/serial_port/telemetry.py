"""The source: lines of a serial port become samples."""

from __future__ import annotations

import time as clocks
from typing import TYPE_CHECKING

from sources.lines import Format, LineTelemetry
from sources.lines.influx import Precision  # noqa: TC001 # the registry resolves it
from sources.links.serial_port import Framing, SerialPort
from sources.values.ranges import Range

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BAUD = Range(50, 4_000_000, "bit/s")


class SerialTelemetry(LineTelemetry):
    """Samples from the lines of a serial port.

    The first line after opening is skipped if it had begun before.

    Args:
        device: such as `/dev/ttyUSB0`; or `rfc2217://host:port`.
        baud: bits per second.
        framing: data bits, parity and stop bits.
        format: of the lines; see `LineTelemetry` for this and the other options.
    """

    def __init__(
        self,
        device: str,
        /,
        baud: int = 9600,
        framing: Framing = "8N1",
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
        baud = BAUD.whole("baud", baud)
        super().__init__(
            SerialPort(device, baud, framing),
            form=format,
            columns=columns,
            precision=precision,
            time=time,
            timezone=timezone,
            path=path,
            parameters=parameters,
            period_s=period_s,
            hint=f"is baud={baud} right? else set format= to the format of the lines",
            clock=clock,
        )
