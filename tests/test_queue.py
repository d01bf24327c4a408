"""The queue: who lets a sequence be sent, what becomes of it, and what survives a crash."""

from __future__ import annotations

import asyncio
import json
import shutil
from copy import deepcopy
from time import time
from typing import TYPE_CHECKING, Any, Unpack

import httpx
import pytest
from anyio import Event, fail_after, wait_all_tasks_blocked

from rover.commands.sending import SendingState
from rover.errors import NotNow
from rover.identity import EVERYONE, IDENTITY, Identity
from rover.logs import MemoryLog
from rover.supervise import State
from sources.base import Answer, NotSent, SourceError
from tests.api_schemas import check_json
from tests.command_files import ACCEPTED, FILE, REJECTED, running, uploaded
from tests.fake_uplink import FakeUplink, hang, hang_for_ever
from tests.test_uploads import COMPILED, PRODUCT
from tests.test_uploads_routes import served
from tests.uploading import PATH, Mission
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

    from rover.commands import Commands
    from rover.commands.upload import Upload
    from rover.logs.base import Record, Selection
    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

S = SendingState


async def queued(commands: Commands, name: str = "sol-42.seq") -> Upload:
    upload = await uploaded(commands, name=name)
    await until(lambda: commands.queue.find(upload.id) is upload)
    return upload


async def reach(upload: Upload, *states: SendingState) -> SendingState:
    """Wait until the sequence has one of these states."""
    await until(lambda: upload.sending is not None and upload.sending.state in states)
    assert upload.sending is not None
    return upload.sending.state


async def test_a_sequence_is_released_sent_and_acknowledged(tmp_path: Path, serve: Serve) -> None:
    uplink = FakeUplink()
    mission = Mission(tmp_path, COMPILED, uplink=uplink, light_time_s=1)
    async with served(mission, serve) as client:
        await client.post(f"{PATH}?id=a", files={"file": ("a.seq", FILE)})
        upload = mission.commands.find("a")
        await until(lambda: mission.commands.queue.find("a") is not None)
        events: list[str] = []

        async def follow() -> None:
            async with client.stream("GET", "/uploads/a/events") as stream:
                events.extend([line async for line in stream.aiter_lines()])

        following = asyncio.create_task(follow())
        queue = check_json("Queue", (await client.get("/queue")).content)
        assert [one["sending"]["state"] for one in queue["uploads"]] == ["queued"]
        assert uplink.sent == []
        nameless = await client.post("/uploads/a/release")
        released = await client.post("/uploads/a/release", json={"by": "Ada", "revision": 1})
        again = await client.post("/uploads/a/release", json={"by": "Grace"})
        await reach(upload, S.SENT)
        await uplink.arriving.put(Answer("a", 1, accepted=True, detail="sol 42"))
        with fail_after(5):
            await following  # it ends with the last change
        report = check_json("UploadReport", (await client.get("/uploads/a")).content)
        last = await client.get("/queue")
    assert (nameless.status_code, released.status_code, again.status_code) == (400, 200, 409)
    assert check_json("ListedUpload", released.content)["sending"]["released_by"] == ["Ada"]
    states = ["queued", "released", "sending", "sent", "acknowledged"]
    assert [one["state"] for one in report["timeline"]] == states
    assert [one["by"] for one in report["timeline"]] == [None, "Ada", None, None, None]
    shown = [json.loads(line[6:]) for line in events if '"revision"' in line]
    assert [one["state"] for one in shown] == states
    assert uplink.contents == [PRODUCT]
    assert last.json()["uploads"] == []


@pytest.mark.parametrize(
    ("behave", "state"),
    [
        (NotSent("no carrier"), S.FAILED),
        (SourceError("cut in the middle"), S.UNKNOWN),
        (ValueError("a bug"), S.UNKNOWN),
        (TimeoutError(), S.UNKNOWN),
        (asyncio.CancelledError(), S.UNKNOWN),
        (SystemExit(), S.UNKNOWN),
        (hang, S.UNKNOWN),
        (None, S.SENT),
    ],
)
async def test_what_the_uplink_does_decides_the_state(
    tmp_path: Path, behave: Any, state: SendingState
) -> None:
    uplink = FakeUplink(behave)
    limits = {"uplink_timeout_s": 0.1}
    async with running(
        tmp_path, ACCEPTED, log=MemoryLog(), uplink=uplink, limits=limits
    ) as commands:
        first, second = await queued(commands), await queued(commands)
        commands.queue.release(first, "Ada")
        assert await reach(first, S.SENT, S.FAILED, S.UNKNOWN) is state
        commands.queue.release(second, "Ada")
        if state is S.SENT:
            await reach(second, S.SENT)
            return
        await asyncio.sleep(0)
        assert len(uplink.sent) == 1  # the others wait for a person's decision
        commands.queue.withdraw(first, "Ada")
        await until(lambda: len(uplink.sent) == 2)


