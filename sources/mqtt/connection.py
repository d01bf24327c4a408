"""One connection to a broker, and the messages it brings."""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from aiomqtt import Client, Message, MqttError
from aiomqtt.exceptions import MqttConnectError
from anyio import BrokenResourceError, CancelScope, EndOfStream, connect_tcp, fail_after
from anyio.to_thread import run_sync

from sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sources.mqtt.address import Address
    from sources.values.losses import Losses

CONNECT_TIMEOUT_S = 5.0
LEAVE_S = 0.3
"""For so long the end of the mission, which may take 2 s in all, waits for the driver to leave."""

GOODBYE_S = 0.1
"""For so long the driver waits to see itself disconnected; it is not, if it was never let in."""

LOOK_S = 0.05
"""Between two looks at whether the driver can be left."""

MAX_WAITING = 10_000
"""Messages; the driver reads on while they wait, so there must be an end."""

_driver_log = logging.getLogger("rover.sources.mqtt")
_driver_log.setLevel(logging.CRITICAL)  # what it has to say reaches us as errors, and is told


class Connection:
    """Messages of one connection, in the order they came. Made by `connected`.

    What the driver is asked runs in a task of its own, so that no cancellation of ours reaches it.
    Its connect, cancelled midway, leaves a socket and a task behind; its waits lose the message
    that arrives at that moment, or the cancellation.
    """

    def __init__(self, client: Client, address: Address) -> None:
        self._client = client
        self._address = address
        self._messages = client.messages
        self._opening: asyncio.Task[None] | None = None
        self._next: asyncio.Task[Message] | None = None

    async def open(self, qos: int) -> None:
        """Connect, and subscribe to the address's topics.

        Raises:
            SourceError: the broker does not speak MQTT, or does not let us in, or not read.
        """
        self._opening = asyncio.ensure_future(self._open(qos))
        await asyncio.wait({self._opening})
        self._opening.result()

    async def receive(self, timeout_s: float | None = None) -> Message | None:
        """The next message; `None` if none comes within the time.

        Raises:
            SourceError: the connection is lost, and no message is left.
        """
        if self._next is None:
            self._next = asyncio.ensure_future(anext(self._messages))
        done, _ = await asyncio.wait({self._next}, timeout=timeout_s)
        if not done:
            return None
        arrived, self._next = self._next, None
        try:
            return arrived.result()
        except MqttError as exc:
            raise SourceError(
                f"the MQTT broker at {self._address.place} is gone ({exc.__cause__ or exc})"
            ) from exc

    async def close(self) -> None:
        """Say goodbye, and leave no socket and no task behind.

        It takes `LEAVE_S` at most. A thread of the driver that still connects cannot be stopped: if
        it takes longer, what it opens is closed when it is done, as long as the event loop runs.
        """
        leaving = asyncio.ensure_future(self._leave())
        with CancelScope(shield=True):
            await asyncio.wait({leaving}, timeout=LEAVE_S)

    async def _open(self, qos: int) -> None:
        place, topics = self._address.place, self._address.topics
        try:
            await self._client.__aenter__()
        except MqttConnectError as exc:
            raise SourceError(
                f"the MQTT broker at {place} does not let us in ({exc}); set MQTT_USERNAME and"
                " MQTT_PASSWORD, or write them into the URL"
            ) from exc
        except MqttError as exc:
            tried = "with" if self._address.tls else "without"
            raise SourceError(
                f"no MQTT connection to {place} ({exc}); is that a broker, {tried} TLS?"
            ) from exc
        try:
            answers = await self._client.subscribe(topics, qos)
        except MqttError as exc:
            raise SourceError(f"the MQTT broker at {place} is gone ({exc})") from exc
        for answer in answers:
            if not isinstance(answer, int) and answer.is_failure:
                raise SourceError(
                    f"the MQTT broker at {place} does not let us read {topics!r}; grant it to this"
                    " user"
                )

    async def _leave(self) -> None:
        tasks = {task for task in (self._opening, self._next) if task is not None}
        if self._opening is not None:
            while not self._opening.done() and not self._has_connected():
                await asyncio.wait({self._opening}, timeout=LOOK_S)
            await asyncio.wait({self._opening}, timeout=LOOK_S)  # the thread's last steps
        self._client.timeout = GOODBYE_S
        with suppress(MqttError):
            await self._client.__aexit__(None, None, None)
        for task in tasks:  # only now: the driver closes no socket once its connect is cancelled
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _has_connected(self) -> bool:
        """Whether the driver's thread has opened its socket; before, it does not let us leave."""
        # Private, as aiomqtt says it nowhere else: the task that it starts with the socket. Should
        # there be no such attribute, the thread is taken to be done, as it almost always is.
        return getattr(self._client, "_misc_task", self) is not None


@asynccontextmanager
async def connected(
    address: Address,
    *,
    qos: int,
    keepalive_s: int,
    client_id: str,
    losses: Losses,
) -> AsyncIterator[Connection]:
    """A connection that is subscribed to the address's topics.

    Raises:
        SourceError: nobody answers, or not to us; the text says what to do about it.
    """
    tls = await run_sync(ssl.create_default_context) if address.tls else None
    await _knock(address, tls)
    client = Client(
        address.host,
        address.port,
        username=address.username,
        password=address.password,
        logger=_driver_log,
        identifier=client_id or None,
        clean_session=not client_id,  # under a name of ours, the broker keeps what we miss
        queue_type=drop_oldest(losses),
        max_queued_incoming_messages=MAX_WAITING,
        keepalive=keepalive_s,
        timeout=CONNECT_TIMEOUT_S,
        tls_context=tls,
    )
    connection = Connection(client, address)
    try:
        await connection.open(qos)
        yield connection
    finally:
        await connection.close()


async def _knock(address: Address, tls: ssl.SSLContext | None) -> None:
    """See that somebody answers, whose certificate is good.

    The driver connects in a thread, which cannot be cancelled: a host that stays silent would hold
    up the end of the server. This can be cancelled, and leaves no socket behind when it fails.
    """
    connect = partial(connect_tcp, address.host, address.port)
    try:
        with fail_after(CONNECT_TIMEOUT_S):
            if tls is None:
                await (await connect()).aclose()
            else:
                await (await connect(ssl_context=tls, tls_standard_compatible=False)).aclose()
    except (OSError, BrokenResourceError, EndOfStream) as exc:  # a timeout is an OSError
        reason = str(exc) or type(exc).__name__
        raise SourceError(
            f"no MQTT broker answers at {address.place}{' with TLS' * address.tls} ({reason});"
            " is it running?"
        ) from exc


def drop_oldest(losses: Losses) -> type[asyncio.Queue[Message]]:
    """A kind of queue that, when full, drops its oldest message for a new one, and counts it."""

    class DropOldest(asyncio.Queue[Message]):
        def put_nowait(self, message: Message) -> None:
            if self.full():
                self.get_nowait()
                losses.add(f"{self.maxsize:,} messages wait already, so the oldest was dropped")
            super().put_nowait(message)

    return DropOldest
