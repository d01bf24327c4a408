"""Live telemetry: one ordered topic, its views, its history and its alarms."""

from rover.telemetry.telemetry import Telemetry

__all__ = ["Telemetry"]
