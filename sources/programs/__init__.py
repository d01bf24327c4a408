"""Checks apart from the server: programs (`cmd:`) and isolated validators (`isolate=1`)."""

from sources.programs.isolated import IsolatedValidator
from sources.programs.validator import ProgramValidator

__all__ = ["IsolatedValidator", "ProgramValidator"]
