"""An uplink through an MQTT broker: `mqtt://HOST/rover/commands`, `mqtts://…`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from anyio import to_thread

from sources.base import NotSent, SourceError
from sources.mqtt.address import Address
from sources.mqtt.connection import CONNECT_TIMEOUT_S, connected
from sources.rules.describe import describe
from sources.values.answers import read_answer
from sources.values.losses import Losses
from sources.values.ranges import Range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiomqtt import Message

    from sources.base import Answer, Outgoing

ANSWER = "answer"
"""The last level of the topics of answers."""

ACKNOWLEDGEMENT_TIMEOUT_S = 30.0
"""Seconds that the broker may take to confirm a sequence."""


class MqttUplink:
    """Publishes each sequence to the topic `TOPIC/ID/ATTEMPT`: its bytes are the payload.

    The machine answers to `TOPIC/ID/ATTEMPT/answer` with JSON:
    `{"accepted": true, "detail": "…"}`. Messages are not retained. With QoS 1 or 2, a sequence has
    left when the broker has confirmed it.

    Args:
        url: the broker and the topic, without wildcards.
        qos: of the sequences and of the answers.
        client_id: keeps the session of the answers on the broker: it then stores those that arrive
            while the server is disconnected.
        keepalive_s: the connection is lost after 1.5 times this without a packet.

    Raises:
        SourceError: the URL or an option is invalid.

    Attributes:
        losses: answers that could not be read.
    """

    def __init__(
        self,
        url: str,
        /,
        qos: Literal[1, 2] = 1,
        client_id: str = "",
        keepalive_s: int = 30,
        *,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
    ) -> None:
        self._address = Address.parse(url)
        if {"+", "#"} & set(self._address.topics):
            raise SourceError(f"{self._address.topics!r}: must be a topic without wildcards")
        self._qos = qos
        self._client_id = client_id
        self._keepalive_s = Range(1, 0xFFFF, "s").whole("keepalive_s", keepalive_s)
        self._connect_timeout_s = connect_timeout_s
        self.losses = Losses(f"mqtt {self._address.place}")

    async def send(self, outgoing: Outgoing) -> None:
        """Publish the file on a connection of its own; see `Uplink`."""
        topic = f"{self._address.topics}/{outgoing.id}/{outgoing.attempt}"
        has_begun = False
        try:
            payload = await to_thread.run_sync(outgoing.path.read_bytes)
            async with connected(
                self._address,
                (f"{topic}/{ANSWER}",),
                qos=0,
                keepalive_s=self._keepalive_s,
                client_id="",
                losses=self.losses,
                connect_timeout_s=self._connect_timeout_s,
            ) as connection:
                has_begun = True
                await connection.publish(topic, payload, self._qos, ACKNOWLEDGEMENT_TIMEOUT_S)
        except Exception as exc:
            if has_begun:
                raise
            raise NotSent(describe(exc)) from exc

    async def answers(self) -> AsyncIterator[Answer]:
        """Yield the answers; see `Uplink`."""
        async with connected(
            self._address,
            (f"{self._address.topics}/+/+/{ANSWER}",),
            qos=self._qos,
            keepalive_s=self._keepalive_s,
            client_id=self._client_id,
            losses=self.losses,
            connect_timeout_s=self._connect_timeout_s,
        ) as connection:
            while (message := await connection.receive()) is not None:
                try:
                    yield _answer(message)
                except ValueError as exc:
                    place = f"topic {str(message.topic)[:80]!r}"
                    self.losses.add(f"{place}: {exc}", bytes(message.payload))


def _answer(message: Message) -> Answer:
    """The answer in a message.

    Raises:
        ValueError: it is none.
    """
    upload_id, attempt, _ = str(message.topic).split("/")[-3:]
    return read_answer(bytes(message.payload), upload_id, int(attempt))
