"""The servers under comparison, by their names for `--servers`."""

from __future__ import annotations

from bench.peers import nchan
from bench.servers import Peer, program_peer, python_peer

OURS = "rover"
NCHAN = "nchan"
SSE_STARLETTE = "sse-starlette"
LOOP = "broadcast"
WEBSOCKETS = "websockets"

STREAMS = {
    OURS: python_peer("**Cosmic Rover**", "/stream/rover-telemetry", "rover"),
    NCHAN: Peer("nginx + nchan (C)", "/stream", nchan.serve, nchan.unavailable_reason),
    SSE_STARLETTE: python_peer(
        "sse-starlette, a queue per client", "/stream", "sse_starlette_queues", "sse_starlette"
    ),
    "generator": python_peer(
        "StreamingResponse, a generator per client", "/stream", "generator", "fastapi"
    ),
    "fastapi": python_peer("FastAPI's EventSourceResponse", "/stream", "fastapi_sse", "fastapi"),
}
"""Event streams at `path`."""

CHANNELS = {
    OURS: python_peer("**Cosmic Rover**", "/ws/comms/bench", "rover"),
    NCHAN: Peer("nginx + nchan (C)", "/channel", nchan.serve, nchan.unavailable_reason),
    LOOP: python_peer("the tutorial's broadcast loop", "/channel", "broadcast"),
    WEBSOCKETS: program_peer(
        "`websockets.broadcast`", "/channel", "bench.peers.websockets_broadcast"
    ),
}
"""WebSocket channels at `path`: every member receives what one member sends."""
