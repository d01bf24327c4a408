"""Sequences of F Prime: the places of mistakes, and the compiled bytes of accepted files."""

from __future__ import annotations

import os
import random
import struct
from copy import deepcopy
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from anyio import run_process

from sources.base import Finding, Progress, SourceError, Verdict
from sources.fprime import FPrimeValidator
from sources.fprime.syntax import parse_arguments
from sources.fprime.usual import UsualForm
from sources.programs import IsolatedValidator
from sources.registry import SourceSettingError, open_source
from tests.sequences import DICTIONARY, TYPES, command, places, reference, written

pytestmark = pytest.mark.anyio

JUDGE = Path(__file__).parent.parent / ".cache/fprime/bin/python"
"""A Python with fprime-gds, which `make fprime` installs."""

ERRORS: list[tuple[str, list[tuple[int, int, str]]]] = [
    ("R00:00:00 c.INT\n", [(1, 16, "argument.missing")]),
    ("R00:00:00 c.INT 1, 2\n", [(1, 20, "argument.extra")]),
    ("R00:00:00 c.F32 3,14\n", [(1, 19, "argument.extra")]),
    (
        "R00:00:00 c.F32 nan\nR00:00:00 c.F32 -inf\n",
        [(1, 17, "argument.finite"), (2, 17, "syntax.value")],
    ),
    (
        "R00:00:00 c.F32 1e39\nR00:00:00 c.F64 1e999\n",
        [(1, 17, "argument.range"), (2, 17, "argument.range")],
    ),
    (
        f"R00:00:00 c.F32 3.4028235677973366e38\nR00:00:00 c.F32 -{2**128}\n"
        f"R00:00:00 c.F64 -1.8e308\nR00:00:00 c.F64 {10**309}\n",
        [(line, 17, "argument.range") for line in (1, 2, 3, 4)],
    ),
    ("R00:00:00 c.INT 3.9\n", [(1, 17, "argument.type")]),
    ("R00:00:00 c.INT true\n", [(1, 17, "argument.type")]),
    ("R00:00:00 c.INT 2147483648\n", [(1, 17, "argument.range")]),
    ("R00:00:00 c.INT 007\n", [(1, 17, "syntax.value")]),
    (
        "R00:00:00 c.U8 -1\nR00:00:00 c.U8 0x1_00\n",
        [(1, 16, "argument.range"), (2, 16, "argument.range")],
    ),
    (f"R00:00:00 c.INT {'9' * 5000}\n", [(1, 17, "argument.range")]),
    (
        "R00:00:00 c.BOOL maybe\nR00:00:00 c.BOOL 1\n",
        [(1, 18, "argument.type"), (2, 18, "argument.type")],
    ),
    (
        "R00:00:00 c.ENUM ACTIVEE\nR00:00:00 c.ENUM 1\n",
        [(1, 18, "argument.member"), (2, 18, "argument.type")],
    ),
    (f'R00:00:00 c.TEXT "{"é" * 6}"\n', [(1, 18, "argument.length")]),
    ("R00:00:00 c.TEXT [1, 2]\n", [(1, 18, "argument.type")]),
    ('R00:00:00 c.TEXT "open\nR00:00:00 c.NO_OP\n', [(1, 18, "syntax.unclosed")]),
    ("R00:00:00 c.ARRAY [1, 2]\n", [(1, 19, "argument.elements")]),
    (
        "R00:00:00 c.ARRAY [1, x, 99999999999]\n",
        [(1, 23, "argument.type"), (1, 26, "argument.range")],
    ),
    (
        "R00:00:00 c.POINT {x: 1, y: 2, z: 3, x: 4}\n",
        [(1, 32, "argument.field"), (1, 38, "argument.field")],
    ),
    ("R00:00:00 c.POINT {x: 1}\n", [(1, 19, "argument.field")]),
    ('R00:00:00 c.POINT {"x": 1, y: 2}\n', [(1, 20, "syntax.value")]),
    (f"R00:00:00 c.ARRAY {'[' * 60}\n", [(1, 51, "syntax.depth")]),
    ("R00:00:00 c.NO_OPP\n", [(1, 11, "command.unknown")]),
    ("X00:00:00 c.BAD\n", [(1, 1, "time.syntax"), (1, 11, "command.unknown")]),
    ("c.NO_OP\n", [(1, 1, "time.syntax")]),
    ("R00:00:00\n", [(1, 10, "syntax.command")]),
    ("DRIVE 5\nR00:00:00c.NO_OP\n", [(1, 1, "time.syntax"), (2, 1, "time.syntax")]),
    ("c.INT x\n", [(1, 1, "time.syntax"), (1, 7, "argument.type")]),
    ("R24:00:00 c.NO_OP\nR00:60:00 c.NO_OP\n", [(1, 2, "time.range"), (2, 5, "time.range")]),
    (
        "A2026-366T00:00:00 c.NO_OP\nA2026-000T00:00:00 c.NO_OP\n",
        [(1, 7, "time.day"), (2, 7, "time.day")],
    ),
    (
        "A1969-365T00:00:00 c.NO_OP\nA2106-038T00:00:00 c.NO_OP\n",
        [(1, 2, "time.range"), (2, 2, "time.range")],
    ),
    (
        "A2026-300T00:00:00 c.NO_OP\nR00:01:00 c.NO_OP\nA2026-300T00:00:59 c.NO_OP\n",
        [(3, 1, "time.order")],
    ),
    ("R00:00:00 c.TWO 1 \\\n  , oops\n", [(2, 5, "argument.type")]),
    ("R00:00:00 c.NO_OP\r\nR00:00:00 c.INT x\r\n", [(2, 17, "argument.type")]),
    ("\ufeffR00:00:00 c.INT x\n", [(1, 17, "argument.type")]),
    ("R00:00:00 c.NO_OP \x07\n", [(1, 19, "file.control")]),
    ('R00:00:00 c.TEXT "\u202e"\n', [(1, 19, "file.control")]),
    ('{"id": 1}\n', [(1, None, "file.language")]),  # type: ignore[list-item]
]


