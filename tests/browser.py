"""Browser tests: Chromium, pages that record their errors, and a mission with its server.

Playwright's synchronous API runs an event loop in the main thread, where anyio's tests then cannot
run theirs. Therefore the browser lives for one module and the server runs in another thread.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn
from anyio import (
    BrokenResourceError,
    EndOfStream,
    connect_tcp,
    create_task_group,
    create_tcp_listener,
    fail_after,
    sleep_forever,
)
from anyio.abc import SocketAttribute
from anyio.from_thread import BlockingPortal, start_blocking_portal
from playwright.sync_api import expect, sync_playwright
from starlette.datastructures import MutableHeaders

from rover.routes.dashboard import web_folder
from tests.conftest import LoopbackServer
from tests.programs import needs, skip_or_fail

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from anyio import CancelScope
    from anyio.abc import SocketStream
    from playwright.sync_api import (
        Browser,
        BrowserContext,
        ConsoleMessage,
        Page,
        Request,
        Response,
        WebSocket,
    )
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from rover.mission import MissionControl

TIMEOUT_S = 40.0
"""Maximum seconds of every wait; generous, for busy machines."""

WITHOUT_FEATURES = [
    "WebUIOmniboxPopup",  # this and the next: two pages of the address bar in each new profile,
    "WebUIOmniboxAimPopup",  # which take as much CPU time as the page under test
    "AimEnabled",  # this and the rest: as Playwright does, whose list this one replaces
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "ThirdPartyStoragePartitioning",
]

CHROMIUM_ARGS = [
    f"--disable-features={','.join(WITHOUT_FEATURES)}",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

LOG_POLICY_VIOLATIONS = """
addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
  console.error(`${blockedURI} violates the policy ${violatedDirective}`));
"""

CLOCK = b"""
if (!self.hasTestClock) {
  const { clearTimeout: stop, setTimeout: start } = self;
  const real = performance.now.bind(performance);
  const timers = new Map();
  let [speed, since, realSince, lastId] = [1, real(), real(), 0];
  const now = () => since + (real() - realSince) * speed;
  const arm = (id, one) => {
    stop(one.handle);
    one.handle = start(() => {
      if (one.periodic) arm(id, Object.assign(one, { due: now() + one.delay }));
      else timers.delete(id);
      one.callback(...one.rest);
    }, (one.due - now()) / speed);
  };
  const add = (periodic) => (callback, delay = 0, ...rest) => {
    const one = { callback, delay, rest, periodic, due: now() + delay };
    timers.set(++lastId, one);
    arm(lastId, one);
    return lastId;
  };
  self.hasTestClock = true;
  performance.now = now;
  self.setTimeout = add(false);
  self.setInterval = add(true);
  self.clearTimeout = self.clearInterval = (id) => {
    stop(timers.get(id)?.handle);
    timers.delete(id);
  };
  AbortSignal.timeout = (delay) => {
    const abort = new AbortController();
    self.setTimeout(() => abort.abort(new DOMException('timed out', 'TimeoutError')), delay);
    return abort.signal;
  };
  new BroadcastChannel('clock').onmessage = ({ data }) => {
    [since, realSince, speed] = [now(), real(), data];
    timers.forEach((one, id) => arm(id, one));
  };
}
"""
"""The timers of a page and its workers, at a speed that the page receives in a channel."""


def run_clock(page: Page, speed: float) -> None:
    """Change the speed of the timers of a page under `TestClock`, with their delays that remain."""
    page.evaluate("speed => new BroadcastChannel('clock').postMessage(speed)", speed)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium. Skips the test without it or without a built page; fails it in CI."""
    path = needs("chromium", "google-chrome")
    if web_folder() is None:
        skip_or_fail("the page is not built: make web")
    expect.set_options(timeout=TIMEOUT_S * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGS)
        try:
            yield browser
        finally:
            browser.close()


NO_GESTURE = "Blocked attempt to show a 'beforeunload' confirmation panel"
"""Chromium's message if a page that nobody has clicked would ask before it is left."""


class Pages:
    """The pages of one test, and their errors.

    An error is an uncaught exception, a console error, a failed request, an error status, a
    violation of the Content-Security-Policy, or a request to another origin.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._allowed: list[str] = []
        self._errors: list[str] = []

    def open(self, url: str, **options: Any) -> Page:
        """A page at `url` in a new profile; options as for `Browser.new_context`."""
        page = self.profile(url, **options).new_page()
        page.goto(url)
        return page

    def profile(self, url: str, **options: Any) -> BrowserContext:
        """A new browser profile, whose pages may connect to the origin of `url` only."""
        context = self._browser.new_context(
            **{"viewport": {"width": 1440, "height": 900}, **options}
        )
        context.set_default_timeout(TIMEOUT_S * 1000)
        context.add_init_script(LOG_POLICY_VIOLATIONS)
        self._contexts.append(context)
        host = url.split("/")[2]

        def on_request(request: Request) -> None:
            if not request.url.removeprefix("blob:").startswith(f"http://{host}/"):
                self._add_error(f"request to another origin: {request.url}")

        def on_failed(request: Request) -> None:
            if request.failure != "net::ERR_ABORTED":  # the page aborts requests when it closes
                self._add_error(f"{request.failure}: {request.url}")

        def on_response(response: Response) -> None:
            if response.status >= 400:
                self._add_error(f"{response.status}: {response.url}")

        def on_websocket(websocket: WebSocket) -> None:
            if not websocket.url.startswith(f"ws://{host}/"):
                self._add_error(f"WebSocket to another origin: {websocket.url}")

        def on_console(message: ConsoleMessage) -> None:
            if message.type == "error" and not message.text.startswith(NO_GESTURE):
                self._add_error(f"console: {message.text} ({message.location['url']})")

        context.on("page", lambda page: page.on("websocket", on_websocket))
        context.on("console", on_console)
        context.on("weberror", lambda error: self._add_error(f"uncaught: {error.error}"))
        context.on("request", on_request)
        context.on("requestfailed", on_failed)
        context.on("response", on_response)
        return context

    def allow(self, *fragments: str) -> None:
        """Ignore errors that contain one of `fragments`."""
        self._allowed += fragments

    def close(self) -> None:
        """Close the pages.

        Raises:
            AssertionError: a page had an error.
        """
        for context in self._contexts:
            context.close()
        self._contexts.clear()
        errors, self._errors = self._errors, []
        if errors:
            raise AssertionError("\n".join(errors))

    def _add_error(self, text: str) -> None:
        if not any(fragment in text for fragment in self._allowed):
            self._errors.append(text)


class OpenStreams:
    """Middleware that counts the telemetry streams that are open."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        counted = scope["type"] == "http" and scope["path"].endswith("/stream/rover-telemetry")
        self.count += counted
        try:
            await self.app(scope, receive, send)
        finally:
            self.count -= counted