async def test_an_uplink_that_suppresses_its_cancellation_is_abandoned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rover.commands.sender.STOP_TIMEOUT_S", 0.05)
    options: dict[str, Any] = {"log": MemoryLog(), "uplink": FakeUplink(hang_for_ever)}
    async with running(tmp_path, ACCEPTED, limits={"uplink_timeout_s": 0.1}, **options) as commands:
        upload = await queued(commands)
        commands.queue.release(upload, "Ada")
        assert await reach(upload, S.UNKNOWN) is S.UNKNOWN


async def test_only_a_persons_word_leaves_an_unknown_state(tmp_path: Path) -> None:
    uplink = FakeUplink(SourceError("cut"), SourceError("cut"), None)
    async with running(tmp_path, ACCEPTED, log=MemoryLog(), uplink=uplink) as commands:
        upload = await queued(commands)
        commands.queue.release(upload, "Ada")
        await reach(upload, S.UNKNOWN)
        with pytest.raises(NotNow):
            commands.queue.release(upload, "Ada")
        commands.queue.resend(upload, "Ada")
        await until(lambda: len(uplink.sent) == 2)
        await reach(upload, S.UNKNOWN)
        commands.queue.confirm_sent(upload, "Grace")
        assert await reach(upload, S.SENT) is S.SENT
    assert [one.attempt for one in uplink.sent] == [1, 2]


async def test_wrong_answers_change_nothing(tmp_path: Path) -> None:
    async def answer_early(uplink: FakeUplink, outgoing: Any) -> None:
        await uplink.arriving.put(Answer(outgoing.id, outgoing.attempt, accepted=False))
        await until(lambda: uplink.arriving.empty())

    uplink = FakeUplink(None, answer_early)
    async with running(tmp_path, ACCEPTED, log=MemoryLog(), uplink=uplink) as commands:
        first, second = await queued(commands), await queued(commands)
        commands.queue.release(first, "Ada")
        await reach(first, S.SENT)
        for wrong in (
            Answer(second.id, 1, accepted=True),  # it was never sent
            Answer("unknown", 1, accepted=True),
            Answer(first.id, 2, accepted=True),
        ):
            await uplink.arriving.put(wrong)
        commands.queue.release(second, "Ada")
        assert await reach(second, S.REFUSED) is S.REFUSED  # an answer before `send` returned
        assert first.sending is not None
        assert first.sending.state is S.SENT
        await uplink.arriving.put("yes")
        await until(lambda: commands.sender.health.state is State.DOWN)


async def test_a_late_answer_ends_the_wait_for_another_attempt(tmp_path: Path) -> None:
    uplink = FakeUplink(SourceError("cut"), NotSent("no carrier"))
    async with running(tmp_path, ACCEPTED, log=MemoryLog(), uplink=uplink) as commands:
        upload = await queued(commands)
        commands.queue.release(upload, "Ada")
        await reach(upload, S.UNKNOWN)
        commands.queue.resend(upload, "Ada")
        await reach(upload, S.FAILED)
        await uplink.arriving.put(Answer(upload.id, 1, accepted=True, detail="sol\n42\x1b[31m"))
        assert await reach(upload, S.ACKNOWLEDGED) is S.ACKNOWLEDGED
        assert upload.sending is not None
        assert upload.sending.detail.isprintable()


