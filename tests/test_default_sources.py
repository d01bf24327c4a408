from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from rover.default_sources import with_default_sources
from rover.mission import MissionControl
from rover.settings import Settings
from sources.none import NoCamera
from sources.simulated.camera import SimulatedCamera

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


class Machine:
    """A telemetry source of a user."""

    parameters = ()


@pytest.mark.parametrize(
    ("configured", "given", "urls"),
    [
        ({}, {}, ("sim:", "sim:", "sim:")),
        ({"telemetry": "push:"}, {}, ("push:", "none:", "none:")),
        ({"camera": "dir:/data"}, {}, ("none:", "dir:/data", "none:")),
        ({"commands": "lab:Check"}, {}, ("none:", "none:", "lab:Check")),
        ({"telemetry": "push:", "commands": "sim:"}, {}, ("push:", "sim:", "sim:")),
        ({"telemetry": "SIM:?seed=7", "camera": "dir:/x"}, {}, ("SIM:?seed=7", "dir:/x", "sim:")),
        ({"telemetry": "sim:?seed=7"}, {}, ("sim:?seed=7", "sim:", "sim:")),
        ({"camera": "none:"}, {}, ("sim:", "none:", "sim:")),
        ({"telemetry": "push:", "camera": "none:"}, {}, ("push:", "none:", "none:")),
        ({}, {"telemetry": Machine()}, ("none:", "none:", "none:")),
        ({}, {"telemetry": {"drive": Machine(), "arm": "push:"}}, ("none:", "none:", "none:")),
        ({}, {"telemetry": "push:"}, ("none:", "none:", "none:")),
        ({}, {"camera": SimulatedCamera(width=64, height=32)}, ("sim:", "sim:", "sim:")),
        ({}, {"camera": NoCamera()}, ("sim:", "sim:", "sim:")),
    ],
)
def test_a_source_that_is_not_configured_is_off_beside_a_real_one_and_else_simulated(
    configured: dict[str, Any], given: dict[str, Any], urls: tuple[str, str, str]
) -> None:
    settings = with_default_sources(Settings(**configured), **given)
    assert (settings.telemetry, settings.camera, settings.commands) == urls


async def test_the_log_names_each_source_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(
        telemetry="ws://operator:sesame@127.0.0.1:9/",
        commands="none:",
        camera="sim:?width=64",
        data_dir=tmp_path,
    )
    with caplog.at_level(logging.INFO, "rover.sources"):
        async with MissionControl(settings):
            pass
    lines = [line for line in caplog.messages if "the source is" in line]
    assert [line.partition(":")[0] for line in lines] == ["telemetry", "camera", "commands"]
    for line, scheme in zip(lines, ("ws:", "sim:", "none:"), strict=True):
        assert scheme in line
    assert ["simulated" in line for line in lines] == [False, True, False]
    assert "sesame" not in caplog.text
