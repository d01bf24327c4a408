"""The systemd unit, the Dockerfile and the compose file of docs/deploy."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import yaml

from tests.deployment import DEPLOY
from tests.programs import needs
from tests.serving import free_port, wait_until_up

if TYPE_CHECKING:
    from pathlib import Path

MAX_EXPOSURE = 20
"""Maximum exposure of the unit, as systemd-analyze computes it: 2.0 of 10."""


def unit(folder: Path) -> Path:
    """The unit with the Python of these tests."""
    text = (DEPLOY / "cosmic-rover.service").read_text()
    program = "/opt/cosmic-rover/bin/cosmic-rover"
    assert program in text
    file = folder / "cosmic-rover.service"
    file.write_text(text.replace(program, f"{sys.executable} -m rover"))
    return file


def test_systemd_accepts_the_unit_and_rates_its_exposure_low(tmp_path: Path) -> None:
    program, file = needs("systemd-analyze"), unit(tmp_path)
    verified = subprocess.run([program, "verify", file], check=True, capture_output=True, text=True)
    assert verified.stderr == ""
    subprocess.run(
        [program, "security", "--offline=true", f"--threshold={MAX_EXPOSURE}", file],
        check=True,
        capture_output=True,
    )


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, without comments."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines if line]


def test_the_container_runs_as_an_ordinary_user_and_keeps_its_data_in_a_volume() -> None:
    last_stage = instructions()
    last_stage = last_stage[[name for name, _ in last_stage].index("FROM", 1) :]
    found = dict(last_stage)
    assert int(found["USER"]) > 0
    assert found["VOLUME"] == "/data"
    assert "ROVER_DATA_DIR=/data" in found["ENV"]


def test_the_command_and_the_health_check_of_the_container_work(tmp_path: Path) -> None:
    found = dict(instructions())
    port = free_port()
    command = [part.replace("8000", str(port)) for part in _list(found["CMD"])]
    data = tmp_path / "data"
    process = subprocess.Popen(
        [sys.executable, "-m", "rover", *command],
        cwd="/",
        env={
            "ROVER_CAMERA": "none:",
            "ROVER_DATA_DIR": str(data),
            "HOME": "/nonexistent",
            "PATH": os.environ["PATH"],
        },
        stderr=subprocess.DEVNULL,
    )
    try:
        assert wait_until_up(f"http://127.0.0.1:{port}/healthz", lambda: process.poll() is None)
        check = _list(found["HEALTHCHECK"].partition("CMD ")[2].replace("8000", str(port)))
        assert subprocess.run([sys.executable, *check[1:]], check=False).returncode == 0
        process.terminate()
        assert process.wait(15) == 0
        assert subprocess.run(
            [sys.executable, *check[1:]], check=False, stderr=subprocess.DEVNULL
        ).returncode
    finally:
        process.kill()
        process.wait()


def _list(text: str) -> list[str]:
    found: list[str] = yaml.safe_load(text)
    return found


def test_in_the_compose_file_only_the_proxy_is_reachable_and_trusted() -> None:
    file: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    rover, caddy = file["services"]["rover"], file["services"]["caddy"]
    assert "ports" not in rover
    assert (rover["read_only"], rover["cap_drop"]) == (True, ["ALL"])
    [network] = file["networks"]["default"]["ipam"]["config"]
    assert rover["environment"]["ROVER_TRUSTED_PROXIES"] == network["subnet"]
    assert (DEPLOY / rover["build"]["context"] / rover["build"]["dockerfile"]).is_file()
    assert (DEPLOY / caddy["volumes"][0].partition(":")[0]).is_file()