@pytest.fixture
def dictionary(tmp_path: Path) -> Path:
    return written(tmp_path / "dictionary.json", DICTIONARY)


async def check(validator: Any, path: Path, content: str | bytes) -> list[Any]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())  # noqa: ASYNC240
    return [report async for report in validator.validate(path)]


@pytest.mark.parametrize(("content", "expected"), ERRORS, ids=lambda value: str(value)[:40])
async def test_each_mistake_is_found_at_its_place(
    dictionary: Path, tmp_path: Path, content: str, expected: list[tuple[int, int, str]]
) -> None:
    reports = await check(FPrimeValidator(dictionary), tmp_path / "a.seq", content)
    assert places(reports) == expected
    assert not reports[-1].accepted
    assert reports[-1].artifact is None


@pytest.mark.parametrize(
    ("written_name", "hint"),
    [("c.NO_OPP", "c.NO_OP?"), ("C.no_op", "c.NO_OP?"), ("c.ENUM ACTIVEE", "ACTIVE?")],
)
async def test_similar_names_are_suggested(
    dictionary: Path, tmp_path: Path, written_name: str, hint: str
) -> None:
    reports = await check(
        FPrimeValidator(dictionary), tmp_path / "a.seq", f"R00:00:00 {written_name}"
    )
    [finding] = [one for one in reports if isinstance(one, Finding)]
    assert finding.hint.endswith(hint)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ('R00:00:00 c.INT "5"', "argument.quoted"),
        ("R00:00:00 c.INT 3.0", "argument.whole"),
        ("R00:00:00 c.F32 16777217", "argument.precision"),
        ("R00:00:00 c.F32 1e-60", "argument.precision"),
        ("R00:00:00 c.F32 -1.1e-45", "argument.precision"),
        ("R00:00:00 c.F64 3e-324", "argument.precision"),
        ("R00:00:00 c.F64 1e-400", "argument.precision"),
        ("R00:00:00 c.F64 -1e-99999999", "argument.precision"),
        (f"R00:00:00 c.F64 1e-{'9' * 30}", "argument.precision"),
    ],
)
async def test_what_the_machine_reads_differently_is_a_warning(
    dictionary: Path, tmp_path: Path, content: str, code: str
) -> None:
    reports = await check(FPrimeValidator(dictionary), tmp_path / "a.seq", content)
    assert [(one.code, one.severity) for one in reports if isinstance(one, Finding)] == [
        (code, "warning")
    ]
    assert reports[-1].accepted


EDGES = [
    *("3.4028235e38", "-3.4028235e38", "3.4028235677973362e38", str(2**128 - 2**104)),
    *("-0.0", "0e-99", "1.17549435e-38", "1.401298464324817e-45", "16777216", "0x1_000000"),
]
"""Numbers that a float of 32 bits has, or that round to one."""

