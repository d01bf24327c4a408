"""Failures of connections and error statuses as errors of the client.

HTTP and WebSockets share the sentences, so that each command reports a failure in the same words.
"""

from __future__ import annotations

import json
import os
import re
import ssl
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import httpx
from websockets.exceptions import (
    InvalidHandshake,
    InvalidMessage,
    InvalidProxy,
    InvalidStatus,
    ProxyError,
    WebSocketException,
)

from rover.client.errors import ClientError, ConnectionFailed, NotARover, Refused, Silent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_PROBLEM_BYTES = 64 * 2**10
"""Maximum number of bytes that are read of an error's document."""

NOT_HERE = (404, 405, 501)
"""Statuses of servers that do not have the path or its method."""

ERRNO = re.compile(r"\[Errno (\d+)\]")
"""asyncio joins the errors of several addresses into one text."""


@contextmanager
def translated_errors(url: str) -> Iterator[None]:
    """Raise errors of httpx as errors of the client.

    Raises:
        ConnectionFailed: the server cannot be reached, or the connection was cut.
        NotARover: the answer is not HTTP.
    """
    host = host_of(url)
    try:
        yield
    except httpx.ReadTimeout as exc:
        raise Silent(f"{host} sends nothing: the connection timed out") from exc
    except httpx.TimeoutException as exc:
        raise _timed_out(host) from exc
    except (httpx.ConnectError, httpx.ProxyError) as exc:
        raise _not_connected(host, exc) from exc
    except httpx.RemoteProtocolError as exc:
        text = str(exc).lower()
        if "disconnected" in text or "closed connection" in text or "reset" in text:
            raise _closed(host) from exc
        raise _not_http(host) from exc
    except httpx.DecodingError as exc:
        raise NotARover(f"the answer of {host} is not compressed as its header says") from exc
    except httpx.TransportError as exc:
        raise ConnectionFailed(f"the connection to {host} was cut: {_cause(exc)}") from exc


@contextmanager
def translated_handshake_errors(url: str) -> Iterator[None]:
    """Raise errors of a WebSocket's handshake as errors of the client.

    Raises:
        ConnectionFailed: the server cannot be reached, or the connection was cut.
        Refused: the server answers with an error status.
        NotARover: the answer is not that of a WebSocket.
    """
    host = host_of(url)
    try:
        yield
    except InvalidStatus as exc:
        answer = exc.response
        raise refusal(
            answer.status_code, answer.headers, answer.reason_phrase, bytes(answer.body or b"")
        ) from exc
    except (ProxyError, InvalidProxy) as exc:
        raise _not_connected(host, exc) from exc
    except InvalidMessage as exc:
        if isinstance(exc.__cause__, EOFError | ConnectionError):
            raise _closed(host) from exc
        raise _not_http(host) from exc
    except InvalidHandshake as exc:
        raise NotARover(f"{host} has no comms channels; is the URL right?") from exc
    except (TimeoutError, OSError, EOFError, WebSocketException) as exc:
        if isinstance(exc, TimeoutError):
            raise _timed_out(host) from exc
        if isinstance(exc, ConnectionResetError | BrokenPipeError | EOFError):
            raise _closed(host) from exc
        raise _not_connected(host, exc) from exc


def host_of(url: str) -> str:
    """The host and port of a URL, without a user name or password."""
    return httpx.URL(url).netloc.decode()


def _timed_out(host: str) -> ConnectionFailed:
    return ConnectionFailed(f"{host} does not answer: the connection timed out")


def _not_connected(host: str, exc: Exception) -> ConnectionFailed:
    return ConnectionFailed(f"cannot connect to {host}: {_cause(exc)}")


def _closed(host: str) -> ConnectionFailed:
    return ConnectionFailed(f"{host} cut the connection")


def _not_http(host: str) -> NotARover:
    return NotARover(f"the answer of {host} is not HTTP; is the URL right?")


def _cause(exc: BaseException) -> str:
    """The reason that the system gives, in a few words."""
    found: BaseException | None = exc
    while found is not None:
        if isinstance(found, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {found.verify_message}"
        if isinstance(found, ssl.SSLError):
            return "the TLS handshake failed; is it an http:// server?"
        if isinstance(found, OSError) and found.errno is not None and found.strerror:
            # asyncio puts the address into the text; a failed name look-up has its own numbers
            return (os.strerror(found.errno) if found.errno > 0 else found.strerror).lower()
        if isinstance(found, OSError) and (number := ERRNO.search(str(found))):
            return os.strerror(int(number[1])).lower()
        if isinstance(found, ExceptionGroup):  # one error for each address of the host
            return _cause(found.exceptions[0])
        found = found.__cause__ or found.__context__
    return str(exc).lower() or type(exc).__name__


async def check_status(response: httpx.Response) -> None:
    """Read the document of an error status.

    Raises:
        Refused: the status is an error.
        NotARover: it is a redirect.
    """
    if response.is_success:
        return
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_PROBLEM_BYTES:
            break
    raise refusal(response.status_code, response.headers, response.reason_phrase, body)


def refusal(status: int, headers: Mapping[str, str], reason: str, body: bytes) -> ClientError:
    """The error of an answer that is not a success: `NotARover` for a redirect, else `Refused`."""
    if 300 <= status < 400 and "location" in headers:
        return NotARover(f"the server redirects to {headers['location'][:200]}; use that URL")
    kind = headers.get("content-type", "")
    document = problem_document(kind, body)
    detail = document.get("detail") or reason
    if status in NOT_HERE and "problem" not in kind:  # Cosmic Rover sends problem documents
        detail = f"{detail or 'no such path'}; is the URL right?"
    retry_after_s = retry_after(headers.get("retry-after"))
    return Refused(status, detail, retry_after_s, document.get("code", ""))


def problem_document(content_type: str, body: bytes) -> dict[str, str]:
    """The texts of a problem document (RFC 9457); empty if it is none."""
    if "json" not in content_type:
        return {}
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    fields = document.items() if isinstance(document, dict) else ()
    return {name: value for name, value in fields if isinstance(value, str)}


def retry_after(text: str | None) -> float | None:
    """The seconds of a `Retry-After` header (RFC 9110, 10.2.3), or `None`."""
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
