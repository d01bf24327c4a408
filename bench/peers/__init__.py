"""The servers that the benchmark compares."""

from bench.peers.registry import CHANNELS, NCHAN, OURS, SSE_STARLETTE, STREAMS

__all__ = ["CHANNELS", "NCHAN", "OURS", "SSE_STARLETTE", "STREAMS"]
