"""The links to images in an index.

Source: HTML Standard, 4.6.1 (`a`) and 4.8.3 (`img`); RFC 3986, 5.2.
"""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import httpx

from sources.base import SourceError
from sources.values.images import type_of_name

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINKS = 10_000
"""Maximum number of links in an index."""

MAX_DEPTH = 20
"""Maximum depth of a JSON index."""


def is_index(content_type: str) -> bool:
    """Whether a response with this media type is an index."""
    return content_type in ("text/html", "application/xhtml+xml", "application/json")


def links_in(body: bytes, content_type: str, base: httpx.URL, member: str) -> list[httpx.URL]:
    """The links of an index, each once, in its order.

    Args:
        body: of the response.
        content_type: HTML or JSON.
        base: URL of the index.
        member: of the JSON objects whose values are links; empty for all texts that end like the
            name of an image.

    Raises:
        SourceError: it is not JSON, or has too many links.
    """
    if content_type == "application/json":
        try:
            root = json.loads(body)
        except (ValueError, RecursionError) as exc:
            raise SourceError(f"the index is not JSON: {exc}") from exc
        texts = _texts(root, member, "", 0)
    else:
        parser = _Links()
        parser.feed(body.decode(errors="replace"))
        texts, member = iter(parser.found), ""
    found: dict[httpx.URL, None] = {}
    for text in texts:
        try:
            url = base.join(text.strip()).copy_with(fragment=None)
        except (httpx.InvalidURL, ValueError):
            continue
        if url.scheme in ("http", "https") and (member or type_of_name(url.path)):
            found[url] = None
        if len(found) > MAX_LINKS:
            raise SourceError(f"the index has more than {MAX_LINKS:,} images")
    return list(found)


def _texts(value: Any, member: str, name: str, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        return
    if isinstance(value, str):
        if member in ("", name):
            yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, member, name, depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, member, key, depth + 1)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        wanted = {"a": "href", "img": "src"}.get(tag)
        self.found += [value for name, value in attrs if name == wanted and value]