async def test_a_late_answer_to_an_earlier_attempt_is_recorded_once(tmp_path: Path) -> None:
    uplink = FakeUplink(SourceError("cut"), None)
    async with running(tmp_path, ACCEPTED, log=MemoryLog(), uplink=uplink) as commands:
        upload = await queued(commands)
        commands.queue.release(upload, "Ada")
        await reach(upload, S.UNKNOWN)
        commands.queue.resend(upload, "Ada")
        await reach(upload, S.SENT)
        before = upload.sending
        for _ in range(2):
            await uplink.arriving.put(Answer(upload.id, 1, accepted=True))
        await until(lambda: uplink.arriving.empty() and upload.sending is not before)
        await uplink.arriving.put(Answer(upload.id, 2, accepted=False))
        await reach(upload, S.REFUSED)
        timeline = (await upload.as_json())["timeline"]
    states = ["queued", "released", "sending", "unknown", "released", "sending"]
    assert [one["state"] for one in timeline] == [*states, "sent", "sent", "refused"]


async def test_an_answer_to_a_sequence_that_has_never_left_is_ignored(tmp_path: Path) -> None:
    uplink = FakeUplink(NotSent("no carrier"), None)
    async with running(tmp_path, ACCEPTED, log=MemoryLog(), uplink=uplink) as commands:
        upload = await queued(commands)
        for attempt in (0, 1):
            await uplink.arriving.put(Answer(upload.id, attempt, accepted=True))
        commands.queue.release(upload, "Ada")
        await reach(upload, S.FAILED)
        await uplink.arriving.put(Answer(upload.id, 1, accepted=True))
        await until(uplink.arriving.empty)
        commands.queue.resend(upload, "Ada")
        assert await reach(upload, S.SENT, S.ACKNOWLEDGED) is S.SENT


async def test_a_restart_with_another_uplink_sends_nothing_that_was_released_before(
    tmp_path: Path,
) -> None:
    log = MemoryLog()
    options: dict[str, Any] = {"log": log, "uplink": FakeUplink()}
    async with running(tmp_path, ACCEPTED, target="dir:1", **options) as commands:
        upload = await queued(commands)
        commands.queue.release(upload, "Ada", at=4e9)
    other = FakeUplink()
    async with running(tmp_path, ACCEPTED, log=log, uplink=other, target="dir:2") as commands:
        upload = commands.find(upload.id)
        assert await reach(upload, S.QUEUED) is S.QUEUED
        commands.queue.release(upload, "Ada")
        assert await reach(upload, S.SENT) is S.SENT


async def test_nothing_is_sent_that_is_not_recorded_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, uplink = MemoryLog(), FakeUplink()

    async def sync(begins: Callable[[], object] = lambda: None) -> bool:
        begins()
        return False  # the disk is full

    async with running(tmp_path, ACCEPTED, log=log, uplink=uplink) as commands:
        upload = await queued(commands)
        with monkeypatch.context() as patched:
            patched.setattr(log, "sync", sync)
            commands.queue.release(upload, "Ada")
            await until(lambda: upload.sending is not None and upload.sending.revision > 3)
            assert (await reach(upload, S.QUEUED), uplink.sent) == (S.QUEUED, [])
        commands.queue.release(upload, "Ada")
        await reach(upload, S.SENT)
    assert [one.attempt for one in uplink.sent] == [1]


async def test_a_changed_file_is_not_sent(tmp_path: Path) -> None:
    uplink = FakeUplink()
    async with running(tmp_path, ACCEPTED, log=MemoryLog(), uplink=uplink) as commands:
        upload = await queued(commands)
        (commands.inbox.accepted / upload.sha256).write_bytes(b"other bytes")
        commands.queue.release(upload, "Ada")
        assert (await reach(upload, S.FAILED), uplink.sent) == (S.FAILED, [])


async def test_sequences_are_sent_in_order_and_not_before_their_time(tmp_path: Path) -> None:
    uplink, gate = FakeUplink(), Event()
    uplink = FakeUplink(gate, None)
    async with running(tmp_path, ACCEPTED, log=MemoryLog(), uplink=uplink) as commands:
        a, b, c, d = [await queued(commands, f"{name}.seq") for name in "abcd"]
        commands.queue.release(a, "Ada")
        await until(lambda: len(uplink.sent) == 1)
        with pytest.raises(NotNow):
            commands.queue.hold(a, "Ada")  # it is being sent
        for one in (b, c):
            commands.queue.release(one, "Ada")
        commands.queue.release(d, "Ada", at=4e9)
        commands.queue.move(c, b, "Grace")
        gate.set()
        await reach(b, S.SENT)
        commands.queue.hold(d, "Ada")
        commands.queue.release(d, "Ada", at=time() - 30)
        await reach(d, S.SENT)
    assert [one.name for one in uplink.sent] == ["a.seq", "c.seq", "b.seq", "d.seq"]


