"""What a message has beside its text: a kind, and data for programs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from rover.comms.crew.shapes import RESULT, check_shape, default_text
from rover.comms.links import LINK, check_link
from rover.errors import MessageRefused
from rover.invisible import is_blank
from rover.json_input import inexact_number
from rover.wire import dumps

if TYPE_CHECKING:
    from collections.abc import Mapping

KIND = re.compile(r"[a-z][a-z0-9-]{0,31}")

SYSTEM = "system"
"""A message of the mission itself. `data` has a `category` and perhaps one of `links.FIELDS`."""

MAX_DEPTH = 8
"""Maximum depth of `data`."""


class Content(NamedTuple):
    """What a message has beside its text.

    Attributes:
        kind: such as `link`; empty for plain messages.
        data: a JSON object; `None` if there is none.
    """

    kind: str = ""
    data: Mapping[str, Any] | None = None

    @property
    def size(self) -> int:
        """Bytes in UTF-8."""
        return len(self.kind) + (0 if self.data is None else len(dumps(self.data).encode()))

    def text_of(self, text: str) -> str:
        """The text of a message; that of its kind if its sender has left it empty."""
        return default_text(self.kind, self.data) if is_blank(text) else text

    def as_json(self) -> dict[str, Any]:
        """The fields that the message has."""
        fields: dict[str, Any] = {"kind": self.kind} if self.kind else {}
        return fields if self.data is None else {**fields, "data": self.data}


PLAIN = Content()


def content_of(fields: Mapping[str, Any]) -> Content:
    """The `kind` and the `data` of a message from a client.

    Raises:
        MessageRefused: one of them is malformed.
    """
    kind, data = fields.get("kind"), fields.get("data")
    if kind is None and data is None:
        return PLAIN
    if not isinstance(kind, str) or not KIND.fullmatch(kind):
        reason = "`kind` must have up to 32 small letters, digits and `-`, a letter first"
        raise MessageRefused("malformed", reason)
    if kind in (RESULT, SYSTEM):
        raise MessageRefused("not_allowed", f"only the server sends messages of the kind `{kind}`")
    if data is not None and (not isinstance(data, dict) or not _is_shallow(data, MAX_DEPTH)):
        reason = f"`data` must be a JSON object of at most {MAX_DEPTH} levels"
        raise MessageRefused("malformed", reason)
    if number := inexact_number(data):
        shown = number if len(number) <= 40 else f"{number[:40]}…"
        reason = f"`data` has the number {shown}, which programs would round; send it as a text"
        raise MessageRefused("malformed", reason)
    check_shape(kind, data)
    if kind == LINK:
        check_link(data or {})
    content = Content(kind, data)
    try:
        content.size  # noqa: B018 # it encodes
    except UnicodeEncodeError:
        raise MessageRefused("malformed", "`data` must not contain a lone surrogate") from None
    return content


def _is_shallow(value: object, levels: int) -> bool:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return levels > 0 and all(_is_shallow(one, levels - 1) for one in inner)
    return True
