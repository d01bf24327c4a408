"""The author of an action: the person whose name is recorded with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rover.asgi.json_body import text_field
from rover.errors import BadBody
from rover.identity import EVERYONE, IDENTITY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

MAX_BY_CHARACTERS = 100
"""Maximum length of a stated name."""


def author(request: Request, body: Mapping[str, Any], is_token_name: Callable[[str], bool]) -> str:
    """The name of the person who sends a request: that of the token, else the stated one.

    Args:
        request: whose access was checked.
        body: may have the name as `by`.
        is_token_name: whether a token has a name, which nobody may state without that token.

    Raises:
        BadBody: the name is missing, or is that of a token.
    """
    if name := request.scope.get(IDENTITY, EVERYONE).name:
        return str(name)
    stated = text_field(
        dict(body), "by", required=True, max_characters=MAX_BY_CHARACTERS, one_line=True
    )
    if is_token_name(stated):
        raise BadBody(f"`by`: {stated!r} is the name of a token; send that token, or your name")
    return stated
