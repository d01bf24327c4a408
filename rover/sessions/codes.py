"""One-time codes, with which a browser signs in to a server that has no tokens yet."""

from __future__ import annotations

import secrets
from hashlib import sha256
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

CODE_S = 600
"""Seconds for which a code can be used."""

PREFIX = "rvc_"
"""The beginning of each code, by which log lines find it."""

CODE_BYTES = 24

MAX_TEXT_BYTES = 128


class Codes:
    """The unused codes. Only this program creates them, at its start.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._ends: dict[bytes, float] = {}

    def issue(self) -> str:
        """A new code."""
        code = PREFIX + secrets.token_urlsafe(CODE_BYTES)
        self._ends[_digest_of(code.encode())] = self._clock() + CODE_S
        return code

    def redeem(self, code: bytes) -> bool:
        """Whether the code is valid. It can be used once."""
        if len(code) > MAX_TEXT_BYTES:
            return False
        ends = self._ends.pop(_digest_of(code), None)
        return ends is not None and self._clock() < ends


def _digest_of(code: bytes) -> bytes:
    return sha256(code).digest()
