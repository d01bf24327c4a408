"""Serve the apps that `bench.commands` measures: `python -m bench.commands_serve drain FOLDER`.

`drain` is the reference: it reads the request, hashes it and writes it to a file. Another word is
the source URL of a validator of this server. With `hang`, the first check never ends, and the
others wait for it. It prints one JSON line with its port as soon as it listens.
"""

from __future__ import annotations

import socket
import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from anyio import sleep_forever, to_thread
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bench.serve import AnnouncingServer
from rover.asgi.servers.uvicorn_protocols import BoundedHTTPProtocol
from rover.mission import create_app
from rover.settings import Settings
from sources.base import Step, Verdict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.types import ASGIApp

MAX_UPLOAD_BYTES = 2**31

RATE_HZ = 50
"""Samples of telemetry per second."""

WRITE_BYTES = 2**20


class Hang:
    """Never ends a check."""

    steps = (Step("none", "Nothing"),)
    max_bytes = MAX_UPLOAD_BYTES

    async def validate(self, _: Path) -> AsyncIterator[Verdict]:
        await sleep_forever()
        yield Verdict(accepted=False, errors=0, warnings=0, detail="")


def drain_to(path: Path) -> ASGIApp:
    """The reference: it writes a request to a new file in blocks as large as those of the server.

    `DELETE` deletes the file. Were it overwritten instead, the kernel would have its pages at hand.
    """

    async def delete(_: Request) -> Response:
        await to_thread.run_sync(path.unlink)
        return Response(status_code=204)

    async def drain(request: Request) -> PlainTextResponse:
        digest, block, size = sha256(), list[bytes](), 0
        with path.open("xb", buffering=0) as file:
            async for chunk in request.stream():
                digest.update(chunk)
                block.append(chunk)
                size += len(chunk)
                if size >= WRITE_BYTES:
                    await to_thread.run_sync(file.write, b"".join(block))
                    block.clear()
                    size = 0
            await to_thread.run_sync(file.write, b"".join(block))
        return PlainTextResponse(digest.hexdigest())

    return Starlette(
        routes=[Route("/", drain, methods=["POST"]), Route("/", delete, methods=["DELETE"])]
    )


def rover_with(commands: str, folder: Path) -> ASGIApp:
    """This server without a camera, and with simulated telemetry unless it hangs."""
    hangs = commands == "hang"
    settings = Settings(
        data_dir=folder,
        client_share=1.0,
        max_upload_bytes=MAX_UPLOAD_BYTES,
        max_checks=1 if hangs else 8,
    )
    return create_app(
        settings,
        telemetry="none:" if hangs else f"sim:?rate_hz={RATE_HZ}",
        camera="none:",
        commands=Hang() if hangs else commands,
    )


def main() -> None:
    what, folder = sys.argv[1], Path(sys.argv[2])
    app = drain_to(folder / "drained") if what == "drain" else rover_with(what, folder)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=BoundedHTTPProtocol,
        lifespan="on",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    AnnouncingServer(config).run([listener])


if __name__ == "__main__":
    main()
