"""The servers that the benchmark compares."""

from bench.peers.registry import (
    CHANNELS,
    LOOP,
    NCHAN,
    OURS,
    SSE_STARLETTE,
    STREAMS,
    WEBSOCKETS,
)

__all__ = ["CHANNELS", "LOOP", "NCHAN", "OURS", "SSE_STARLETTE", "STREAMS", "WEBSOCKETS"]
