"""The servers under comparison, by their names for `--servers`."""

from __future__ import annotations

from dataclasses import replace

from bench.peers import nchan
from bench.servers import Frames, Peer, program_peer, python_peer

OURS = "rover"
NCHAN = "nchan"
SSE_STARLETTE = "sse-starlette"
LOOP = "broadcast"
WEBSOCKETS = "websockets"


def _with_channels(peer: Peer) -> Peer:
    return replace(peer, has_channels=True)


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

SOCKET_IO = Frames(hello="40", before='42["say",', after="]")
"""Engine.IO 4 and Socket.IO 5: the frames that connect and that send an event."""

CHANNELS = {
    OURS: _with_channels(python_peer("**Cosmic Rover**", "/ws/comms/bench", "rover")),
    NCHAN: Peer("nginx + nchan (C)", "/channel", nchan.serve, nchan.unavailable_reason),
    LOOP: _with_channels(python_peer("the tutorial's broadcast loop", "/channel", "broadcast")),
    WEBSOCKETS: _with_channels(
        program_peer("`websockets.broadcast`", "/channel", "bench.peers.websockets_broadcast")
    ),
    "litestar": python_peer(
        "Litestar's channels plugin", "/channel", "litestar_channels", "litestar"
    ),
    "socketio": replace(
        python_peer(
            "python-socketio",
            "/socket.io/?EIO=4&transport=websocket",
            "socketio_broadcast",
            "socketio",
        ),
        frames=SOCKET_IO,
    ),
}
"""WebSocket channels at `path`: every member receives what one member sends."""
