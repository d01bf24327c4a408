"""The checks of `rover doctor`."""

from __future__ import annotations

import secrets
import ssl
from contextlib import suppress
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from time import monotonic
from typing import TYPE_CHECKING

import httpx
from anyio import (
    BrokenResourceError,
    ClosedResourceError,
    EndOfStream,
    aclose_forcefully,
    connect_tcp,
    fail_after,
    move_on_after,
)
from anyio.streams.tls import TLSAttribute

from rover.cli.probes.result import Result
from rover.cli.probes.timed_stream import RESPONSE_TIMEOUT_S, TimedStream, timed_stream
from rover.client import ClientError, Refused, Silent

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from anyio.abc import ByteStream

    from rover.client import Client

FIRST_EVENT_S = 1.0
HEARTBEAT_S = 30.0
MAX_CLOCK_DIFFERENCE_S = 2.0
HEADER_BYTES = 2**20
STREAM = "stream/rover-telemetry"
UNBUFFERED = "turn buffering off in each proxy: in nginx `proxy_buffering off;`"


async def check(
    client: Client, watch_s: float, begin_s: float = RESPONSE_TIMEOUT_S
) -> AsyncGenerator[Result]:
    """Check a server.

    Args:
        client: with a token, if the server needs one.
        watch_s: seconds to watch a stream for cuts and silences.
        begin_s: seconds within which a stream must begin.

    Raises:
        ClientError: the server cannot be reached, or it refuses the token.
    """
    health = await client.get("healthz")
    yield Result("server", "ok", f"Cosmic Rover {health.get('version', '')} at {client.url}")
    yield await tls(client)
    for result in await access(client):
        yield result
    yield await header_limit(client)
    yield await websocket(client)
    offered = {"Accept-Encoding": "gzip, br"}
    try:
        async with timed_stream(client.http, client.url + STREAM, offered, begin_s) as one:
            await one.read_for(FIRST_EVENT_S + 4, count=1)
            for result in first_event(one):
                yield result
            yield clock(one)
            await one.read_for(watch_s)
            yield cuts(one, watch_s)
    except Silent as exc:
        yield Result("buffering", "fail", f"the stream does not begin: {exc}", UNBUFFERED)


def is_this_machine(client: Client) -> bool:
    """Whether the URL names this machine by a loopback address."""
    host = httpx.URL(client.url).host
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


async def tls(client: Client) -> Result:
    """Encryption and the version of HTTP."""
    url = httpx.URL(client.url)
    if client.tls is None:
        if is_this_machine(client):
            return Result("encryption", "ok", "HTTP/1.1 without TLS, inside this machine")
        fix = "put a proxy with a certificate in front of it, and use https://"
        return Result("encryption", "warn", "tokens and data are sent without TLS", fix)
    context = client.tls
    context.set_alpn_protocols(["h2", "http/1.1"])
    try:
        with fail_after(10):
            stream = await connect_tcp(
                url.host, url.port or 443, tls=True, ssl_context=context, tls_hostname=url.host
            )
    except (OSError, ssl.SSLError, TimeoutError) as exc:
        return Result("encryption", "fail", f"the TLS handshake fails: {exc}", "check the proxy")
    finally:
        context.set_alpn_protocols(["http/1.1"])
    protocol = stream.extra(TLSAttribute.alpn_protocol, None) or "http/1.1"  # noqa: S610
    version = stream.extra(TLSAttribute.tls_version)  # noqa: S610
    await aclose_forcefully(stream)  # a server of HTTP/2 has sent its settings, which are not read
    name = "HTTP/2" if protocol == "h2" else "HTTP/1.1"
    return Result("encryption", "ok", f"{version}, {name}")


async def answer_without_token(client: Client, **headers: str) -> tuple[int, bool]:
    """The status of a request for data without the token, and whether the response has data.

    Caddy answers requests for other hosts with an empty 200.
    """
    async with httpx.AsyncClient(verify=client.tls or True, timeout=10) as stranger:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        response = await stranger.get(client.url + "telemetry/parameters", headers=given)
    return response.status_code, response.is_success and bool(response.content)


async def access(client: Client) -> list[Result]:
    """Whether clients get data without a token."""
    local = is_this_machine(client)
    spoofed = {
        "spoofed Host": {"Host": "attacker.example"},
        "spoofed X-Forwarded-For": {"X_Forwarded_For": "203.0.113.7" if local else "127.0.0.1"},
        "spoofed Forwarded": {"Forwarded": "for=127.0.0.1;host=localhost"},
    }
    results = []
    try:
        status, open_ = await answer_without_token(client)
        if open_ and not local:
            fix = "add a token with `rover token add` on the server: anybody can read now"
            results.append(Result("without a token", "fail", f"data is served ({status})", fix))
        else:
            who = "this machine is served" if open_ else "refused"
            results.append(Result("without a token", "ok", f"{who} ({status})"))
        for name, headers in spoofed.items():
            status, open_ = await answer_without_token(client, **headers)
            if open_:
                fix = (
                    "check ROVER_HOSTS and ROVER_TRUSTED_PROXIES, and the headers that proxies set"
                )
                results.append(Result(name, "fail", f"data is served ({status})", fix))
            else:
                shown = "refused" if status >= httpx.codes.BAD_REQUEST else "no data is served"
                results.append(Result(name, "ok", f"{shown} ({status})"))
    except httpx.TransportError as exc:
        results.append(Result("access", "warn", f"the connection was cut: {exc}"))
    return results


