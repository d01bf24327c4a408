"""Telemetry from lines of text on a serial port: `serial:/dev/ttyUSB0?baud=115200`."""

from sources.serial_port.telemetry import SerialTelemetry

__all__ = ["SerialTelemetry"]
