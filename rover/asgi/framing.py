"""The bytes of chunks and WebSocket messages, made once for many connections."""

from __future__ import annotations

TEXT = 0x81
"""The first byte of a text message in one frame that is not compressed (RFC 6455, 5.2)."""

MAX_7_BIT_LENGTH = 125
MAX_16_BIT_LENGTH = 0xFFFF


def chunk(body: bytes) -> bytes:
    """One chunk of an HTTP/1.1 response; `body` is not empty.

    Source: RFC 9112, 7.1.
    """
    return b"%x\r\n%b\r\n" % (len(body), body)


def text_message(data: bytes) -> bytes:
    """One WebSocket message of text from a server, in one frame.

    A client accepts it even if the connection has the extension permessage-deflate: a message is
    compressed only if RSV1 is set.

    Source: RFC 6455, 5.2; RFC 7692, 6.
    """
    if (size := len(data)) <= MAX_7_BIT_LENGTH:
        return b"%c%c%b" % (TEXT, size, data)
    if size <= MAX_16_BIT_LENGTH:
        return b"%c\x7e%b%b" % (TEXT, size.to_bytes(2, "big"), data)
    return b"%c\x7f%b%b" % (TEXT, size.to_bytes(8, "big"), data)
