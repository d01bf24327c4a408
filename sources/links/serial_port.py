"""A serial port of this computer, or of another one over RFC 2217."""

from __future__ import annotations

import asyncio
import errno
import os
from contextlib import aclosing, suppress
from functools import partial
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING, Literal

import serial
from anyio import CancelScope, CapacityLimiter, move_on_after, wait_readable
from anyio.to_thread import run_sync
from serial.tools.list_ports import comports

from sources.base import SourceError
from sources.links.addresses import Address
from sources.links.chunk import MAX_CHUNK_BYTES, Chunk

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

Framing = Literal["8N1", "8N2", "8E1", "8O1", "7N1", "7N2", "7E1", "7O1"]
"""Data bits, parity and stop bits."""

RFC2217 = "rfc2217://"

SETTLE_S = 0.1
"""Seconds without data after opening, after which the next byte begins a line."""

READ_TIMEOUT_S = 0.2
"""Seconds that a read over RFC 2217 may take; it cannot be cancelled."""


class SerialPort:
    """Reads the bytes of a serial port.

    The port is locked against other programs (`flock`), as two readers would each get a part of the
    bytes. Opening runs in a thread, and so does reading over RFC 2217.

    Args:
        place: a device, such as `/dev/ttyUSB0`, or `rfc2217://host:port`.
        baud: bits per second.
        framing: data bits, parity and stop bits.

    Attributes:
        place: as in `Link`.

    Raises:
        SourceError: the place is another kind of URL.
    """

    def __init__(self, place: str, baud: int, framing: Framing) -> None:
        if place.startswith(RFC2217):
            Address.parse(place, "rfc2217://host:port")
        elif "://" in place:
            raise SourceError(
                f"{place}: must be a device such as /dev/ttyUSB0, or rfc2217://host:port;"
                " tcp://host:port reads lines over TCP"
            )
        self.place = place
        self._make_port = partial(
            serial.serial_for_url,
            place,
            do_not_open=True,
            baudrate=baud,
            bytesize=int(framing[0]),
            parity=framing[1],
            stopbits=int(framing[2]),
            timeout=READ_TIMEOUT_S,
            exclusive=None if place.startswith(RFC2217) else True,
        )

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Open the port, and yield chunks as they arrive; see `Link`."""
        port = self._make_port()
        opening = _Opening(port)
        receive = _receive_remote if self.place.startswith(RFC2217) else _receive
        try:
            await opening.wait()
            async with aclosing(receive(port)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except (OSError, ValueError) as exc:  # a SerialException is an OSError
            raise self._error(exc) from exc
        finally:
            with CancelScope(shield=True):  # over RFC 2217 it takes about 0.3 s
                await run_sync(opening.abandon)

    def _error(self, exc: OSError | ValueError) -> SourceError:
        """The error of the port; its text says how to fix it."""
        code = getattr(exc, "errno", None)
        place, reason = self.place, str(exc)
        match code:
            case errno.ENOENT:
                found = ", ".join(sorted(port.device for port in comports())) or "none"
                return SourceError(f"{place} does not exist; serial ports here: {found}")
            case errno.EACCES | errno.EPERM:
                group = _group_of(place)
                return SourceError(
                    f"this user may not open {place}; add the user to the group {group}"
                    f" (sudo usermod -aG {group} $USER), and log in again"
                )
            case errno.EAGAIN | errno.EBUSY:
                return SourceError(f"{place} is in use by another program; end that program")
            case errno.ENODEV | errno.EIO | errno.ENXIO:
                return SourceError(f"{place} is disconnected; plug it in again")
        if self.place.startswith(RFC2217):
            return SourceError(f"{place} cannot be read ({reason}); is the server running?")
        return SourceError(f"{place} cannot be read ({reason}); is it a serial port?")


async def _receive(port: serial.Serial) -> AsyncGenerator[Chunk, None]:
    device = port.fileno()
    with move_on_after(SETTLE_S):
        await wait_readable(device)
    is_partial = port.in_waiting > 0
    while True:
        await wait_readable(device)
        data = os.read(device, MAX_CHUNK_BYTES)
        if not data:
            raise OSError(errno.ENODEV, "it is disconnected")
        yield Chunk(data, partial=is_partial)


async def _receive_remote(port: serial.Serial) -> AsyncGenerator[Chunk, None]:
    def read() -> bytes:
        first = port.read(1)
        return first + port.read(min(port.in_waiting, MAX_CHUNK_BYTES)) if first else b""

    limiter = CapacityLimiter(1)  # it waits all the time, so it takes no thread of others
    while True:
        if data := await run_sync(read, limiter=limiter):
            yield Chunk(data, partial=True)


class _Opening:
    """Opens a port in a thread; closes it, even if opening ends after it was abandoned.

    Opening over RFC 2217 takes up to 8 s and cannot be cancelled. The thread is a daemon, so that
    the process need not wait for it to exit.
    """

    def __init__(self, port: serial.Serial) -> None:
        self._port = port
        self._lock = Lock()
        self._is_open = self._is_abandoned = False

    async def wait(self) -> None:
        """Open the port.

        Raises:
            OSError: it cannot be opened.
            ValueError: the port does not support the options.
        """
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[None] = loop.create_future()

        def settle(error: Exception | None) -> None:
            if opened.done():
                return
            if error is None:
                opened.set_result(None)
            else:
                opened.set_exception(error)

        def run() -> None:
            error: Exception | None = None
            try:
                self._open()
            except Exception as exc:  # raised by `wait`
                error = exc
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(settle, error)

        Thread(target=run, name=f"open {self._port.name}", daemon=True).start()
        await opened

    def _open(self) -> None:
        self._port.open()
        with self._lock:
            self._is_open = True
            if self._is_abandoned:
                self._port.close()

    def abandon(self) -> None:
        """Close the port, now or when it is open."""
        with self._lock:
            self._is_abandoned = True
            if self._is_open:
                self._port.close()


def _group_of(place: str) -> str:
    """The group that may open a device."""
    try:
        return Path(place).group()
    except (OSError, KeyError, NotImplementedError):
        return "dialout"
