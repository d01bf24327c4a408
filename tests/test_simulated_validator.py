"""The simulated command validator: each finding, the samples, real files, arbitrary bytes."""

from __future__ import annotations

import gc
import json
import time
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sources.base import CommandValidator, Finding, Progress, Severity, SourceError, Verdict
from sources.simulated import dictionary, findings
from sources.simulated.checks import power, safety, thermal
from sources.simulated.dictionary import DICTIONARY
from sources.simulated.energy import ASLEEP_W, AWAKE_W, CAPACITY_WH
from sources.simulated.findings import MEANINGS
from sources.simulated.schedule import ZONE_HEATER_W
from sources.simulated.sequence import MAX_BYTES, MAX_LINES, seal
from sources.simulated.validator import SimulatedValidator
from tests.serving import FULL

pytestmark = pytest.mark.anyio

DOCS = Path(__file__).parents[1] / "docs"
SAMPLES = DOCS / "samples"

HEADER = {
    "sequence": "test",
    "rover": "cosmic-1",
    "start": "2026-326T07:30:00",
    "local": "10:00",
    "battery": "90 %",
}
COMM = "C00:00:00 COMM DIRECT 60"


def sequence(*lines: str, **header: str) -> bytes:
    """A sealed sequence; its first command is in line 6."""
    head = [f"@{name} {value}" for name, value in {**HEADER, **header}.items()]
    return seal("\n".join([*head, *lines, ""]).encode())


async def check(data: bytes, folder: Path) -> list[Progress | Finding | Verdict]:
    path = folder / "sequence.rcs"
    path.write_bytes(data)
    return [report async for report in SimulatedValidator(pace_s=0).validate(path)]


def found_in(reports: list[Progress | Finding | Verdict]) -> list[Finding]:
    return [report for report in reports if isinstance(report, Finding)]


def places(reports: list[Progress | Finding | Verdict]) -> set[tuple[str, int | None]]:
    return {(each.code, each.line) for each in found_in(reports)}


def verdict_of(reports: list[Progress | Finding | Verdict]) -> Verdict:
    verdict = reports[-1]
    assert isinstance(verdict, Verdict)
    return verdict


UNSEALED = sequence(COMM).rpartition(b"@crc32")[0]
SUNSET = {"local": "18:00"}
"""Sunset: the passes are over, and the motors are still warm enough."""
NO_COMM = ("safety.no-comm", None)
HOT = ("C00:00:00 ARM_DEPLOY", "C00:00:00 HEATER ARM ON")
COOL = ("C00:00:00 HEATER ARM OFF", "C00:00:00 ARM_STOW")