@pytest.mark.parametrize(("after_s", "is_early"), [(2, True), (1_399.5, False), (1_401, False)])
async def test_an_answer_that_is_faster_than_light_counts_and_says_so(
    tmp_path: Path, after_s: float, is_early: bool
) -> None:
    uplink, now, ticks = FakeUplink(), [1.79e9], [50.0]
    async with running(
        tmp_path, ACCEPTED, log=MemoryLog(), uplink=uplink, limits={"light_time_s": 700}
    ) as commands:
        answers = commands.sender.answers
        answers._clock = commands.sender._clock = lambda: now[0]
        answers._ticks = lambda: ticks[0]
        upload = await queued(commands)
        commands.queue.release(upload, "Ada")
        await reach(upload, S.SENT)
        now[0] += after_s
        await uplink.arriving.put(Answer(upload.id, 1, accepted=True))
        await reach(upload, S.ACKNOWLEDGED)
    assert upload.sending is not None
    assert ("light" in upload.sending.detail) is is_early


class ChangingLog(MemoryLog):
    """A log in which something changes before and after each read."""

    def __init__(self) -> None:
        super().__init__()
        self.change: Callable[[], object] = lambda: None

    async def read(self, key: str, **selection: Unpack[Selection]) -> list[Record]:
        self.change()
        records = await super().read(key, **selection)
        self.change()
        return records


async def test_the_timeline_of_a_report_ends_with_the_state_of_the_report(tmp_path: Path) -> None:
    log = ChangingLog()
    async with running(tmp_path, ACCEPTED, log=log, uplink=FakeUplink()) as commands:
        upload = await queued(commands)
        log.change = lambda: commands.queue.hold(upload, "Ada")
        report = await upload.as_json()
    assert report["timeline"][-1]["revision"] == report["sending"]["revision"]


async def test_a_timeout_is_measured_whatever_happens_to_the_clock(tmp_path: Path) -> None:
    uplink, now, ticks = FakeUplink(), [1.79e9], [50.0]
    async with running(
        tmp_path, ACCEPTED, log=MemoryLog(), uplink=uplink, limits={"light_time_s": 700}
    ) as commands:
        answers = commands.sender.answers
        answers._clock = commands.sender._clock = lambda: now[0]
        answers._ticks = lambda: ticks[0]
        upload = await queued(commands)
        commands.queue.release(upload, "Ada")
        await reach(upload, S.SENT)
        await asyncio.sleep(0)
        now[0] += 10_000  # the clock is set
        commands.queue.wake()
        await asyncio.sleep(0)
        assert await reach(upload, S.SENT) is S.SENT
        ticks[0] += 2 * 700 + 60
        commands.queue.wake()
        await reach(upload, S.TIMED_OUT)
        await uplink.arriving.put(Answer(upload.id, 1, accepted=True))
        assert await reach(upload, S.ACKNOWLEDGED) is S.ACKNOWLEDGED  # late, but true


@pytest.mark.parametrize(
    ("before", "after", "sent"),
    [
        (S.QUEUED, S.QUEUED, 0),
        (S.RELEASED, S.SENT, 1),
        (S.SENDING, S.UNKNOWN, 0),
        (S.SENT, S.SENT, 0),
        (S.UNKNOWN, S.UNKNOWN, 0),
    ],
)
async def test_a_restart_never_sends_again(
    tmp_path: Path, before: SendingState, after: SendingState, sent: int
) -> None:
    log, gate = MemoryLog(), Event()
    behave = {S.SENDING: gate, S.UNKNOWN: SourceError("cut")}.get(before)
    uplink = FakeUplink(behave)
    async with running(tmp_path, ACCEPTED, log=log, uplink=uplink) as commands:
        upload = await queued(commands)
        if before is S.RELEASED:
            commands.queue.release(upload, "Ada", at=4e9)
        elif before is not S.QUEUED:
            commands.queue.release(upload, "Ada")
        await reach(upload, before)
        killed, folder = deepcopy(log), tmp_path / "killed"
        shutil.copytree(tmp_path / "data", folder / "data")
        gate.set()
    again = FakeUplink()
    async with running(folder, ACCEPTED, log=killed, uplink=again) as commands:
        upload = commands.find(upload.id)
        if before is S.RELEASED:
            commands.queue.hold(upload, "Ada")
            commands.queue.release(upload, "Ada")
        assert await reach(upload, after) is after
        assert len(again.sent) == sent
        await again.arriving.put(Answer(upload.id, 1, accepted=True))
        if after in (S.SENT, S.UNKNOWN):  # the rover has it, evidently
            await reach(upload, S.ACKNOWLEDGED)


