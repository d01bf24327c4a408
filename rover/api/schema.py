"""Parts of JSON Schemas: types, and functions that combine them.

Source: JSON Schema 2020-12, the dialect of OpenAPI 3.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rover.asgi.author import MAX_BY_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rover.asgi.query import Schema

PRINTABLE = "[^\\u0000-\\u001f\\u007f-\\u009f]"
"""A character of one line of text, as a regular expression of ECMA-262."""

NAME = f"^{PRINTABLE}*[^\\u0000-\\u0020\\u007f-\\u00a0]{PRINTABLE}*$"
"""One line of text that is not blank."""


def ref(name: str) -> Schema:
    """A reference to a schema of `SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def about(schema: Schema, description: str) -> Schema:
    """The schema with a description."""
    return {**schema, "description": description}


def obj(optional: Iterable[str] = (), /, **properties: Schema) -> Schema:
    """An object that has all properties, except perhaps the optional ones."""
    required = [name for name in properties if name not in set(optional)]
    return {"type": "object", "properties": properties, "required": required}


def closed(properties: Mapping[str, Schema]) -> Schema:
    """An object with any of the properties, and no others."""
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}


def by_name(values: Schema) -> Schema:
    """An object of values with any names."""
    return {"type": "object", "additionalProperties": values}


def text(**more: Any) -> Schema:
    """A text."""
    return {"type": "string", **more}


def one_of(words: Iterable[Any]) -> Schema:
    """One of several words."""
    return {"type": "string", "enum": [str(word) for word in words]}


def const(word: str) -> Schema:
    """Exactly this text."""
    return {"type": "string", "const": word}


def array(items: Schema, **more: Any) -> Schema:
    """A list."""
    return {"type": "array", "items": items, **more}


def nullable(schema: Schema) -> Schema:
    """The values of the schema, or null."""
    if "type" in schema and "enum" not in schema:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        return {**schema, "type": [*kinds, "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


TEXT = text()
NUMBER: Schema = {"type": "number"}
INTEGER: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
BOOLEAN: Schema = {"type": "boolean"}
TIME = text(format="date-time")
EVENT_ID = about(TEXT, "`epoch-offset`, for `?after=`")
BY = text(maxLength=MAX_BY_CHARACTERS, pattern=NAME)
FACTS = by_name({"type": ["string", "number", "boolean", "null"]})
"""Facts for people, by name."""
BINARY: Schema = {}
"""Any bytes: OpenAPI 3.1 describes binary content by its media type alone."""
