"""Commands of an XTCE database: inherited, required and ranged arguments in both forms."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sources.base import Finding, Progress, Severity, SourceError
from sources.programs import IsolatedValidator
from sources.registry import open_source
from sources.xtce import XtceValidator

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

DATABASE = """<?xml version="1.0" encoding="UTF-8"?>
<SpaceSystem name="Rover" xmlns="http://www.omg.org/spec/XTCE/20180204">
 <CommandMetaData>
  <ArgumentTypeSet>
   <IntegerArgumentType name="Subsystem" signed="false" sizeInBits="8"/>
   <IntegerArgumentType name="Percent" signed="false" initialValue="50">
    <UnitSet><Unit>%</Unit></UnitSet>
    <IntegerDataEncoding sizeInBits="8"/>
    <ValidRangeSet>
     <ValidRange minInclusive="0" maxInclusive="40"/>
     <ValidRange minInclusive="50" maxInclusive="100"/>
    </ValidRangeSet>
   </IntegerArgumentType>
   <IntegerArgumentType name="Half" baseType="Percent">
    <ValidRangeSet><ValidRange maxInclusive="50"/></ValidRangeSet>
   </IntegerArgumentType>
   <FloatArgumentType name="Distance">
    <ValidRangeSet><ValidRange minExclusive="0" maxInclusive="50.5"/></ValidRangeSet>
   </FloatArgumentType>
   <EnumeratedArgumentType name="Mode">
    <EnumerationList><Enumeration label="BLIND" value="0"/><Enumeration label="VISUAL" value="1"/>
    </EnumerationList>
   </EnumeratedArgumentType>
   <BooleanArgumentType name="Switch" oneStringValue="ON" zeroStringValue="OFF"/>
   <StringArgumentType name="Note" restrictionPattern="[A-Za-z ]*">
    <SizeRangeInCharacters minInclusive="1" maxInclusive="5"/>
   </StringArgumentType>
   <BinaryArgumentType name="Blob">
    <BinaryDataEncoding><SizeInBits><FixedValue>16</FixedValue></SizeInBits></BinaryDataEncoding>
   </BinaryArgumentType>
   <AbsoluteTimeArgumentType name="At"/>
   <AggregateArgumentType name="Point">
    <MemberList><Member name="x" typeRef="Distance"/>
     <Member name="y" typeRef="Distance"/></MemberList>
   </AggregateArgumentType>
   <ArrayArgumentType name="Two" arrayTypeRef="Subsystem">
    <DimensionList><Dimension><StartingIndex><FixedValue>0</FixedValue></StartingIndex>
     <EndingIndex><FixedValue>1</FixedValue></EndingIndex></Dimension></DimensionList>
   </ArrayArgumentType>
  </ArgumentTypeSet>
  <MetaCommandSet>
   <MetaCommand name="BASE" abstract="true">
    <ArgumentList><Argument name="subsystem" argumentTypeRef="Subsystem"/></ArgumentList>
   </MetaCommand>
   <MetaCommand name="STOP">
    <BaseMetaCommand metaCommandRef="BASE"><ArgumentAssignmentList>
     <ArgumentAssignment argumentName="subsystem" argumentValue="7"/>
    </ArgumentAssignmentList></BaseMetaCommand>
   </MetaCommand>
  </MetaCommandSet>
 </CommandMetaData>
 <SpaceSystem name="Mobility">
  <CommandMetaData><MetaCommandSet>
   <MetaCommand name="DRIVE">
    <BaseMetaCommand metaCommandRef="/Rover/STOP"/>
    <ArgumentList>
     <Argument name="distance" argumentTypeRef="Distance"/>
     <Argument name="mode" argumentTypeRef="../Mode" initialValue="VISUAL"/>
     <Argument name="speed" argumentTypeRef="Percent"/>
    </ArgumentList>
   </MetaCommand>
   <MetaCommand name="SET">
    <ArgumentList>
     <Argument name="half" argumentTypeRef="Half"/>
     <Argument name="light" argumentTypeRef="Switch" initialValue="OFF"/>
     <Argument name="note" argumentTypeRef="Note" initialValue="none"/>
     <Argument name="blob" argumentTypeRef="Blob" initialValue="00ff"/>
     <Argument name="at" argumentTypeRef="At" initialValue="2026-11-28T00:00:00Z"/>
     <Argument name="point" argumentTypeRef="Point" initialValue='{"x": 1, "y": 2}'/>
     <Argument name="two" argumentTypeRef="Two" initialValue="[1, 2]"/>
    </ArgumentList>
   </MetaCommand>
   <MetaCommand name="STOP"/>
  </MetaCommandSet></CommandMetaData>
 </SpaceSystem>
