"""What an MQTT URL says: `mqtts://user:password@host:port/topic/filter`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from aiomqtt import Wildcard

from sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping

PORTS = {"mqtt": 1883, "mqtts": 8883}

_FORM = "write mqtt://host:port/topic/filter, such as mqtt://localhost/rover/#"


@dataclass(frozen=True, slots=True)
class Address:
    """A broker, how to come in, and what to read there.

    Attributes:
        host: a name, or an IPv4 or IPv6 address.
        port: of the broker.
        tls: whether to speak TLS.
        topics: a topic, or a filter with `+` and `#`.
        username: `None` comes in without a name.
        password: for it.
    """

    host: str
    port: int
    tls: bool
    topics: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str, environ: Mapping[str, str] | None = None) -> Address:
        """What the URL says; user and password may stand in `MQTT_USERNAME` and `MQTT_PASSWORD`.

        Nothing of a URL is a fragment here: `#` is part of a filter.

        Raises:
            SourceError: it makes no sense; the text says how to write it.
        """
        environ = os.environ if environ is None else environ
        scheme, slashes, rest = url.partition("://")
        authority, _, path = rest.partition("/")
        try:
            parts = urlsplit(f"//{authority}")
            host, port = parts.hostname, parts.port
        except ValueError as exc:
            raise SourceError(f"{exc}; {_FORM}") from exc
        if not slashes or not host or scheme.lower() not in PORTS:
            raise SourceError(f"it names no broker; {_FORM}")
        topics = unquote(path)
        try:
            Wildcard(topics)
        except ValueError as exc:
            reason = f"{topics!r} is no topic filter" if topics else "it names no topic"
            raise SourceError(f"{reason}; {_FORM}") from exc
        if "\0" in topics or len(topics.encode(errors="replace")) > 0xFFFF:
            raise SourceError("a topic is at most 65,535 bytes, without a zero")
        username, password = parts.username, parts.password
        return cls(
            host=host,
            port=port or PORTS[scheme.lower()],
            tls=scheme.lower() == "mqtts",
            topics=topics,
            username=environ.get("MQTT_USERNAME") if username is None else unquote(username),
            password=environ.get("MQTT_PASSWORD") if password is None else unquote(password),
        )

    @property
    def place(self) -> str:
        """The broker, for people; no secrets."""
        return f"{self.host}:{self.port}"

    def parameter(self, topic: str) -> str:
        """The name of the parameter that a topic is: what the filter leaves open of it.

        With the filter `rover/+/temperature`, the topic `rover/arm/temperature` is
        `arm.temperature`; where the filter leaves nothing open, it is the last part of the topic.
        """
        levels = self.topics.split("/")
        if levels[0] == "$share":  # $share/GROUP/FILTER
            levels = levels[2:]
        fixed = next((n for n, level in enumerate(levels) if level in ("+", "#")), len(levels))
        parts = topic.split("/")
        return ".".join(parts[fixed:] or parts[-1:])
