"""httpx's errors and error statuses as errors of the client."""

from __future__ import annotations

import json
import os
import ssl
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import httpx

from rover.client.errors import ConnectionFailed, NotARover, Refused, Silent

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PROBLEM_BYTES = 64 * 2**10
"""Maximum number of bytes that are read of an error's document."""


@contextmanager
def translated_errors(url: str) -> Iterator[None]:
    """Raise errors of httpx as errors of the client.

    Raises:
        ConnectionFailed: the server cannot be reached, or the connection was cut.
        NotARover: the answer is not HTTP.
    """
    host = httpx.URL(url).netloc.decode()
    try:
        yield
    except httpx.ReadTimeout as exc:
        raise Silent(f"{host} sends nothing: the connection timed out") from exc
    except httpx.TimeoutException as exc:
        raise ConnectionFailed(f"{host} does not answer: the connection timed out") from exc
    except httpx.ConnectError as exc:
        raise ConnectionFailed(f"cannot connect to {host}: {_cause(exc)}") from exc
    except httpx.RemoteProtocolError as exc:
        text = str(exc).lower()
        if "disconnected" in text or "closed connection" in text or "reset" in text:
            raise ConnectionFailed(f"{host} cut the connection") from exc
        raise NotARover(f"the answer of {host} is not HTTP; is the URL right?") from exc
    except httpx.TransportError as exc:
        raise ConnectionFailed(f"the connection to {host} was cut: {_cause(exc)}") from exc


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
        found = found.__cause__ or found.__context__
    text = str(exc)
    if "attempts failed" in text:
        return "connection refused"
    return text.lower() or type(exc).__name__


async def check_status(response: httpx.Response) -> None:
    """Read the document of an error status.

    Raises:
        Refused: the status is an error.
        NotARover: it is a redirect.
    """
    if response.is_success:
        return
    if response.is_redirect:
        raise NotARover(
            f"the server redirects to {response.headers.get('location', '')[:200]}; use that URL"
        )
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_PROBLEM_BYTES:
            break
    retry_after_s = retry_after(response.headers.get("retry-after"))
    detail = problem_detail(response.headers.get("content-type", ""), body)
    raise Refused(response.status_code, detail or response.reason_phrase, retry_after_s)


def problem_detail(content_type: str, body: bytes) -> str:
    """The `detail` of a problem document (RFC 9457); empty if it has none."""
    if "json" not in content_type:
        return ""
    try:
        document = json.loads(body)
    except ValueError:
        return ""
    detail = document.get("detail") if isinstance(document, dict) else None
    return detail if isinstance(detail, str) else ""


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