</SpaceSystem>
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "rover.xml"
    path.write_text(DATABASE)
    return path


async def check(validator: Any, path: Path, content: str | bytes) -> list[Any]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())  # noqa: ASYNC240
    return [report async for report in validator.validate(path)]


def found(reports: list[Any]) -> list[tuple[str, int | None, int | None]]:
    return [(one.code, one.line, one.column) for one in reports if isinstance(one, Finding)]


DRIVEN = {"subsystem": 7, "distance": 12.5, "mode": "VISUAL", "speed": 50}


@pytest.mark.parametrize(
    "content",
    [
        "# a comment\n\nDRIVE distance=12.5\n",
        "/Rover/Mobility/DRIVE(distance: 12.5, mode: VISUAL)  # Yamcs\r\n",
        "DRIVE 12.5, VISUAL speed=50",
        "\ufeffRover/Mobility/DRIVE \"12.5\", 'VISUAL'",
        '{"name": "DRIVE", "args": {"distance": 12.5}}',
        '[{"command": "DRIVE", "arguments": [12.5, "VISUAL"]}]',
        '{"commands": [{"name": "DRIVE", "args": {"speed": 50, "distance": "12.5"}}]}',
    ],
)
async def test_each_form_of_a_command_means_the_same(
    database: Path, tmp_path: Path, content: str
) -> None:
    reports = await check(XtceValidator(database), tmp_path / "a.txt", content)
    assert found(reports) == []
    assert json.loads(reports[-1].artifact) == {
        "commands": [{"name": "/Rover/Mobility/DRIVE", "args": DRIVEN}]
    }
    assert reports[-1].artifact_type == "application/json"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("DRIVE", ("argument.missing", 1, 1)),
        ("DRIVE distance=0", ("argument.range", 1, 16)),
        ("DRIVE distance=50.6", ("argument.range", 1, 16)),
        ("DRIVE distance=1e999", ("argument.range", 1, 16)),
        (f"DRIVE distance={10**390}", ("argument.range", 1, 16)),
        (f"SET -{10**390}", ("argument.range", 1, 5)),
        ("DRIVE 12,5 VISUAL", ("syntax.command", 1, 7)),
        ("DRIVE distance=12,5", ("syntax.command", 1, 16)),
        ("DRIVE distance=nan", ("argument.finite", 1, 16)),
        ("DRIVE distance=far", ("argument.type", 1, 16)),
        ("DRIVE 1 BLINDD", ("argument.member", 1, 9)),
        ("DRIVE 1 speed=45", ("argument.range", 1, 15)),
        ("DRIVE 1 speed=1.5", ("argument.type", 1, 15)),
        ("DRIVE 1 speedd=1", ("argument.unknown", 1, 16)),
        ("DRIVE 1 subsystem=7", ("argument.assigned", 1, 19)),
        ("DRIVE 1 distance=2", ("argument.duplicate", 1, 18)),
        ("DRIVE 1, BLIND, 3, 4", ("argument.extra", 1, 20)),
        ("DRIVEN 1", ("command.unknown", 1, 1)),
        ("STOP", ("command.ambiguous", 1, 1)),
        ("BASE 1", ("command.abstract", 1, 1)),
        ("SET 51", ("argument.range", 1, 5)),
        ("SET 1 light=MAYBE", ("argument.type", 1, 13)),
        ('SET 1 note="too long"', ("argument.length", 1, 12)),
        ("SET 1 note=a1", ("argument.pattern", 1, 12)),
        ("SET 1 blob=abc", ("argument.type", 1, 12)),
        ("SET 1 blob=000000", ("argument.length", 1, 12)),
        ("SET 1 at=yesterday", ("argument.type", 1, 10)),
        ('SET 1 point={"x": 1}', ("argument.member", 1, 13)),
        ('SET 1 point={"x": 1, "x": 2, "y": 2}', ("syntax.command", 1, 13)),
        ('SET 1 point={"x": 1, "y": -1}', ("argument.range", 1, 13)),
        ("SET 1 two=[1]", ("argument.elements", 1, 11)),
        ("SET 1 two=" + "[" * 20_000, ("syntax.command", 1, 11)),
        ("SET (1", ("syntax.command", 1, 7)),
        ("SET 1) x", ("syntax.command", 1, 6)),
        ("= 1", ("syntax.command", 1, 1)),
        (
            '{"commands": [\n {"name": "DRIVE",\n  "args": {"distance": 99}}]}',
            ("argument.range", 3, 12),
        ),
        ('[{"name": "DRIVE", "args": 5}]', ("syntax.command", 1, 20)),
        ("[7]", ("syntax.command", 1, 2)),
        (
            '{"commands": [{"name": "DRIVE", "args": {"distance": 5}, "mode": "BLIND"}]}',
            ("syntax.command", 1, 58),
        ),
        ('{"name": "DRIVE", "argument": {"distance": 5}}', ("syntax.command", 1, 19)),
        ('{"name": "DRIVE", "args": [5], "arguments": [6]}', ("syntax.command", 1, 32)),
        ('{"name": "DRIVE", "args": [5], "command": "STOP"}', ("syntax.command", 1, 32)),
        (
            '{"commands": [{"name": "DRIVE", "args": [5]}], "command": "STOP"}',
            ("syntax.command", 1, 48),
        ),
        ('{"name": "DRIVE", "name": "STOP"}', ("json.duplicate", 1, 19)),
        ('{"name": ', ("json.syntax", 1, 10)),
        (b"DRIVE \xff", ("file.encoding", 1, 7)),
        (b"DRIVE \0", ("file.binary", 1, None)),
        ("R00:00:01 c.NO_OP", ("file.language", 1, None)),
        ("", ("file.empty", 1, None)),
        ("# nothing", ("file.no-commands", 1, 1)),
        ("[]", ("file.no-commands", 1, 1)),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_each_mistake_is_found_at_its_place(
    database: Path, tmp_path: Path, content: str | bytes, expected: tuple[str, int, int | None]
) -> None:
    reports = await check(XtceValidator(database), tmp_path / "a.txt", content)
    assert found(reports) == [expected]
    assert not reports[-1].accepted


