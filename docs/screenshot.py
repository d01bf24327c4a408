"""Takes the picture of the page that the README shows: a server, a browser, a little time.

python docs/screenshot.py OUTPUT.png
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or ""
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]

TALK = ["Sol 1144: drive to the delta front is go.", "Copy. Sequence is on its way up."]


def main(output: str) -> int:
    """Write the screenshot."""
    with socket.socket() as probe, tempfile.TemporaryDirectory() as data_dir:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        server = subprocess.Popen(  # our own server
            [sys.executable, "-m", "rover", "--port", str(port)],
            cwd=ROOT,
            env={"PATH": "/usr/bin:/bin", "ROVER_DATA_DIR": data_dir},
        )
        try:
            url = f"http://127.0.0.1:{port}/"
            wait_for(url + "readyz")
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
                page = browser.new_page(viewport={"width": 1440, "height": 900})
                page.goto(url)
                act(page)
                page.screenshot(path=output)
                browser.close()
        finally:
            server.terminate()
            server.wait(10)
    return 0


def wait_for(url: str) -> None:
    """Come back when the server answers."""
    for _ in range(200):
        try:
            urllib.request.urlopen(url, timeout=1).close()  # our own server
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(url)


def act(page: Page) -> None:
    """Do what a team does: talk, send a sequence up, watch a picture come down."""
    for text in TALK:
        page.get_by_role("textbox", name="Message").fill(text)
        page.keyboard.press("Enter")
    sample = ROOT / "docs" / "samples" / "warn-low-battery.rcs"
    page.locator("rover-uplink input[type=file]").set_input_files(sample)
    page.get_by_text("complete", exact=True).first.wait_for(timeout=60_000)
    page.wait_for_timeout(24_000)  # a second picture is on its way by then


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
