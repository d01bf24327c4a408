"""Installs a wheel where nothing else is, and sees it serve: `python tests/wheel.py WHEEL`.

Run by `make wheel`, from a folder of its own, so that the checkout cannot help.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from pathlib import Path


def main(wheel: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        install(home, Path(wheel).resolve())
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = subprocess.Popen(
            [home / "env/bin/cosmic-rover", "--port", str(port)],
            cwd=home,
            env={"PATH": os.environ["PATH"]},
        )
        try:
            url = f"http://127.0.0.1:{port}"
            page = fetch(f"{url}/")
            assert b"<mission-control" in page, "the page is not in the wheel"
            with urllib.request.urlopen(f"{url}/stream/rover-telemetry?last=1", timeout=20) as s:
                events = (json.loads(line[6:]) for line in s if line.startswith(b"data: "))
                sample = next(event for event in events if "battery_level" in event)
            print(f"telemetry: {len(sample)} values at {sample['t']}")
        finally:
            server.terminate()
            assert server.wait(10) == 0, f"ended with {server.returncode}"
    return 0


def install(home: Path, wheel: Path) -> None:
    uv = shutil.which("uv") or shutil.which("uv", path=".tools/bin")
    if uv:
        subprocess.run(
            [uv, "venv", "--quiet", "--python", sys.executable, home / "env"], check=True
        )
        python = home / "env/bin/python"
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, wheel], check=True)
    else:
        venv.create(home / "env", with_pip=True)
        subprocess.run([home / "env/bin/pip", "install", "--quiet", wheel], check=True)


def fetch(url: str) -> bytes:
    for _ in range(200):
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                content: bytes = response.read()
                return content
        except ConnectionError:
            time.sleep(0.1)
        except urllib.error.URLError:
            time.sleep(0.1)
    raise TimeoutError(url)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
