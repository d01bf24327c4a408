"""The faults behind the errors of a JSON schema, in words for people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sources.values.patterns import TOO_MANY_STEPS
from sources.values.wording import listed, quoted, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jsonschema_rs import ValidationError

    from sources.values.json_text import Pointer

MAX_DEPTH = 32
"""Maximum depth of branches within branches."""

UNEVALUATED = ("unevaluatedProperties", "unevaluatedItems")


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of a file.

    Attributes:
        code: `schema.` and the keyword of the schema.
        message: the fault.
        pointer: of the value or of the property.
        hint: how to fix it; may be empty.
    """

    code: str
    message: str
    pointer: Pointer
    hint: str = ""


def faults(error: ValidationError, schema: Any, depth: int = 0) -> Iterator[Fault]:
    """Yield the faults behind an error.

    Args:
        error: of the validator.
        schema: the whole schema.
        depth: of branches.
    """
    keyword = error.kind.name
    pointer = _path(error)
    if keyword in ("oneOf", "anyOf") and depth < MAX_DEPTH:
        branches: Sequence[Sequence[ValidationError]] = getattr(error.kind, "context", [])
        yield from _branch_faults(error, branches, schema, depth + 1)
    elif keyword in ("additionalProperties", "unevaluatedProperties"):
        known = _properties(error, schema)
        for name in error.kind.as_dict()["unexpected"]:
            hint = suggestion(name, known)
            yield Fault(
                f"schema.{keyword}", f"unknown property {quoted(name)}", (*pointer, name), hint
            )
    elif keyword == "falseSchema":
        message = f"{_name(pointer)} is not allowed here"
        yield Fault("schema.not-allowed", message, pointer)
    else:
        yield Fault(f"schema.{keyword}", _message(error), pointer, _hint(error))


def true_errors(errors: Sequence[ValidationError]) -> list[ValidationError]:
    """The errors without those that only follow from others.

    A validator takes all properties of a value with another error for unevaluated ones.
    """
    found = [one for one in errors if one.kind.name not in UNEVALUATED]
    if len(found) == len(errors):
        return found
    wrong = {tuple(path[:end]) for path in map(_path, found) for end in range(len(path) + 1)}
    return [one for one in errors if one.kind.name not in UNEVALUATED or _path(one) not in wrong]


def _path(error: ValidationError) -> Pointer:
    return tuple(error.instance_path)


def _branch_faults(
    error: ValidationError, branches: Sequence[Sequence[ValidationError]], schema: Any, depth: int
) -> Iterator[Fault]:
    """Yield the faults that all branches share, or those of the only branch that is meant."""
    pointer = _path(error)
    branches = [true_errors(branch) for branch in branches]
    shared = [
        one
        for one in (branches[0] if branches else ())
        if all(any(_same(one, other) for other in branch) for branch in branches[1:])
    ]
    types = [_types(branch, pointer) for branch in branches]
    if not shared and branches and all(types):
        nouns = dict.fromkeys(_noun(one) for names in types for one in names)
        message = f"{_name(pointer)} must be {' or '.join(nouns)}, not {_shown(error.instance)}"
        yield Fault("schema.type", message, pointer)
        return
    meant = [branch for branch, names in zip(branches, types, strict=True) if not names]
    chosen = [branch for branch in meant if not _is_of_another_kind(branch, pointer)]
    meant = chosen if len(chosen) == 1 else meant
    names = [_missing(branch) for branch in meant]
    if shared or len(meant) == 1:
        for one in shared or meant[0]:
            yield from faults(one, schema, depth)
    elif meant and all(names):
        message = f"{_name(pointer)} must have {' or '.join(map(quoted, names))}"
        yield Fault("schema.required", message, pointer)
    elif meant:
        yield _alternatives(error, meant, schema, depth)
    else:
        yield Fault(f"schema.{error.kind.name}", _message(error), pointer)


