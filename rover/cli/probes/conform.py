"""The checks of `rover conform`: how well a server keeps the promises of an event stream."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

import httpx
from anyio import create_task_group, run_process, sleep, to_thread

from rover.cli.probes.result import Result
from rover.cli.probes.timed_stream import TimedStream, timed_stream
from rover.client import ClientError, Refused

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from rover.client import ServerSentEvent

FIRST_BYTE_S = 1.0
HEARTBEAT_S = 30.0
MIN_EVENTS = 4
"""Minimum number of events with ids that the checks of resuming need."""

SLOWDOWN_S = 1.0
"""Seconds by which a stalled client may lengthen the longest silence of another one."""

STALLED = 3
"""Number of stalled clients."""

LOST = re.compile(r"gap|reset|lost|missed|expired|overrun|truncated", re.IGNORECASE)
"""Words in the name or the data of an event that reports a loss."""


class Conformance:
    """The checks of one stream.

    Args:
        http: sends the requests, with the token if there is one.
        url: of the stream.
        seconds: how long to read for each check.
        publish: a shell command that makes the server send an event; empty if it sends them by
            itself.
    """

    def __init__(
        self, http: httpx.AsyncClient, url: str, seconds: float, publish: str = ""
    ) -> None:
        self._http = http
        self._url = url
        self._seconds = seconds
        self._publish = publish

    async def check(self) -> AsyncGenerator[Result]:
        """All results.

        Raises:
            ClientError: the stream cannot be opened.
        """
        async with timed_stream(self._http, self._url) as first:
            async with timed_stream(self._http, self._url) as second:
                await self._read(first, second)
            for result in form(first, self._seconds):
                yield result
            yield order(first, second)
        seen = first.with_ids()
        yield ids(seen)
        if len(seen) < MIN_EVENTS:
            found = f"only {len(seen)} events with ids in {self._seconds:.0f} s"
            fix = "read longer with --seconds, or make events with --publish"
            yield Result("resume", "skip", found, fix, 3)
            yield Result("gaps", "skip", found, "", 2)
        else:
            yield await self.resume(seen)
            yield await self.gap(seen)
        yield await self.hostile_id()
        yield await self.stalled_clients(first.max_silence_s)

    async def _read(self, *streams: TimedStream) -> None:
        """Read all streams, while events are published."""
        async with create_task_group() as publishing:
            if self._publish:
                publishing.start_soon(self._publish_events)
            async with create_task_group() as readers:
                for stream in streams:
                    readers.start_soon(stream.read_for, self._seconds)
            publishing.cancel_scope.cancel()

    async def _publish_events(self) -> None:
        while True:
            await run_process(["/bin/sh", "-c", self._publish], check=False)
            await sleep(0.1)

    async def resume(self, seen: Sequence[ServerSentEvent]) -> Result:
        """Whether the events after an id are sent again, exactly."""
        name = "resume"
        after, expected = seen[0], [(event.id, event.data) for event in seen[1:]]
        try:
            async with timed_stream(self._http, self._url, {"Last-Event-ID": after.id}) as again:
                await again.read_for(self._seconds, count=len(expected))
        except ClientError as exc:
            return Result(name, "fail", f"Last-Event-ID is refused: {exc}", "", 3)
        found = [(event.id, event.data) for event in again.with_ids()]
        if found[: len(expected)] == expected:
            return Result(name, "ok", f"{len(expected)} missed events are sent again", "", 3)
        if reports_loss(again):
            return Result(name, "warn", "missed events are lost, and the loss is reported", "", 3)
        kept = [one for one in found if one in expected]
        if after.id in [event_id for event_id, _ in found]:
            return Result(name, "fail", "the last event is sent twice", "", 3)
        text = f"{len(expected) - len(kept)} of {len(expected)} missed events are lost silently"
        return Result(name, "fail", text, "keep the last events, and send those after the id", 3)

    async def gap(self, seen: Sequence[ServerSentEvent]) -> Result:
        """Whether an id that the server cannot know is answered with a report of the loss."""
        name, fix = "gaps", "send an event that says that events are missing"
        unknown = "0-1" if "-" in seen[-1].id else "0"
        try:
            async with timed_stream(self._http, self._url, {"Last-Event-ID": unknown}) as again:
                await again.read_for(self._seconds, count=2)
        except Refused as exc:
            if exc.status < httpx.codes.INTERNAL_SERVER_ERROR:
                return Result(name, "ok", f"an expired id is refused with {exc.status}", "", 2)
            return Result(name, "fail", f"an expired id causes {exc.status}", fix, 2)
        except ClientError as exc:
            return Result(name, "fail", f"an expired id ends the stream: {exc}", fix, 2)
        if reports_loss(again):
            return Result(name, "ok", "an event reports that events are missing", "", 2)
        return Result(name, "fail", "an expired id is ignored silently", fix, 2)

    async def hostile_id(self) -> Result:
        """Whether an id with odd bytes causes an error of the server."""
        name = "hostile id"
        try:
            async with timed_stream(
                self._http, self._url, {"Last-Event-ID": "\N{ROCKET}" + "9" * 300}
            ) as stream:
                return Result(name, "ok", f"answered with {stream.response.status_code}")
        except Refused as exc:
            level = "fail" if exc.status >= httpx.codes.INTERNAL_SERVER_ERROR else "ok"
            return Result(name, "fail" if level == "fail" else "ok", f"answered with {exc.status}")
        except ClientError as exc:
            return Result(name, "fail", str(exc))

    async def stalled_clients(self, before_s: float) -> Result:
        """Whether clients that read nothing delay another one."""
        name = "stalled clients"
        request = self._http.build_request("GET", self._url)
        url = request.url
        if url.scheme == "https":
            return Result(name, "skip", "needs an http:// URL", "", 2)
        lines = [f"{key}: {value}" for key, value in request.headers.items()]
        path = url.raw_path.decode()
        head = "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()
        stalled = [
            await to_thread.run_sync(_stalled, url.host, url.port or 80, head)
            for _ in range(STALLED)
        ]
        try:
            async with timed_stream(self._http, self._url) as stream:
                await self._read(stream)
        finally:
            for sock in stalled:
                sock.close()
        if stream.ended or stream.max_silence_s > before_s + SLOWDOWN_S:
            found = f"others wait {stream.max_silence_s:.1f} s, before {before_s:.1f} s"
            return Result(name, "fail", found, "give each client a position of its own", 2)
        found = f"{STALLED} of them delay no other client ({stream.max_silence_s:.1f} s at most)"
        return Result(name, "ok", found, "", 2)


def _stalled(host: str, port: int, head: bytes) -> socket.socket:
    """A client that has sent its request and reads nothing."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    sock.settimeout(10)
    sock.connect((host, port))
    sock.sendall(head)
    return sock