CASES: dict[str, tuple[bytes, set[tuple[str, int | None]]]] = {
    "nothing wrong": (sequence(COMM), set()),
    "too big": (b"x" * (MAX_BYTES + 1), {("syntax.too-big", None)}),
    "too many lines": (
        b"\n" * (MAX_LINES + 1),
        {("syntax.too-many-lines", MAX_LINES + 1)},
    ),
    "UTF-16": ("\ufeffC00:00:00 WAIT 1\n".encode("utf-16-le"), {("syntax.binary", 1)}),
    "NUL": (b"\n\n;\0", {("syntax.binary", 3)}),
    "no command": (sequence(), {("syntax.empty", None)}),
    "nothing": (b"\n \n", {("syntax.empty", None)}),
    "seq-json": (b'\n{"id": "a"}\n', {("syntax.language", 2)}),
    "F Prime": (b"; comment\nR00:00:00 cmdDisp.CMD_NO_OP\n", {("syntax.language", 2)}),
    "decimal comma": (sequence(COMM, "C00:00:00 WAIT 3,5"), {("syntax.decimal-comma", 7)}),
    "decimal comma and unit": (
        sequence(COMM, "C00:00:00 DRIVE 3,5m 0.1 4"),
        {("syntax.decimal-comma", 7)},
    ),
    **{
        f"{digits} with a comma": (sequence(COMM, line), {("syntax.decimal-comma", 7)})
        for digits, line in {
            "zero": "C00:00:00 DRIVE 0,1,4",
            "point": "C00:00:00 DRIVE 10,0.1 4",
            "list": "C00:00:00 DRIVE 10, 0,1, 4",
            "time": "C00:00:05,5 WAIT 10",
        }.items()
    },
    "not UTF-8": (seal(UNSEALED + b"; \xff\n"), {("syntax.encoding", 7)}),
    "escape": (sequence(COMM, "; \x1b[2J"), {("syntax.control", 7)}),
    "long line": (sequence(COMM, ";" * 257), {("syntax.line-length", 7)}),
    "unknown @": (sequence(COMM, "@Battery 3"), {("syntax.directive", 7)}),
    "no @sequence": (
        seal(UNSEALED.replace(b"@sequence", b";")),
        {("syntax.header-missing", None)},
    ),
    "two @local": (sequence("@local 12:00", COMM), {("syntax.header-twice", 6)}),
    "late @start": (
        seal(UNSEALED.replace(b"@start", b"; @start") + b"@start 2026-326T07:30:00\n"),
        {("syntax.header-late", 7)},
    ),
    "bad @sequence": (sequence(COMM, sequence="a/b"), {("syntax.header-value", 1)}),
    "bad time": (sequence(COMM, "now WAIT 10"), {("syntax.time", 7)}),
    "time only": (sequence(COMM, "C00:00:00 ; WAIT"), {("syntax.no-command", 7)}),
    "unknown command": (sequence(COMM, "C00:00:00 cmdDisp.CMD_NO_OP"), {("syntax.command", 7)}),
    "unknown COMM": (sequence("C00:00:00 COMN DIRECT, 600"), {("syntax.command", 6)}),
    "unknown WAKE": (
        sequence(COMM, "C00:00:00 SLEEP", "C00:30:00 WAKEE"),
        {("syntax.command", 8)},
    ),
    "no argument": (sequence(COMM, "C00:00:00 WAIT"), {("syntax.arguments", 7)}),
    "not a number": (sequence(COMM, "C00:00:00 WAIT ten"), {("syntax.type", 7)}),
    **{
        f"{value} instead of a number": (
            sequence(COMM, f"C00:00:00 DRIVE {value}, 0.1 m/s, 4 deg"),
            {("syntax.type", 7)},
        )
        for value in (
            "ten m",
            "0x10",
            "1_0 m",
            "1.2.3",
            "10:30",
            "5-3",
            "--5 m",
            "1e m",
            "nan",
            "²",
        )
    },
    "wrong unit": (sequence(COMM, "C00:00:00 WAIT 10 h"), {("syntax.unit", 7)}),
    "wrong unit of a number": (sequence(COMM, "C00:00:00 WAIT 10h"), {("syntax.unit", 7)}),
    "out of range": (sequence(COMM, "C00:00:00 WAIT 0"), {("syntax.range", 7)}),
    "no seal": (UNSEALED, {("checksum.missing", None)}),
    "odd seal": (UNSEALED + b"@crc32 what\n", {("checksum.malformed", 7)}),
    "wrong seal": (UNSEALED + b"@crc32 00000000\n", {("checksum.mismatch", 7)}),
    "two seals": (seal(UNSEALED + b"@crc32 12345678\n;\n"), {("checksum.twice", 7)}),
    "seal not last": (sequence(COMM) + b"\n;\n", {("checksum.not-last", 7)}),
    "battery empty": (
        sequence("C00:00:00 DRIVE 90 .3 0", "C00:00:00 WAIT 9", battery="31 %", **SUNSET),
        {("power.reserve", 6), NO_COMM},
    ),
    "battery low from the start": (
        sequence("C00:30:00 WAIT 9", battery="29 %", **SUNSET),
        {("power.reserve", 5), NO_COMM},
    ),
    "battery low": (
        sequence("C00:00:00 DRIVE 90 .3 0", battery="41 %", **SUNSET),
        {("power.low", 6), NO_COMM},
    ),
    "too much at once": (
        sequence(
            *(f"C00:00:00 HEATER {zone} ON" for zone in ZONE_HEATER_W),
            COMM,
            "R00:00:00 DRIVE 2 .35 0",
            *(f"C00:00:00 HEATER {zone} OFF" for zone in ZONE_HEATER_W),
        ),
        {("power.peak", 10)},
    ),
    "cold motors": (
        sequence("C00:00:00 TURN 5", local="07:00"),
        {("thermal.cold-start", 6), NO_COMM},
    ),
    "warmed motors": (
        sequence(
            "C00:00:00 HEATER MOTORS ON",
            "C00:15:00 TURN 5",
            "C00:00:00 HEATER MOTORS OFF",
            local="07:00",
        ),
        {NO_COMM},
    ),
    "hot drill": (
        sequence(*HOT, "C00:00:00 DRILL 60", *COOL, local="13:00"),
        {("thermal.hot", 8), NO_COMM},
    ),
    "warm drill": (
        sequence(HOT[0], "C00:00:00 DRILL 29", COOL[1], local="13:00"),
        {("thermal.warm", 7), NO_COMM},
    ),
    "electronics freeze": (
        sequence("C00:00:00 SLEEP", "R10:00:00 WAKE", local="20:00"),
        {("thermal.frozen", 6), NO_COMM},
    ),
    "before the start": (
        sequence("A2026-326T07:29:59 WAIT 1", COMM),
        {("timing.before-start", 6)},
    ),
    "backwards": (
        sequence("C00:01:00 WAIT 1", "A2026-326T07:30:59 WAIT 1", COMM),
        {("timing.backwards", 7)},
    ),
    "overlap": (
        sequence("C00:00:00 MAST 0 0", "R00:00:29 MAST 5 0", COMM),
        {("timing.overlap", 7)},
    ),
    "end to end": (sequence("C00:00:00 MAST 0 0", "R00:00:30 MAST 5 0", COMM), set()),
    "before the pass": (sequence(COMM, local="09:59"), {("timing.pass", 6)}),
    "over the end of the pass": (sequence(COMM, local="11:29:30"), {("timing.pass", 6)}),
    "over a sol": (sequence(COMM, "R24:40:00 WAIT 1"), {("timing.length", 7), ("timing.idle", 7)}),
    "idle": (sequence(COMM, "C01:00:01 WAIT 1"), {("timing.idle", 7)}),
    "another rover": (sequence(COMM, rover="curiosity"), {("safety.rover", 2)}),
    "driving with the arm out": (
        sequence("C00:00:00 ARM_DEPLOY", "C00:00:00 TURN 5", "C00:00:00 ARM_STOW", COMM),
        {("safety.arm-out", 7)},
    ),
    "driving while the arm is stowed": (
        sequence("C00:00:00 ARM_DEPLOY", "C00:00:00 ARM_STOW", "R00:01:59 TURN 5", COMM),
        {("safety.arm-out", 8)},
    ),
    "drill stowed": (sequence("C00:00:00 DRILL 1", COMM), {("safety.arm-stowed", 6)}),
    "arm out on the move": (
        sequence("C00:00:00 TURN 5", "R00:00:01 ARM_DEPLOY", "C00:00:00 ARM_STOW", COMM),
        {("safety.moving", 7)},
    ),
    "images on the move": (
        sequence("C00:00:00 TURN 5", "R00:00:01 IMAGE HAZCAM 1", COMM),
        {("safety.blurred", 7)},
    ),
    "moving during an image": (
        sequence("C00:00:00 IMAGE HAZCAM 1", "R00:00:01 TURN 5", COMM),
        {("safety.blurred", 7)},
    ),
    "too steep": (sequence("C00:00:00 DRIVE 1 .1 -21", COMM), {("safety.slope", 6)}),
    "too fast": (sequence("C00:00:00 DRIVE 1 .2 11", COMM), {("safety.speed", 6)}),
    "too far": (
        sequence(*["C00:00:00 DRIVE -200 .3 0"] * 3, COMM, local="10:00"),
        {("safety.distance", 8)},
    ),
    "asleep": (
        sequence("C00:00:00 SLEEP", "C00:00:00 MAST 0 0", "C00:00:00 WAKE", COMM),
        {("safety.asleep", 7)},
    ),
    "waking up": (
        sequence("C00:00:00 SLEEP", "C00:00:00 WAKE", "R00:01:59 MAST 0 0", "C00:01:00 WAIT 1"),
        {("safety.asleep", 8), NO_COMM},
    ),
    "ends asleep": (sequence(COMM, "C00:00:00 SLEEP"), {("safety.no-wake", 7)}),
    "ends with the arm out": (sequence(COMM, "C00:00:00 ARM_DEPLOY"), {("safety.arm-left-out", 7)}),
    "ends with a heater on": (
        sequence(COMM, "C00:00:00 HEATER ELECTRONICS ON"),
        {("safety.heater-left-on", 7)},
    ),
    "no effect": (
        sequence(COMM, "C00:00:00 WAKE", "C00:00:00 ARM_STOW", "C00:00:00 HEATER ARM OFF"),
        {("safety.no-effect", line) for line in (7, 8, 9)},
    ),
    "no COMM": (sequence("C00:00:00 WAIT 1"), {NO_COMM}),
}


