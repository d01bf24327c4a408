"""Command files: received, checked, and stored if they are accepted."""

from rover.commands.commands import Commands

__all__ = ["Commands"]
