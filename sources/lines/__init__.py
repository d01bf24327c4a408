"""Samples from lines of text: JSON, CSV, `key=value`, NMEA 0183 and InfluxDB line protocol.

    telemetry   a telemetry source that reads lines from a link
    ownership   keeps the values of several senders apart
    decoder     detects the format of a line, and reads its samples
    influx      InfluxDB line protocol
    nmea        NMEA 0183 sentences
    table       rows of a CSV, with or without a header
    pairs       `key=value` and `key: value`
    splitter    lines from chunks of bytes

Each module imports only from modules listed below it.
"""

from sources.lines.decoder import Format
from sources.lines.telemetry import LineTelemetry

__all__ = ["Format", "LineTelemetry"]
