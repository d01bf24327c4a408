"""The header `Content-Disposition`: names of files in requests and responses.

Source: RFC 6266 (the header); RFC 8187 (`filename*`); RFC 7578, 4.2 (forms); WHATWG HTML, 4.10.21.8
(how browsers escape names in forms).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 # of RFC 9110, 5.6.2

QUOTED = r'"(?:\\.|[^"\\])*"(?=[ \t]*(?:;|\Z))'
"""Of RFC 9110, 5.6.4. Browsers do not escape backslashes, so a name may end with one."""

PARAMETER = re.compile(
    rf';[ \t]*(?:({TOKEN})[ \t]*=[ \t]*({QUOTED}|"[^"]*"|[^;"]*))?[ \t]*', re.DOTALL
)

EXTENDED = re.compile(rf"({TOKEN})'[^']*'(.*)", re.DOTALL)

QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
"""Of RFC 9110, 5.6.4."""

FILE_NAME_PAIR = re.compile(r'\\(["\\])')
"""Old browsers send a path with single backslashes, so a name has no other escape."""

BROWSER_ESCAPE = re.compile(r"%(22|0D|0A)", re.IGNORECASE)
"""Browsers escape only these characters in forms: any other `%` is part of the name."""


def parse_header(value: str) -> tuple[str, dict[str, str]]:
    """The type of a header in lower case, and its parameters by name in lower case.

    An extended parameter such as `filename*` is decoded, and takes precedence over the plain one
    under the plain name. The first of several parameters with the same name counts.

    Raises:
        ValueError: the parameters are malformed.
    """
    kind, semicolon, rest = value.partition(";")
    text = semicolon + rest
    plain: dict[str, str] = {}
    extended: dict[str, str] = {}
    position = 0
    while position < len(text):
        match = PARAMETER.match(text, position)
        if match is None:
            raise ValueError(value)
        position = match.end()
        name, raw = match[1], match[2]
        if name is None:
            continue
        if name.endswith("*"):
            decoded = _extended(raw.strip())
            if decoded is None:
                plain.setdefault(name.lower(), raw)
            else:
                extended.setdefault(name[:-1].lower(), decoded)
        else:
            pair = FILE_NAME_PAIR if name.lower() == "filename" else QUOTED_PAIR
            plain.setdefault(name.lower(), _plain(raw, pair))
    return kind.strip().lower(), plain | extended


def _plain(raw: str, pair: re.Pattern[str]) -> str:
    if raw.startswith('"'):
        return pair.sub(r"\1", raw[1:-1])
    return raw.rstrip()


def _extended(raw: str) -> str | None:
    """The text of `charset'language'percent-encoded`; `None` if it is malformed (RFC 8187)."""
    match = EXTENDED.fullmatch(raw.strip('"'))
    if match is None:
        return None
    try:
        return unquote_to_bytes(match[2]).decode(match[1])
    except (LookupError, ValueError):
        return None


def file_name(parameters: Mapping[str, str]) -> str | None:
    """The name of a file in a form, with its escapes decoded; `None` if there is none."""
    name = parameters.get("filename")
    if name is None:
        return None
    return BROWSER_ESCAPE.sub(lambda match: chr(int(match[1], 16)), name)


def disposition(kind: str, name: str) -> str:
    """The header for a response with a file.

    Args:
        kind: `inline` or `attachment`.
        name: of the file; any text.
    """
    plain = re.sub(r"[^\w.+-]", "_", name, flags=re.ASCII)
    extended = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'{kind}; filename="{plain}"{extended}'
