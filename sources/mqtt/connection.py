"""One connection to a broker, and its messages."""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from aiomqtt import Client, Message, MqttError
from aiomqtt.exceptions import MqttCodeError, MqttConnectError
from anyio import BrokenResourceError, CancelScope, EndOfStream, connect_tcp, fail_after
from anyio.to_thread import run_sync
from paho.mqtt.client import MQTT_ERR_NO_CONN

from sources.base import NotSent, SourceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sources.mqtt.address import Address
    from sources.values.losses import Losses

CONNECT_TIMEOUT_S = 5.0
"""Seconds that a broker may take to accept the connection, and to answer each packet."""

CLOSE_TIMEOUT_S = 0.3
"""Maximum seconds to close a connection; the whole shutdown takes at most 2 s."""

DISCONNECT_TIMEOUT_S = 0.1
"""Seconds that aiomqtt waits for its own disconnect, which never comes if it was not connected."""

CONNECT_POLL_S = 0.05
"""Seconds between two checks whether aiomqtt has opened its socket."""

MAX_WAITING = 10_000
"""Maximum number of waiting messages: aiomqtt has no backpressure: it reads without a limit."""

_driver_log = logging.getLogger("rover.sources.mqtt")
_driver_log.setLevel(
    logging.CRITICAL
)  # aiomqtt raises its problems as errors, which are logged later


class Connection:
    """The messages of one connection, in the order of arrival. `connected` creates it.

    Calls of aiomqtt run in tasks of their own, so that no cancellation reaches them. A cancelled
    connect of aiomqtt leaks a socket and a task; a cancelled wait can lose a message that arrives
    at the same time, or the cancellation.
    """

    def __init__(self, client: Client, address: Address) -> None:
        self._client = client
        self._address = address
        self._messages = client.messages
        self._opening: asyncio.Task[None] | None = None
        self._next: asyncio.Task[Message] | None = None

    async def open(self, filters: Sequence[str], qos: int) -> None:
        """Connect, and subscribe to the topic filters.

        Raises:
            SourceError: the broker does not use MQTT, or refuses the user or the topics.
        """
        self._opening = asyncio.ensure_future(self._open(filters, qos))
        await asyncio.wait({self._opening})
        self._opening.result()

    async def receive(self, timeout_s: float | None = None) -> Message | None:
        """The next message; `None` if none arrives within the timeout.

        Raises:
            SourceError: the connection is lost, and no message is waiting.
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
                f"the connection to the MQTT broker at {self._address.place} is lost"
                f" ({exc.__cause__ or exc})"
            ) from exc

    async def publish(
        self, topic: str, payload: bytes, qos: int = 0, timeout_s: float | None = None
    ) -> None:
        """Publish a message; with `qos`, return when the broker has confirmed it.

        Args:
            topic: of the message.
            payload: of the message.
            qos: 0, 1 or 2.
            timeout_s: seconds that the broker may take; `None` for that of the connection.

        Raises:
            NotSent: nothing was written to the connection: it was lost before, or the message is
                larger than MQTT allows.
            SourceError: the connection is lost.
        """
        sending = asyncio.ensure_future(
            self._client.publish(topic, payload, qos, timeout=timeout_s)
        )
        await asyncio.wait({sending})
        try:
            sending.result()
        except ValueError as exc:
            raise NotSent(f"MQTT cannot send {len(payload):,} bytes to {topic!r}: {exc}") from exc
        except MqttError as exc:
            was_lost = isinstance(exc, MqttCodeError) and exc.rc == MQTT_ERR_NO_CONN
            raise (NotSent if was_lost else SourceError)(
                f"the connection to the MQTT broker at {self._address.place} is lost ({exc})"
            ) from exc

    async def close(self) -> None:
        """Disconnect, and leave no socket and no task open.

        It takes at most `CLOSE_TIMEOUT_S`. A thread of aiomqtt that is still connecting cannot be
        stopped: if it takes longer, its socket is closed when it is done, if the event loop still
        runs then.
        """
        closing = asyncio.ensure_future(self._close())
        with CancelScope(shield=True):
            await asyncio.wait({closing}, timeout=CLOSE_TIMEOUT_S)

    async def _open(self, filters: Sequence[str], qos: int) -> None:
        place = self._address.place
        try:
            await self._client.__aenter__()
        except MqttConnectError as exc:
            raise SourceError(
                f"the MQTT broker at {place} refuses the connection ({exc}); set MQTT_USERNAME and"
                " MQTT_PASSWORD, or write them into the URL"
            ) from exc
        except MqttError as exc:
            tls = "with" if self._address.tls else "without"
            raise SourceError(
                f"no MQTT connection to {place} ({exc}); is that a broker {tls} TLS?"
            ) from exc
        try:
            answers = await self._client.subscribe([(topics, qos) for topics in filters])
        except MqttError as exc:
            raise SourceError(
                f"the connection to the MQTT broker at {place} is lost ({exc})"
            ) from exc
        for number, answer in enumerate(answers):
            if getattr(answer, "is_failure", False):  # a number if the broker accepts
                raise SourceError(
                    f"the MQTT broker at {place} refuses the subscription to {filters[number]!r};"
                    " grant this user the right to read it"
                )

    async def _close(self) -> None:
        tasks = {task for task in (self._opening, self._next) if task is not None}
        if self._opening is not None:
            while not self._opening.done() and not self._has_connected():
                await asyncio.wait({self._opening}, timeout=CONNECT_POLL_S)
            await asyncio.wait({self._opening}, timeout=CONNECT_POLL_S)  # the thread's last steps
        self._client.timeout = DISCONNECT_TIMEOUT_S
        with suppress(MqttError):
            await self._client.__aexit__(None, None, None)
        for task in tasks:  # only now: aiomqtt leaks its socket if its connect is cancelled
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _has_connected(self) -> bool:
        """Whether aiomqtt's thread has opened its socket; it cannot be closed before."""
        # A private attribute, as aiomqtt has no public one: the task that starts with the socket.
        # Without that attribute the thread counts as done, as it almost always is.
        return getattr(self._client, "_misc_task", self) is not None


