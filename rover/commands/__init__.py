"""Command files: received, checked, and kept if they are accepted."""

from rover.commands.commands import Uplink

__all__ = ["Uplink"]