def _alternatives(
    error: ValidationError, branches: Sequence[Sequence[ValidationError]], schema: Any, depth: int
) -> Fault:
    """The fault of a value that fits no branch, with the reasons of the first ones."""
    pointer = _path(error)
    reasons = [
        " and ".join(fault.message for one in branch[:3] for fault in faults(one, schema, depth))
        for branch in branches[:3]
    ]
    message = f"{_name(pointer)} fits none of {len(branches)} alternatives"
    return Fault(f"schema.{error.kind.name}", message, pointer, "; or ".join(reasons)[:500])


def _types(branch: Sequence[ValidationError], pointer: Pointer) -> list[str]:
    """The types that a branch requires instead of that of the value; empty if it has one."""
    for one in branch:
        if one.kind.name == "type" and _path(one) == pointer:
            return [str(name) for name in one.kind.as_dict()["types"]]
    return []


def _is_of_another_kind(branch: Sequence[ValidationError], pointer: Pointer) -> bool:
    """Whether a property has none of the constants that a branch requires."""
    return any(one.kind.name in ("const", "enum") and _path(one)[:-1] == pointer for one in branch)


def _same(one: ValidationError, other: ValidationError) -> bool:
    return one.message == other.message and one.instance_path == other.instance_path


def _missing(branch: Sequence[ValidationError]) -> str:
    """The property that a branch lacks, if this is its only error."""
    if len(branch) == 1 and branch[0].kind.name == "required":
        return str(branch[0].kind.as_dict()["property"])
    return ""


def _hint(error: ValidationError) -> str:
    """The hint for a text that is none of several."""
    if error.kind.name != "enum" or not isinstance(error.instance, str):
        return ""
    return suggestion(error.instance, map(str, error.kind.as_dict()["options"]))


def _message(error: ValidationError) -> str:
    about = error.kind.as_dict()
    name = _name(tuple(error.instance_path))
    if isinstance(error.kind, TOO_MANY_STEPS):
        return f"{name} cannot be checked: to match the pattern of the schema takes too many steps"
    match error.kind.name:
        case "required":
            return f"{name} lacks {quoted(about['property'])}"
        case "type":
            nouns = map(_noun, about["types"])
            return f"{name} must be {' or '.join(nouns)}, not {_shown(error.instance)}"
        case "const":
            return f"{name} must be {_shown(about['expected_value'])}, not {_shown(error.instance)}"
        case "enum":
            options = listed(map(str, about["options"]))
            return f"{name} must be one of {options}, not {_shown(error.instance)}"
        case "pattern":
            return f"{name} must match {about['pattern']}, not {_shown(error.instance)}"
        case "minItems":
            plural = "" if about["limit"] == 1 else "s"
            return f"{name} must have at least {about['limit']} item{plural}"
        case "oneOf":
            return f"{name} fits several alternatives, of which only one is allowed"
        case _:
            return f"{name}: {error.message:.300}"


NOUNS = {
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "an array",
    "object": "an object",
    "null": "null",
}


def _noun(type_: object) -> str:
    return NOUNS.get(str(type_), str(type_))


def _name(pointer: Pointer) -> str:
    """The name of a value in a message."""
    names = [part for part in pointer if isinstance(part, str)]
    if not pointer:
        return "the file"
    if isinstance(pointer[-1], int):
        return f"item {pointer[-1]} of {names[-1]}" if names else f"item {pointer[-1]}"
    return pointer[-1]


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, str):
        return f"the text {quoted(value)}"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return f"{value!r:.40}"


def _properties(error: ValidationError, schema: Any) -> list[str]:
    """The properties that the schema allows at the place of an error."""
    found = schema
    for part in list(error.schema_path)[:-1]:
        try:
            found = found[part]
        except (LookupError, TypeError):
            return []
    properties = found.get("properties") if isinstance(found, dict) else None
    return list(properties) if isinstance(properties, dict) else []
