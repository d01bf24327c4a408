"""Programs that tests need and PyPI does not have: found, or the test is skipped.

With `CI=true` a missing program fails the test, so that CI never reports success for tests that
did not run.
"""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

IN_CI = os.environ.get("CI") == "true"

PACKAGES = {
    "caddy": "caddy",
    "chromium": "chromium fonts-dejavu-core libatomic1",
    "curl": "curl",
    "ip": "iproute2",
    "mosquitto": "mosquitto",
    "mosquitto_passwd": "mosquitto",
    "nginx": "nginx",
    "openssl": "openssl",
    "systemd-analyze": "systemd",
}
"""The Debian packages of each program and of the libraries that the same tests need."""

SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/sbin")
"""Debian installs servers here, and the PATH of an ordinary user has none of them."""


def needs(program: str, *alternatives: str) -> str:
    """The path of a program; skips the test, or in CI fails it, if the program is not installed.

    Args:
        program: a name in `PACKAGES`.
        alternatives: other programs that the test can run instead.
    """
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *SYSTEM_FOLDERS))
    for name in (program, *alternatives):
        if (found := shutil.which(name, path=path)) is not None:
            return found
    return skip_or_fail(reason_for(program))


def reason_for(program: str) -> str:
    """The reason of tests that are skipped because a program is not installed."""
    return f"{program} is not installed: apt-get install {PACKAGES[program]}"


def skip_or_fail(reason: str) -> NoReturn:
    """Skip the test, or in CI fail it."""
    if IN_CI:
        pytest.fail(reason)
    pytest.skip(reason)
