"""The parts of an MQTT URL: `mqtts://user:password@host:port/topic/filter`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from aiomqtt import Topic, Wildcard

from sources.base import SourceError
from sources.values.flatten import LEVEL

if TYPE_CHECKING:
    from collections.abc import Mapping

_WILDCARDS = ("+", "#")
PORTS = {"mqtt": 1883, "mqtts": 8883}

_FORM = "write mqtt://host:port/topic/filter, such as mqtt://localhost/rover/#"


@dataclass(frozen=True, slots=True)
class Address:
    """A broker, the user, and the topics to read.

    Attributes:
        host: a name, an IPv4 or an IPv6 address.
        port: of the broker.
        tls: whether to use TLS.
        topics: a topic, or a filter with `+` and `#`.
        username: `None` connects without a user.
        password: of that user.
    """

    host: str
    port: int
    tls: bool
    topics: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str, environ: Mapping[str, str] | None = None) -> Address:
        """The address in a URL, or with the user from `MQTT_USERNAME` and `MQTT_PASSWORD`.

        The URL has no fragment: `#` is part of a topic filter.

        Raises:
            SourceError: the URL is invalid; the text shows the right form.
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
            raise SourceError(f"must name a broker; {_FORM}")
        topics = unquote(path)
        try:
            Wildcard(topics)
        except ValueError as exc:
            reason = f"{topics!r} is not a topic filter" if topics else "must name a topic"
            raise SourceError(f"{reason}; {_FORM}") from exc
        if "\0" in topics or len(topics.encode(errors="replace")) > 0xFFFF:
            raise SourceError(f"{topics[:80]!r}: must be at most 65,535 bytes without a zero byte")
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
        """The broker as `host:port`, for messages and logs."""
        return f"{self.host}:{self.port}"

    def covers(self, topic: str) -> bool:
        """Whether the filter matches a topic."""
        try:
            return Topic(topic).matches(self.topics)
        except ValueError:  # empty, or with a wildcard
            return False

    def topic_place(self, topic: str) -> str:
        """The place of a topic's values: its levels that differ between the topics of the filter.

        With the filter `tele/+/SENSOR`, that of `tele/plug/SENSOR` is `plug`. With a filter without
        wildcards, it is empty.
        """
        return LEVEL.join(part for n, part in enumerate(topic.split("/")) if self.varies(n))

    def varies(self, level: int) -> bool:
        """Whether a level, from 0, differs between the topics of the filter."""
        levels = self._levels
        return level >= len(levels) or levels[level] in _WILDCARDS

    def value_place(self, topic: str) -> str:
        """The place of a topic with a single value: its levels from the first wildcard on.

        With the filter `rover/+/temperature`, that of `rover/arm/temperature` is
        `arm.temperature`. With a filter without wildcards, it is the last level of the topic.
        """
        levels = self._levels
        fixed = next((n for n, level in enumerate(levels) if level in _WILDCARDS), len(levels))
        parts = topic.split("/")
        return LEVEL.join(parts[fixed:] or parts[-1:])

    @property
    def _levels(self) -> list[str]:
        levels = self.topics.split("/")
        return levels[2:] if levels[0] == "$share" else levels  # $share/GROUP/FILTER