@pytest.mark.parametrize(
    ("content", "is_skipped"),
    [
        *((text, True) for text in ("", "# nothing", "[]", "{}", '[{"name": 5}]', "&%", "{")),
        *((text, False) for text in ("NOWHERE", "c.STOP", "STOP\n&%")),
    ],
)
async def test_the_step_of_the_commands_is_skipped_if_none_was_checked(
    database: Path, tmp_path: Path, content: str, is_skipped: bool
) -> None:
    reports = await check(XtceValidator(database), tmp_path / "a.txt", content)
    last = [one for one in reports if isinstance(one, Progress) and one.step == "commands"][-1]
    assert last.skipped is is_skipped


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<SpaceSystem", "<Space"),
        ("</SpaceSystem>\n", ""),
        ('metaCommandRef="BASE"', 'metaCommandRef="STOP"'),
        ('metaCommandRef="BASE"', 'metaCommandRef="NOWHERE"'),
        ('argumentTypeRef="Distance"', 'argumentTypeRef="Nowhere"'),
        ('arrayTypeRef="Subsystem"', 'arrayTypeRef="Two"'),
        ('baseType="Percent"', 'baseType="Half"'),
        ('argumentValue="7"', 'argumentValue="256"'),
        ('argumentName="subsystem"', 'argumentName="other"'),
        ('maxInclusive="40"', 'maxInclusive="many"'),
        ('sizeInBits="8"/>', 'sizeInBits="1e9"/>'),
        ('<MetaCommand name="DRIVE">', '<MetaCommand name="STOP">'),
        ("AbsoluteTimeArgumentType", "StrangeArgumentType"),
        (
            '<SpaceSystem name="Rover"',
            '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><SpaceSystem name="&b;"',
        ),
    ],
)
def test_a_broken_database_is_refused(database: Path, old: str, new: str) -> None:
    assert old in DATABASE
    database.write_text(DATABASE.replace(old, new))
    with pytest.raises(SourceError, match=r"rover\.xml"):
        XtceValidator(database)


