"""Recorded missions: read from a data folder or a `.rover` file, written into one, and served."""

from rover.missions.record import record
from rover.missions.recorded import RecordedMission
from rover.missions.snapshot import Snapshot

__all__ = ["RecordedMission", "Snapshot", "record"]