@pytest.mark.parametrize("case", CASES)
async def test_a_sequence_has_exactly_its_findings(case: str, tmp_path: Path) -> None:
    data, expected = CASES[case]

    assert places(await check(data, tmp_path)) == expected


def test_every_code_has_a_case() -> None:
    covered = {code for _, expected in CASES.values() for code, _ in expected}

    assert covered == {code for code in MEANINGS if not code.endswith(".more")}


SAMPLE_FINDINGS: dict[str, set[tuple[str, int | None]]] = {
    "pass-first-drive": set(),
    "pass-night": set(),
    "pass-drill": {("timing.idle", 16)},
    "warn-low-battery": {
        ("power.low", 12),
        ("safety.blurred", 11),
        ("safety.no-effect", 14),
        NO_COMM,
    },
    "fail-syntax": {
        ("syntax.header-value", 3),
        ("syntax.directive", 5),
        ("syntax.header-value", 7),
        ("syntax.arguments", 9),
        ("syntax.command", 10),
        ("syntax.unit", 11),
        ("syntax.range", 12),
        ("syntax.type", 13),
        ("syntax.type", 14),
        ("syntax.time", 15),
        ("syntax.time", 16),
        ("syntax.no-command", 17),
        ("syntax.header-twice", 18),
        ("syntax.arguments", 19),
        ("syntax.header-missing", None),
    },
    "fail-checksum": {("checksum.mismatch", 13)},
    "fail-power": {("power.peak", 12), ("power.reserve", 12)},
    "fail-thermal": {("thermal.cold-start", 9), ("thermal.hot", 14), ("timing.idle", 17)},
    "fail-timing": {
        ("timing.before-start", 9),
        ("timing.overlap", 11),
        ("timing.overlap", 13),
        ("timing.backwards", 14),
        ("timing.pass", 15),
        ("timing.idle", 15),
        ("timing.idle", 16),
        ("timing.length", 16),
    },
    "fail-safety": {
        ("safety.rover", 4),
        ("safety.arm-stowed", 9),
        ("safety.arm-left-out", 10),
        ("safety.arm-out", 11),
        ("safety.moving", 12),
        ("safety.slope", 13),
        ("safety.arm-out", 13),
        ("safety.speed", 14),
        ("safety.arm-out", 14),
        ("safety.arm-out", 15),
        ("safety.distance", 16),
        ("safety.arm-out", 16),
        ("safety.heater-left-on", 17),
        ("safety.no-wake", 19),
        ("safety.asleep", 20),
    },
}


