"""Command files: received, checked, and kept if they are accepted."""

from rover.commands.commands import Commands

__all__ = ["Commands"]
