"""A server that behaves as rosbridge: clients subscribe to topics that nodes have advertised."""

from __future__ import annotations

import io
import json
from base64 import b64encode
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from anyio import Event, fail_after
from PIL import Image as Pillow
from websockets.asyncio.server import ServerConnection, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def compressed_image(
    form: str = "JPEG", size: tuple[int, int] = (64, 48), shade: int = 0, **stamp: int
) -> dict[str, Any]:
    """A message of `sensor_msgs/CompressedImage`; rosbridge sends bytes as base64."""
    file = io.BytesIO()
    Pillow.effect_noise(size, 20 + shade).convert("RGB").save(file, form)
    return {
        "header": {"stamp": {"sec": 0, "nanosec": 0, **stamp}, "frame_id": "mast"},
        "format": f"bgr8; {form.lower()} compressed bgr8",
        "data": b64encode(file.getvalue()).decode(),
    }


class Rosbridge:
    """A rosbridge server.

    Args:
        topics: those that nodes have advertised.

    Attributes:
        requests: subscriptions of all clients, in their order.
    """

    def __init__(self, *topics: str) -> None:
        self.requests: list[dict[str, Any]] = []
        self._topics = set(topics)
        self._clients: dict[str, set[ServerConnection]] = {}
        self._changed = Event()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve on the loopback; yields the URL."""
        async with serve(self._answer, "127.0.0.1", 0) as server:
            yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"

    def advertise(self, topic: str) -> None:
        self._topics.add(topic)

    async def subscribed(self, topic: str) -> None:
        """Return once a client is subscribed to the topic."""
        await self._until(lambda: bool(self._clients.get(topic)))

    async def unsubscribed(self, topic: str) -> None:
        """Return once no client is subscribed to the topic."""
        await self._until(lambda: not self._clients.get(topic))

    async def close(self) -> None:
        """Close all connections."""
        for client in {client for clients in self._clients.values() for client in clients}:
            await client.close()

    async def requested(self, count: int) -> None:
        """Return once clients have sent that many subscriptions."""
        await self._until(lambda: len(self.requests) >= count)

    async def publish(self, topic: str, message: dict[str, Any]) -> None:
        """Send a message to the subscribed clients."""
        text = json.dumps({"op": "publish", "topic": topic, "msg": message})
        for client in list(self._clients.get(topic, ())):
            await client.send(text)

    async def send(self, topic: str, text: str) -> None:
        """Send any text to the clients of a topic."""
        for client in list(self._clients[topic]):
            await client.send(text)

    async def _until(self, condition: Any) -> None:
        with fail_after(10):
            while not condition():
                self._changed = Event()
                await self._changed.wait()

    async def _answer(self, client: ServerConnection) -> None:
        try:
            async for text in client:
                request = json.loads(text)
                topic = request["topic"]
                self.requests.append(request)
                if topic in self._topics:
                    self._clients.setdefault(topic, set()).add(client)
                else:
                    reason = (
                        f"Cannot infer topic type for topic {topic} as it is not yet advertised"
                    )
                    status = {"op": "status", "level": "error", "id": request.get("id")}
                    await client.send(json.dumps({**status, "msg": f"subscribe: {reason}"}))
                self._changed.set()
        finally:
            for clients in self._clients.values():
                clients.discard(client)
            self._changed.set()
