"""What `rover serve` prints if other machines can reach a server without tokens."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest

from rover.cli.first_sign_in import first_sign_in, reachable
from rover.mission import MissionControl
from rover.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


def mission(folder: Path, tokens: str = "") -> MissionControl:
    return MissionControl(Settings(data_dir=folder, tokens=tokens))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_nothing_is_printed_if_only_this_machine_can_connect(host: str, tmp_path: Path) -> None:
    assert first_sign_in(mission(tmp_path), host, 8000) == ""


def test_nothing_is_printed_with_tokens(tmp_path: Path) -> None:
    assert first_sign_in(mission(tmp_path, "open-sesame-4f1c"), "0.0.0.0", 8000) == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::", "fd00::7", "rover.lab"])
def test_the_url_has_a_code_that_is_valid_once(host: str, tmp_path: Path) -> None:
    control = mission(tmp_path)
    text = first_sign_in(control, host, 8123)
    [code] = re.findall(r"http://\S+:8123/sign-in\?code=(\S+)\n", text)
    assert control.sign_ins.codes.redeem(code.encode())
    assert not control.sign_ins.codes.redeem(code.encode())


def test_a_server_in_another_process_has_no_url(tmp_path: Path) -> None:
    text = first_sign_in(None, "0.0.0.0", 8000)
    assert text
    assert "code=" not in text


@pytest.mark.parametrize(
    ("host", "shown"),
    [("192.0.2.7", "192.0.2.7"), ("fd00::7", "[fd00::7]"), ("rover.lab", "rover.lab")],
)
def test_a_certain_address_is_that_of_the_url(host: str, shown: str) -> None:
    assert reachable(host) == shown


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_the_url_for_all_addresses_has_one_that_can_be_reached(host: str) -> None:
    found = ip_address(reachable(host).strip("[]"))
    assert found.version == ip_address(host).version  # a server at `::` has no IPv4 address
    assert not found.is_unspecified
    assert reachable(host).startswith("[") is (found.version == 6)
