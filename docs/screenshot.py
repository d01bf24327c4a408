"""Takes the picture of the page that the README shows: a mission, two people, a browser.

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

from playwright.sync_api import expect, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page, ViewportSize

ROOT = Path(__file__).parents[1]
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
SIZE: ViewportSize = {"width": 1440, "height": 900}
DEADLINE_S = 180.0
ARRIVED = "document.querySelector('rover-image progress').position"

TALK = [
    ("FLIGHT", "Morning, everyone. Drive to the delta front is go on our side."),
    ("ROVER", "Copy. The sequence for this evening is through the check, with warnings."),
    ("ROVER", "Battery margin is thin after the second leg. I would drop the last picture."),
]
LATER = [
    ("FLIGHT", "Agreed. Next Navcam frame is on its way down."),
    ("ROVER", "Seeing it come in."),
]


def main(output: str) -> int:
    """Write the picture; 0 when it is there."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.stderr.write("no Chromium on PATH: apt install chromium\n")
        return 1
    with serving() as url, sync_playwright() as playwright:
        expect.set_options(timeout=DEADLINE_S * 1000)
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        flight, rover = (browser.new_context(viewport=SIZE).new_page() for _ in range(2))
        people = {"FLIGHT": flight, "ROVER": rover}
        for name, page in people.items():
            page.goto(url)
            page.get_by_test_id("name").fill(name)
            page.get_by_test_id("name").press("Enter")
        send_up(flight, ROOT / "docs" / "samples" / "warn-low-battery.rcs")
        talk(people, TALK)
        wait_for_the_third_picture(flight)
        talk(people, LATER)
        wait_for_a_good_moment(flight)
        flight.evaluate("document.activeElement.blur()")
        flight.screenshot(path=output)
        browser.close()
    return 0


@contextmanager
def serving() -> Iterator[str]:
    """A simulated mission of our own, while inside; gives where its page is."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as data_dir:
        command = [sys.executable, "-m", "rover", "--port", str(port)]
        environment = {**os.environ, "ROVER_DATA_DIR": data_dir}
        quiet = subprocess.DEVNULL
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=quiet)
        try:
            url = f"http://127.0.0.1:{port}/"
            until(lambda: server.poll() is not None or answers(url + "healthz"))
            yield url
        finally:
            server.terminate()
            server.wait(10)


def answers(url: str) -> bool:
    """Whether there is a server by now."""
    try:
        urllib.request.urlopen(url, timeout=1).close()
    except OSError:
        return False
    return True


def until(check: Callable[[], object]) -> None:
    """Come back when `check` is true.

    Raises:
        TimeoutError: it did not become so in time.
    """
    deadline = time.monotonic() + DEADLINE_S
    while not check():
        if time.monotonic() > deadline:
            raise TimeoutError(getattr(check, "__name__", "it did not come true"))
        time.sleep(0.1)


def send_up(page: Page, sequence: Path) -> None:
    """Hand in a sequence and wait for its verdict."""
    page.get_by_test_id("file").set_input_files(sequence)
    page.get_by_test_id("verdict").wait_for(timeout=DEADLINE_S * 1000)


def talk(people: dict[str, Page], lines: list[tuple[str, str]]) -> None:
    """Say the lines in turn, each when everyone has the one before."""
    for name, text in lines:
        people[name].get_by_test_id("compose").fill(text)
        people[name].get_by_test_id("compose").press("Enter")
        for page in people.values():
            said = page.get_by_test_id("log").locator(".message[data-id]").filter(has_text=text)
            expect(said).to_be_visible()


def wait_for_the_third_picture(page: Page) -> None:
    """Come back when two are whole and another begins to arrive: by then the plots are full."""
    state = page.get_by_test_id("image-state")
    expect(state).to_have_attribute("data-state", "complete")
    expect(page.get_by_test_id("filmstrip").get_by_role("listitem")).to_have_count(3)
    expect(state).to_have_attribute("data-state", "arriving")


def wait_for_a_good_moment(page: Page) -> None:
    """Come back when half of a picture is here and the rover drives, which it mostly does.

    At night it sleeps, and half of a picture is enough.
    """
    impatient_at = time.monotonic() + DEADLINE_S / 2
    activity = page.get_by_test_id("value-activity")

    def good() -> bool:
        half = 0.5 < page.evaluate(ARRIVED) < 0.65
        return half and ("driving" in activity.inner_text() or time.monotonic() > impatient_at)

    until(good)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
