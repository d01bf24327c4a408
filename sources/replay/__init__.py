"""Recorded telemetry, played again: `replay:PATH`, from CSV or JSON lines.

    telemetry     the source: emits a recording's rows at the recorded pace
    recording     all of a file: its rows in order of time, read again by number
    fingerprint   whether it is still that file
    clock         which column is the clock, and what it says
    columns       what a column holds, and the parameter it becomes
    table         rows: delimiter, header, JSON
    lines         lines: encoding, place in the file

Each imports only from those below it.
"""

from sources.replay.telemetry import ReplayTelemetry

__all__ = ["ReplayTelemetry"]