ALL_SAMPLES = sorted(SAMPLES.iterdir())


@pytest.mark.parametrize("path", ALL_SAMPLES, ids=lambda path: path.stem)
async def test_a_sample_has_the_outcome_in_its_name(path: Path, tmp_path: Path) -> None:
    reports = await check(await anyio.Path(path).read_bytes(), tmp_path)

    assert places(reports) == SAMPLE_FINDINGS[path.stem]
    verdict = verdict_of(reports)
    outcome, _, name = path.stem.partition("-")
    assert verdict.accepted == (outcome in ("pass", "warn"))
    assert (verdict.warnings > 0) >= (outcome == "warn")
    if outcome == "fail":
        errors = {each.step for each in found_in(reports) if each.severity == Severity.ERROR}
        assert errors == {name}


async def test_reports_come_in_order_of_steps_and_end_with_the_verdict(tmp_path: Path) -> None:
    validator: CommandValidator = SimulatedValidator(pace_s=0)
    names = [step.name for step in validator.steps]
    assert names == ["syntax", "checksum", "power", "thermal", "timing", "safety"]

    reports = await check((SAMPLES / "fail-safety.rcs").read_bytes(), tmp_path)

    assert [isinstance(report, Verdict) for report in reports].index(True) == len(reports) - 1
    progress = [report for report in reports if isinstance(report, Progress)]
    fractions = [report.fraction for report in progress]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0, 1)
    assert list(dict.fromkeys(report.step for report in progress)) == names
    current = ""
    for report in reports:
        if isinstance(report, Progress):
            current = report.step
        elif isinstance(report, Finding):
            assert report.step == current == report.code.partition(".")[0]
            assert report.message
            assert report.severity == MEANINGS[report.code][0]
    verdict = verdict_of(reports)
    assert verdict.errors == len(found_in(reports))
    assert verdict.artifact is None
    assert "15 errors" in verdict.detail


