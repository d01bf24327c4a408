"""A logging filter that hides tokens in the URLs of requests."""

from __future__ import annotations

import logging
import re
from urllib.parse import unquote_plus

PARAMETER = re.compile(r"(?<=[?&])([^=&\s\"]*)=([^&\s\"]*)")
MASK = "…"


class MaskTokens(logging.Filter):
    """Replaces the value of each `token` parameter by `…`, and passes every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the message and its arguments."""
        record.msg = _masked(record.msg)
        if isinstance(record.args, tuple):
            record.args = tuple(map(_masked, record.args))
        return True


def _masked(value: object) -> object:
    if not isinstance(value, str) or "=" not in value:
        return value
    return PARAMETER.sub(_mask_parameter, value)


def _mask_parameter(match: re.Match[str]) -> str:
    name = match[1]
    return f"{name}={MASK}" if unquote_plus(name) == "token" else match[0]
