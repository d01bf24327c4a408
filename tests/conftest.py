"""What every test shares: the backend, real servers on free ports, and real input."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from anyio import CancelScope, Event, create_task_group, sleep

if TYPE_CHECKING:
    from starlette.types import ASGIApp

Serve = Callable[..., AbstractAsyncContextManager[str]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real mission data, or a skip that says where it was looked for."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("ROVER_SHARED_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real mission data at {folder}; set ROVER_SHARED_DATA to its folder")
    return folder


@asynccontextmanager
async def running(app: ASGIApp, **options: Any) -> AsyncIterator[str]:
    """A real uvicorn on a free port of the loopback; gives its URL without a slash at the end."""
    config = uvicorn.Config(
        app, port=0, log_level="warning", **{"timeout_graceful_shutdown": 1, **options}
    )
    server = uvicorn.Server(config)
    async with create_task_group() as tasks:
        stopped = Event()

        async def run() -> None:
            await server._serve()
            stopped.set()

        tasks.start_soon(run)
        while not server.started:
            await sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            with CancelScope(shield=True):  # also after a test that failed
                await stopped.wait()


@pytest.fixture
def serve() -> Serve:
    """A function that runs an app: `async with serve(app) as url:`."""
    return running