async def test_an_accepted_sequence_has_an_artifact_and_a_summary(tmp_path: Path) -> None:
    data = (SAMPLES / "pass-drill.rcs").read_bytes()
    verdict = verdict_of(await check(data, tmp_path))

    assert isinstance(verdict.artifact, bytes)
    assert verdict.artifact_type == "application/json"
    compiled = json.loads(verdict.artifact)
    assert compiled["commands"][2] == [159_000, "DRILL", 20.0]
    assert compiled["crc32"] == data.split()[-1].decode()
    assert compiled["rover"] == verdict.summary["rover"] == "cosmic-1"
    assert verdict.summary["commands"] == len(compiled["commands"]) == 8
    assert verdict.summary["duration_s"] == 9_900
    assert verdict.summary["distance_m"] == 2
    assert verdict.summary["images"] == 6
    assert verdict_of(await check(data, tmp_path)).artifact == verdict.artifact


async def test_energy_is_the_sum_of_the_loads(tmp_path: Path) -> None:
    """At night, without solar power: an hour awake with a heater, then an hour asleep."""
    data = sequence(
        "C00:00:00 HEATER ELECTRONICS ON",
        "R01:00:00 SLEEP",
        "R01:01:00 WAKE",
        "C00:00:00 HEATER ELECTRONICS OFF",
        local="20:00",
        battery="80 %",
    )
    summary = verdict_of(await check(data, tmp_path)).summary

    heater_w = ZONE_HEATER_W[dictionary.Zone.ELECTRONICS]
    awake_s, asleep_s = 3600 + 60 + 120 + 1, 3600
    load_w_s = awake_s * AWAKE_W + asleep_s * ASLEEP_W + (awake_s + asleep_s - 1) * heater_w
    load_w_s += 120 * 10
    expected_wh = load_w_s / 3600
    assert summary["solar_wh"] == 0
    assert summary["energy_wh"] == pytest.approx(expected_wh, abs=0.06)
    expected_percent = 80 - 100 * expected_wh / CAPACITY_WH
    assert summary["battery_end_percent"] == pytest.approx(expected_percent, abs=0.06)


async def test_a_step_without_its_header_lines_is_reported_as_skipped(tmp_path: Path) -> None:
    data = seal(UNSEALED.replace(b"@local", b";").replace(b"90 %", b"lots"))
    reports = await check(data, tmp_path)

    ends = {report.step: report.detail for report in reports if isinstance(report, Progress)}
    assert "@battery" in ends["power"]
    assert "@local" in ends["power"]
    assert "@local" in ends["thermal"]
    assert "@battery" not in ends["thermal"]
    assert "battery_min_percent" not in verdict_of(reports).summary
    assert places(reports) == {("syntax.header-missing", None), ("syntax.header-value", 5)}


async def test_a_step_reports_150_findings_and_counts_the_rest(
    tmp_path: Path,
) -> None:
    data = sequence(*["C00:00:00 FLY"] * 1000, *["C00:00:00 DRIVE 1 .2 30"] * 200)
    reports = await check(data, tmp_path)

    found = found_in(reports)
    assert sum(each.code == "syntax.command" for each in found) == 150
    assert sum(each.code == "safety.slope" for each in found) == 150
    more = {each.code: each.message.partition(" ")[0] for each in found if ".more" in each.code}
    assert more == {"syntax.more": "850", "safety.more": "50"}
    verdict = verdict_of(reports)
    assert (verdict.errors, verdict.warnings) == (1200, 0)


