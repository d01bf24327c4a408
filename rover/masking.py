"""Hides tokens, tickets and sign-in codes in the URLs of log lines."""

from __future__ import annotations

import logging
import re
from urllib.parse import unquote_plus

PARAMETER = re.compile(r"(?<=[?&])([^=&\s\"]*)=([^&\s\"]*)")
MASK = "…"

SECRETS = frozenset({"token", "ticket", "code"})
"""Query parameters whose values are hidden."""


class MaskTokens(logging.Filter):
    """Replaces the value of each parameter in `SECRETS` by `…`, and passes every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the message and its arguments."""
        record.msg = _masked(record.msg)
        if isinstance(record.args, tuple):
            record.args = tuple(map(_masked, record.args))
        return True


def masked(text: str) -> str:
    """The text with `…` instead of secrets."""
    return PARAMETER.sub(_mask_parameter, text) if "=" in text else text


def _masked(value: object) -> object:
    return masked(value) if isinstance(value, str) else value


def _mask_parameter(match: re.Match[str]) -> str:
    name = match[1]
    return f"{name}={MASK}" if unquote_plus(name).lower() in SECRETS else match[0]
