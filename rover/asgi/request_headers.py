"""The headers of a request by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Scope


def by_name(scope: Scope) -> Mapping[bytes, bytes]:
    """The headers by their lower-case names.

    Several values of one header are joined with `, `, those of `Cookie` with `; ` (RFC 9110, 5.3
    and RFC 9113, 8.2.3).
    """
    headers = scope["headers"]
    known = dict(headers)  # in C: each request pays for it
    if len(known) == len(headers):
        return known
    values: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        values.setdefault(name, []).append(value)
    return {
        name: (b"; " if name == b"cookie" else b", ").join(given) for name, given in values.items()
    }
