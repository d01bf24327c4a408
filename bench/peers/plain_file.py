"""A plain uvicorn app that sends a file in reads of 1 MiB: `uvicorn bench.peers.plain_file:app`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

READ_BYTES = 2**20


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    path = Path(os.environ["BENCH_FILE"])
    size = str(path.stat().st_size).encode()  # noqa: ASYNC240 # once per gigabyte
    headers = [(b"content-type", b"application/octet-stream"), (b"content-length", size)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    async with await anyio.open_file(path, "rb") as file:
        while data := await file.read(READ_BYTES):
            await send({"type": "http.response.body", "body": data, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
