"""Recorded missions: read from a data folder or a `.rover` file, and written into one."""

from rover.missions.snapshot import Snapshot

__all__ = ["Snapshot"]
