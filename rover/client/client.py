"""The client of one server."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import httpx
from anyio import sleep

from rover import __version__
from rover.client import channel_requests
from rover.client.channel_stream import ChannelStream
from rover.client.comms import Channel, json_of, message_fields
from rover.client.errors import InvalidArgument, NotARover, Refused
from rover.client.http import check_status, translated_errors
from rover.client.images import ImageDownload
from rover.client.stream import CONNECT_TIMEOUT_S, EventStream
from rover.client.telemetry import SILENCE_S, TelemetryStream
from rover.client.uploads import Upload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from rover.client.channel_events import Message, Said

MAX_INGEST_ATTEMPTS = 60
"""Maximum number of attempts to send samples to a server whose inbox is full."""

FULL = (429, 503)
"""Statuses of a server that accepts the same request later."""

ANSWER_TIMEOUT_S = 30.0
"""Seconds without a byte after which a request for a document has failed."""


class Client:
    """A connection to a Cosmic Rover server. Use it as `async with Client(url) as rover:`.

    It runs on asyncio. Streams reconnect and resume by themselves; leaving the block closes them.

    Args:
        url: where the server's page is, with its prefix, such as `https://lab.example/rover/`.
        token: an access token.
        verify: `False` to accept any certificate, or the path of trusted ones.
        headers: sent with each request.

    Raises:
        InvalidArgument: the URL, the token or the file of certificates cannot be used.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        token: str | None = None,
        verify: bool | Path = True,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.url = checked_url(url)
        self.headers = {"User-Agent": f"cosmic-rover/{__version__}", **(headers or {})}
        if token:
            if not (token.isascii() and token.isprintable() and " " not in token):
                raise InvalidArgument("token: must be printable ASCII without spaces")
            self.headers["Authorization"] = f"Bearer {token}"
        self.tls = _tls(verify) if self.url.startswith("https:") else None
        self._streams: set[EventStream] = set()
        try:
            self.http = httpx.AsyncClient(
                headers=self.headers,
                verify=self.tls or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),  # trusts no server
                timeout=httpx.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
                limits=httpx.Limits(max_connections=None),
            )
        except (ValueError, ImportError, httpx.InvalidURL) as exc:  # of HTTPS_PROXY, for example
            raise InvalidArgument(f"the proxy of the environment cannot be used: {exc}") from exc

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for stream in list(self._streams):
            await stream.aclose()
        await self.http.aclose()

    def telemetry(
        self,
        *,
        fields: Sequence[str] | None = None,
        hz: float | None = None,
        last: int | None = None,
        since: str | None = None,
        after: str = "",
        wait: bool = False,
    ) -> TelemetryStream:
        """The telemetry from now on, as an asynchronous iterator.

        Samples come in the order of the server, each once. If samples are lost, a `Gap` says how
        many. `Interruption` says that the connection was cut; the next values may be old by then.

        Args:
            fields: names of parameters; all by default.
            hz: maximum number of samples a second.
            last: number of past samples before the live ones.
            since: past samples from this time on: ISO 8601 or POSIX seconds.
            after: past samples after this id.
            wait: whether to keep trying if the first attempt fails.
        """
        params = {
            "fields": None if fields is None else ",".join(fields),
            "hz": None if hz is None else f"{hz:g}",
            "last": None if last is None else str(last),
            "since": since,
        }
        return TelemetryStream(
            self.stream(
                "stream/rover-telemetry",
                {name: value for name, value in params.items() if value is not None},
                last_id=after,
                silence_s=SILENCE_S,
                wait=wait,
            )
        )

    def image(
        self,
        image_id: str | None = None,
        *,
        camera: str | None = None,
        on_retry: Callable[[str, float], None] = lambda *_: None,
    ) -> ImageDownload:
        """The bytes of an image, even while it still arrives: `async with rover.image() as image:`.

        Args:
            image_id: of the image; by default the latest.
            camera: the name of the camera; by default any.
            on_retry: called after a cut with the reason and the seconds until the next attempt.
        """
        params = {"id": image_id, "camera": camera}
        given = {name: value for name, value in params.items() if value is not None}
        return ImageDownload(self.http, self.url + "stream/rover-image", given, on_retry)

    async def images(self, limit: int = 100, *, camera: str | None = None) -> list[dict[str, Any]]:
        """Descriptions of the newest images, newest first, as the server's JSON.

        Raises:
            ClientError: as `get`.
        """
        camera_param = {} if camera is None else {"camera": camera}
        found = await self.get("images", {"limit": str(limit), **camera_param})
        images: list[dict[str, Any]] = found.get("images", [])
        return images

    def upload(
        self,
        source: Path | bytes | BinaryIO,
        name: str = "",
        on_progress: Callable[[int, int | None], None] = lambda *_: None,
    ) -> Upload:
        """Send a command file and follow its check: `async with rover.upload(path) as upload:`.

        Args:
            source: the path of the file, its bytes, or a file that is open for reading in binary.
            name: of the file; by default that of the path.
            on_progress: called with the bytes sent, and the size of the file or `None`.
        """
        return Upload(self, source, name, on_progress)

    def comms(self, channel: str, name: str = "", *, after: str = "") -> Channel:
        """A member of a comms channel: `async with rover.comms("flight", "Ada") as channel:`.

        Args:
            channel: the name of the channel.
            name: of the member; by default the server chooses one.
            after: resume after this event, instead of the newest messages.
        """
        return Channel(self, channel, name, after)

    async def channels(self) -> list[dict[str, Any]]:
        """The comms channels, with `name`, `members` and `last_id`, as the server's JSON.

        Raises:
            ClientError: as `get`.
        """
        channels: list[dict[str, Any]] = (await self.get("comms")).get("channels", [])
        return channels

    def follow(
        self, channel: str, *, last: int = 0, after: str = "", wait: bool = False
    ) -> ChannelStream:
        """The events of a comms channel from now on, without joining it.

        Args:
            channel: the name of the channel.
            last: number of past events before the live ones.
            after: past events after this id.
            wait: whether to keep trying if the first attempt fails.
        """
        params = {"last": str(last)} if last else {}
        path = channel_requests.path_of(channel, "stream")
        return ChannelStream(self.stream(path, params, last_id=after, wait=wait))

    def messages(
        self,
        channel: str,
        *,
        after: str = "",
        before: str = "",
        since: str | None = None,
        until: str | None = None,
        text: str = "",
    ) -> AsyncIterator[Message]:
        """The kept messages of a channel: the newest first or, with `after`, the oldest first.

        Pages are requested as the iteration reaches them.

        Args:
            channel: the name of the channel.
            after: messages after this event.
            before: messages before this event.
            since: messages from this time on: ISO 8601 or POSIX seconds.
            until: messages before this time.
            text: messages that contain it, in any case.

        Raises:
            ClientError: as `get`.
        """
        given = {"after": after, "before": before, "since": since, "until": until, "q": text}
        params = {name: value for name, value in given.items() if value}
        return channel_requests.messages(self, channel, params)

    async def say(
        self,
        channel: str,
        text: str,
        name: str = "",
        *,
        kind: str = "",
        data: Mapping[str, Any] | None = None,
        ref: str = "",
    ) -> Said:
        """Send a message to a channel without joining it; returns when the server has accepted it.

        While the client sends too many messages, it waits. After `ConnectionFailed`, the server may
        have the message: with the same `ref` and name, it can be sent again, and is there once.

        Args:
            channel: the name of the channel.
            text: the message.
            name: of the sender, unless the token has one; `guest` by default.
            kind: as in `Channel.say`.
            data: as in `Channel.say`.
            ref: your name for the message; by default it has none.

        Raises:
            MessageRefused: the channel does not accept the message.
            ClientError: as `get`.
        """
        fields = message_fields(text, kind, data) | ({"name": name} if name else {})
        body = json_of({**fields, "ref": ref} if ref else fields).encode()
        return await channel_requests.say(self, channel, body)

    async def ingest(self, samples: Iterable[str]) -> None:
        """Send samples to the server, which needs a `push:` source. While it is full, wait.

        Args:
            samples: each as a JSON object with the time `t`.

        Raises:
            ConnectionFailed: the server cannot be reached. It may have the samples.
            Refused: the server does not accept them. It has none of them.
            NotARover: the answer is not that of a Cosmic Rover server.
        """
        body, path = "\n".join(samples).encode(), "ingest/telemetry"
        await self.post(path, body, "application/x-ndjson", attempts=MAX_INGEST_ATTEMPTS)

    @asynccontextmanager
    async def download(
        self, path: str, params: Mapping[str, str] | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The file at a path below the server's URL, as its bytes arrive.

        Raises:
            ConnectionFailed: the server cannot be reached, or the connection was cut.
            Refused: the server does not allow it.
            NotARover: the answer is not a file.
        """
        url = self.url + path
        with translated_errors(url):
            async with self.http.stream("GET", url, params=params) as response:
                await check_status(response)
                if not response.headers.get("content-disposition", "").startswith("attachment"):
                    raise _not_a_rover(url, "a file", response)
                yield response.aiter_bytes()

    def stream(self, path: str, params: Mapping[str, str], **options: Any) -> EventStream:
        """An event stream below the server's URL; `EventStream` describes the options."""
        stream = EventStream(
            self.http, self.url + path, params, on_close=self._streams.discard, **options
        )
        self._streams.add(stream)
        return stream

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The JSON object at a path below the server's URL, such as `telemetry/latest`.

        Raises:
            ConnectionFailed: the server cannot be reached.
            Refused: the server does not allow it.
            NotARover: the answer is not a JSON object.
        """
        url = self.url + path
        with translated_errors(url):
            async with self.http.stream("GET", url, params=params) as response:
                await check_status(response)
                await response.aread()
        return _json_object(url, response)

    async def post(
        self, path: str, body: bytes, content_type: str, *, attempts: int = 1
    ) -> dict[str, Any]:
        """Send a body to a path below the server's URL; returns the JSON object of the answer.

        Args:
            path: below the server's URL.
            body: of the request.
            content_type: of the body.
            attempts: maximum number of attempts while the server accepts no more, or is starting.

        Raises:
            ClientError: as `get`. After `ConnectionFailed`, the server may have the body.
        """
        url, headers = self.url + path, {"Content-Type": content_type}
        while True:
            attempts -= 1
            try:
                with translated_errors(url):
                    response = await self.http.post(url, content=body, headers=headers)
                    await check_status(response)
                return _json_object(url, response)
            except Refused as exc:
                if exc.status not in FULL or attempts <= 0:
                    raise
                await sleep(exc.retry_after_s or 1.0)


def _json_object(url: str, response: httpx.Response) -> dict[str, Any]:
    """The JSON object of a response that was read.

    Raises:
        NotARover: it is not a JSON object.
    """
    try:
        value = response.json()
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise _not_a_rover(url, "a JSON object", response)
    return value


def _not_a_rover(url: str, expected: str, response: httpx.Response) -> NotARover:
    kind = response.headers.get("content-type", "").partition(";")[0] or "empty"
    return NotARover(f"{url} is not {expected} of a Cosmic Rover server but {kind}")


def checked_url(url: str) -> str:
    """The URL in its normal form, with a slash at its end.

    Raises:
        InvalidArgument: it is malformed.
    """
    try:
        found = httpx.URL(url)
        urlsplit(url)  # refuses brackets without an address
        found.raw_host.decode().encode("idna")  # the length of each label, as the name look-up
        usable = (
            url.isprintable()
            and " " not in url
            and found.scheme in ("http", "https")
            and found.host
            and (found.port is None or found.port in range(1, 2**16))
            and not (found.query or found.fragment)
        )
    except (httpx.InvalidURL, ValueError):  # UnicodeError is a ValueError
        usable = False
    else:
        if usable:
            return str(found).rstrip("/") + "/"
    raise InvalidArgument(f"url={url[:200]}: must be a URL such as http://127.0.0.1:8000")


def _tls(verify: bool | Path) -> ssl.SSLContext:
    if verify is False:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        return ssl.create_default_context(cafile=None if verify is True else str(verify))
    except OSError as exc:
        reason = "it has no PEM certificate" if isinstance(exc, ssl.SSLError) else exc.strerror
        raise InvalidArgument(f"{verify}: cannot be used as certificates: {reason}") from exc
