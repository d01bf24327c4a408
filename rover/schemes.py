"""The schemes of source URLs: those of `sources`, and those that need a recorded mission."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rover.schema import is_mission
from sources.registry import SCHEMES, Scheme
from sources.registry.schemes import Schemes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sources.base import SourceKind


def _with_missions() -> Mapping[SourceKind, Mapping[str, Scheme]]:
    telemetry, camera = SCHEMES["telemetry"], SCHEMES["camera"]
    variants = ((is_mission, "rover.missions.mission_telemetry:MissionTelemetry"),)
    played = replace(telemetry["replay"], variants=variants)
    images = Scheme("rover.missions.mission_camera:MissionCamera", takes="path")
    return {
        **SCHEMES,
        "telemetry": {**telemetry, "replay": played},
        "camera": {**camera, "replay": images},
    }


ALL_SCHEMES = Schemes(_with_missions())
"""The schemes for `open_source`: `replay:` also plays recorded missions."""
