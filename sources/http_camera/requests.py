"""Requests to the server of a camera.

A redirect or a link to another host is followed only if the operator allows that host, and the
credentials of the URL go to its own host only.

Source: RFC 9110, 13.1 (conditional requests), 14.2 (`Range`), 15.4 (redirects).
"""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx

from sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping

MAX_REDIRECTS = 5

CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-\d{1,15}/(\d{1,15}|\*)")


class Failed(SourceError):
    """A request failed.

    Attributes:
        status: of the response; `None` if the server sent none.
    """

    def __init__(self, url: httpx.URL, reason: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(f"{place(url)}: {reason}")


class Interrupted(Failed):
    """The connection failed; a later request may succeed."""


class Replaced(Interrupted):
    """The rest of a body is of another image now."""


class Requests:
    """Sends requests with a client.

    Args:
        client: without redirects of its own.
        url: of the camera, with its credentials.
        hosts: other hosts that redirects and links may name.
    """

    def __init__(self, client: httpx.AsyncClient, url: httpx.URL, hosts: Collection[str]) -> None:
        self._client = client
        self._url = url
        self._hosts = {url.host, *hosts}

    def allows(self, url: httpx.URL) -> bool:
        """Whether a request to this URL may be sent."""
        is_downgraded = self._url.scheme == "https" and url.scheme == "http"
        return url.host in self._hosts and not is_downgraded

    @asynccontextmanager
    async def get(
        self, url: httpx.URL, headers: Mapping[str, str]
    ) -> AsyncIterator[httpx.Response]:
        """The response, after its redirects: of the status 200, 206, 304 or 416.

        Raises:
            Failed: the server cannot be reached, sends another status or an unusable redirect.
        """
        for _ in range(MAX_REDIRECTS + 1):
            is_own = (url.scheme, url.netloc) == (self._url.scheme, self._url.netloc)
            auth = (self._url.username, self._url.password) if self._url.userinfo else None
            request = self._client.build_request(
                "GET",
                url.copy_with(username=None, password=None),
                headers={"Accept-Encoding": "identity", **headers},
            )
            try:
                response = await self._client.send(
                    request, auth=auth if is_own else None, stream=True
                )
            except httpx.HTTPError as exc:
                raise Interrupted(url, _reason(exc)) from exc
            try:
                if response.next_request is None:
                    if response.status_code not in (200, 206, 304, 416):
                        reason = f"the server answered {response.status_code}"
                        raise Failed(url, reason, response.status_code)
                    yield response
                    return
                url = response.next_request.url
            finally:
                await response.aclose()
            if not self.allows(url):
                raise Failed(url, "a redirect to another host; allow it with `hosts`")
        raise Failed(url, f"more than {MAX_REDIRECTS} redirects")


async def chunks(response: httpx.Response) -> AsyncGenerator[bytes]:
    """The body.

    Raises:
        Failed: it broke off.
    """
    try:
        async for chunk in response.aiter_raw():
            yield chunk
    except httpx.HTTPError as exc:
        raise Interrupted(response.url, _reason(exc)) from exc


def continues_at(response: httpx.Response, position: int) -> bool:
    """Whether a 206 has the bytes from this position on."""
    match = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return response.status_code == 206 and match is not None and int(match[1]) == position


def strong_etag(response: httpx.Response) -> str:
    """The strong entity tag of a response; empty if it has none."""
    etag: str = response.headers.get("ETag", "")
    return "" if etag.startswith("W/") else etag


def content_type(response: httpx.Response) -> str:
    """The media type of a response, without parameters."""
    text: str = response.headers.get("Content-Type", "")
    return text.partition(";")[0].strip().lower()


def place(url: httpx.URL) -> str:
    """The URL without credentials and query."""
    return str(url.copy_with(username=None, password=None, query=None))


def _reason(exc: httpx.HTTPError) -> str:
    if isinstance(exc, httpx.TimeoutException):
        return "the server does not respond"
    return str(exc) or type(exc).__name__
