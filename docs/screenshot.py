"""Takes the README's screenshot of the page: a simulated mission, two people, a browser.

python docs/screenshot.py OUTPUT.png
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import TimeoutError as PlaywrightTimeoutError
from playwright.sync_api import expect, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page, ViewportSize

ROOT = Path(__file__).parents[1]
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
]
VIEWPORT: ViewportSize = {"width": 1440, "height": 900}
TIMEOUT_S = 180.0

MESSAGES = [
    ("FLIGHT", "Morning, everyone. Drive to the delta front is go on our side."),
    ("ROVER", "Copy. The sequence for this evening passed validation, with warnings."),
    ("ROVER", "Battery margin is thin after the second leg. I would drop the last image."),
]
LATER_MESSAGES = [
    ("FLIGHT", "Agreed. The next Navcam image is arriving."),
    ("ROVER", "I see it."),
]

HALF_ARRIVED = """driving => {
    const { position } = document.querySelector('rover-image progress');
    const activity = document.querySelector('[data-testid=value-activity]').textContent;
    return position > 0.5 && position < 0.65 && (!driving || activity.includes('driving'));
}"""
"""Whether half of an image has arrived and, with the argument true, the rover is driving."""


def main(output: str) -> int:
    """Write the screenshot; the exit status."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.stderr.write("no Chromium on PATH: apt install chromium\n")
        return 1
    with serving() as url, sync_playwright() as playwright:
        expect.set_options(timeout=TIMEOUT_S * 1000)
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGS)
        flight, rover = (browser.new_context(viewport=VIEWPORT).new_page() for _ in range(2))
        people = {"FLIGHT": flight, "ROVER": rover}
        for name, page in people.items():
            page.set_default_timeout(TIMEOUT_S * 1000)
            page.goto(url)
            page.get_by_test_id("name").fill(name)
            page.get_by_test_id("name").press("Enter")
        upload(flight, ROOT / "docs" / "samples" / "warn-low-battery.rcs")
        send(people, MESSAGES)
        wait_for_the_third_image(flight)
        send(people, LATER_MESSAGES)
        wait_for_half_an_image(flight)
        flight.evaluate("document.activeElement.blur()")
        flight.screenshot(path=output)
        browser.close()
    return 0


@contextmanager
def serving() -> Iterator[str]:
    """A server with a simulated mission; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as data_dir:
        command = [sys.executable, "-m", "rover", "--port", str(port)]
        environment = {**os.environ, "ROVER_DATA_DIR": data_dir}
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        try:
            url = f"http://127.0.0.1:{port}/"
            wait_until_ready(server, url + "healthz")
            yield url
        finally:
            server.terminate()
            server.wait(10)


def wait_until_ready(server: subprocess.Popen[bytes], url: str) -> None:
    """Return when the server responds.

    Raises:
        RuntimeError: the server exited.
        TimeoutError: the server did not respond in time.
    """
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError(f"the server exited with status {server.returncode}")
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"no response from {url} within {TIMEOUT_S:.0f} s")


def upload(page: Page, sequence: Path) -> None:
    """Upload a command file and wait for its verdict."""
    page.get_by_test_id("file").set_input_files(sequence)
    page.get_by_test_id("verdict").wait_for()


def send(people: dict[str, Page], messages: list[tuple[str, str]]) -> None:
    """Send the messages in order, each after everyone has received the previous one."""
    for name, text in messages:
        people[name].get_by_test_id("compose").fill(text)
        people[name].get_by_test_id("compose").press("Enter")
        for page in people.values():
            received = page.get_by_test_id("log").locator(".message[data-id]")
            expect(received.filter(has_text=text)).to_be_visible()


def wait_for_the_third_image(page: Page) -> None:
    """Return when the third image begins to arrive. The charts are full by then."""
    state = page.get_by_test_id("image-state")
    expect(state).to_have_attribute("data-state", "complete")
    expect(page.get_by_test_id("filmstrip").get_by_role("listitem")).to_have_count(3)
    expect(state).to_have_attribute("data-state", "arriving")


def wait_for_half_an_image(page: Page) -> None:
    """Return when half of an image has arrived, if possible while the rover drives.

    The rover sleeps at night: after half of the timeout, half of an image is enough.
    """
    try:
        page.wait_for_function(HALF_ARRIVED, arg=True, timeout=TIMEOUT_S * 500)
    except PlaywrightTimeoutError:
        page.wait_for_function(HALF_ARRIVED, arg=False)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
