"""The uplinks that ship: what they send, what they know about it, and the answers."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from aiomqtt import Client
from anyio import current_time, fail_after, open_file

from rover.testing import check_uplink
from sources.base import Answer, NotSent, Outgoing, SourceError
from sources.directory.uplink import DirectoryUplink
from sources.mqtt.uplink import MqttUplink
from sources.none import NoUplink
from sources.programs.uplink import ProgramUplink
from sources.registry import open_source
from sources.registry.schemes import SCHEMES
from sources.simulated.uplink import SimulatedUplink
from tests.programs import needs
from tests.test_contracts import CLOSED_PORT
from tests.test_mqtt import Mosquitto
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sources.base import Uplink

pytestmark = pytest.mark.anyio

CONTENT = b"DRIVE 10\n"


@pytest.fixture
def outgoing(tmp_path: Path) -> Outgoing:
    path = tmp_path / "stored"
    path.write_bytes(CONTENT)
    digest = sha256(CONTENT).hexdigest()
    return Outgoing("a-1", 2, "sol 42.seq", path, digest, len(CONTENT), "text/plain")


async def first_answer(uplink: Uplink) -> Answer:
    with fail_after(5):
        answers = uplink.answers()
        try:
            return await anext(answers)
        finally:
            await answers.aclose()  # type: ignore[attr-defined] # it is a generator


async def test_a_folder_holds_the_sequence_and_then_its_notice(
    tmp_path: Path, outgoing: Outgoing
) -> None:
    (box := tmp_path / "box").mkdir()
    uplink = open_source("uplink", f"dir:{box}?poll_s=0.05")
    await uplink.send(outgoing)
    assert sorted(path.name for path in box.iterdir()) == ["a-1.2", "a-1.2.json"]
    assert (box / "a-1.2").read_bytes() == CONTENT
    notice = json.loads((box / "a-1.2.json").read_text())
    assert (notice["name"], notice["sha256"]) == ("sol 42.seq", outgoing.sha256)
    with pytest.raises(SourceError) as again:
        await uplink.send(outgoing)
    assert not isinstance(again.value, NotSent)
    (box / "a-1.2.nak").write_text("battery too low\n")
    assert await first_answer(uplink) == Answer("a-1", 2, accepted=False, detail="battery too low")


async def test_an_answer_counts_also_if_its_text_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.1.ack").mkdir()
    (tmp_path / "b.1.nak").symlink_to("/nowhere")
    os.mkfifo(tmp_path / "c.1.ack")
    (tmp_path / "d.1.ack").write_bytes(b"sol 42\xff")
    answers = DirectoryUplink(tmp_path).answers()
    with fail_after(5):
        found = [await anext(answers) for _ in range(4)]
    assert [(one.id, one.accepted) for one in found] == [
        ("a", True),
        ("b", False),
        ("c", True),
        ("d", True),
    ]
    assert found[3].detail.startswith("sol 42")
    await answers.aclose()  # type: ignore[attr-defined] # it is a generator


async def test_a_folder_that_cannot_be_written_has_certainly_received_nothing(
    tmp_path: Path, outgoing: Outgoing
) -> None:
    (box := tmp_path / "box").mkdir()
    uplink = DirectoryUplink(box)
    box.rmdir()
    with pytest.raises(NotSent):
        await uplink.send(outgoing)
    with pytest.raises(SourceError):
        await first_answer(uplink)
    with pytest.raises(SourceError):
        DirectoryUplink(box)


async def check_simulated(_: Path) -> None:
    await check_uplink(SimulatedUplink(delay_s=0.1))


async def check_folder(folder: Path) -> None:
    (box := folder / "box").mkdir()
    (lost := folder / "lost").mkdir()
    unreachable = DirectoryUplink(lost)
    lost.rmdir()

    async def answer(outgoing: Outgoing) -> None:
        (box / f"{outgoing.id}.{outgoing.attempt}.ack").touch()

    async def received(outgoing: Outgoing) -> bytes:
        return (box / f"{outgoing.id}.{outgoing.attempt}").read_bytes()

    uplink = open_source("uplink", f"dir:{box}?poll_s=0.05")
    await check_uplink(uplink, answer=answer, received=received, unreachable=unreachable)


async def check_program(folder: Path) -> None:
    program = folder / "send"
    program.write_text(f'#!/bin/sh\ncp "$1" "{folder}/$2"; echo \'{{"accepted": true}}\'\n')
    program.chmod(0o700)
    (lost := folder / "lost").symlink_to(program)
    unreachable = ProgramUplink(str(lost))
    lost.unlink()

    async def received(outgoing: Outgoing) -> bytes:
        return (folder / f"{outgoing.id}.{outgoing.attempt}").read_bytes()

    uplink = open_source("uplink", f"cmd:{program}?arg={{file}}&arg={{id}}.{{attempt}}")
    # asyncio starts a process in the loop, which a busy machine delays
    await check_uplink(uplink, received=received, unreachable=unreachable, max_stall_s=1)


async def check_mqtt(folder: Path) -> None:
    broker = Mosquitto(needs("mosquitto"), folder)
    await broker.start()
    try:
        async with Client("127.0.0.1", broker.port) as rover:
            await rover.subscribe("rover/+/+")

            async def answer(outgoing: Outgoing) -> None:
                topic = f"rover/{outgoing.id}/{outgoing.attempt}/answer"
                await rover.publish(topic, b'{"accepted": true}')

            async def received(outgoing: Outgoing) -> bytes:
                message = await anext(aiter(rover.messages))
                assert str(message.topic) == f"rover/{outgoing.id}/{outgoing.attempt}"
                return bytes(message.payload)

            uplink = open_source("uplink", broker.url("rover"))
            await check_uplink(
                uplink,
                answer=answer,
                received=received,
                unreachable=open_source("uplink", f"mqtt://{CLOSED_PORT}/rover"),
            )
    finally:
        broker.kill()


CHECKS = {
    "sources.simulated.uplink:SimulatedUplink": check_simulated,
    "sources.directory.uplink:DirectoryUplink": check_folder,
    "sources.programs.uplink:ProgramUplink": check_program,
    "sources.mqtt.uplink:MqttUplink": check_mqtt,
}


@pytest.mark.parametrize(
    "factory",
    sorted({one.factory for name, one in SCHEMES["uplink"].items() if name != "none"}),
)
async def test_an_uplink_of_this_package_keeps_the_contract(factory: str, tmp_path: Path) -> None:
    await CHECKS[factory](tmp_path)


PROGRAM = """#!/bin/sh
printf '%s\\n' "$@" > "$(dirname "$0")/arguments"
"""


@pytest.mark.parametrize(
    ("script", "error", "answer"),
    [
        ("exit 0", None, None),
        ("""echo '{"accepted": true, "detail": "sol 42"}'""", None, (True, "sol 42")),
        ("""echo '{"accepted": false}'; echo noise""", None, (False, "")),
        ("echo no carrier >&2; exit 75", NotSent, None),
        ("""echo '{"accepted": true}'; exit 1""", SourceError, None),
        ("kill -9 $$", SourceError, None),
        ("sleep 60", SourceError, None),
    ],
)
async def test_the_end_of_a_program_says_what_became_of_a_sequence(
    tmp_path: Path,
    outgoing: Outgoing,
    script: str,
    error: type[SourceError] | None,
    answer: tuple[bool, str] | None,
) -> None:
    program = tmp_path / "send"
    program.write_text(f"{PROGRAM}{script}\n")
    program.chmod(0o700)
    timeout = "&timeout_s=0.3" if script == "sleep 60" else ""
    uplink = open_source("uplink", f"cmd:{program}?arg={{id}}.{{attempt}}&arg={{name}}{timeout}")
    if error is not None:
        with pytest.raises(error) as raised:
            await uplink.send(outgoing)
        assert type(raised.value) is error
    else:
        await uplink.send(outgoing)
        shown = (tmp_path / "arguments").read_text().splitlines()
        assert shown == ["a-1.2", "sol 42.seq", str(outgoing.path)]
    if answer is not None:
        assert await first_answer(uplink) == Answer("a-1", 2, *answer)


def missing(program: Path) -> None:
    program.unlink()


def not_executable(program: Path) -> None:
    program.chmod(0o600)


def without_interpreter(program: Path) -> None:
    program.write_text("#!/no/such/interpreter\n")


def without_first_line(program: Path) -> None:
    program.write_text("exit 0\n")


def for_another_machine(program: Path) -> None:
    program.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(100))


@pytest.mark.parametrize(
    "spoil",
    [missing, not_executable, without_interpreter, without_first_line, for_another_machine],
)
async def test_a_program_that_cannot_be_run_has_certainly_sent_nothing(
    tmp_path: Path, outgoing: Outgoing, spoil: Callable[[Path], None]
) -> None:
    program = tmp_path / "send"
    program.write_text(PROGRAM)
    program.chmod(0o700)
    uplink = ProgramUplink(str(program))
    spoil(program)
    with pytest.raises(NotSent) as raised:
        await uplink.send(outgoing)
    assert str(program) in str(raised.value)


@pytest.mark.parametrize("name", ["a\0b", "x" * 200_000], ids=["null byte", "too long"])
async def test_an_argument_that_no_program_can_receive_is_certainly_not_sent(
    tmp_path: Path, outgoing: Outgoing, name: str
) -> None:
    program = tmp_path / "send"
    program.write_text(PROGRAM)
    program.chmod(0o700)
    with pytest.raises(NotSent):
        await ProgramUplink(str(program), arg="{name}").send(replace(outgoing, name=name))


async def test_a_status_of_a_shell_does_not_say_that_nothing_was_sent(
    tmp_path: Path, outgoing: Outgoing
) -> None:
    program = tmp_path / "send"
    program.write_text(f"{PROGRAM}/no/such/program\n")  # after a part of the script
    program.chmod(0o700)
    with pytest.raises(SourceError) as raised:
        await ProgramUplink(str(program)).send(outgoing)
    assert type(raised.value) is SourceError


async def test_a_sequence_for_a_folder_that_answers_too_late_never_appears(
    tmp_path: Path, outgoing: Outgoing
) -> None:
    (box := tmp_path / "box").mkdir()
    os.mkfifo(tmp_path / "fifo")  # opening it waits, as on a network drive that is down
    part = box / ".a-1.2.json.part"
    part.hardlink_to(tmp_path / "fifo")
    uplink = DirectoryUplink(box, timeout_s=0.2)
    with pytest.raises(NotSent):
        await uplink.send(outgoing)
    (tmp_path / "regular").touch()
    (tmp_path / "regular").replace(part)
    async with await open_file(tmp_path / "fifo") as fifo:
        assert json.loads(await fifo.read())["id"] == "a-1"
    await until(lambda: not part.exists())
    assert list(box.iterdir()) == []


async def test_the_simulated_rover_accepts(outgoing: Outgoing) -> None:
    uplink = SimulatedUplink(delay_s=0)
    await uplink.send(outgoing)
    answer = await first_answer(uplink)
    assert (answer.id, answer.attempt, answer.accepted) == ("a-1", 2, True)


async def test_the_simulated_rover_is_as_far_away_as_light_says(outgoing: Outgoing) -> None:
    uplink = SimulatedUplink(delay_s=0)
    began = current_time()
    await uplink.send(replace(outgoing, light_time_s=0.1))
    await first_answer(uplink)
    assert current_time() - began >= 0.2


async def test_none_sends_nothing(outgoing: Outgoing) -> None:
    with pytest.raises(NotSent):
        await NoUplink().send(outgoing)


@pytest.mark.parametrize(
    "url", ["dir:/nowhere/at/all", "cmd:no-such-program", "mqtt://localhost/a/#", "sim:?delay_s=-1"]
)
def test_a_wrong_url_is_refused(url: str) -> None:
    with pytest.raises(SourceError):
        open_source("uplink", url)


async def test_a_broker_confirms_a_sequence_and_passes_the_answer_on(
    tmp_path: Path, outgoing: Outgoing
) -> None:
    broker = Mosquitto(needs("mosquitto"), tmp_path)
    uplink = MqttUplink(broker.url("rover/commands"))
    with pytest.raises(NotSent):
        await uplink.send(outgoing)
    await broker.start()
    with pytest.raises(NotSent):
        await MqttUplink(broker.url("x" * 65_530)).send(outgoing)  # with the id, it is too long
    try:
        async with Client("127.0.0.1", broker.port) as rover:
            await rover.subscribe("rover/commands/+/+")
            answering = asyncio.create_task(first_answer(uplink))
            await uplink.send(outgoing)
            command = await anext(aiter(rover.messages))
            assert (str(command.topic), command.payload) == ("rover/commands/a-1/2", CONTENT)
            while not answering.done():  # until the uplink has subscribed
                await rover.publish(f"{command.topic}/answer", b"yes")
                await rover.publish("rover/commands/a-1/0/answer", b'{"accepted": true}')
                await rover.publish(f"{command.topic}/answer", b'{"accepted": true}')
                await asyncio.wait([answering], timeout=0.05)
            assert await answering == Answer("a-1", 2, accepted=True)
    finally:
        broker.kill()
    assert uplink.losses.count >= 2
