"""uvicorn's protocols with limits on what a client sends before the app sees the request.

`python -m rover` passes these classes to uvicorn as `http=` and `ws=`. They find the limits of
connections, `ConnectionLimits`, in the state of the lifespan, if the app puts them there.
"""

from __future__ import annotations

from rover.asgi.servers.uvicorn_http import BoundedHTTPProtocol
from rover.asgi.servers.uvicorn_websocket import BoundedWebSocketProtocol

__all__ = ["BoundedHTTPProtocol", "BoundedWebSocketProtocol"]
