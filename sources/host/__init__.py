"""The machine itself as the rover: `host:`, for which nothing but psutil is needed.

telemetry    the source: reads every gauge once a period
gauges       what there is to read, and what it means
rates        how fast counters rise
"""

from sources.host.telemetry import HostTelemetry

__all__ = ["HostTelemetry"]
