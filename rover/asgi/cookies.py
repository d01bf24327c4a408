"""Reads one cookie. Cookies of other programs on the same host do not matter.

`http.cookies.SimpleCookie` stops or raises at names such as `a/b` and at values such as JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def cookie_values(header: bytes, name: bytes) -> Iterator[bytes]:
    """The values of the cookies of this name. A browser may send several, of different paths."""
    for pair in header.split(b";"):
        key, _, value = pair.partition(b"=")
        if key.strip() == name:
            yield value.strip().strip(b'"')