async def test_a_file_of_maximum_size_does_not_block_the_event_loop(tmp_path: Path) -> None:
    lines = [f"R00:00:03 WAIT {1 + index % 50}" for index in range(MAX_LINES - 7)]
    data = sequence(COMM, *lines)
    assert data.count(b"\n") == MAX_LINES
    turns_s: list[float] = []

    async with anyio.create_task_group() as group:

        async def measure_turns() -> None:
            while True:
                before_s = time.thread_time()
                await anyio.sleep(0.002)
                turns_s.append(time.thread_time() - before_s)

        gc.disable()  # it takes longer than a step
        try:
            group.start_soon(measure_turns)
            reports = await check(data, tmp_path)
        finally:
            gc.enable()
        group.cancel_scope.cancel()

    assert verdict_of(reports).accepted
    assert 50 < len(reports) < 250
    assert max(turns_s) < 0.1  # a step on the event loop would take 200 ms of its CPU time


async def test_a_check_can_be_cancelled_at_any_report(tmp_path: Path) -> None:
    path = tmp_path / "sequence.rcs"
    path.write_bytes(sequence(*["C00:00:00 MAST 1 1"] * 3000, COMM))
    validator = SimulatedValidator(pace_s=0)

    for last in (0, 1, 2):
        seen = 0
        with anyio.CancelScope() as scope:
            async for _ in validator.validate(path):
                if seen == last:
                    scope.cancel()
                seen += 1
        assert scope.cancelled_caught
        assert seen == last + 1


async def test_a_step_takes_at_least_pace_s(tmp_path: Path) -> None:
    path = tmp_path / "sequence.rcs"
    path.write_bytes(sequence(COMM))
    began = time.monotonic()
    reports = [report async for report in SimulatedValidator(pace_s=0.02).validate(path)]

    assert isinstance(reports[-1], Verdict)
    assert time.monotonic() - began >= 6 * 0.02


async def test_simultaneous_checks_are_independent(tmp_path: Path) -> None:
    validator = SimulatedValidator(pace_s=0)
    codes: dict[str, set[tuple[str, int | None]]] = {}

    async def run(path: Path) -> None:
        codes[path.stem] = places([report async for report in validator.validate(path)])

    async with anyio.create_task_group() as group:
        for path in ALL_SAMPLES:
            group.start_soon(run, path)

    assert codes == SAMPLE_FINDINGS


async def test_a_missing_file_raises_a_source_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        async for _ in SimulatedValidator(pace_s=0).validate(tmp_path / "none.rcs"):
            pass