async def test_a_shutdown_while_sending_leaves_an_unknown_state(tmp_path: Path) -> None:
    async with running(tmp_path, ACCEPTED, log=MemoryLog(), uplink=FakeUplink(hang)) as commands:
        upload = await queued(commands)
        commands.queue.release(upload, "Ada")
        await until(lambda: commands.sender.is_sending)
        commands.close()
        assert await reach(upload, S.UNKNOWN) is S.UNKNOWN


async def test_a_shutdown_before_the_uplink_is_called_has_certainly_sent_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, uplink, begun = MemoryLog(), FakeUplink(), Event()
    sync_released = log.sync

    async def sync(*released: Any) -> bool:
        if released:
            return await sync_released(*released)
        begun.set()
        await hang()
        return True

    async with running(tmp_path, ACCEPTED, log=log, uplink=uplink) as commands:
        upload = await queued(commands)
        monkeypatch.setattr(log, "sync", sync)  # a slow disk
        commands.queue.release(upload, "Ada")
        await begun.wait()
        commands.close()
        assert await reach(upload, S.FAILED, S.UNKNOWN) is S.FAILED
    assert uplink.sent == []


async def test_after_the_drain_has_begun_nothing_is_sent(tmp_path: Path) -> None:
    uplink = FakeUplink()
    async with running(tmp_path, ACCEPTED, log=MemoryLog(), uplink=uplink) as commands:
        upload = await queued(commands)
        commands.sender.stop()
        commands.queue.release(upload, "Ada")
        await asyncio.sleep(0)
        assert uplink.sent == []


async def test_without_an_uplink_and_without_acceptance_nothing_is_queued(
    tmp_path: Path, serve: Serve
) -> None:
    for name, uplink, verdict in (("a", None, ACCEPTED), ("b", FakeUplink(), REJECTED)):
        mission = Mission(tmp_path / name, verdict, uplink=uplink)
        async with served(mission, serve) as client:
            await client.post(f"{PATH}?id=a", files={"file": ("a.seq", FILE)})
            answer = await client.post("/uploads/a/release", json={"by": "Ada"})
            ended = await client.get("/uploads/a")
        assert answer.status_code == 409
        assert (ended.json()["sending"], ended.json()["timeline"]) == (None, [])


@pytest.mark.parametrize(
    ("action", "body", "status"),
    [
        ("release", {"by": "Ada", "at": "tomorrow"}, 400),
        ("release", {"by": "Ada", "at": "2026-11-22T07:00:00"}, 400),
        ("release", {"by": "Ada", "at": "0001-01-01T00:00:00+23:59"}, 400),
        ("release", {"by": "Ada", "at": "9999-12-31T23:59:59-00:01"}, 400),
        ("release", {"by": "Ada", "at": 5}, 400),
        ("release", {"by": "Ada", "At": "2100-01-01T00:00:00Z"}, 400),
        ("release", {"by": "Ada", "before": "a"}, 400),
        ("resend", {"by": "Ada", "at": "2100-01-01T00:00:00Z"}, 400),
        ("release", {"by": "Ada", "at": "2025-12-01T00:00:00Z"}, 400),
        ("release", {"by": "Ada", "revision": "1"}, 400),
        ("release", {"by": "Ada", "revision": 7}, 409),
        ("move", {"by": "Ada", "before": 1}, 400),
        ("move", {"by": "Ada", "before": "nothing"}, 404),
        ("move", {"by": "Ada", "before": "a"}, 200),
        ("move", {"by": "Ada"}, 200),
        ("resend", {"by": "Ada"}, 409),
        ("sent", {"by": "Ada"}, 409),
        ("hold", {"by": "Ada"}, 200),
        ("withdraw", {"by": "Ada"}, 200),
    ],
)
async def test_actions_over_http(
    tmp_path: Path, serve: Serve, action: str, body: dict[str, Any], status: int
) -> None:
    mission = Mission(tmp_path, ACCEPTED, uplink=FakeUplink())
    async with served(mission, serve) as client:
        await client.post(f"{PATH}?id=a", files={"file": ("a.seq", FILE)})
        await until(lambda: mission.commands.queue.find("a") is not None)
        answer = await client.post(f"/uploads/a/{action}", json=body)
    assert answer.status_code == status, answer.text


