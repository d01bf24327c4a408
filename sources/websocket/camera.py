"""The camera: CompressedImage messages of rosbridge become images."""

from __future__ import annotations

import time as clocks
from base64 import b64decode
from typing import TYPE_CHECKING, Any

from anyio.to_thread import run_sync

from sources.base import SourceError
from sources.values.held import NotAnImage
from sources.values.held_camera import HeldCamera
from sources.values.losses import Losses
from sources.values.parsing import PayloadRefused, at, decode, noun, parse
from sources.values.ranges import Range
from sources.values.times import timestamp_of
from sources.websocket.connection import Server
from sources.websocket.subscriptions import Subscriptions, to_topics

if TYPE_CHECKING:
    from collections.abc import Callable


MAX_INLINE_BYTES = 128 * 2**10
"""Maximum bytes of a message that is decoded on the event loop; larger ones use a thread."""

ENVELOPE_BYTES = 4096
"""Maximum bytes of a message without its image."""


class RosbridgeCamera(HeldCamera):
    """The newest images of a CompressedImage topic, in memory.

    Use it as an async context manager. It receives images while somebody reads `new`.

    A message without a whole image is counted and logged, and the next message is read.

    Args:
        url: the URL without its query.
        topic: of `sensor_msgs/CompressedImage`, such as `/camera/image_raw/compressed`.
        keep: maximum number of images that are held.
        memory_mib: maximum size of all images that are held, and of one image.
        throttle_ms: milliseconds between two images; rosbridge leaves out the others.
        clock: POSIX seconds.
        query: the query for the server.

    Raises:
        SourceError: the URL or an option is invalid.

    Attributes:
        losses: messages without an image.
    """

    def __init__(
        self,
        url: str,
        /,
        topic: str,
        keep: int = 20,
        memory_mib: int = 64,
        throttle_ms: int = 200,
        *,
        clock: Callable[[], float] = clocks.time,
        **query: str,
    ) -> None:
        self._server = Server(url, query)
        self._topic = topic
        max_bytes = Range(1, 4096, "MiB").whole("memory_mib", memory_mib) * 2**20
        super().__init__(Range(1, 10_000).whole("keep", keep), max_bytes)
        self._max_message_bytes = max_bytes * 4 // 3 + ENVELOPE_BYTES  # base64
        throttle_ms = Range(at_least=0, unit="ms").whole("throttle_ms", throttle_ms)
        # a queue of one: rosbridge drops old images for a client that is slower
        messages = to_topics([topic], throttle_rate=throttle_ms, queue_length=1)
        self._subscriptions = Subscriptions(messages)
        self._clock = clock
        self.losses = Losses(self._server.place)

    async def _receive(self, announce: Callable[[str], None]) -> None:
        """Receive images, and announce their ids, until the connection is lost."""
        async with self._server.connected(self._max_message_bytes) as socket:
            await self._subscriptions.send(socket)
            self._receptions.note_contact()
            while True:
                payload = await self._subscriptions.receive(socket)
                self._receptions.note_contact()
                arrived = self._clock()
                try:
                    if len(payload) > MAX_INLINE_BYTES:
                        found = await run_sync(_image_in, payload, self._topic)
                    else:
                        found = _image_in(payload, self._topic)
                    data, taken_at, metadata = found
                    image = self._held.add_whole(data, arrived, taken_at, metadata)
                except (PayloadRefused, NotAnImage) as exc:
                    self.losses.add(exc, payload[:80])
                else:
                    if image is not None:
                        announce(image.id)


def _image_in(payload: bytes | str, topic: str) -> tuple[bytes, float | None, dict[str, str]]:
    """The bytes, the time and the facts of an image in a message.

    Raises:
        SourceError: rosbridge refuses the topic.
        PayloadRefused: the message holds no image.
    """
    root: Any = parse(decode(payload))
    if isinstance(root, dict) and root.get("op") == "status":
        reason = f"rosbridge reports: {root.get('msg')!s:.200}"
        raise (SourceError if root.get("level") == "error" else PayloadRefused)(reason)
    encoded = at(root, "msg.data")
    if at(root, "op") != "publish" or not isinstance(encoded, str):
        raise PayloadRefused(f"expected base64 at 'msg.data', found {noun(encoded)}")
    try:
        data = b64decode(encoded, validate=True)
    except ValueError as exc:
        raise PayloadRefused(f"'msg.data' is not base64 ({exc})") from exc
    members = {"format": at(root, "msg.format"), "frame": at(root, "msg.header.frame_id")}
    facts = {name: text[:80] for name, text in members.items() if isinstance(text, str)}
    return data, timestamp_of(at(root, "msg.header.stamp")), {"topic": topic, **facts}
