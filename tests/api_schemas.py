"""Checks JSON against the schemas of the API, which here allow no other properties."""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator

from rover.api.schema import ref
from rover.api.schemas import SCHEMAS


def closed(schema: Any) -> Any:
    """The schema, in which an object has no property that it does not describe."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    is_object = "object" in schema.get("type", ()) and isinstance(schema.get("properties"), dict)
    return {"additionalProperties": False, **inner} if is_object else inner


COMPONENTS = {"components": {"schemas": closed(SCHEMAS)}}


def check(name: str, value: Any) -> None:
    """Check that a value conforms to a schema of `rover.api.schemas`.

    Raises:
        ValidationError: it does not.
    """
    formats = Draft202012Validator.FORMAT_CHECKER
    Draft202012Validator({**ref(name), **COMPONENTS}, format_checker=formats).validate(value)


def check_json(name: str, text: str | bytes) -> Any:
    """Check JSON text, and return its value."""
    value = json.loads(text)
    check(name, value)
    return value
