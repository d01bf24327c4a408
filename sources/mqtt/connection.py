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
from anyio import (
    BrokenResourceError,
    CancelScope,
    EndOfStream,
    connect_tcp,
    fail_after,
    move_on_after,
)
from anyio.to_thread import run_sync

from sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sources.mqtt.address import Address
    from sources.payload import Losses

CONNECT_TIMEOUT_S = 5.0
GOODBYE_S = 0.3
"""Spent at most twice when the mission ends; all of it may take 2 s."""

MAX_WAITING = 10_000
"""Messages; the driver reads on while they wait, so there must be an end."""

_driver_log = logging.getLogger("rover.sources.mqtt")
_driver_log.setLevel(logging.CRITICAL)  # what it has to say reaches us as errors, and is told


class Connection:
    """Messages of one connection, in the order they came. Made by `connected`."""

    def __init__(self, client: Client, place: str) -> None:
        self._messages = client.messages
        self._place = place
        self._next: asyncio.Task[Message] | None = None

    async def receive(self, timeout_s: float | None = None) -> Message | None:
        """The next message; `None` if none comes within the time.

        Raises:
            SourceError: the connection is lost, and no message is left.
        """
        if self._next is None:
            self._next = asyncio.ensure_future(anext(self._messages))
        # to cancel the driver's wait could lose a message that arrives at that moment
        done, _ = await asyncio.wait({self._next}, timeout=timeout_s)
        if not done:
            return None
        arrived, self._next = self._next, None
        try:
            return arrived.result()
        except MqttError as exc:
            raise SourceError(
                f"the MQTT broker at {self._place} is gone ({exc.__cause__ or exc})"
            ) from exc

    def close(self) -> None:
        """Stop waiting."""
        if self._next is not None:
            self._next.cancel()


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
    try:
        await _enter(client)
    except MqttConnectError as exc:
        raise SourceError(
            f"the MQTT broker at {address.place} does not let us in ({exc}); set MQTT_USERNAME"
            " and MQTT_PASSWORD, or write them into the URL"
        ) from exc
    except MqttError as exc:
        tried = "with" if address.tls else "without"
        raise SourceError(
            f"no MQTT connection to {address.place} ({exc}); is that a broker, {tried} TLS?"
        ) from exc
    connection = Connection(client, address.place)
    try:
        await _subscribe(client, address, qos)
        yield connection
    finally:
        connection.close()
        await _leave(client)


async def _knock(address: Address, tls: ssl.SSLContext | None) -> None:
    """See that somebody answers, whose certificate is good.

    The driver connects in a thread, which cannot be cancelled: a host that stays silent would hold
    up the end of the mission. This can be cancelled, and leaves no socket behind when it fails.
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


async def _enter(client: Client) -> None:
    entering = asyncio.ensure_future(client.__aenter__())
    try:
        await asyncio.wait({entering})
    finally:
        if not entering.done():  # we are cancelled; the driver's thread is not, and opens a socket
            with CancelScope(shield=True):
                await asyncio.wait({entering}, timeout=GOODBYE_S)
                await _leave(client)
                entering.cancel()
                await asyncio.gather(entering, return_exceptions=True)
    try:
        entering.result()
    except MqttConnectError:
        raise
    except MqttError:
        await _leave(client)  # a broker that never answered still has us on the line
        raise


async def _leave(client: Client) -> None:
    with move_on_after(GOODBYE_S, shield=True), suppress(MqttError):
        await client.__aexit__(None, None, None)


async def _subscribe(client: Client, address: Address, qos: int) -> None:
    try:
        answers = await client.subscribe(address.topics, qos)
    except MqttError as exc:
        raise SourceError(f"the MQTT broker at {address.place} is gone ({exc})") from exc
    for answer in answers:
        if not isinstance(answer, int) and answer.is_failure:
            raise SourceError(
                f"the MQTT broker at {address.place} does not let us read {address.topics!r};"
                " grant it to this user"
            )


def drop_oldest(losses: Losses) -> type[asyncio.Queue[Message]]:
    """A kind of queue that, when full, drops its oldest message for a new one, and counts it."""

    class DropOldest(asyncio.Queue[Message]):
        def put_nowait(self, message: Message) -> None:
            if self.full():
                self.get_nowait()
                losses.add(f"{self.maxsize:,} messages wait already, so the oldest was dropped")
            super().put_nowait(message)

    return DropOldest
