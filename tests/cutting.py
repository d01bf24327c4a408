"""TCP servers that behave badly: a proxy that cuts connections, and scripted responses."""

from __future__ import annotations

import math
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
from anyio import Event, connect_tcp, create_task_group, create_tcp_listener
from anyio.abc import SocketAttribute

LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from anyio.abc import SocketStream
    from anyio.streams.stapled import MultiListener


class CuttingProxy:
    """Forwards connections, and cuts the first ones after some bytes of their responses.

    The server has received the request of a response that is cut.

    Attributes:
        url: of the proxy, without a slash at the end.
        requests: the bytes that each connection has sent.
        request_limit: bytes of requests after which one connection is cut; `None` for none.
    """

    def __init__(self, target: str, limits: Sequence[int]) -> None:
        self.url = ""
        self.requests: list[bytes] = []
        self.request_limit: int | None = None
        self._target = urlsplit(target)
        self._limits = limits

    async def forward(self, near: SocketStream) -> None:
        """Forward one connection."""
        number = len(self.requests)
        self.requests.append(b"")
        limit = self._limits[number] if number < len(self._limits) else None
        host, port = self._target.hostname, self._target.port
        assert host
        assert port
        sent = Event()
        async with near, await connect_tcp(host, port) as far, create_task_group() as tasks:

            async def send() -> None:
                async for data in near:
                    self.requests[number] += data
                    await far.send(data)
                    if is_whole(self.requests[number]):
                        sent.set()
                    if len(self.requests[number]) >= (self.request_limit or math.inf):
                        self.request_limit = None
                        tasks.cancel_scope.cancel()

            tasks.start_soon(send)
            left = limit
            try:
                async for data in far:
                    await near.send(data if left is None else data[:left])
                    if left is not None:
                        left -= len(data)
                        if left <= 0:
                            await sent.wait()
                            break
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass
            tasks.cancel_scope.cancel()


def is_whole(request: bytes) -> bool:
    """Whether the head of a request has arrived, and a body of the length that it declares."""
    head, end, body = request.partition(b"\r\n\r\n")
    length = LENGTH.search(head)
    return bool(end) and (length is None or len(body) >= int(length[1]))


def url_of(listener: MultiListener[SocketStream]) -> str:
    """The URL of a listener, without a slash at the end."""
    return f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"  # noqa: S610


@asynccontextmanager
async def cutting(target: str, *limits: int) -> AsyncIterator[CuttingProxy]:
    """A proxy to `target` whose n-th connection is cut after `limits[n]` bytes of responses."""
    proxy = CuttingProxy(target, limits)
    async with await create_tcp_listener(local_host="127.0.0.1") as listener:
        proxy.url = url_of(listener)
        async with create_task_group() as tasks:
            tasks.start_soon(listener.serve, proxy.forward)
            yield proxy
            tasks.cancel_scope.cancel()


class Script:
    """Answers the n-th request with the n-th response, then closes the connection.

    Attributes:
        url: of the server, without a slash at the end.
        requests: the head of each request.
    """

    def __init__(self, responses: Sequence[bytes]) -> None:
        self.url = ""
        self.requests: list[bytes] = []
        self._responses = responses

    async def answer(self, stream: SocketStream) -> None:
        """Answer one request."""
        async with stream:
            request = b""
            while not is_whole(request):  # a close with unread data is a reset
                request += await stream.receive()
            self.requests.append(request.partition(b"\r\n\r\n")[0])
            number = len(self.requests) - 1
            if number < len(self._responses):
                await stream.send(self._responses[number])
            else:
                await anyio.sleep_forever()


@asynccontextmanager
async def scripted(*responses: bytes) -> AsyncIterator[Script]:
    """A server that gives these responses, as bytes, and is silent after the last."""
    script = Script(responses)
    async with await create_tcp_listener(local_host="127.0.0.1") as listener:
        script.url = url_of(listener)
        async with create_task_group() as tasks:
            tasks.start_soon(listener.serve, script.answer)
            yield script
            tasks.cancel_scope.cancel()


def events(body: str) -> bytes:
    """A response with an event stream that ends without notice."""
    head = (
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    data = body.encode()
    return head.encode() + f"{len(data):x}\r\n".encode() + data + b"\r\n"