def test_a_document_type_in_another_encoding_is_refused(tmp_path: Path) -> None:
    text = '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a [<!ENTITY b "c">]><SpaceSystem/>'
    path = tmp_path / "a.xml"
    path.write_bytes(text.encode("utf-16"))
    with pytest.raises(SourceError, match="DTD"):
        XtceValidator(path)


def test_by_url_it_runs_apart_from_the_server(database: Path) -> None:
    validator = open_source("commands", f"xtce:{database}")
    assert isinstance(validator, IsolatedValidator)
    assert validator.dictionary == XtceValidator(database).dictionary


NOTES = """
    <DefaultSignificance consequenceLevel="critical" reasonForWarning="it may tip over"/>
    <TransmissionConstraintList><TransmissionConstraint><ComparisonList>
     <Comparison parameterRef="battery" comparisonOperator="&gt;=" value="20"/>
     <Comparison parameterRef="arm" value="STOWED"/>
    </ComparisonList></TransmissionConstraint>
    <TransmissionConstraint><BooleanExpression><ORedConditions>
     <Condition><ParameterInstanceRef parameterRef="a"/><ComparisonOperator>!=</ComparisonOperator>
      <ParameterInstanceRef parameterRef="b"/></Condition>
     <Condition><ParameterInstanceRef parameterRef="c"/>
      <ComparisonOperator>&lt;</ComparisonOperator><Value>3</Value></Condition>
    </ORedConditions></BooleanExpression></TransmissionConstraint></TransmissionConstraintList>
    <VerifierSet><AcceptedVerifier><ContainerRef containerRef="Ack"/>
     <CheckWindow timeToStopChecking="PT30S"/></AcceptedVerifier>
     <CompleteVerifier><Comparison parameterRef="moving" value="0"/></CompleteVerifier>
    </VerifierSet>
   </MetaCommand>
   <MetaCommand name="CREEP"><BaseMetaCommand metaCommandRef="DRIVE"/>
    <DefaultSignificance consequenceLevel="none"/>
    <VerifierSet><CompleteVerifier><CustomAlgorithm name="slow"/></CompleteVerifier></VerifierSet>
"""


async def test_what_the_database_says_about_the_use_of_a_command_is_shown_once(
    database: Path, tmp_path: Path
) -> None:
    before, drive, after = DATABASE.partition(
        'initialValue="VISUAL"/>\n     <Argument name="speed"'
    )
    end = "   </MetaCommand>"
    text = before + drive + after.replace(end, NOTES + end, 1)
    database.write_text(text)  # noqa: ASYNC240 # a small file
    reports = await check(XtceValidator(database), tmp_path / "a.txt", "DRIVE 1\nDRIVE 2\nCREEP 1")
    notes = [
        (one.line, one.severity, one.code.removeprefix("command."), one.message)
        for one in reports
        if isinstance(one, Finding)
    ]
    assert [note[:3] for note in notes] == [
        (1, Severity.WARNING, "significance"),
        (1, Severity.INFO, "constraint"),
        (1, Severity.INFO, "constraint"),
        (1, Severity.INFO, "verifiers"),
        (3, Severity.INFO, "constraint"),
        (3, Severity.INFO, "constraint"),
        (3, Severity.INFO, "verifiers"),
    ]
    texts = [message for *_, message in notes]
    assert "'critical': it may tip over" in texts[0]
    assert "battery ≥ 20 and arm = STOWED" in texts[1]
    assert "(a ≠ b or c < 3)" in texts[2]
    assert "Accepted: the container Ack has arrived within PT30S; Complete: moving = 0" in texts[3]
    assert "Complete: the algorithm slow returns true" in texts[6]
    assert (reports[-1].accepted, reports[-1].warnings) == (True, 1)
    assert len(json.loads(reports[-1].artifact)["commands"]) == 3
