"""A small JSON object as the body of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rover.errors import BadBody
from rover.identity import IDENTITY
from rover.invisible import is_blank
from rover.json_input import parse_json

if TYPE_CHECKING:
    from starlette.requests import Request

    from rover.asgi.body import Bodies

MAX_BYTES = 16 * 2**10

MAX_TEXT_CHARACTERS = 1_000


async def small_body(request: Request, bodies: Bodies, max_bytes: int) -> bytes:
    """The body.

    Raises:
        BadBody: it has more than `max_bytes`.
    """
    body = bytearray()
    async for chunk in bodies.read(request.receive, request.scope.get(IDENTITY)):
        body += chunk
        if len(body) > max_bytes:
            raise BadBody(f"the body has more than {max_bytes:,} bytes, its limit")
    return bytes(body)


async def json_object(
    request: Request, bodies: Bodies, max_bytes: int = MAX_BYTES
) -> dict[str, Any]:
    """The body as a JSON object; an empty body is an empty object.

    Raises:
        BadBody: it is not a JSON object, or has more than `max_bytes`.
    """
    body = await small_body(request, bodies, max_bytes)
    try:
        value = parse_json(body or b"{}")
    except ValueError as exc:
        raise BadBody(f"the body must be a JSON object, such as {{}}: {exc}") from None
    if not isinstance(value, dict):
        raise BadBody("the body must be a JSON object, such as {}")
    return value


def text_field(
    body: dict[str, Any],
    name: str,
    *,
    required: bool = False,
    max_characters: int = MAX_TEXT_CHARACTERS,
    one_line: bool = False,
) -> str:
    """The text of a field, without white space around it.

    Args:
        body: the object.
        name: of the field.
        required: whether the field must be there.
        max_characters: of the text.
        one_line: whether line breaks are refused.

    Raises:
        BadBody: it is missing, not text, too long, or not printable.
    """
    value = body.get(name, "")
    if not isinstance(value, str) or len(value) > max_characters:
        raise BadBody(f"`{name}` must be text of at most {max_characters:,} characters")
    value = value.strip()
    if not (value if one_line else value.replace("\n", " ")).isprintable():
        raise BadBody(f"`{name}` must not contain control characters")
    if required and is_blank(value):
        raise BadBody(f"`{name}` is missing; send a name, for example that of the operator")
    return value
