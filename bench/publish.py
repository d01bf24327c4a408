"""Publish samples to nchan over a UNIX socket: `python -m bench.publish SOCKET RATE_HZ`."""

from __future__ import annotations

import json
import socket
import sys
from http.client import HTTPConnection

import anyio

from bench.samples import sample, schedule


class UnixConnection(HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


async def publish(path: str, rate_hz: float) -> None:
    connection = UnixConnection(path)
    async for seq, due_ns in schedule(rate_hz):
        body = json.dumps(sample(seq, due_ns), separators=(",", ":"))
        connection.request("POST", "/publish", body)  # blocking: this process has no other task
        answer = connection.getresponse()
        answer.read()
        if answer.status >= 400:
            raise SystemExit(f"nchan answers {answer.status} {answer.reason}")


if __name__ == "__main__":
    anyio.run(publish, sys.argv[1], float(sys.argv[2]))