EDGES_64 = [
    *EDGES,
    "5e-324",
    "1e-323",
    "1.7976931348623158e308",
    "-1.7976931348623157e+308",
    "2.2250738585072014e-308",
]


async def test_numbers_are_rounded_to_the_nearest_float(dictionary: Path, tmp_path: Path) -> None:
    lines = [f"R00:00:00 c.F32 {one}\n" for one in EDGES]
    lines += [f"R00:00:00 c.F64 {one}\n" for one in EDGES_64]
    reports = await check(FPrimeValidator(dictionary), tmp_path / "a.seq", "".join(lines))
    assert places(reports) == []
    for edge in EDGES:
        number = float(int(edge, 16) if "x" in edge else edge)
        assert struct.pack(">f", number) in reports[-1].artifact, edge


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"R00:00:00 c.NO_OP\n\0", "file.binary"),
        ("R00:00:00 c.NO_OP\n".encode("utf-16"), "file.binary"),
        (b"R00:00:00 c.TEXT \xff\n", "file.encoding"),
        (b"R00:00:00 c.TEXT " + b"x" * 70_000 + b"\n", "file.line-length"),
        (b"x" * 5_000_000, "file.line-length"),
    ],
    ids=["nul", "utf-16", "latin-1", "long line", "one line"],
)
async def test_a_file_that_is_not_text_is_rejected(
    dictionary: Path, tmp_path: Path, content: bytes, code: str
) -> None:
    reports = await check(FPrimeValidator(dictionary), tmp_path / "a.seq", content)
    assert [one.code for one in reports if isinstance(one, Finding)] == [code]
    assert not reports[-1].accepted


async def test_findings_beyond_the_limit_are_counted(dictionary: Path, tmp_path: Path) -> None:
    content = "".join(f"R00:00:00 c.UNKNOWN_{number}\n" for number in range(1_500))
    reports = await check(FPrimeValidator(dictionary), tmp_path / "a.seq", content)
    assert len([one for one in reports if isinstance(one, Finding)]) == 1_001
    assert reports[-1].errors == 1_500


async def test_progress_states_the_line_and_the_number_of_lines(
    dictionary: Path, tmp_path: Path
) -> None:
    content = "R00:00:00.250 c.TWO 7, 2.5 ; a comment\n" * 20_000
    reports = await check(FPrimeValidator(dictionary), tmp_path / "a.seq", content)
    steps = [one for one in reports if isinstance(one, Progress) and one.step == "syntax"]
    assert [one.line for one in steps] == sorted(one.line or 0 for one in steps)
    assert (steps[-1].line, steps[-1].lines) == (20_000, 20_000)
    assert reports[-1].summary["commands"] == 20_000


def test_the_usual_form_and_the_parser_encode_the_same(dictionary: Path) -> None:
    known = FPrimeValidator(dictionary)._dictionary.commands
    chosen = random.Random(7)
    words = [
        "1",
        "-7",
        "2.5",
        "0.1",
        "true",
        "FALSE",
        "ACTIVE",
        '"a b"',
        "'x'",
        "[1, 2,3]",
        "{x:1, y: -2}",
    ]
    encoded = 0
    for _ in range(3_000):
        one = known[chosen.choice(list(known))]
        count = len(one.parameters) + chosen.choice([0, 0, 0, 0, 1, -1])
        gap = chosen.choice([" ", ", ", "  ", " , "])
        arguments = "".join(gap + chosen.choice(words) for _ in range(count))
        found = UsualForm(one).encode(arguments)
        if found is None:
            continue
        encoded += 1
        problems: list[Any] = []
        values = parse_arguments(arguments, 0)
        parts = [p.type.encode(v, problems) for p, v in zip(one.parameters, values, strict=True)]
        assert found == one.header + b"".join(parts), arguments
        assert problems == []
    assert encoded > 300


async def test_a_large_product_is_a_file_that_the_next_item_may_delete(tmp_path: Path) -> None:
    content = {"commands": [command("c.LONG", 1, text={"name": "string", "size": 60_000})]}
    dictionary = written(tmp_path / "d.json", content)
    lines = f'R00:00:00 c.LONG "{"x" * 60_000}"\n' * 300
    (path := tmp_path / "a.seq").write_text(lines)
    for url in (f"fprime:{dictionary}", f"fprime:{dictionary}?isolate=0"):
        product, artifact = b"", path
        async for report in open_source("commands", url).validate(path):
            if isinstance(report, Verdict):
                assert isinstance(report.artifact, Path), url
                product = report.artifact.read_bytes()
                artifact = report.artifact
        assert len(product) > 300 * 60_000
        assert product.endswith(crc32(product[:-4]).to_bytes(4, "big"))
        assert not artifact.exists()