async def header_limit(client: Client) -> Result:
    """Whether a header of 1 MiB is cut."""
    name, url = "header limit", httpx.URL(client.url)
    stream = await _connect(client, url)
    answer = b""
    cut = (EndOfStream, BrokenResourceError, ClosedResourceError)
    async with stream:
        with move_on_after(10) as scope:
            with suppress(*cut):
                head = f"GET /healthz HTTP/1.1\r\nHost: {url.netloc.decode()}\r\nX-Fill: "
                await stream.send(head.encode())
                for _ in range(HEADER_BYTES // 2**14):
                    await stream.send(b"a" * 2**14)
                await stream.send(b"\r\n\r\n")
            with suppress(*cut):
                answer = await stream.receive(4096)
    fix = "start it with `rover serve`, or limit headers as docs/embedding.md says"
    if scope.cancelled_caught:
        return Result(name, "fail", "a header of 1 MiB gets no answer in 10 s", fix)
    status = answer.split(b" ")[1:2]
    if status and status[0].startswith(b"4"):
        return Result(name, "ok", f"a header of 1 MiB gets {status[0].decode('latin-1')}")
    if not answer:
        return Result(name, "ok", "a header of 1 MiB is cut")
    return Result(name, "fail", "a header of 1 MiB is read to its end", fix)


async def _connect(client: Client, url: httpx.URL) -> ByteStream:
    """A connection to the server, with TLS if its URL says so."""
    if client.tls is None:
        return await connect_tcp(url.host, url.port or 80)
    return await connect_tcp(
        url.host,
        url.port or 443,
        ssl_context=client.tls,
        tls_hostname=url.host,
        tls_standard_compatible=False,
    )


def first_event(stream: TimedStream) -> list[Result]:
    """Buffering, compression and caching on the way."""
    headers = stream.response.headers
    first_s = stream.first_byte_s
    results = []
    if first_s is None or first_s > FIRST_EVENT_S:
        found = "no event arrives" if first_s is None else f"the first event takes {first_s:.1f} s"
        results.append(Result("buffering", "fail", found, UNBUFFERED))
    else:
        results.append(Result("buffering", "ok", f"the first event arrives after {first_s:.2f} s"))
    encoding = headers.get("content-encoding", "identity")
    if encoding != "identity":
        fix = "exclude text/event-stream from compression in the proxy: it holds events back"
        results.append(Result("compression", "fail", f"the stream is compressed: {encoding}", fix))
    else:
        results.append(Result("compression", "ok", "the stream is not compressed"))
    if "no-store" not in headers.get("cache-control", ""):
        fix = "a proxy replaces Cache-Control: no-store; let it pass"
        results.append(Result("caching", "warn", "the stream may be cached", fix))
    else:
        results.append(Result("caching", "ok", "no-store"))
    return results


def clock(stream: TimedStream) -> Result:
    """The difference between the clocks."""
    name = "clock"
    try:  # a Date has whole seconds
        date = parsedate_to_datetime(stream.response.headers["date"]).timestamp() + 0.5
    except (KeyError, ValueError):
        return Result(name, "warn", "the server sends no Date")
    difference_s = date - stream.received_at
    if abs(difference_s) > MAX_CLOCK_DIFFERENCE_S:
        fix = "set both clocks by NTP: ages of values and expiry of tokens depend on them"
        ahead = "ahead of" if difference_s > 0 else "behind"
        found = f"the server is {abs(difference_s):.0f} s {ahead} this machine"
        return Result(name, "warn", found, fix)
    return Result(name, "ok", "less than 2 s apart")


async def websocket(client: Client) -> Result:
    """Whether WebSockets pass."""
    began = monotonic()
    fix = "let the proxy pass Upgrade and Connection: docs/deploy.md has an example"
    try:
        async with client.comms(f"doctor-{secrets.token_hex(3)}", "doctor"):
            return Result("WebSocket", "ok", f"passes in {monotonic() - began:.2f} s")
    except Refused as exc:
        if exc.status in (401, 403):
            return Result("WebSocket", "warn", f"refused: {exc}")
        return Result("WebSocket", "fail", f"does not pass: {exc}", fix)
    except ClientError as exc:
        return Result("WebSocket", "fail", f"does not pass: {exc}", fix)


def cuts(stream: TimedStream, watch_s: float) -> Result:
    """Whether a stream stays open, with heartbeats."""
    open_s = monotonic() - stream.began
    if stream.ended:
        fix = "raise the timeouts of proxies: in nginx `proxy_read_timeout 1h;`"
        return Result("cuts", "fail", f"the stream was cut after {open_s:.0f} s", fix)
    if stream.max_silence_s > HEARTBEAT_S:
        fix = "set ROVER_HEARTBEAT_S below 30 s; proxies cut silent connections"
        return Result("cuts", "warn", f"silent for {stream.max_silence_s:.0f} s", fix)
    found = f"open for {open_s:.0f} s, silent for at most {stream.max_silence_s:.1f} s"
    return Result("cuts", "ok", f"{found}; --minutes watches longer" if watch_s < 60 else found)
