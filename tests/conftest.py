"""Fixtures that all tests share."""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from anyio import CancelScope, Event, create_task_group, move_on_after, sleep
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from socket import socket

    from playwright.sync_api import Browser
    from starlette.types import ASGIApp

    from tests.browser import Pages

pytest_plugins = ["tests.hangs", "tests.last_lines"]

# how long an example takes is no promise, and depends on what else the machine does
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

# Each client of httpx reads the certificates of the authorities it trusts: 25 ms for all of them.
# No test needs one, and obstore needs any.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).parent / "data" / "authority.pem")

Serve = Callable[..., AbstractAsyncContextManager[str]]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Leave the objects of 6,000 tests out of garbage collections, which take a third as long."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for the tests of a module."""
    from tests.browser import chromium  # only these tests need Playwright

    with chromium() as browser:
        yield browser


@pytest.fixture
def pages(browser: Browser, server: object) -> Iterator[Pages]:
    """Pages that are closed before the module's `server` stops."""
    from tests.browser import Pages

    del server
    pages = Pages(browser)
    yield pages
    pages.close()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real mission data, or a skip that says where it was looked for."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("ROVER_SHARED_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real mission data at {folder}; set ROVER_SHARED_DATA to its folder")
    return folder


class LoopbackServer(uvicorn.Server):
    """uvicorn in the event loop of a test.

    Signals keep the handlers of pytest. It stops at once, where uvicorn sleeps for 0.1 s before
    each check whether it has to stop, and for 0.1 s while it stops.

    Attributes:
        url: the server's address, without a slash at the end; set when `up` is.
        up: set when the server accepts connections.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = Event()
        self.url = ""
        self._stopping = Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        self.url = f"http://127.0.0.1:{self.servers[0].sockets[0].getsockname()[1]}"
        self.up.set()

    async def main_loop(self) -> None:
        try:
            async with create_task_group() as tasks:
                tasks.start_soon(super().main_loop)
                await self._stopping.wait()
                tasks.cancel_scope.cancel()
        finally:
            for server in self.servers:
                server.close()

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        for connection in list(self.server_state.connections):
            connection.shutdown()
        with move_on_after(self.config.timeout_graceful_shutdown):
            while self.server_state.connections or self.server_state.tasks:
                await sleep(0.001)
        for task in self.server_state.tasks:
            task.cancel(msg="the graceful shutdown timed out")
        await self.lifespan.shutdown()

    def stop(self) -> None:
        """Begin the shutdown: `serve()` returns when it is complete."""
        self._stopping.set()


@asynccontextmanager
async def running(app: ASGIApp, **options: Any) -> AsyncIterator[str]:
    """Run a real uvicorn on a free port of the loopback interface; gives its URL."""
    config = uvicorn.Config(
        app, port=0, log_level="warning", **{"timeout_graceful_shutdown": 1, **options}
    )
    server = LoopbackServer(config)
    async with create_task_group() as tasks:
        stopped = Event()

        async def run() -> None:
            try:
                await server.serve()
            finally:  # the end of the event loop cancels this task, too
                stopped.set()

        tasks.start_soon(run)
        await server.up.wait()
        try:
            yield server.url
        finally:
            server.stop()
            with CancelScope(shield=True):  # a failed test cancels this task group
                await stopped.wait()


@pytest.fixture
def serve() -> Serve:
    """A function that runs an app: `async with serve(app) as url:`."""
    return running
