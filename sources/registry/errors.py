"""Why a URL names no source."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sources.base import SourceError

if TYPE_CHECKING:
    from sources.base import SourceKind


_HIDDEN = "password|secret|token|key"


class Refused(ValueError):
    """The text of a setting cannot be used; carries the reason and a way out."""

    def __init__(self, reason: str, way_out: str = "") -> None:
        self.reason = reason
        self.way_out = way_out
        super().__init__(f"{reason}; {way_out}" if way_out else reason)


class SourceSettingError(SourceError):
    """A setting names no usable source; its text names setting, value, reason and way out."""

    def __init__(
        self, setting: str, kind: SourceKind, url: str, reason: str, way_out: str = ""
    ) -> None:
        self.setting = setting
        self.kind = kind
        self.url = url
        self.reason = reason
        self.way_out = way_out
        text = f"{setting}={redacted(url)}: {reason}"
        super().__init__(f"{text}; {way_out}" if way_out else text)


def redacted(url: str) -> str:
    """The URL without its secrets, for messages and logs."""
    url = re.sub(r"(://[^/?@:]*):[^/?@]*@", r"\1:…@", url)
    return re.sub(rf"([?&][^=&]*(?i:{_HIDDEN})[^=&]*=)[^&]+", r"\1…", url)


def option_text(name: str, value: str) -> str:
    """`name=value` for messages and logs, without secrets."""
    return f"{name}=…" if re.search(_HIDDEN, name, re.IGNORECASE) else f"{name}={value:.80}"
