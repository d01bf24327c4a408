"""Guards the conditions of a JSON schema, so that a wrong property has one error only.

A schema says `if` the type of a variable is ENUM, `then` it requires `enum_name`. A validator also
applies that to a variable without a type, where the condition is true because nothing contradicts
it, and applies `else` to one whose type is misspelt. Both files are wrong, but not for that reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sources.seqjson.branches import has_conditions, resolved

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CONDITION = ("if", "then", "else")


def with_guarded_conditions(schema: Any) -> Any:
    """The schema with each condition applied only if the properties that it tests are valid.

    The same files are valid: if one of these properties is not, another part of the schema says so.

    Args:
        schema: the whole schema; it is not changed.
    """
    return _guarded(schema, schema, ()) if has_conditions(schema) else schema


def _guarded(node: Any, root: Any, beside: Sequence[dict[str, Any]]) -> Any:
    """A part of the schema.

    Args:
        node: the part.
        root: the whole schema.
        beside: other parts that the same value must fit.
    """
    if isinstance(node, list):
        return [_guarded(item, root, ()) for item in node]
    if not isinstance(node, dict):
        return node
    parts = node.get("allOf")
    parts = parts if isinstance(parts, list) else []
    applied = [*beside, resolved(node, root), node, *(resolved(one, root) for one in parts)]
    found = {
        key: [_guarded(one, root, applied) for one in parts]
        if key == "allOf"
        else _guarded(value, root, ())
        for key, value in node.items()
    }
    guard = _guard(set(_tested(node.get("if"))), applied)
    if "if" in node and guard:
        condition = {key: found.pop(key) for key in CONDITION if key in found}
        found["allOf"] = [*found.get("allOf", []), {"if": guard, "then": condition}]
    return found


def _tested(condition: Any) -> Iterator[str]:
    """The properties that a condition is about."""
    if not isinstance(condition, dict):
        return
    for key in ("properties", "required"):
        if isinstance(condition.get(key), dict | list):
            yield from map(str, condition[key])
    for key in ("allOf", "anyOf", "oneOf"):
        for one in condition.get(key, []):
            yield from _tested(one)
    yield from _tested(condition.get("not"))


def _guard(names: set[str], applied: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The requirements of a schema's parts on some properties; empty without any."""
    required, valid = set[str](), dict[str, list[Any]]()
    for part in applied:
        if isinstance(part.get("required"), list):
            required |= names & set(map(str, part["required"]))
        if isinstance(properties := part.get("properties"), dict):
            for name in names & set(properties):
                valid.setdefault(name, []).append(properties[name])
    guard: dict[str, Any] = {"required": sorted(required)} if required else {}
    if valid:
        guard["properties"] = {name: {"allOf": valid[name]} for name in sorted(valid)}
    return guard
