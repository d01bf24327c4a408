"""The bytes that one sender has sent, and the contract of a link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

MAX_CHUNK_BYTES = 4096
"""Maximum bytes of a chunk of a stream, so that decoding one does not block the event loop."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes from one sender.

    Attributes:
        data: the bytes.
        host: of the sender; empty if the link has only one sender.
        stream: distinguishes the byte streams of a link, such as the connections to a listener.
        whole: the bytes are a whole message (a datagram), not a piece of a stream.
        partial: the first chunk of a stream starts inside a line.
        last: the stream has ended.
        dropped: number of datagrams before this one that the operating system dropped.
    """

    data: bytes
    host: str = ""
    stream: object = None
    whole: bool = False
    partial: bool = False
    last: bool = False
    dropped: int = 0


class Link(Protocol):
    """Receives bytes from one or more machines."""

    @property
    def place(self) -> str:
        """The device or the address, for messages and logs."""
        ...

    def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Open the link, and yield chunks as they arrive; close the link when it is closed.

        The operating system buffers bytes that are not read yet, so memory is bounded.

        Raises:
            SourceError: the link cannot be opened, or is lost; the text says how to fix it.
        """
        ...
