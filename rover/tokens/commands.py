"""`rover token add`, `list` and `revoke`, as functions.

A running server notices each change within a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import time
from typing import TYPE_CHECKING

from rover.audit.log import append_record
from rover.errors import TokenError
from rover.tokens.file import FILE_NAME, TokensFile
from rover.tokens.terms import checked_name, expiry_of, scopes_of
from rover.tokens.token import Token, new_token
from rover.wire import iso

if TYPE_CHECKING:
    from pathlib import Path

    from rover.settings import Settings


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was added.

    Attributes:
        token: as the file has it.
        text: `rvr_<id>_<secret>`. It cannot be read again.
    """

    token: Token
    text: str


def tokens_file(data_dir: Path) -> TokensFile:
    """The file of the tokens in a data folder."""
    return TokensFile(data_dir / FILE_NAME)


def add_token(
    settings: Settings,
    name: str,
    scopes: str,
    *,
    role: str = "",
    expires: str | None = None,
    now: float | None = None,
) -> NewToken:
    """Add a token.

    Args:
        settings: the data folder.
        name: of the person or device; several tokens may have the same.
        scopes: comma-separated, such as `view,say:flight-*`.
        role: such as `CAPCOM`.
        expires: such as `30d` or `2026-12-31`; `None` for a token that does not expire.
        now: POSIX seconds; by default the time of this machine.

    Raises:
        TokenError: an argument is wrong, or the file cannot be changed.
    """
    now = time() if now is None else now
    end = None if expires is None else expiry_of(expires, now)
    chosen = scopes_of(scopes)
    name = checked_name("name", name)
    role = checked_name("role", role) if role else ""
    try:
        with tokens_file(settings.data_dir).changing() as tokens:
            token, text = new_token(name, chosen, role, now, end)
            while token.id in tokens:
                token, text = new_token(name, chosen, role, now, end)
            tokens[token.id] = token
    except OSError as exc:
        raise _unwritable(settings, exc) from exc
    append_record(settings, "token.add", token=token.id, name=name, scopes=list(chosen), role=role)
    return NewToken(token, text)


def list_tokens(settings: Settings) -> list[Token]:
    """All tokens, expired ones included, oldest first.

    Raises:
        TokensUnreadable: the file cannot be read, or it is damaged.
    """
    return list((tokens_file(settings.data_dir).read() or {}).values())


def revoke_token(settings: Settings, token_id: str) -> Token:
    """Delete a token. Servers end its open streams within a second.

    Args:
        settings: the data folder.
        token_id: of the token; the whole text of a token is accepted too.

    Raises:
        TokenError: no token has that id, or the file cannot be changed.
    """
    token_id = token_id.strip()
    if token_id.startswith("rvr_"):
        token_id = token_id.split("_")[1]
    try:
        with tokens_file(settings.data_dir).changing() as tokens:
            if token_id not in tokens:
                raise TokenError(f"no token has the id {token_id[:80]!r}; `token list` shows all")
            token = tokens.pop(token_id)
    except OSError as exc:
        raise _unwritable(settings, exc) from exc
    append_record(settings, "token.revoke", token=token.id, name=token.name)
    return token


def describe_tokens(tokens: list[Token], now: float) -> list[str]:
    """A table of the tokens as lines of text, with a header.

    Args:
        tokens: as `list_tokens` returns them.
        now: POSIX seconds, to mark expired tokens.
    """
    rows = [("ID", "NAME", "ROLE", "SCOPES", "CREATED", "EXPIRES")]
    for token in tokens:
        expires = "never" if token.expires is None else iso(token.expires)
        if not token.is_valid_at(now):
            expires += " (expired)"
        scopes = ",".join(token.scopes)
        rows.append((token.id, token.name, token.role or "-", scopes, iso(token.created), expires))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _unwritable(settings: Settings, exc: OSError) -> TokenError:
    return TokenError(f"{settings.data_dir}: the tokens cannot be changed: {exc.strerror}")
