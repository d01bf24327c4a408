"""Sequences in seq-json: the real fault of each mistake, with its place."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest

from sources.base import Finding, SourceError
from sources.programs import IsolatedValidator
from sources.registry import open_source
from sources.seqjson import SeqJsonValidator
from sources.seqjson.conditions import with_guarded_conditions
from sources.seqjson.limit import StepLimit
from sources.values.tally import MAX_FINDINGS
from tests.sequences import DICTIONARY, written

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$defs": {
        "go": {
            "type": "object",
            "additionalProperties": False,
            "required": ["type", "far"],
            "properties": {"type": {"const": "go"}, "far": {"type": "number"}},
        },
        "variable": {
            "allOf": [
                {
                    "type": "object",
                    "required": ["name", "type"],
                    "properties": {"type": {"enum": ["ENUM", "INT"]}},
                },
                {
                    "if": {"properties": {"type": {"const": "ENUM"}}},
                    "then": {"required": ["enum_name"]},
                    "else": {"properties": {"enum_name": False}},
                },
            ]
        },
        "command": {
            "type": "object",
            "required": ["type", "stem"],
            "properties": {
                "type": {"const": "command"},
                "stem": {"type": "string"},
                "args": {"type": "array"},
            },
        },
    },
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "locals": {"type": "array", "items": {"$ref": "#/$defs/variable"}},
        "value": {"oneOf": [{"type": "string", "maxLength": 3}, {"type": "number"}]},
        "mode": {
            "oneOf": [
                {
                    "properties": {"kind": {"enum": ["a", "b"]}, "x": {"type": "number"}},
                    "required": ["kind"],
                },
                {"properties": {"kind": {"const": "c"}}, "required": ["kind", "y"]},
            ]
        },
        "closed": {
            "allOf": [{"properties": {"a": {"type": "number"}, "b": {"type": "number"}}}],
            "unevaluatedProperties": False,
        },
        "steps": {
            "type": "array",
            "items": {"oneOf": [{"$ref": "#/$defs/go"}, {"$ref": "#/$defs/command"}]},
        },
    },
}

NUMBER = '{"type": "number", "value": %s}'


def step(text: str) -> str:
    return f'{{"id": "a",\n "steps": [\n  {text}]}}'


def command(stem: str, *args: str) -> str:
    return step(f'{{"type": "command", "stem": "{stem}", "args": [{", ".join(args)}]}}')


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    return written(tmp_path / "schema.json", SCHEMA)


async def check(validator: Any, path: Path, content: str | bytes) -> list[Any]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())  # noqa: ASYNC240
    return [report async for report in validator.validate(path)]


def found(reports: list[Any]) -> list[tuple[str, int | None]]:
    return [(one.code, one.line) for one in reports if isinstance(one, Finding)]


FAULTS: list[tuple[str, str, list[tuple[str, int | None]]]] = [
    ("a missing property of the step's type", step('{"type": "go"}'), [("schema.required", 3)]),
    ("a wrong value", step('{"type": "go",\n "far": "x"}'), [("schema.type", 4)]),
    (
        "an unknown property",
        step('{"type": "go", "far": 1,\n\n "fare": 2}'),
        [("schema.additionalProperties", 5)],
    ),
    ("an unknown type", step('{"type": "goo", "far": 1}'), [("schema.enum", 3)]),
    ("no type", step('{"far": 1}'), [("schema.required", 3)]),
    ("no type to test", '{"locals": [\n{"name": "a"}]}', [("schema.required", 2)]),
    (
        "an unknown type to test",
        '{"locals": [{"name": "a", "enum_name": "A",\n "type": "ENUMM"}]}',
        [("schema.enum", 2)],
    ),
    (
        "a property that the tested type requires",
        '{"locals": [\n{"name": "a", "type": "ENUM"}]}',
        [("schema.required", 2)],
    ),
    (
        "a property that the tested type does not allow",
        '{"locals": [{"name": "a", "type": "INT",\n "enum_name": "A"}]}',
        [("schema.not-allowed", 2)],
    ),
    ("a type that no branch has", '{"value":\n true}', [("schema.type", 1)]),
    ("the only branch of its type", '{"value":\n "long"}', [("schema.maxLength", 1)]),
    ("no branch", '{"mode":\n {"kind": "d"}}', [("schema.oneOf", 1)]),
    ("an error of all branches", '{"mode":\n {"x": 1}}', [("schema.required", 1)]),
    ("the branch of a constant", '{"mode": {"kind": "a",\n "x": "1"}}', [("schema.type", 2)]),
    ("an error below", '{"closed": {"a":\n "x", "b": 1}}', [("schema.type", 1)]),
    (
        "an unevaluated property",
        '{"closed": {"a": 1,\n "c": 1}}',
        [("schema.unevaluatedProperties", 2)],
    ),
    ("no object", "7", [("schema.type", 1)]),
    ("a duplicate key", '{"id": "a",\n "id": "b"}', [("json.duplicate", 2)]),
    ("NaN", step('{"type": "go", "far": NaN}'), [("json.number", 3)]),
    ("a number too large", step('{"type": "go", "far": 1e999}'), [("json.number", 3)]),
    ("a long number", step(f'{{"type": "go", "far": {"9" * 5000}}}'), [("json.number", 3)]),
    ("half a character", '{"id":\n "\\ud83d!"}', [("json.surrogate", 2)]),
    ("half a key", '{\n"\\uDE00": 1}', [("json.surrogate", 2)]),
    ("deep nesting", "[" * 100_000, [("json.depth", 1)]),
    ("a trailing comma", step('{"type": "go", "far": 1},'), [("json.syntax", 3)]),
    ("an open text", '{"id": "a', [("json.syntax", 1)]),
    ("an empty file", "", [("json.syntax", 1)]),
    ("closing marks", "]]}}", [("json.syntax", 1)]),
]


@pytest.mark.parametrize(
    ("content", "expected"), [one[1:] for one in FAULTS], ids=[one[0] for one in FAULTS]
)
async def test_the_real_fault_is_found_at_its_line(
    schema: Path, tmp_path: Path, content: str, expected: list[tuple[str, int | None]]
) -> None:
    reports = await check(SeqJsonValidator(schema), tmp_path / "a.json", content)
    assert found(reports) == expected
    assert not reports[-1].accepted


def test_a_schema_with_guarded_conditions_has_the_same_valid_files() -> None:
    chosen = random.Random(5)
    guarded = jsonschema_rs.validator_for(with_guarded_conditions(SCHEMA))
    original = jsonschema_rs.validator_for(SCHEMA)
    values: dict[str, list[Any]] = {
        "name": ["a", 1],
        "type": ["ENUM", "INT", "ENUMM", 7, None],
        "enum_name": ["A", 2],
    }
    valid = 0
    for _ in range(2_000):
        names = [name for name in values if chosen.random() < 0.8]
        variable = {name: chosen.choice(values[name]) for name in names}
        content = {"locals": [variable if chosen.random() < 0.95 else chosen.choice([1, None])]}
        assert guarded.is_valid(content) == original.is_valid(content), content
        valid += original.is_valid(content)
    assert 100 < valid < 1_900


@pytest.mark.parametrize(
    ("content", "codes"),
    [
        (b"\xef\xbb\xbf{}", []),
        ('{"id": "a"}'.encode("utf-16"), ["file.encoding"]),
        (b'{"id": "\xff"}', ["file.encoding"]),
        (b"\0\0\0\0", ["file.encoding"]),
        (b'{"id": "a\0"}', ["json.syntax"]),
    ],
    ids=["byte order mark", "utf-16", "latin-1", "binary", "nul"],
)
async def test_encodings(schema: Path, tmp_path: Path, content: bytes, codes: list[str]) -> None:
    reports = await check(SeqJsonValidator(schema), tmp_path / "a.json", content)
    assert [code for code, _ in found(reports)] == codes
    assert reports[-1].accepted == (not codes)


async def test_a_number_that_programs_round_is_a_warning(schema: Path, tmp_path: Path) -> None:
    content = step('{"type": "go", "far": 9007199254740993}')
    reports = await check(SeqJsonValidator(schema), tmp_path / "a.json", content)
    assert found(reports) == [("json.precision", 3)]
    assert reports[-1].accepted
    assert json.loads(reports[-1].artifact) == json.loads(content)


@pytest.mark.parametrize(
    ("content", "codes"),
    [
        (command("c.TWO", NUMBER % 1, NUMBER % 2.5), []),
        (command("c.TWWO"), ["command.unknown"]),
        (command("c.TWO", NUMBER % 1), ["argument.missing"]),
        (command("c.NO_OP", NUMBER % 1), ["argument.extra"]),
        (command("c.INT", NUMBER % 2.5), ["argument.type"]),
        (command("c.U8", NUMBER % 256), ["argument.range"]),
        (step('{"type": "command", "stem": "c.INT"}'), ["argument.missing"]),
        (command("c.INT", '{"value": 7}'), []),
        (command("c.U8", '{"type": "number", "value": 256, "name": "flag"}'), ["argument.name"]),
        (command("c.F32", NUMBER % "-3.4028235677973362e38"), []),
        (command("c.F32", NUMBER % "3.4028235677973366e38"), ["argument.range"]),
        (command("c.F32", NUMBER % "-1e39"), ["argument.range"]),
        (command("c.U8", '{"type": "hex", "value": "0x1FF"}'), ["argument.range"]),
        (command("c.U8", '{"type": "string", "value": "1"}'), ["argument.type"]),
        (command("c.U8", '{"type": "symbol", "value": "counter"}'), []),
        (command("c.ENUM", '{"type": "string", "value": "ACTIVEE"}'), ["argument.member"]),
        (command("c.TEXT", '{"type": "string", "value": "far too long"}'), ["argument.length"]),
        (command("c.INT", '{"type": "number", "name": "x", "value": 1}'), ["argument.name"]),
    ],
)
async def test_commands_are_checked_against_a_dictionary(
    schema: Path, tmp_path: Path, content: str, codes: list[str]
) -> None:
    dictionary = written(tmp_path / "dictionary.json", DICTIONARY)
    reports = await check(SeqJsonValidator(schema, dictionary), tmp_path / "a.json", content)
    assert found(reports) == [(code, 3) for code in codes]


async def test_the_short_form_of_a_dictionary(schema: Path, tmp_path: Path) -> None:
    short = {
        "commands": [
            {
                "name": "DRIVE",
                "args": [
                    {"name": "m", "type": "number", "min": 0, "max": 50},
                    {"name": "mode", "type": "enum", "values": ["BLIND"]},
                    {
                        "name": "at",
                        "type": "repeat",
                        "args": [{"name": "x", "type": "integer", "max": 9}],
                    },
                ],
            }
        ]
    }
    dictionary = written(tmp_path / "short.json", short)
    mode = '{"type": "symbol", "value": "BLIN"}'
    at = f'{{"type": "repeat", "value": [[{NUMBER % 9}], [{NUMBER % 10}], []]}}'
    content = command("DRIVE", NUMBER % 51, mode, at)
    reports = await check(SeqJsonValidator(schema, dictionary), tmp_path / "a.json", content)
    expected = ["argument.range", "argument.member", "argument.range", "argument.missing"]
    assert found(reports) == [(code, 3) for code in expected]


@pytest.mark.parametrize(
    "field",
    [
        {"name": "m", "type": "number", "minimum": 0},
        {"name": "m", "type": "boolean", "max": 1},
        {"name": "m", "type": "enum"},
        {"name": "m", "type": {"name": "U8"}, "max": 5},
        {"name": "m", "type": "repeat", "args": [{"name": "x", "type": "number", "maxx": 1}]},
        {"name": "m", "type": "integer", "min": 0.5},
        {"name": "m", "type": "integer", "min": 5, "max": 1},
        {"name": "m", "type": "string", "max_bytes": -1},
        {"name": "m", "type": "string", "max_bytes": 1.5},
        {"name": "m", "type": "enum", "values": ["A", 5]},
    ],
)
def test_a_limit_that_would_not_be_checked_is_refused(
    schema: Path, tmp_path: Path, field: dict[str, Any]
) -> None:
    dictionary = written(tmp_path / "d.json", {"commands": [{"name": "A", "args": [field]}]})
    with pytest.raises(SourceError, match=r"d\.json: commands\[0\]\.args\[0\]\."):
        SeqJsonValidator(schema, dictionary)


@pytest.mark.parametrize("limit", ["1e999", "-1e999", "NaN", "Infinity"])
def test_a_limit_that_is_not_finite_is_refused(schema: Path, tmp_path: Path, limit: str) -> None:
    dictionary = tmp_path / "d.json"
    parameter = f'{{"name": "m", "type": "integer", "max": {limit}}}'
    dictionary.write_text(f'{{"commands": [{{"name": "A", "args": [{parameter}]}}]}}')
    with pytest.raises(SourceError, match=r"d\.json: "):
        SeqJsonValidator(schema, dictionary)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "A", "arg": []},
        {"name": "A", "stem": "B"},
        {"name": "A", "formalParams": [], "args": [{"name": "m", "type": "number"}]},
        {"name": "A", "args": [{"name": "m", "type": "number"}] * 2},
        {"name": "A", "formalParams": [{"name": "m", "type": {"name": "U8"}}] * 2},
        {
            "name": "A",
            "args": [
                {"name": "m", "type": "repeat", "args": [{"name": "x", "type": "number"}] * 2}
            ],
        },
    ],
)
def test_a_command_with_fields_that_contradict_each_other_is_refused(
    schema: Path, tmp_path: Path, fields: dict[str, Any]
) -> None:
    dictionary = written(tmp_path / "d.json", {"commands": [fields]})
    with pytest.raises(SourceError, match=r"d\.json: commands\[0\]\."):
        SeqJsonValidator(schema, dictionary)


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        {"commands": [], "limits": {}},
        {"commands": [], "description": float("nan")},
        {"commands": [{"name": "A", "args": 5}]},
        {"commands": [{"name": "A", "args": [{"name": "x", "type": "number", "min": "0"}]}]},
        {"commands": [{"name": "A", "args": [{"name": "x", "type": {"name": "Nowhere"}}]}]},
        {
            "commands": [{"name": "A", "args": [{"name": "x", "type": {"name": "T"}}]}],
            "typeDefinitions": [
                {"kind": "alias", "qualifiedName": "T", "underlyingType": {"name": "T"}}
            ],
        },
    ],
)
def test_a_broken_dictionary_is_refused(schema: Path, tmp_path: Path, content: Any) -> None:
    dictionary = written(tmp_path / "broken.json", content)
    with pytest.raises(SourceError, match=r"broken\.json"):
        SeqJsonValidator(schema, dictionary)


@pytest.mark.parametrize(
    "content", [{"type": "nothing"}, {"$ref": "http://127.0.0.1:9/schema.json"}, {"$ref": "#/x"}, 5]
)
def test_a_broken_schema_is_refused(tmp_path: Path, content: Any) -> None:
    path = written(tmp_path / "schema.json", content)
    with pytest.raises(SourceError, match=r"schema\.json"):
        SeqJsonValidator(path)


async def test_the_shared_cases(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "commands/seqjson"
    validator = SeqJsonValidator(folder / "schema.json")
    cases = sorted(folder.glob("*/*.json"))
    for path in cases:
        reports = await check(validator, tmp_path / path.name, path.read_bytes())
        assert reports[-1].accepted == (path.parent.name == "valid"), path.name
        assert not [code for code, _ in found(reports) if code in ("schema.oneOf", "schema.anyOf")]
        assert all(line is not None for _, line in found(reports))
    assert len(cases) > 50


def test_by_url_it_runs_apart_from_the_server(schema: Path, tmp_path: Path) -> None:
    dictionary = written(tmp_path / "dictionary.json", DICTIONARY)
    validator = open_source("commands", f"seqjson:{schema}?dictionary={dictionary}")
    assert isinstance(validator, IsolatedValidator)
    assert validator.dictionary == SeqJsonValidator(schema, dictionary).dictionary
    assert validator.dictionary != SeqJsonValidator(schema).dictionary


async def test_many_wrong_steps_are_counted_and_not_held(schema: Path, tmp_path: Path) -> None:
    content = json.dumps({"id": 7, "steps": [{"type": "go", "far": 1}, *[7] * 3_000]})
    reports = await check(SeqJsonValidator(schema), tmp_path / "a.json", content)
    assert len(found(reports)) == MAX_FINDINGS + 1  # the last says how many are not shown
    assert found(reports)[0] == ("schema.type", 1)
    assert reports[-1].errors == 3_001  # one for each step that is not an object
    limited, left_out = StepLimit(SCHEMA).apply(json.loads(content), 2)
    assert (limited, left_out) == ({"id": 7, "steps": [{"type": "go", "far": 1}, 7, 7]}, 2_998)
