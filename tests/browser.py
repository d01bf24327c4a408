"""A browser, a mission on a port of its own, and visits that fail on what no page of ours may do.

Playwright's synchronous API keeps an event loop in the main thread while it runs, in which anyio's
tests could not run theirs: so the browser lives for one module, and the server in another thread.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from anyio import create_task_group, fail_after, sleep
from anyio.from_thread import start_blocking_portal
from playwright.sync_api import expect, sync_playwright

from rover.routes.dashboard import web_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from playwright.sync_api import (
        Browser,
        BrowserContext,
        ConsoleMessage,
        Page,
        Request,
        Response,
        WebSocket,
    )
    from starlette.types import ASGIApp

    from rover.mission import MissionControl

DEADLINE_S = 40.0
"""For everything that is waited for: a machine that is busy otherwise takes its time."""

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

TELL_VIOLATIONS = """
addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
  console.error(`the policy ${violatedDirective} was violated by ${blockedURI}`));
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium. Without it, or without a built page: a skip, and in CI a failure."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        _go_without("no Chromium on PATH: apt install chromium")
    if web_folder() is None:
        _go_without("the page is not built: make web")
    expect.set_options(timeout=DEADLINE_S * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        try:
            yield browser
        finally:
            browser.close()


def _go_without(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


class Visits:
    """Pages of one test, each a browser profile of its own, and what was wrong with them."""

    def __init__(self, browser: Browser) -> None:
        self.complaints: list[str] = []
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._allowed: list[str] = []

    def __call__(self, url: str, **options: Any) -> Page:
        """A new page at `url`, with options as for `Browser.new_context`."""
        page = self.profile(url, **options).new_page()
        page.goto(url)
        return page

    def profile(self, url: str, **options: Any) -> BrowserContext:
        """A watched browser profile, whose pages may talk to the origin of `url` and no other."""
        context = self._browser.new_context(
            **{"viewport": {"width": 1440, "height": 900}, **options}
        )
        context.set_default_timeout(DEADLINE_S * 1000)
        context.add_init_script(TELL_VIOLATIONS)
        self._contexts.append(context)
        host = url.split("/")[2]

        def on_request(request: Request) -> None:
            if not request.url.removeprefix("blob:").startswith(f"http://{host}/"):
                self._complain(f"a request off the origin: {request.url}")

        def on_failed(request: Request) -> None:
            if request.failure != "net::ERR_ABORTED":  # by the page itself, as on its way out
                self._complain(f"{request.failure}: {request.url}")

        def on_response(response: Response) -> None:
            if response.status >= 400:
                self._complain(f"{response.status}: {response.url}")

        def on_websocket(websocket: WebSocket) -> None:
            if not websocket.url.startswith(f"ws://{host}/"):
                self._complain(f"a WebSocket off the origin: {websocket.url}")

        def on_console(message: ConsoleMessage) -> None:
            if message.type == "error":
                self._complain(f"console: {message.text} ({message.location['url']})")

        context.on("page", lambda page: page.on("websocket", on_websocket))
        context.on("console", on_console)
        context.on("weberror", lambda error: self._complain(f"uncaught: {error.error}"))
        context.on("request", on_request)
        context.on("requestfailed", on_failed)
        context.on("response", on_response)
        return context

    def allow(self, *fragments: str) -> None:
        """Expect complaints with one of these in them."""
        self._allowed += fragments

    def close(self) -> None:
        """Close the pages.

        Raises:
            AssertionError: something was wrong with one of them.
        """
        for context in self._contexts:
            context.close()
        self._contexts.clear()
        complaints, self.complaints = self.complaints, []
        if complaints:
            raise AssertionError("\n".join(complaints))

    def _complain(self, text: str) -> None:
        if not any(fragment in text for fragment in self._allowed):
            self.complaints.append(text)


class Station:
    """A mission and its server, in another thread; both can be made anew on the same port."""

    def __init__(
        self,
        make: Callable[[], MissionControl],
        wrap: Callable[[MissionControl], ASGIApp] = lambda mission: mission.app,
    ) -> None:
        self._make = make
        self._wrap = wrap
        self._stack = ExitStack()
        self.mission = make()
        self.port = 0

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        """Begin a mission and serve it."""
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal("asyncio"))
            serving = _serving(self.mission, self._wrap(self.mission), self.port)
            self.port = stack.enter_context(portal.wrap_async_context_manager(serving))
            self._stack = stack.pop_all()

    def stop(self) -> None:
        """Drain and end both, as on a signal; the next start is of a new mission."""
        self._stack.close()
        self.mission = self._make()

    def __enter__(self) -> Station:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()


@asynccontextmanager
async def _serving(mission: MissionControl, app: ASGIApp, port: int) -> AsyncIterator[int]:
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", port)) as listener:
        async with create_task_group() as tasks:
            tasks.start_soon(server._serve, [listener])
            with fail_after(DEADLINE_S):
                while not server.started:
                    await sleep(0.01)
            yield listener.getsockname()[1]
            await mission.drain()
            server.should_exit = True


def eventually(check: Callable[[], object]) -> None:
    """Come back when `check` is true.

    Raises:
        AssertionError: it did not become so in time.
    """
    deadline = time.monotonic() + DEADLINE_S
    while not check():
        if time.monotonic() > deadline:
            raise AssertionError("it did not come true")
        time.sleep(0.05)
