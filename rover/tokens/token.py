"""One named token, and its text `rvr_<id>_<secret>`.

The file has a hash of the secret, so a copy of the file gives no access. The hash is SHA-256: a
secret has 160 random bits, which nobody can guess. Slow hashes such as scrypt protect passwords,
which people choose; here they would only slow down each request.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Self

from rover.identity import Identity
from rover.invisible import INVISIBLE, misplaced
from rover.wire import iso

PREFIX = "rvr"

ID_BYTES = 4
SECRET_BYTES = 20

MAX_TEXT_BYTES = 128
"""Longer texts are not tokens, and are not hashed."""

CLOCK_TOLERANCE_S = 300.0
"""Seconds that the clock may be before the creation of a token that expires."""

TEXT = re.compile(rb"rvr_([0-9a-f]{8})_[0-9a-f]{40}")
"""The text of a token, with its id in group 1."""

ID = re.compile(r"[0-9a-f]{8}")
DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Token:
    """A named token, without its secret.

    Attributes:
        id: may be logged.
        digest: SHA-256 of the secret.
        name: of the person or device.
        scopes: permissions, such as `view` or `say:flight-*`.
        role: such as `CAPCOM`; may be empty.
        created: POSIX seconds.
        expires: POSIX seconds; `None` if it does not expire.
    """

    id: str
    digest: bytes
    name: str
    scopes: tuple[str, ...]
    role: str
    created: float
    expires: float | None

    @property
    def identity(self) -> Identity:
        """A client with this token."""
        return Identity(self.name, frozenset(self.scopes), self.role, self.id)

    def is_valid_at(self, now: float) -> bool:
        """Whether it has not expired.

        A token that expires is also invalid before its creation: then the clock is wrong, as on a
        machine that starts in 1970, and the time of expiry may have passed.

        Args:
            now: POSIX seconds.
        """
        return self.expires is None or self.created - CLOCK_TOLERANCE_S <= now < self.expires

    def as_json(self) -> dict[str, Any]:
        """The token as the file has it."""
        return {
            "id": self.id,
            "sha256": self.digest.hex(),
            "name": self.name,
            "scopes": list(self.scopes),
            "role": self.role,
            "created": iso(self.created),
            "expires": None if self.expires is None else iso(self.expires),
        }

    @classmethod
    def from_json(cls, fields: Any) -> Self:
        """The token that the file describes.

        Raises:
            ValueError: a field is missing or wrong; the message names it.
        """
        if not isinstance(fields, dict):
            raise ValueError("a token must be an object")  # of the file, not of code
        scopes = fields.get("scopes")
        if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
            raise ValueError("`scopes` must be a list of strings")
        expires = fields.get("expires")
        return cls(
            _matching(fields, "id", ID),
            bytes.fromhex(_matching(fields, "sha256", DIGEST)),
            _text(fields, "name"),
            tuple(scopes),
            _text(fields, "role") if fields.get("role") else "",
            _moment(fields, "created"),
            None if expires is None else _moment(fields, "expires"),
        )


def new_token(
    name: str, scopes: tuple[str, ...], role: str, created: float, expires: float | None
) -> tuple[Token, str]:
    """A new token and its text, which contains the secret."""
    token_id, secret = secrets.token_hex(ID_BYTES), secrets.token_hex(SECRET_BYTES)
    token = Token(token_id, digest_of(secret.encode()), name, scopes, role, created, expires)
    return token, f"{PREFIX}_{token_id}_{secret}"


def digest_of(secret: bytes) -> bytes:
    """The hash of a secret."""
    return sha256(secret).digest()


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value.translate(INVISIBLE).isprintable():
        raise ValueError(f"`{name}` must be a string of printable characters")
    for one in misplaced(value):
        raise ValueError(f"`{name}` must not have the invisible character U+{ord(one):04X}")
    return value


def _matching(fields: dict[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"`{name}` must match {pattern.pattern}")
    return value


def _moment(fields: dict[str, Any], name: str) -> float:
    try:
        moment = datetime.fromisoformat(_text(fields, name))
    except ValueError:
        moment = datetime.min
    if moment.tzinfo is None:
        raise ValueError(f"`{name}` must be a time such as 2026-11-28T15:00:00Z")
    return moment.timestamp()