@pytest.mark.parametrize(
    ("options", "start"),
    [
        ({"pace_s": -1}, "pace_s=-1: "),
        ({"pace_s": float("nan")}, "pace_s=nan: "),
        ({"rover": "the rover"}, "rover='the rover': "),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(options: dict[str, object], start: str) -> None:
    with pytest.raises(SourceError, match=f"^{start}"):
        SimulatedValidator(**options)  # type: ignore[arg-type] # as from a URL


async def test_files_of_other_kinds_are_rejected_with_a_hint(
    shared_data: Path, tmp_path: Path
) -> None:
    others = sorted((shared_data / "commands").rglob("*.seq*"))
    others += sorted((shared_data / "commands").rglob("*.bin"))
    others += [path for path in (shared_data / "images").iterdir() if path.is_file()]
    others += sorted((shared_data / "images" / "drive").glob("*.jpg"))[:5]
    assert len(others) > 50

    for path in others:
        reports = [report async for report in SimulatedValidator(pace_s=0).validate(path)]
        verdict = verdict_of(reports)
        assert not verdict.accepted, path
        errors = [each for each in found_in(reports) if each.severity == Severity.ERROR]
        assert errors[0].step == "syntax", path
        assert all(each.hint for each in errors), path


async def check_arbitrary(data: bytes, folder: Path) -> None:
    reports = await check(data, folder)

    assert sum(isinstance(report, Verdict) for report in reports) == 1
    verdict = verdict_of(reports)
    assert verdict.accepted == (verdict.errors == 0) == (verdict.artifact is not None)
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    for each in found_in(reports):
        assert each.code in MEANINGS
        if each.line is not None:
            assert 1 <= each.line <= len(lines)
        if each.column is not None:
            assert each.line is not None
            assert 1 <= each.column <= len(lines[each.line - 1].decode(errors="replace"))


FUZZ = settings(
    max_examples=150 if FULL else 40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
WORDS = st.sampled_from(
    [*DICTIONARY, *dictionary.Zone, *dictionary.PASSES, "ON", "OFF", "NAVCAM", "1", "-20.5", "10m"]
    + ["C00:00:10", "R00:00:00", "R99:00:00", "A2026-326T07:30:00", "A1970-001T00:00:00", "x"]
    + ["@local", "@battery", "@crc32", "@start", "09:30", "31 %", ",", ";", "\t", "\n", "\n", "\n"]
)


@FUZZ
@given(data=st.binary(max_size=400) | st.text(max_size=300).map(str.encode))
async def test_arbitrary_bytes_end_in_one_verdict(data: bytes, tmp_path: Path) -> None:
    await check_arbitrary(data, tmp_path)


@FUZZ
@given(words=st.lists(WORDS, max_size=80), header=st.booleans())
async def test_arbitrary_words_of_the_format_end_in_one_verdict(
    words: list[str], header: bool, tmp_path: Path
) -> None:
    text = " ".join(words).replace("\n ", "\n")
    await check_arbitrary(sequence(text) if header else text.encode(), tmp_path)


ARGUMENTS = {
    name: st.tuples(
        *(
            st.sampled_from(each.choices)
            if each.kind == "choice"
            else st.integers(int(each.low), int(each.high)).map(str)
            if each.kind == "integer"
            else st.floats(each.low, each.high).map(lambda value: f"{value:.3f}")
            for each in command.parameters
        )
    )
    for name, command in DICTIONARY.items()
}
COMMANDS = st.sampled_from(list(DICTIONARY)).flatmap(
    lambda name: ARGUMENTS[name].map(lambda values: " ".join([name, *values]))
)
TIMES = st.tuples(st.sampled_from("RC"), st.integers(0, 7200)).map(
    lambda time: f"{time[0]}{time[1] // 3600:02}:{time[1] // 60 % 60:02}:{time[1] % 60:02}"
)


@FUZZ
@given(
    lines=st.lists(st.tuples(TIMES, COMMANDS).map(" ".join), min_size=1, max_size=40),
    hour=st.integers(0, 23),
)
async def test_a_well_formed_sequence_has_no_syntax_findings(
    lines: list[str], hour: int, tmp_path: Path
) -> None:
    data = sequence(*lines, local=f"{hour:02}:00")
    await check_arbitrary(data, tmp_path)
    reports = await check(data, tmp_path)

    assert not [each for each in found_in(reports) if each.step in ("syntax", "checksum")]
    summary = verdict_of(reports).summary
    for key in ("battery_min_percent", "battery_end_percent"):
        assert isinstance(summary[key], float)
        assert 0 <= float(str(summary[key])) <= 100


def part(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0].partition("\n")[2]


def test_the_manual_has_the_tables_and_the_limits() -> None:
    manual = (DOCS / "commands.md").read_text()

    assert part(manual, "<!-- commands:", "<!-- /commands -->") == dictionary.table()
    assert part(manual, "<!-- findings:", "<!-- /findings -->") == findings.table()
    sample = (SAMPLES / "pass-first-drive.rcs").read_text()
    assert part(manual, "```text", "```") == sample
    text = " ".join(manual.split())
    for fact in (
        f"{CAPACITY_WH:,.0f} Wh",
        f"{power.RESERVE_PERCENT:.0f} %",
        f"{power.LOW_PERCENT:.0f} %",
        f"{power.PEAK_W:.0f} W",
        f"{AWAKE_W:.0f} W awake",
        f"{ASLEEP_W:.0f} W asleep",
        *(f"{zone} {watts:.0f} W" for zone, watts in ZONE_HEATER_W.items()),
        f"{thermal.ZONE_MODELS[dictionary.Zone.ARM].moves_above_c:.0f} °C",
        f"{safety.MAX_SLOPE_DEG:.0f} deg",
        f"{safety.STEEP_DEG:.0f} deg",
        f"{safety.MAX_STEEP_MPS} m/s",
        f"{safety.MAX_DISTANCE_M:.0f} m",
    ):
        assert fact in text


async def test_the_manual_shows_the_compiled_sample(tmp_path: Path) -> None:
    manual = (DOCS / "commands.md").read_text()
    verdict = verdict_of(await check((SAMPLES / "pass-first-drive.rcs").read_bytes(), tmp_path))

    assert isinstance(verdict.artifact, bytes)
    assert part(manual, "```json", "```") == verdict.artifact.decode()
    assert verdict.detail in manual