@asynccontextmanager
async def connected(
    address: Address,
    filters: Sequence[str],
    *,
    qos: int,
    keepalive_s: int,
    client_id: str,
    losses: Losses,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
) -> AsyncIterator[Connection]:
    """A connection that is subscribed to topic filters.

    Args:
        address: of the broker, with the user.
        filters: to subscribe to.
        qos: of the subscription.
        keepalive_s: maximum seconds between two packets.
        client_id: the name of a session that the broker keeps; empty for a clean session.
        losses: counts messages that are dropped because too many are waiting.
        connect_timeout_s: seconds that the broker may take to answer each step.

    Raises:
        SourceError: the broker does not answer, or refuses; the text says how to fix it.
    """
    tls = await run_sync(ssl.create_default_context) if address.tls else None
    await _probe(address, tls, connect_timeout_s)
    client = Client(
        address.host,
        address.port,
        username=address.username,
        password=address.password,
        logger=_driver_log,
        identifier=client_id or None,
        clean_session=not client_id,  # a named session stores messages between connections
        queue_type=drop_oldest(losses),
        max_queued_incoming_messages=MAX_WAITING,
        keepalive=keepalive_s,
        timeout=connect_timeout_s,
        tls_context=tls,
    )
    connection = Connection(client, address)
    try:
        await connection.open(filters, qos)
        yield connection
    finally:
        await connection.close()


async def _probe(address: Address, tls: ssl.SSLContext | None, timeout_s: float) -> None:
    """Check that the broker accepts connections, and that its certificate is valid.

    aiomqtt connects in a thread, which cannot be cancelled: a host that does not answer would delay
    shutdown. This check can be cancelled, and leaks no socket when it fails.
    """
    connect = partial(connect_tcp, address.host, address.port)
    try:
        with fail_after(timeout_s):
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
    """A queue class that drops its oldest message, and counts it, when a message finds it full."""

    class DropOldest(asyncio.Queue[Message]):
        def put_nowait(self, message: Message) -> None:
            if self.full():
                self.get_nowait()
                losses.add(f"{self.maxsize:,} messages are waiting, the limit; dropped the oldest")
            super().put_nowait(message)

    return DropOldest
