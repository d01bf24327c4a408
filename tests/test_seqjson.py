"""Sequences in seq-json: the real fault of each mistake, with its place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sources.base import Finding, SourceError
from sources.programs import IsolatedValidator
from sources.registry import open_source
from sources.seqjson import SeqJsonValidator
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
    ("no object", "7", [("schema.type", 1)]),
    ("a duplicate key", '{"id": "a",\n "id": "b"}', [("json.duplicate", 2)]),
    ("NaN", step('{"type": "go", "far": NaN}'), [("json.number", 3)]),
    ("a number too large", step('{"type": "go", "far": 1e999}'), [("json.number", 3)]),
    ("a long number", step(f'{{"type": "go", "far": {"9" * 5000}}}'), [("json.number", 3)]),
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
                ],
            }
        ]
    }
    dictionary = written(tmp_path / "short.json", short)
    mode = '{"type": "symbol", "value": "BLIN"}'
    content = command("DRIVE", NUMBER % 51, mode)
    reports = await check(SeqJsonValidator(schema, dictionary), tmp_path / "a.json", content)
    assert found(reports) == [("argument.range", 3), ("argument.member", 3)]


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
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