class TestClock:
    """Middleware that lets `run_clock` change how fast the timers of the page run.

    `Date` keeps its speed, because it is compared with the times of samples.
    """

    __test__ = False

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_clock(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["content-length"] = str(int(headers["content-length"]) + len(CLOCK))
            await send(message)
            if message["type"] == "http.response.start":
                await send({"type": "http.response.body", "body": CLOCK, "more_body": True})

        if scope["type"] == "http" and scope["path"].endswith(".js"):
            plain = [one for one in scope["headers"] if one[0] != b"accept-encoding"]
            await self.app({**scope, "headers": plain}, receive, send_with_clock)
        else:
            await self.app(scope, receive, send)


class MissionServer:
    """A mission and its server in another thread. It can restart on the same port.

    Args:
        make: makes a mission for each start.
        wrap: the app to serve, from the mission.
    """

    def __init__(
        self,
        make: Callable[[], MissionControl],
        wrap: Callable[[MissionControl], ASGIApp] = lambda mission: mission.app,
    ) -> None:
        self._make = make
        self._wrap = wrap
        self._stack = ExitStack()
        self._portal: BlockingPortal | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """The URL of the root path."""
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        """Start a new mission and its server. Returns when it accepts connections."""
        with ExitStack() as stack:
            self._portal = stack.enter_context(start_blocking_portal("asyncio"))
            mission = self._make()
            serving = _serving(mission, self._wrap(mission), self.port)
            self.port = stack.enter_context(self._portal.wrap_async_context_manager(serving))
            self._stack = stack.pop_all()

    def stop(self) -> None:
        """Drain the mission and stop the server."""
        self._stack.close()

    def call(self, function: Callable[..., object], *args: object) -> None:
        """Call `function` in the event loop of the server."""
        assert self._portal is not None
        self._portal.call(function, *args)

    def __enter__(self) -> MissionServer:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


class HalfOpenProxy:
    """A TCP proxy that can make its connections half-open: open, but without any bytes.

    Args:
        port: of the server.

    Attributes:
        swallows: whether bytes are lost, in both directions. A connection that has lost bytes stays
            half-open.
    """

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._stack = ExitStack()
        self.swallows = False
        self.port = 0

    @property
    def url(self) -> str:
        """The URL of the server through this proxy."""
        return f"http://127.0.0.1:{self.port}/"

    def __enter__(self) -> HalfOpenProxy:
        portal = self._stack.enter_context(start_blocking_portal("asyncio"))
        self.port = self._stack.enter_context(portal.wrap_async_context_manager(self._listen()))
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    @asynccontextmanager
    async def _listen(self) -> AsyncIterator[int]:
        async with (
            await create_tcp_listener(local_host="127.0.0.1") as listener,
            create_task_group() as tasks,
        ):
            tasks.start_soon(listener.serve, self._connect)
            yield listener.extra(SocketAttribute.local_port)  # noqa: S610 # not Django's
            tasks.cancel_scope.cancel()

    async def _connect(self, client: SocketStream) -> None:
        async with client:
            try:
                server = await connect_tcp("127.0.0.1", self._server_port)
            except OSError:  # the server is down
                return
            async with server, create_task_group() as tasks:
                tasks.start_soon(self._copy, client, server, tasks.cancel_scope)
                tasks.start_soon(self._copy, server, client, tasks.cancel_scope)

    async def _copy(self, source: SocketStream, target: SocketStream, both: CancelScope) -> None:
        try:
            while True:
                data = await source.receive()
                if self.swallows:
                    break
                await target.send(data)
        except (EndOfStream, BrokenResourceError):
            if not self.swallows:
                both.cancel()
        await sleep_forever()  # after a lost byte all others are lost, and the end too


@asynccontextmanager
async def _serving(mission: MissionControl, app: ASGIApp, port: int) -> AsyncIterator[int]:
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2)
    server = LoopbackServer(config)
    with socket.create_server(("127.0.0.1", port)) as listener:
        async with create_task_group() as tasks:
            tasks.start_soon(server.serve, [listener])
            with fail_after(TIMEOUT_S):
                await server.up.wait()
            yield listener.getsockname()[1]
            await mission.drain()
            server.stop()
