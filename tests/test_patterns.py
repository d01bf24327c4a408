"""Patterns of dictionaries and schemas: each match ends within milliseconds."""

from __future__ import annotations

from time import process_time
from typing import TYPE_CHECKING, Any

import pytest

from sources.base import SourceError
from sources.seqjson import SeqJsonValidator
from sources.values.patterns import Pattern
from sources.xtce import XtceValidator
from tests.sequences import written
from tests.test_xtce import DATABASE, check, found

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

CATASTROPHIC = ("(a+)+", r"(a|a)*\1", "(?=a)(a|a)*c", "(.*a){20}", r"(\w+\s?)+(?!x)")
"""Patterns that take `re` of Python hours for the text below."""

TEXT = "a" * 40 + "!"


@pytest.mark.parametrize("text", CATASTROPHIC)
def test_a_match_ends_soon_whatever_the_pattern(text: str) -> None:
    pattern = Pattern(text)
    began = process_time()
    assert pattern.fault(TEXT)
    assert process_time() - began < 0.5


@pytest.mark.parametrize(
    ("text", "matching", "others"),
    [
        ("a|b", ["a", "b"], ["", "ab", "a\n"]),
        ("^[A-Z]{2}\\d$", ["AB1"], ["AB", "xAB1"]),
        (r"\p{L}+", ["Ålesund"], ["a1"]),
        ("(?i)go", ["GO"], ["gone"]),
        ("(?!no).*", ["yes"], ["nothing"]),
        (r"(.)\1", ["aa"], ["ab"]),
        (".*", ["", "x"], ["\ud800"]),
    ],
)
def test_a_pattern_must_match_the_whole_text(
    text: str, matching: list[str], others: list[str]
) -> None:
    pattern = Pattern(text)
    assert [one for one in matching if pattern.fault(one)] == []
    assert [one for one in others if not pattern.fault(one)] == []


@pytest.mark.parametrize("text", ["(a", "a)|(b", "(a{1000}){1000}", "[z-a]", "*"])
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expression"):
        Pattern(text)


def with_pattern(tmp_path: Path, text: str) -> Path:
    """A database whose argument `note` is a text of any length with a pattern."""
    content = DATABASE.replace(' initialValue="none"', "").replace(
        '"[A-Za-z ]*">\n    <SizeRangeInCharacters minInclusive="1" maxInclusive="5"/>',
        f'"{text}">',
    )
    assert content.count(text) == 1
    path = tmp_path / "rover.xml"
    path.write_text(content)
    return path


async def test_an_xtce_database_with_a_wrong_pattern_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="restrictionPattern"):
        XtceValidator(with_pattern(tmp_path, "[a-z"))


@pytest.mark.parametrize("text", CATASTROPHIC)
async def test_a_file_is_refused_whose_text_cannot_be_matched_in_time(
    tmp_path: Path, text: str
) -> None:
    xtce = XtceValidator(with_pattern(tmp_path, text))
    schema = {"properties": {"id": {"type": "string", "pattern": f"^(?:{text})$"}}}
    seqjson = SeqJsonValidator(written(tmp_path / "schema.json", schema))
    began = process_time()
    reports: list[Any] = await check(xtce, tmp_path / "a.txt", f"SET 1 note={TEXT}\n" * 100)
    assert {code for code, _, _ in found(reports)} == {"argument.pattern"}
    reports = await check(seqjson, tmp_path / "a.json", f'{{"id": "{TEXT}"}}')
    assert [code for code, _, _ in found(reports)] == ["schema.pattern"]
    assert process_time() - began < 2