async def test_two_dictionaries_are_independent(dictionary: Path, tmp_path: Path) -> None:
    other = deepcopy(DICTIONARY)
    other["typeDefinitions"] = [
        {"kind": "alias", "qualifiedName": "FwOpcodeType", "underlyingType": reference("U16")},
        {"kind": "alias", "qualifiedName": "FwSizeStoreType", "underlyingType": reference("U8")},
        *(one for one in other["typeDefinitions"] if one["qualifiedName"] != "State"),
        {**TYPES[0], "representationType": {"name": "U8"}},
    ]
    other["constants"] = [{"qualifiedName": "FW_SERIALIZE_TRUE_VALUE", "value": 1}]
    first = FPrimeValidator(dictionary)
    second = FPrimeValidator(written(tmp_path / "other.json", other), timebase="0x2")
    content = 'R00:00:00 c.ENUM ACTIVE\nR00:00:00 c.TEXT "ab"\nR00:00:00 c.BOOL yes\n'
    artifacts = [
        (await check(validator, tmp_path / "a.seq", content))[-1].artifact
        for validator in (first, second, first)
    ]
    assert artifacts[0] == artifacts[2]
    assert artifacts[1][8:11] == bytes.fromhex("0002ff")
    assert bytes.fromhex("0000001501") in artifacts[1]  # packet, opcode, member in 8 bits
    assert bytes.fromhex("00000016026162") in artifacts[1]
    assert bytes.fromhex("0000001401") in artifacts[1]
    assert first.dictionary.sha256 != second.dictionary.sha256


