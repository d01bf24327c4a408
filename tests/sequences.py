"""A small dictionary of F Prime, and the places of findings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sources.base import Finding

if TYPE_CHECKING:
    from pathlib import Path


def reference(name: str, **fields: Any) -> dict[str, Any]:
    """A reference to a type."""
    return {"name": name, **fields}


def command(name: str, opcode: int, **parameters: dict[str, Any]) -> dict[str, Any]:
    """A command of a dictionary; its parameters are references to types."""
    formal = [{"name": key, "type": type_, "ref": False} for key, type_ in parameters.items()]
    return {"name": name, "commandKind": "async", "opcode": opcode, "formalParams": formal}


TYPES: list[dict[str, Any]] = [
    {
        "kind": "enum",
        "qualifiedName": "State",
        "representationType": reference("I32"),
        "enumeratedConstants": [{"name": "IDLE", "value": 0}, {"name": "ACTIVE", "value": 1}],
    },
    {"kind": "array", "qualifiedName": "Three", "size": 3, "elementType": reference("I32")},
    {
        "kind": "struct",
        "qualifiedName": "Point",
        "members": {
            "y": {"type": reference("Number"), "index": 1},
            "x": {"type": reference("I32"), "index": 0},
        },
    },
    {
        "kind": "alias",
        "qualifiedName": "Number",
        "type": reference("I32"),
        "underlyingType": reference("I32"),
    },
]

DICTIONARY: dict[str, Any] = {
    "metadata": {"deploymentName": "Test", "projectVersion": "1.2", "frameworkVersion": "4"},
    "typeDefinitions": TYPES,
    "commands": [
        command("c.NO_OP", 16),
        command("c.INT", 17, value=reference("I32")),
        command("c.F32", 18, value=reference("F32")),
        command("c.F64", 19, value=reference("F64")),
        command("c.BOOL", 20, flag=reference("bool")),
        command("c.ENUM", 21, state=reference("State")),
        command("c.TEXT", 22, text=reference("string", size=10)),
        command("c.ARRAY", 23, values=reference("Three")),
        command("c.POINT", 24, at=reference("Point")),
        command("c.TWO", 25, first=reference("I32"), second=reference("F32")),
        command("c.U8", 26, value=reference("U8")),
    ],
}


def written(path: Path, content: Any) -> Path:
    """The path of a JSON file with this content."""
    path.write_text(json.dumps(content))
    return path


def places(reports: list[Any]) -> list[tuple[int | None, int | None, str]]:
    """The places and codes of the findings."""
    return [(one.line, one.column, one.code) for one in reports if isinstance(one, Finding)]
