"""A source that raises anything ends nothing else: not the process, nor the other sources."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from itertools import cycle, product
from typing import TYPE_CHECKING, Any

import pytest

from tests.broken import DATA, FAULTS
from tests.serving import ALONE, FULL, ROOT, serving

if TYPE_CHECKING:
    from pathlib import Path

SOURCES = {
    "ROVER_TELEMETRY": "tests.broken:BrokenTelemetry",
    "ROVER_CAMERA": "tests.broken:BrokenCamera",
    "ROVER_COMMANDS": "tests.broken:BrokenValidator",
}

BOUNDARY = "7f3b"

UPLOAD = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.seq"\r\n\r\n'
    f"GO\r\n--{BOUNDARY}--\r\n"
).encode()


def get(url: str, body: bytes | None = None) -> tuple[int, bytes]:
    """The status and the body; the body is empty if it is incomplete."""
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"} if body else {}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, body, headers), timeout=10
        ) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as exc:
        return exc.code, exc.read()
    except OSError:
        return 0, b""
    except Exception:
        return 200, b""  # http.client.IncompleteRead


def sources(url: str) -> dict[str, Any]:
    status, body = get(f"{url}/readyz")
    assert status == 200  # this server works, whatever its sources do
    found: dict[str, Any] = json.loads(body)["sources"]
    return found


def states(url: str) -> dict[str, Any]:
    return {name: source["state"] for name, source in sources(url).items()}


def details(url: str) -> dict[str, str]:
    return {name: source["detail"] for name, source in sources(url).items()}


PLACES = [
    "telemetry.samples",
    "telemetry.exit",
    "camera.images",
    "camera.image",
    "camera.open",
    "camera.new",
    "commands.validate",
]
PAIRS = list(product(PLACES, FAULTS)) if FULL else list(zip(PLACES, cycle(FAULTS), strict=False))
"""Every place with every fault; in `make test`, every place and every fault."""


@pytest.mark.parametrize(("place", "fault"), PAIRS)
def test_a_fault_of_a_source_ends_nothing_else(tmp_path: Path, place: str, fault: str) -> None:
    environ = {**SOURCES, "BROKEN": f"{place} {fault}"}
    with serving(ALONE, "python -m rover", tmp_path, environ) as server:
        deadline = time.monotonic() + 10
        stays_live = place in ("telemetry.exit", "camera.open", "commands.validate")
        expected = "" if stays_live else place.split(".")[0]
        while expected and states(server.url)[expected] != "down":
            assert time.monotonic() < deadline
            time.sleep(0.01)

        status, body = get(f"{server.url}/images")
        assert status == (502 if place == "camera.images" else 200)
        assert status == 200 or fault in json.loads(body)["detail"]
        status, body = get(f"{server.url}/images/a.png")
        assert status == (502 if place == "camera.image" else 200)
        assert (body == DATA) is (place not in ("camera.image", "camera.open"))
        status, body = get(f"{server.url}/upload/rover-commands", UPLOAD)
        assert status == 200
        if place == "commands.validate":
            assert b"FAILED" in body
            assert fault.encode() in body
        else:
            assert b"COMPLETE" in body
        assert get(f"{server.url}/telemetry/latest")[0] == 200
        others = {n: s for n, s in states(server.url).items() if n != place.split(".")[0]}
        assert others.pop("uplink") == "off"
        assert set(others.values()) == {"live"}
        assert server.end()[0] == 0


def test_a_source_that_cannot_be_entered_stops_the_start_with_one_sentence(tmp_path: Path) -> None:
    environ = {**os.environ, **SOURCES, "BROKEN": "telemetry.enter SystemExit"}
    environ["ROVER_DATA_DIR"] = str(tmp_path)
    command = [sys.executable, "-m", "rover", "--port", "0"]
    ended = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode != 0
    assert "telemetry source BrokenTelemetry: " in ended.stderr
    assert "starlette/routing.py" not in ended.stderr


def test_a_mistake_in_the_dictionary_stops_the_start_with_one_sentence(tmp_path: Path) -> None:
    environ = {**os.environ, **SOURCES, "ROVER_TELEMETRY": "tests.broken:telemetry_without_unit"}
    environ["ROVER_DATA_DIR"] = str(tmp_path)
    command = [sys.executable, "-m", "rover", "--port", "0"]
    ended = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 2
    assert "unit=None" in ended.stderr
    assert "'speed'" in ended.stderr
    assert "BrokenTelemetry" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_source_that_blocks_the_event_loop_is_named_in_the_log_and_the_state(
    tmp_path: Path,
) -> None:
    environ = {**SOURCES, "BROKEN": "commands.validate block"}
    with serving(ALONE, "python -m rover", tmp_path, environ) as server:
        assert b"COMPLETE" in get(f"{server.url}/upload/rover-commands", UPLOAD)[1]
        deadline = time.monotonic() + 10
        while "broken.py:" not in details(server.url)["commands"]:
            assert time.monotonic() < deadline
        shown = details(server.url)
        assert "broken.py:" not in shown["telemetry"] + shown["camera"]
        assert "broken.py:" in server.log