def form(stream: TimedStream, seconds: float) -> list[Result]:
    """The headers, the first byte, `retry:` and heartbeats."""
    headers = stream.response.headers
    kind, cache = headers.get("content-type", ""), headers.get("cache-control", "")
    proper = kind.partition(";")[0].strip().lower() == "text/event-stream"
    results = [
        Result("content type", "ok" if proper else "fail", kind or "none"),
        Result(
            "caching",
            "ok" if "no-store" in cache else "warn" if "no-cache" in cache else "fail",
            cache or "no Cache-Control",
            "" if "no-store" in cache else "send Cache-Control: no-store",
        ),
    ]
    first_s = stream.first_byte_s
    if first_s is None or first_s > FIRST_BYTE_S:
        text = "no byte arrives" if first_s is None else f"the first byte takes {first_s:.1f} s"
        results.append(Result("first byte", "fail", text, "send a comment at once"))
    else:
        results.append(Result("first byte", "ok", f"{first_s:.2f} s"))
    retry_ms = stream.parser.retry_ms
    stated = retry_ms is not None
    text = f"{retry_ms} ms" if stated else "no reconnection time"
    results.append(Result("retry", "ok" if stated else "warn", text))
    silence_s = stream.max_silence_s
    if stream.ended:
        results.append(Result("heartbeat", "fail", "the server ends the stream"))
    elif silence_s > HEARTBEAT_S:
        fix = "send a comment at least every 15 s"
        results.append(Result("heartbeat", "fail", f"silent for {silence_s:.0f} s", fix))
    elif silence_s > seconds * 0.9:
        text = f"silent for the {seconds:.0f} s of this check; read longer with --seconds"
        results.append(Result("heartbeat", "skip", text))
    else:
        results.append(Result("heartbeat", "ok", f"silent for {silence_s:.1f} s at most"))
    return results


def ids(seen: Sequence[ServerSentEvent]) -> Result:
    """Whether events have ids, each once, which increase where they are numbers."""
    found = [event.id for event in seen]
    if not found:
        return Result("ids", "fail", "no event has an id", "without ids, no client can resume")
    if len(set(found)) < len(found):
        return Result("ids", "fail", "an id comes twice")
    numbers = [int(match[0]) for one in found if (match := re.search(r"\d+$", one))]
    if len(numbers) == len(found) and numbers != sorted(numbers):
        return Result("ids", "fail", "the numbers of the ids do not increase")
    return Result("ids", "ok", f"{len(found)} different ids, such as {found[-1][:40]}")


def order(first: TimedStream, second: TimedStream) -> Result:
    """Whether two clients receive the same events in the same order."""
    ones, others = ([event.id for event in one.with_ids()] for one in (first, second))
    common = set(ones) & set(others)
    if len(common) < 2:
        return Result("order", "skip", "two clients have no events in common")
    same = [one for one in ones if one in common] == [one for one in others if one in common]
    return Result("order", "ok" if same else "fail", f"{len(common)} events at two clients")


def reports_loss(stream: TimedStream) -> bool:
    """Whether one of the first events says that events are missing."""
    first = stream.events[:10]
    return any(e.name != "message" and LOST.search(f"{e.name} {e.data}") for e in first)
