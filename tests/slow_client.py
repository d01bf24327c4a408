"""A client that reads slowly but steadily."""

from __future__ import annotations

import socket

from anyio import sleep, to_thread

PERIOD_S = 0.02


def slow_socket(url: str, receive_bytes: int) -> socket.socket:
    """A client's socket, connected, with a small receive buffer."""
    host, port = url.removeprefix("http://").split(":")
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    client.settimeout(10)
    client.connect((host, int(port)))
    return client


async def read_slowly(client: socket.socket, seconds: float, bytes_per_s: int) -> bytes:
    """Read for some seconds; raises an error if the connection ends in this time."""
    received = bytearray()
    for _ in range(round(seconds / PERIOD_S)):
        received += await to_thread.run_sync(client.recv, round(bytes_per_s * PERIOD_S))
        await sleep(PERIOD_S)
    return bytes(received)


async def read_rest(client: socket.socket, size: int) -> bytes:
    """Read up to `size` bytes as fast as they come."""
    received = bytearray()
    while len(received) < size and (data := await to_thread.run_sync(client.recv, 2**20)):
        received += data
    return bytes(received)
