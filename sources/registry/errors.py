"""Errors for a URL that names no source."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sources.base import SourceError

if TYPE_CHECKING:
    from sources.base import SourceKind

_SECRET_NAMES = "password|secret|token|key"  # noqa: S105 # names of options, not a password


class Refused(ValueError):
    """A URL cannot be used.

    Attributes:
        reason: why.
        hint: how to fix it; may be empty.
    """

    def __init__(self, reason: str, hint: str = "") -> None:
        self.reason = reason
        self.hint = hint
        super().__init__(f"{reason}; {hint}" if hint else reason)


class SourceSettingError(SourceError):
    """A setting does not name a usable source.

    Attributes:
        setting: its name.
        kind: of the source.
        url: the value of the setting, with its secrets; the text of the error omits them.
        reason: why the URL cannot be used.
        hint: how to fix it; may be empty.
    """

    def __init__(
        self, setting: str, kind: SourceKind, url: str, reason: str, hint: str = ""
    ) -> None:
        self.setting = setting
        self.kind = kind
        self.url = url
        self.reason = reason
        self.hint = hint
        text = f"{setting}={redacted(url)}: {reason}"
        super().__init__(f"{text}; {hint}" if hint else text)


def redacted(url: str) -> str:
    """The URL without its secrets, for messages and logs."""
    url = re.sub(r"(://[^/?@:]*):[^/?@]*@", r"\1:…@", url)
    return re.sub(rf"([?&][^=&]*(?i:{_SECRET_NAMES})[^=&]*=)[^&]+", r"\1…", url)


def option_text(name: str, value: str) -> str:
    """`name=value` for messages and logs, without secrets."""
    return f"{name}=…" if re.search(_SECRET_NAMES, name, re.IGNORECASE) else f"{name}={value:.80}"