async def test_an_action_waits_until_the_sequence_of_a_new_verdict_is_in_the_queue(
    tmp_path: Path,
) -> None:
    may_enter = Event()
    async with running(tmp_path, ACCEPTED, log=MemoryLog(), uplink=FakeUplink()) as commands:
        enter = commands.queue.enter

        async def enter_late(upload: Upload) -> None:
            await may_enter.wait()
            await enter(upload)

        commands.queue.enter = enter_late  # type: ignore[method-assign]
        upload = await uploaded(commands)
        waiting = asyncio.create_task(commands.queue.wait_entered(upload))
        await wait_all_tasks_blocked()
        assert not waiting.done()
        may_enter.set()
        await waiting
        commands.queue.release(upload, "Ada")
        await reach(upload, S.SENT)


async def test_two_persons_need_names_that_others_cannot_state(
    tmp_path: Path, serve: Serve
) -> None:
    mission = Mission(tmp_path, ACCEPTED, uplink=FakeUplink(), release_persons=2)
    async with served(mission, serve) as client:
        await client.post(f"{PATH}?id=a", files={"file": ("a.seq", FILE)})
        await until(lambda: mission.commands.queue.find("a") is not None)
        answer = await client.post("/uploads/a/release", json={"by": "Ada"})
    assert answer.status_code == 403


PERSONS = {
    person: Identity(name, EVERYONE.scopes, token=token_id)
    for person, name, token_id in (
        ("ada", "Ada", "00000001"),
        ("ada's phone", "ADA", "00000002"),
        ("ada, renamed", "Countess", "00000001"),
        ("grace", "Grace", "00000003"),
    )
}


async def test_two_persons_release_a_sequence_over_http(tmp_path: Path, serve: Serve) -> None:
    mission = Mission(tmp_path, ACCEPTED, uplink=FakeUplink(), release_persons=2)
    app = mission.app

    async def with_identity(scope: Scope, receive: Receive, send: Send) -> None:
        person = dict(scope.get("headers", ())).get(b"x-person", b"").decode()
        await app({**scope, IDENTITY: PERSONS.get(person, EVERYONE)}, receive, send)

    mission.app = with_identity  # type: ignore[assignment]
    async with served(mission, serve) as client:

        async def release(person: str, **body: str) -> int:
            headers = {"X-Person": person}
            answer = await client.post("/uploads/a/release", headers=headers, json=body)
            return answer.status_code

        await client.post(f"{PATH}?id=a", files={"file": ("a.seq", FILE)})
        assert await release("ada", at="2100-01-01T00:00:00.1239Z") == 200
        assert [await release(one) for one in PERSONS if one != "grace"] == [409, 409, 409]
        assert await release("grace", at="2026-11-22T07:00:00Z") == 409
        shown = (await client.get("/uploads/a")).json()["sending"]["release_at"]
        assert await release("grace", at=shown) == 200
        sending = (await client.get("/uploads/a")).json()["sending"]
    assert (sending["state"], sending["released_by"]) == ("released", ["Ada", "Grace"])
    assert sending["release_at"] == shown


async def test_an_accepted_file_can_be_read(tmp_path: Path, serve: Serve) -> None:
    async with served(Mission(tmp_path, ACCEPTED), serve) as client:
        await client.post(f"{PATH}?id=a", files={"file": ("a.seq", FILE)})
        whole = await client.get("/uploads/a/file")
        part = await client.get("/uploads/a/file", headers={"Range": "bytes=2-4"})
        missing = await client.get("/uploads/b/file")
    assert (whole.content, part.content, missing.status_code) == (FILE, FILE[2:5], 404)
    assert isinstance(whole, httpx.Response)
