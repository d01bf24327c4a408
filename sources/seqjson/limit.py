"""Limits the steps that a JSON schema is applied to after many wrong ones.

`jsonschema_rs` makes all errors of a file before it returns the first one, with 3 kB and 60 µs for
each. Whether a step is valid takes 1 µs.
"""

from __future__ import annotations

from typing import Any

import jsonschema_rs

from sources.seqjson.branches import resolved
from sources.seqjson.commands import LISTS
from sources.values.patterns import PATTERN_OPTIONS

SHARED = ("$schema", "$defs", "definitions")
"""The keys of a schema that its parts need."""


class StepLimit:
    """Cuts the lists of steps of a file off after its first wrong steps.

    Args:
        schema: of whole files. A list whose items it does not describe is not cut off.
    """

    def __init__(self, schema: Any) -> None:
        self._validators = {name: _item_validator(schema, name) for name in (*LISTS, "requests")}
        self._steps_of_requests = _item_validator(schema, "requests", "steps")

    def apply(self, content: Any, most: int) -> tuple[Any, int]:
        """The content with at most `most` wrong steps, and the number of those that are left out.

        A list keeps its first item, and the places of all that it keeps.

        Args:
            content: of a file; it is not changed.
            most: number of wrong steps.
        """
        if not isinstance(content, dict):
            return content, 0
        budget = _Budget(most)
        found = dict(content)
        for name, validator in self._validators.items():
            found[name] = budget.cut(found.get(name), validator)
            if name == "requests" and isinstance(found[name], list):
                found[name] = [self._request(one, budget) for one in found[name]]
        return {name: found[name] for name in content}, budget.left_out

    def _request(self, request: Any, budget: _Budget) -> Any:
        if not isinstance(request, dict) or "steps" not in request:
            return request
        return {**request, "steps": budget.cut(request["steps"], self._steps_of_requests)}


class _Budget:
    """The wrong steps that are kept.

    Attributes:
        left_out: number of wrong steps that were left out.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.left_out = 0

    def cut(self, items: Any, validator: jsonschema_rs.Validator | None) -> Any:
        """The items up to the last wrong one that is kept."""
        if not isinstance(items, list) or validator is None:
            return items
        wrong = [index for index, item in enumerate(items) if not validator.is_valid(item)]
        kept, self._most = wrong[: self._most], max(0, self._most - len(wrong))
        if len(kept) == len(wrong):
            return items
        self.left_out += len(wrong) - len(kept)
        return items[: max(1, wrong[len(kept)])]


def _item_validator(schema: Any, *names: str) -> jsonschema_rs.Validator | None:
    """A validator of the items of a list; `None` if the schema does not describe them alone."""
    part = schema
    for name in names:
        properties = resolved(part, schema).get("properties")
        part = properties.get(name) if isinstance(properties, dict) else None
        part = resolved(part, schema).get("items")
    if not isinstance(part, dict):
        return None
    shared = {key: schema[key] for key in SHARED if key in schema}
    try:
        return jsonschema_rs.validator_for(
            {**shared, "allOf": [part]}, offline=True, pattern_options=PATTERN_OPTIONS
        )
    except (ValueError, jsonschema_rs.ValidationError):
        return None  # it refers to another part
