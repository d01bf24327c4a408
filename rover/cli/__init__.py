"""The command line: `rover`, `cosmic-rover` and `python -m rover`."""

from rover.cli.program import main

__all__ = ["main"]
