"""Recorded telemetry, replayed: `replay:PATH`, from CSV or JSON lines.

    telemetry     the source: yields the rows of a recording at the recorded pace
    recording     a whole file: its rows in order of time, read by number
    fingerprint   whether a file has changed
    clock         the column that holds the time
    columns       the kind of each column, and its parameter
    table         a file and its dialect
    delimited     rows of a CSV: delimiter, header
    json_lines    rows of JSON lines
    row           one record, or why it cannot be read
    lines         lines: encoding, offset in the file

Each module imports only from modules listed below it.
"""

from sources.replay.telemetry import ReplayTelemetry

__all__ = ["ReplayTelemetry"]
