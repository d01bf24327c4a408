"""Telemetry from vehicles that speak MAVLink: `mavlink:udpin:0.0.0.0:14550`.

    telemetry   the source: messages become samples
    receiver    the messages of all senders of a link
    vehicles    the names and clocks of several vehicles
    messages    the values of a message
    dialect     the messages of a dialect, and their values that mean "unknown"
    address     the link that an address names, as pymavlink writes it

Each module imports only from modules listed below it. pymavlink only parses here: its I/O blocks.
"""

from sources.mavlink.telemetry import MavlinkTelemetry

__all__ = ["MavlinkTelemetry"]
