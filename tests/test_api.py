"""The public API: what `from rover import …` offers."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import rover


def test_the_public_names_are_sorted() -> None:
    assert rover.__all__ == sorted(rover.__all__)


def test_dir_lists_the_public_names() -> None:
    assert set(rover.__all__) < set(dir(rover))


@pytest.mark.parametrize("name", rover.__all__)
def test_every_public_name_can_be_imported_and_is_documented(name: str) -> None:
    public = getattr(rover, name)
    assert public.__name__ == name
    assert public.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Missing"):
        _ = rover.Missing


def test_the_import_loads_no_other_module_of_ours_and_no_starlette() -> None:
    loaded = run("import rover, sys; print(*sys.modules)").split()
    assert "rover" in loaded
    assert not [name for name in loaded if name.startswith(("rover.", "sources", "starlette"))]


def test_the_import_does_not_read_the_environment() -> None:
    run("from rover import *", ROVER_HEARTBEAT_S="nonsense")


def run(code: str, **environment: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
