"""Hides tokens, tickets and sign-in codes in log lines.

A secret is found by its form (`rvr_<id>_<secret>`), by its value (the shared tokens of the
settings), or by the parameter of a URL that has it. It may be percent-encoded several times, for
example in a URL inside a parameter of another URL.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK = "…"

MAX_DECODINGS = 8
"""Maximum number of times that a word is decoded; a word that is encoded more often is hidden."""

TOKEN = re.compile(
    r"(rvr_[0-9a-f]{8}_)[\w-]+"
    r"|(?<![a-z0-9])(rv[tc]_)[\w-]{32,}"
    r"|(?<![a-z0-9])([0-9a-f]{16}_)[\w-]{43}(?![\w-])",
    re.IGNORECASE,
)
"""A token; a ticket or a code; a session. The ids of tokens and sessions are shown."""

NAME = r"((?:[?&;#](?:access_token|token|ticket|code|resume)|(?<![^\s\"'(])(?:token|ticket))=)"

PARAMETER = re.compile(NAME + r'[^&\s"]*(?:"(?!\s|$)[^&\s"]*)*', re.IGNORECASE)
"""A parameter of a URL in a text, with its value."""

DECODED_PARAMETER = re.compile(NAME + "[^&]*", re.IGNORECASE)
"""A parameter in a decoded URL, whose value may have spaces."""

WORD = re.compile(r'[^\s"]*%[^\s"]*(?:"(?!\s|$)[^\s"]*)*')

SAFE = "".join(map(chr, range(0x21, 0x7F))) + MASK
"""Characters of a decoded URL that are shown as they are; others are encoded again."""


class _Values:
    """The shared tokens of all missions of the process, because all share its log."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, values: Iterable[str]) -> None:
        if new := set(values) - self._values:
            self._values |= new
            forms = {one for text in self._values for one in (text, _as_latin_1(text))}
            longest_first = sorted(forms, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(_pattern_of, longest_first)))

    def mask(self, text: str) -> str:
        return text if self._pattern is None else self._pattern.sub(MASK, text)


_values = _Values()


def _as_latin_1(text: str) -> str:
    """The text as a program shows it that does not know its encoding."""
    return text.encode("utf-8", "surrogatepass").decode("latin-1")


def _pattern_of(text: str) -> str:
    return "".join("[ +]" if one in " +" else re.escape(one) for one in text)


def hide(secrets: Iterable[str]) -> None:
    """Hide these texts in all log lines from now on."""
    _values.add(secrets)


def masked(text: str) -> str:
    """The text with `…` instead of secrets."""
    text = _mask_plain(text, PARAMETER)
    return WORD.sub(_mask_word, text) if "%" in text else text


def _mask_plain(text: str, parameter: re.Pattern[str]) -> str:
    text = TOKEN.sub(rf"\1\2\3{MASK}", _values.mask(text))
    return parameter.sub(rf"\1{MASK}", text) if "=" in text else text


def _mask_word(match: re.Match[str]) -> str:
    """A word without secrets. If it had an encoded one, it is shown decoded."""
    word = before = match[0]
    is_secret = False
    for _ in range(MAX_DECODINGS):
        if (decoded := unquote_plus(before)) == before:
            break
        before = _mask_plain(decoded, DECODED_PARAMETER)
        is_secret = is_secret or before != decoded
    else:
        return MASK
    if not is_secret:
        return word
    return "".join(one if one in SAFE else quote(one, errors="replace") for one in before)


class MaskTokens(logging.Filter):
    """Replaces secrets by `…`, and passes every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the message, its arguments and the traceback."""
        record.msg = _masked(record.msg)
        if isinstance(record.args, tuple):
            record.args = tuple(map(_masked, record.args))
        self._mask_rest(record)
        if record.exc_info and not record.exc_text:
            text = logging.Formatter().formatException(record.exc_info)
            if (hidden := masked(text)) != text:
                record.exc_text = hidden  # formatters use it instead of the exception
        if record.stack_info:
            record.stack_info = masked(record.stack_info)
        return True

    def _mask_rest(self, record: logging.LogRecord) -> None:
        """Mask what arguments of other types, such as exceptions and mappings, show."""
        args = record.args
        if not isinstance(args, Mapping) and all(isinstance(one, str | int) for one in args or ()):
            return
        try:
            message = record.getMessage()
        except Exception:  # logging reports it, with the place of the mistake
            return
        if (hidden := masked(message)) != message:
            record.msg, record.args = hidden, None


def _masked(value: object) -> object:
    return masked(value) if isinstance(value, str) else value
