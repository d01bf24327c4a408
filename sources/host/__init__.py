"""Telemetry of the machine that the server runs on: `host:`, which needs only psutil.

telemetry    the source: reads every gauge once per period
gauges       the parameters of this machine and their values
rates        the rates of counters
"""

from sources.host.telemetry import HostTelemetry

__all__ = ["HostTelemetry"]