BROKEN: dict[str, Any] = {
    "not an object": [],
    "no commands": {"metadata": {}},
    "commands of a wrong type": {"commands": 5},
    "command without a name": {"commands": [{"opcode": 1}]},
    "opcode out of range": {"commands": [command("c.A", 2**32)]},
    "opcode of a wrong type": {"commands": [{"name": "c.A", "opcode": True}]},
    "duplicate command": {"commands": [command("c.A", 1), command("c.A", 2)]},
    "unknown type": {"commands": [command("c.A", 1, Nowhere={"name": "Nowhere"})]},
    "type that contains itself": {
        "commands": [command("c.A", 1, a={"name": "Loop"})],
        "typeDefinitions": [
            {"kind": "array", "qualifiedName": "Loop", "size": 1, "elementType": {"name": "Loop"}}
        ],
    },
    "array of negative size": {
        "commands": [command("c.A", 1, a={"name": "T"})],
        "typeDefinitions": [
            {"kind": "array", "qualifiedName": "T", "size": -1, "elementType": {"name": "U8"}}
        ],
    },
    "enum of floats": {
        "commands": [command("c.A", 1, a={"name": "T"})],
        "typeDefinitions": [
            {
                "kind": "enum",
                "qualifiedName": "T",
                "representationType": {"name": "F32"},
                "enumeratedConstants": [],
            }
        ],
    },
    "string without a size": {"commands": [command("c.A", 1, a={"name": "string"})]},
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_dictionary_is_refused_at_once(tmp_path: Path, content: Any) -> None:
    path = written(tmp_path / "broken.json", content)
    with pytest.raises(SourceError, match=r"broken\.json"):
        FPrimeValidator(path)
    with pytest.raises(SourceSettingError):
        open_source("commands", f"fprime:{path}")


def test_a_dictionary_with_large_or_deep_types_costs_nothing(tmp_path: Path) -> None:
    types = [{"kind": "array", "qualifiedName": "T0", "size": 10**9, "elementType": {"name": "U8"}}]
    for level in range(1, 30):
        members = {
            name: {"type": {"name": f"T{level - 1}"}, "index": i} for i, name in enumerate("ab")
        }
        types.append({"kind": "struct", "qualifiedName": f"T{level}", "members": members})
    content = {"commands": [command("c.A", 1, a={"name": "T29"})], "typeDefinitions": types}
    assert FPrimeValidator(written(tmp_path / "d.json", content)).steps


@pytest.mark.parametrize("timebase", ["7", "x", "-1", "0x10000"])
def test_an_unknown_time_base_is_refused(dictionary: Path, timebase: str) -> None:
    with pytest.raises(SourceError):
        FPrimeValidator(dictionary, timebase=timebase)


async def test_by_url_it_runs_apart_from_the_server(dictionary: Path, tmp_path: Path) -> None:
    validator = open_source("commands", f"fprime:{dictionary}")
    assert isinstance(validator, IsolatedValidator)
    assert validator.dictionary == FPrimeValidator(dictionary).dictionary
    content = 'R00:00:00 c.TEXT "ab"\n'
    reports = await check(validator, tmp_path / "a.seq", content)
    expected = await check(FPrimeValidator(dictionary), tmp_path / "a.seq", content)
    assert reports[-1] == expected[-1]
    assert isinstance(reports[-1], Verdict)

    written(dictionary, {**DICTIONARY, "metadata": {"deploymentName": "other"}})
    with pytest.raises(SourceError, match="dictionary"):
        await check(validator, tmp_path / "a.seq", content)


async def test_the_shared_cases(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "commands/fprime"
    simple = {
        "empty_file",
        "multiple_errors",
        "simple_sequence",
        "valid_arguments",
        "valid_delimiters",
    }
    for path in sorted(folder.glob("input/*.seq")):
        name = path.stem
        kind = "simple" if name in simple or "time_desc" in name else "enhanced"
        dictionary = folder / f"{kind}_dictionary.json"
        if name.startswith("ref_"):
            dictionary = folder / "RefTopologyDictionary.json"
        reports = await check(FPrimeValidator(dictionary), tmp_path / path.name, path.read_bytes())
        product = folder / f"expected/{name}.bin"
        expected = product.read_bytes() if product.exists() else None
        assert reports[-1].artifact == expected, name
        assert reports[-1].accepted == (expected is not None), name


@pytest.mark.skipif(not JUDGE.exists(), reason="`make fprime` compares with fprime-gds")
async def test_random_sequences_compile_as_with_fprime_gds(
    dictionary: Path, tmp_path: Path
) -> None:
    chosen = random.Random(11)
    numbers = ["1", "-7", "+3", "0x1F", "-0xa", "1_000", "100"]
    floats = [*numbers, "2.5", "-.5", "1e3", "1.5E-3", "0.1"]
    texts = ['"a b"', "'q'", "word", '"é;,"', '""', '"a\\"b"']
    point = [f"{{x: {x}, y: {y}}}" for x in numbers for y in numbers]
    values = {
        "c.NO_OP": [""],
        "c.INT": numbers,
        "c.U8": ["0", "255", "0xFF"],
        "c.F32": [*floats, *EDGES],
        "c.F64": [*floats, *EDGES_64],
        "c.BOOL": ["true", "FALSE", "yes", "No"],
        "c.ENUM": ["ACTIVE", '"IDLE"'],
        "c.TEXT": texts,
        "c.ARRAY": ["[1, 2, 3]", "[-1,0x2,3,]"],
        "c.POINT": [*point, "{y: 1, x: 2}"],
        "c.TWO": [f"{a}{gap}{b}" for a in numbers for b in floats for gap in (" ", ", ")],
    }
    lines = []
    for number in range(4_000):
        name = chosen.choice(list(values))
        fraction = chosen.choice(
            ["", f".{chosen.randrange(10**6):06}", f".{chosen.randrange(1000):03}"]
        )
        day = 1 + number // 20
        hours, minutes = number % 20, chosen.randrange(60)
        time = f"A2026-{day:03}T{hours:02}:{minutes:02}:59{fraction}"
        if chosen.random() < 0.5:
            time = f"R00:00:{chosen.randrange(60):02}{fraction}"
        lines.append(f"{time} {name} {chosen.choice(values[name])}{chosen.choice(['', ' ; note'])}")
    path = tmp_path / "random.seq"
    reports = await check(FPrimeValidator(dictionary), path, "\n".join(lines))
    assert places(reports) == []
    script = (
        "import sys; from fprime_gds.common.tools.seqgen import generateSequence as g; "
        "g(*sys.argv[1:4], 0xFFFF)"
    )
    await run_process(
        [str(JUDGE), "-c", script, str(path), str(tmp_path / "judge.bin"), str(dictionary)],
        env={**os.environ, "PYTHONUTF8": "1"},
    )
    assert reports[-1].artifact == (tmp_path / "judge.bin").read_bytes()
