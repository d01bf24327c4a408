"""CPU of the page's main thread per displayed frame: 50 parameters at 50 Hz, and no samples.

It needs Chromium, the built page and Playwright.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import socket
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, fields
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from time import monotonic, sleep, time
from typing import TYPE_CHECKING, Any

from bench.processes import BenchError, child
from bench.servers import stderr_tail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import CDPSession, Page

PARAMETERS = 50
RATE_HZ = 50.0

PAST_S = 60
"""Seconds of samples before the page opens: the window of its plots is then full."""

START_TIMEOUT_S = 15.0
"""Seconds in which the server must listen."""

SETTLE_S = 2.0
"""Seconds before each measurement, in which the page reaches its steady state."""

COUNT_FRAMES = """
globalThis.benchFrames = 0;
const request = requestAnimationFrame.bind(globalThis);
let last = 0;
globalThis.requestAnimationFrame = (draw) => request((now) => {
  if (now !== last) globalThis.benchFrames += 1;
  last = now;
  draw(now);
});
"""
"""Counts the frames in which the page drew."""


@dataclass(frozen=True, slots=True)
class PageFigures:
    """Figures of the page's main thread.

    Attributes:
        cpu_ms: CPU milliseconds per second.
        frames_hz: frames per second in which the page drew.
        frame_ms: CPU milliseconds per such frame.
        script_ms: milliseconds of scripts per second.
        style_ms: milliseconds of style and layout per second.
    """

    cpu_ms: float
    frames_hz: float
    frame_ms: float
    script_ms: float
    style_ms: float

    @classmethod
    def median_of(cls, runs: list[PageFigures]) -> PageFigures:
        """The median of each figure."""
        return cls(**{f.name: median(getattr(run, f.name) for run in runs) for f in fields(cls)})


def measure_page(repeats: int, window_s: float, log: Callable[[str], None]) -> str:
    """Measure the idle and the busy page in turn; return a Markdown table of their medians.

    Raises:
        BenchError: Chromium, Playwright or the built page is missing, or the server failed.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as exc:
        raise BenchError("the page needs the package playwright") from exc
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise BenchError("the page needs chromium")
    runs: dict[str, list[PageFigures]] = {"idle": [], "busy": []}
    with _server() as port, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.add_init_script(COUNT_FRAMES)
        device = Device(port)
        device.send_past()
        page.goto(f"http://127.0.0.1:{port}/")
        page.get_by_test_id("value-channel_00").wait_for()
        metrics = page.context.new_cdp_session(page)
        metrics.send("Performance.enable")
        for number in range(repeats):
            for name, rate_hz in (("busy", RATE_HZ), ("idle", 0.0)):
                device.send(SETTLE_S, rate_hz)
                runs[name].append(_measure(page, metrics, device, rate_hz, window_s))
                log(f"round {number + 1}: {name}: {runs[name][-1].cpu_ms:.0f} ms/s")
        browser.close()
    return _markdown({name: PageFigures.median_of(measured) for name, measured in runs.items()})


class Device:
    """A device that sends `PARAMETERS` values in each sample."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=10)
        self._count = 0

    def send_past(self) -> None:
        """Send the samples of the last `PAST_S` seconds."""
        now_s, step_s = time(), 1 / RATE_HZ
        past = int(PAST_S * RATE_HZ)
        times = [now_s - n * step_s for n in range(past, 0, -1)]
        for start in range(0, past, 200):
            self._post([{"t": t, **self._sample()} for t in times[start : start + 200]])

    def send(self, seconds: float, rate_hz: float) -> None:
        """Send samples for `seconds`; with a rate of 0, only wait."""
        start = monotonic()
        for n in range(int(seconds * rate_hz)):
            sleep(max(0.0, start + n / rate_hz - monotonic()))
            self._post(self._sample())
        sleep(max(0.0, start + seconds - monotonic()))

    def _post(self, samples: object) -> None:
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", "/ingest/telemetry", json.dumps(samples), headers)
        response = self._connection.getresponse()
        text = response.read().decode()
        if response.status >= 300:
            raise BenchError(f"the server rejected a sample: {text}")

    def _sample(self) -> dict[str, float]:
        self._count += 1
        return {
            f"channel_{i:02}": round(20 + i + math.sin(self._count / 40 + i), 3)
            for i in range(PARAMETERS)
        }


def _measure(
    page: Page, metrics: CDPSession, device: Device, rate_hz: float, window_s: float
) -> PageFigures:
    before, frames_before, start = _read(metrics), _frames(page), monotonic()
    device.send(window_s, rate_hz)
    after, frames_after = _read(metrics), _frames(page)
    elapsed_s = monotonic() - start

    def per_second(*names: str) -> float:
        return sum(after[name] - before[name] for name in names) * 1e3 / elapsed_s

    cpu_ms, frames_hz = per_second("ThreadTime"), (frames_after - frames_before) / elapsed_s
    return PageFigures(
        cpu_ms=cpu_ms,
        frames_hz=frames_hz,
        frame_ms=cpu_ms / max(frames_hz, 1e-9),
        script_ms=per_second("ScriptDuration"),
        style_ms=per_second("RecalcStyleDuration", "LayoutDuration"),
    )


def _read(metrics: CDPSession) -> dict[str, float]:
    listed: list[dict[str, Any]] = metrics.send("Performance.getMetrics")["metrics"]
    return {one["name"]: one["value"] for one in listed}


def _frames(page: Page) -> int:
    return int(page.evaluate("benchFrames"))


@contextmanager
def _server() -> Iterator[int]:
    """The port of a server with the source `push:`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "rover", f"--port={port}", "--telemetry=push:"]
    with (
        tempfile.TemporaryDirectory(prefix="rover-bench-") as folder,
        tempfile.TemporaryFile() as errors,
        child(
            [*command, "--camera=none:", "--commands=none:"],
            core=None,
            folder=Path(folder),
            errors=errors,
        ) as process,
    ):
        deadline = monotonic() + START_TIMEOUT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                if process.poll() is not None or monotonic() > deadline:
                    reason = stderr_tail(errors)
                    raise BenchError(f"the server did not start: {reason}") from None
                sleep(0.1)
        yield port


def _markdown(figures: dict[str, PageFigures]) -> str:
    load = f"load average {os.getloadavg()[0]:.1f}"
    lines = [
        f"Main thread of the page, {PARAMETERS} parameters at {RATE_HZ:g} Hz, {load}:",
        "",
        "| page | CPU per second | frames per second | CPU per frame | scripts | style, layout |",
        "| --- | --: | --: | --: | --: | --: |",
    ]
    lines += [
        f"| {name} | {one.cpu_ms:.1f} ms | {one.frames_hz:.1f} | {one.frame_ms:.1f} ms "
        f"| {one.script_ms:.1f} ms/s | {one.style_ms:.1f} ms/s |"
        for name, one in figures.items()
    ]
    return "\n".join(lines)
