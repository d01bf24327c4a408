"""The metrics of a mission for Prometheus."""

from rover.metrics.collector import MissionMetrics
from rover.metrics.encode import Encoded, encode

__all__ = ["Encoded", "MissionMetrics", "encode"]
