"""The contract suite itself: it passes good sources, and names the clause that a bad one breaks."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anyio import CancelScope, Event, create_task_group, sleep, sleep_forever, to_thread

import sources.base
from rover.testing import (
    Clause,
    ContractBroken,
    check_camera,
    check_commands,
    check_telemetry,
)
from sources.base import (
    Finding,
    Image,
    ImageBroken,
    Limits,
    Parameter,
    Progress,
    Sample,
    Severity,
    SourceError,
    Step,
    UnknownImage,
    Verdict,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("reading", "leaks"):
        monkeypatch.setattr(f"rover.testing.{module}.PROMPT_S", 0.3)


@pytest.mark.parametrize("clause", Clause)
def test_every_rule_begins_with_a_definition_of_the_contract(clause: Clause) -> None:
    definition = clause.rule.partition(" ")[0]
    attrgetter(definition)(sources.base)


def test_every_clause_has_a_source_here_that_breaks_it() -> None:
    broken = {clause for bad in (TELEMETRY, CAMERA, COMMANDS) for clause, *_ in bad.values()}
    assert broken == set(Clause)


async def broken_by(check: Callable[[], Awaitable[None]], clause: str, words: str) -> None:
    with pytest.raises(ContractBroken) as caught:
        await check()
    assert caught.value.clause == clause, caught.value
    assert re.search(words, caught.value.saw), caught.value


# ------------------------------------------------------------------------------- telemetry


class Thermometer:
    """A good source, of which the bad ones change one thing."""

    parameters: Sequence[Parameter] = (
        Parameter("temperature", "°C", limits=Limits((0, 30), (-10, 40))),
        Parameter("place", kind="vector"),
        Parameter("name", kind="text"),
        Parameter("count", kind="integer"),
        Parameter("on", kind="boolean"),
    )
    values: Mapping[str, Any] = {
        "temperature": 21.5,
        "place": {"x": 1, "y": 2.5},
        "name": "lab",
        "count": 3,
        "on": None,
    }
    pause_s = 0.001

    def t(self) -> float:
        return time.time()

    async def samples(self) -> AsyncIterator[Sample]:
        while True:
            yield Sample(self.t(), self.values)
            await sleep(self.pause_s)


class Device(Thermometer):
    """One with a life, a task of its own, and a pace."""

    period_s = 0.001

    async def __aenter__(self) -> Device:
        self._task = asyncio.create_task(sleep_forever())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})


def has(**attributes: Any) -> Callable[[], Thermometer]:
    """A thermometer with something else about it."""
    return type("Thermometer", (Thermometer,), attributes)


def names(*parameters: Parameter) -> Callable[[], Thermometer]:
    return has(parameters=parameters)


class UnreadableParameters(Thermometer):
    @property
    def parameters(self) -> Sequence[Parameter]:  # type: ignore[override] # what is wrong with it
        raise KeyError("temperature")


class Learning(Thermometer):
    def __init__(self) -> None:
        self.parameters: list[Parameter] = []

    async def samples(self) -> AsyncIterator[Sample]:
        async for sample in super().samples():
            self.parameters = list(Thermometer.parameters)
            yield sample


class Forgotten(Thermometer):
    async def samples(self) -> Any:  # type: ignore[override] # without `yield` no iterator
        return [Sample(time.time(), self.values)]


class Dicts(Thermometer):
    async def samples(self) -> AsyncIterator[Any]:
        yield {"t": time.time()}


class Empty(Thermometer):
    async def samples(self) -> AsyncIterator[Sample]:
        nothing: Sequence[Sample] = ()
        for sample in nothing:
            yield sample


class Silent(Thermometer):
    async def samples(self) -> AsyncIterator[Sample]:
        await sleep_forever()
        yield Sample(0, {})


class OnlyOnce(Thermometer):
    used = False

    async def samples(self) -> AsyncIterator[Sample]:
        if self.used:
            await sleep_forever()
        self.used = True
        async for sample in super().samples():
            yield sample


class StaysBusy(Thermometer):
    readers = 0

    async def samples(self) -> AsyncIterator[Sample]:
        if self.readers > 8:
            raise SourceError("another program has the port open")
        self.readers += 1
        async for sample in super().samples():
            yield sample


class Stubborn(Thermometer):
    async def samples(self) -> AsyncIterator[Sample]:
        while True:
            yield Sample(time.time(), self.values)
            try:
                await sleep_forever()
            except asyncio.CancelledError:
                while True:
                    try:
                        await asyncio.sleep(3600)
                    except asyncio.CancelledError:
                        continue


class LongGoodbye(Thermometer):
    async def samples(self) -> AsyncIterator[Sample]:
        try:
            async for sample in super().samples():
                yield sample
        finally:
            with CancelScope(shield=True):
                await sleep(3600)


class Excuse(Thermometer):
    pause_s = 10

    async def samples(self) -> AsyncIterator[Sample]:
        try:
            async for sample in super().samples():
                yield sample
        except asyncio.CancelledError as exc:
            raise SourceError("the line went dead") from exc


class LeavesTask(Thermometer):
    async def samples(self) -> AsyncIterator[Sample]:
        self.task = asyncio.create_task(self.poll())
        async for sample in super().samples():
            yield sample

    async def poll(self) -> None:
        await sleep_forever()


class LeavesSocket(Thermometer):
    def __init__(self) -> None:
        self.sockets: list[socket.socket] = []

    async def samples(self) -> AsyncIterator[Sample]:
        self.sockets.append(socket.socket(type=socket.SOCK_DGRAM))
        async for sample in super().samples():
            yield sample

    def __del__(self) -> None:
        for one in self.sockets:
            one.close()


class Blocking(Thermometer):
    block_s = 0.3

    async def samples(self) -> AsyncIterator[Sample]:
        while True:
            time.sleep(self.block_s)  # noqa: ASYNC251 # what is wrong with it
            yield Sample(time.time(), self.values)
            await sleep(0.001)


class Dead(Thermometer):
    async def samples(self) -> AsyncIterator[Sample]:
        yield Sample(time.time(), self.values)
        raise OSError(5, "Input/output error")


class WontOpen(Device):
    async def __aenter__(self) -> Device:
        raise FileNotFoundError("/dev/ttyUSB0")


class WontClose(Device):
    async def __aexit__(self, *_: object) -> None:
        await super().__aexit__()
        raise OSError("it is gone")


class HalfALife(Thermometer):
    async def __aenter__(self) -> HalfALife:
        return self


class Crashing(Thermometer):
    """Its own task fails while it is read, which cancels whoever entered it."""

    pause_s = 10

    async def __aenter__(self) -> Crashing:
        self._tasks = await create_task_group().__aenter__()
        self._tasks.start_soon(self.poll)
        return self

    async def __aexit__(self, *exc_info: Any) -> bool | None:
        self._tasks.cancel_scope.cancel()
        return await self._tasks.__aexit__(*exc_info)

    async def poll(self) -> None:
        await sleep(0.01)
        raise OSError(19, "No such device")


class LeavesAtExit(Device):
    async def __aexit__(self, *_: object) -> None:
        return


class Gone(Thermometer):
    async def samples(self) -> AsyncIterator[Sample]:
        if self.parameters:
            raise SourceError("no thermometer at /dev/ttyUSB0; plug it in")
        yield Sample(0, {})


class GoneWithoutAWord(Thermometer):
    async def samples(self) -> AsyncIterator[Sample]:
        if self.parameters:
            raise SourceError
        yield Sample(0, {})


NUMBER = Parameter("a")
Bad = Mapping[str, tuple[str, Callable[[], Any], str]]

TELEMETRY: Bad = {
    "no-sequence": ("telemetry.parameters", has(parameters="temperature"), "no sequence"),
    "no-parameters": ("telemetry.parameters", has(parameters=["temperature"]), "no sequence of"),
    "raises": ("telemetry.parameters", UnreadableParameters, "raised KeyError"),
    "learned": ("telemetry.parameters", Learning, "learns=True"),
    "twice": ("telemetry.names", names(NUMBER, NUMBER), "two parameters are called 'a'"),
    "t": ("telemetry.names", names(Parameter("t")), "the server's own"),
    "late": ("telemetry.names", names(Parameter("late")), "the server's own"),
    "nameless": ("telemetry.names", names(Parameter("")), "empty"),
    "kind": ("telemetry.kinds", names(Parameter("a", kind="float")), "'float'"),  # type: ignore[arg-type] # so it is
    "limited-text": (
        "telemetry.limits",
        names(Parameter("a", kind="text", limits=Limits((1, 2)))),
        "kind text and has limits",
    ),
    "upside-down": (
        "telemetry.limits",
        names(Parameter("a", limits=Limits((2, 1)))),
        "low above high",
    ),
    "red-inside": (
        "telemetry.red",
        names(Parameter("a", limits=Limits((0, 10), (1, None)))),
        "inside yellow",
    ),
    "no-yield": ("telemetry.samples", Forgotten, "`async def` with `yield`"),
    "dicts": ("telemetry.samples", Dicts, "no Sample"),
    "empty": ("telemetry.samples", Empty, "ended without a sample"),
    "silent": ("telemetry.samples", Silent, "no sample came in"),
    "uptime": ("telemetry.time", has(t=lambda _: 12_345.6), "time.monotonic"),
    "milliseconds": ("telemetry.time", has(t=lambda _: time.time() * 1000), "milliseconds"),
    "nan": ("telemetry.time", has(t=lambda _: float("nan")), "nan"),
    "date": ("telemetry.time", has(t=lambda _: "2026-11-22"), "no number"),
    "unknown": ("telemetry.values", has(values={"speed": 1}), "not in the dictionary"),
    "true": ("telemetry.values", has(values={"temperature": True}), "True, a bool"),
    "numpy": ("telemetry.values", has(values={"count": np.int64(1)}), "a int64"),
    "float": ("telemetry.values", has(values={"count": 1.0}), "1.0, a float"),
    "surrogate": ("telemetry.values", has(values={"name": "\ud800"}), "surrogate"),
    "part": ("telemetry.values", has(values={"place": {"x": "1"}}), "'x' is '1', a str"),
    "values": ("telemetry.values", has(values=[1.0]), "no mapping"),
    "busy": ("telemetry.restart", StaysBusy, "called anew, and raised .*has the port open"),
    "once": ("telemetry.restart", OnlyOnce, "called anew"),
    "too-slow": ("telemetry.period", has(period_s=1e-6, pause_s=2.1), "called stale"),
    "too-fast": ("telemetry.period", has(period_s=60.0), "too late"),
    "no-period": ("telemetry.period", has(period_s=0), "above 0"),
    "stubborn": ("source.cancel", Stubborn, "still ran"),
    "long-goodbye": ("source.cancel", LongGoodbye, "still ran"),
    "excuse": ("source.cancel", Excuse, "instead; let"),
    "task": ("source.cleanup", LeavesTask, r"LeavesTask\.poll"),
    "socket": ("source.cleanup", LeavesSocket, "each time a file, socket or pipe"),
    "task-at-exit": ("source.cleanup", LeavesAtExit, "the source was exited, and .*sleep_forever"),
    "blocking": ("source.blocking", Blocking, "stood still for 0.* tolerated"),
    "often-blocking": (
        "source.blocking",
        type("OftenBlocking", (Blocking,), {"block_s": 0.1}),
        "out of",
    ),
    "oserror": ("source.errors", Dead, "raised OSError.*wrap it"),
    "wont-open": ("source.errors", WontOpen, "__aenter__ raised FileNotFoundError"),
    "wont-close": ("source.life", WontClose, "__aexit__ raised OSError"),
    "crashing": ("source.life", Crashing, "__aexit__ raised ExceptionGroup.*No such device"),
    "half-a-life": ("source.life", HalfALife, "lacks the other"),
    "not-gone": ("telemetry.unreachable", Thermometer, "raised no SourceError"),
    "gone-without-a-word": ("telemetry.unreachable", GoneWithoutAWord, "without a text"),
}


@pytest.mark.parametrize("make", [Thermometer, Device])
async def test_a_good_source_passes(make: Callable[[], Any]) -> None:
    await check_telemetry(make(), unreachable=Gone())


async def test_a_source_that_learns_its_dictionary_passes_if_that_is_said() -> None:
    await check_telemetry(Learning(), learns=True)


@pytest.mark.parametrize(("clause", "make", "words"), TELEMETRY.values(), ids=TELEMETRY)
async def test_a_bad_source_is_told_its_clause(
    clause: str, make: Callable[[], Any], words: str
) -> None:
    if clause == "telemetry.unreachable":
        check = partial(check_telemetry, Thermometer(), unreachable=make(), timeout_s=0.2)
    else:
        patience_s = 5.0 if clause == "telemetry.period" else 0.5
        check = partial(check_telemetry, make(), timeout_s=patience_s, samples=2)
    await broken_by(check, clause, words)


async def test_a_machine_that_cannot_be_read_is_told_in_the_sources_words() -> None:
    with pytest.raises(SourceError, match="plug it in"):
        await check_telemetry(Gone())


async def test_a_feed_that_fails_is_told() -> None:
    async def feed() -> None:
        raise ConnectionRefusedError("no emulator")

    with pytest.raises(ConnectionRefusedError, match="no emulator"):
        await check_telemetry(Silent(), feed=feed, timeout_s=0.1)


# --------------------------------------------------------------------------------- camera

DATA = bytes(range(256)) * 8
START_S = 1_790_000_000.0


class Album:
    """A good camera, of which the bad ones change one thing: `arrive` has a picture arrive."""

    digest = True
    slack_s = 0.02

    def __init__(self) -> None:
        self.held: dict[str, Image] = {}
        self.data: dict[str, bytes] = {}
        self.queues: list[list[str]] = []
        self.changed = Event()
        self.put("p1", DATA, complete=True)

    async def arrive(self) -> None:
        for end in (100, 1000, len(DATA)):
            self.put("p2", DATA[:end], complete=end == len(DATA))
            await sleep(self.slack_s)

    def put(self, image_id: str, data: bytes, *, complete: bool) -> None:
        if image_id not in self.held:
            for queue in self.queues:
                queue.append(image_id)
        image = Image(
            image_id,
            "image/png",
            size=len(DATA),
            received=len(data),
            complete=complete,
            revision="1",
            taken_at=START_S + float(image_id[1:]),
            received_at=START_S + float(image_id[1:]),
            sha256=sha256(DATA).hexdigest() if self.digest else None,
        )
        self.data[image_id] = data
        self.held[image_id] = self.described(image)
        changed, self.changed = self.changed, Event()
        changed.set()

    def described(self, image: Image) -> Image:
        return image

    async def images(self) -> Sequence[Image]:
        return list(reversed(self.held.values()))

    async def image(self, image_id: str) -> Image | None:
        return self.held.get(image_id)

    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        if image_id not in self.held:
            raise UnknownImage(image_id)
        while True:
            changed = self.changed
            if chunk := self.data[image_id][start : start + 500]:
                start += len(chunk)
                yield chunk
            elif self.held[image_id].complete:
                return
            else:
                await changed.wait()

    def new(self) -> AsyncIterator[str]:
        queue = [image.id for image in self.held.values() if not image.complete]
        self.queues = [queue]
        return self.announce(queue)

    async def announce(self, queue: list[str]) -> AsyncIterator[str]:
        while True:
            changed = self.changed
            while queue:
                yield queue.pop(0)
            await changed.wait()


def says(**attributes: Any) -> Callable[[], Album]:
    """An album whose pictures say something else of themselves."""
    return type("Saying", (Album,), {"described": lambda _, image: replace(image, **attributes)})


def does(**methods: Any) -> Callable[[], Album]:
    return type("Doing", (Album,), methods)


async def nothing_held(_: Album) -> Sequence[Image]:
    return []


async def names_only(self: Album) -> Any:
    return list(self.held)


async def oldest_first(self: Album) -> Sequence[Image]:
    return list(self.held.values())


async def twice(self: Album) -> Sequence[Image]:
    return [*self.held.values(), *self.held.values()]


async def by_chance(self: Album, image_id: str) -> Image | None:
    return self.held["p1"]


async def by_index(self: Album, image_id: str) -> Image | None:
    return self.held[image_id]


async def never_there(self: Album, image_id: str) -> Image | None:
    return None


async def another(self: Album, image_id: str) -> Image | None:
    image = self.held.get(image_id)
    return image and replace(image, width=7)


class NoUnknown(Album):
    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        if image_id in self.held:
            async for chunk in super().open(image_id, start):
                yield chunk


class Chunky(Album):
    """Yields its chunks changed in some way."""

    def chunk(self, chunk: bytes) -> bytes:
        return chunk

    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        async for chunk in super().open(image_id, start):
            yield self.chunk(chunk)


class EmptyChunk(Chunky):
    def chunk(self, chunk: bytes) -> bytes:
        return b""


class LargeChunk(Chunky):
    def chunk(self, chunk: bytes) -> bytes:
        return bytes(2**20 + 1)


class ShortChunk(Chunky):
    def chunk(self, chunk: bytes) -> bytes:
        return chunk[:-1] or chunk


class OtherBytes(Chunky):
    def chunk(self, chunk: bytes) -> bytes:
        return bytes(len(chunk))


class FreshNoise(Album):
    """Has other bytes whenever nobody has looked for a while."""

    digest = False
    readers = 0
    noise = 0

    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        self.readers += 1
        try:
            async for chunk in super().open(image_id, start):
                yield bytes([self.noise]) * len(chunk)
        finally:
            self.readers -= 1
            self.noise += not self.readers


class FromTheStart(Album):
    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        async for chunk in super().open(image_id):
            yield chunk


class EndsEarly(Album):
    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        if image_id not in self.held:
            raise UnknownImage(image_id)
        if chunk := self.data[image_id][start:]:
            yield chunk


class OnePosition(Album):
    """All readers of a picture take from the same place."""

    digest = False

    def __init__(self) -> None:
        super().__init__()
        self.reading: dict[str, int] = {}

    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        color = len(self.reading) if image_id == "p2" else 0
        self.reading[f"{image_id}-{color}"] = 1
        async for chunk in super().open(image_id, start):
            yield bytes([color]) * len(chunk)


class ForgetsNew(Album):
    async def announce(self, queue: list[str]) -> AsyncIterator[str]:
        await sleep_forever()
        yield ""


class LateListener(Album):
    async def new(self) -> AsyncIterator[str]:
        async for image_id in super().new():
            if self.held[image_id].received > 100:
                yield image_id


class Completes(Album):
    """Tells only of what begins after the call."""

    def new(self) -> AsyncIterator[str]:
        self.queues = [[]]
        return self.announce(self.queues[0])


class Images(Album):
    async def announce(self, queue: list[str]) -> AsyncIterator[Any]:
        async for image_id in super().announce(queue):
            yield self.held[image_id]
            yield image_id


class Shrinks(Album):
    async def arrive(self) -> None:
        self.put("p2", DATA[:1000], complete=False)
        await sleep(0.1)
        self.put("p2", DATA[:100], complete=False)
        await sleep(0.1)
        self.put("p2", DATA, complete=True)


class NewRevisions(Album):
    slack_s = 0.1

    def described(self, image: Image) -> Image:
        return replace(image, revision=str(image.received))


class NoFile(Album):
    def described(self, image: Image) -> Image:
        return replace(image, path=Path("/no/such/file")) if image.complete else image


class NeverComplete(Album):
    def described(self, image: Image) -> Image:
        return image if image.id == "p1" else replace(image, complete=False)

    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        async for chunk in super().open(image_id, start):
            yield chunk
            start += len(chunk)
            if start == len(DATA):
                return


class NothingArrives(Album):
    async def arrive(self) -> None:
        return


class Breaks(Album):
    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        async for chunk in super().open(image_id, start):
            yield chunk
            raise ImageBroken(image_id, "the link went down")


class Hangs(Album):
    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        async for chunk in super().open(image_id, start):
            yield chunk
        await sleep_forever()


CAMERA: Bad = {
    "names": ("camera.listed", does(images=names_only), "sequence of Images"),
    "nothing-arrives": ("camera.listed", NothingArrives, "no picture began to arrive"),
    "oldest-first": ("camera.newest", does(images=oldest_first), "neither by taken_at nor"),
    "twice": ("camera.ids", does(images=twice), "several pictures have the id p1"),
    "dots": ("camera.ids", says(id=".."), "cannot be an id"),
    "long-id": ("camera.ids", says(id="x" * 201), "cannot be an id"),
    "no-id": ("camera.ids", says(id=""), "empty"),
    "type": ("camera.value", says(content_type="png"), "content type"),
    "header": ("camera.value", says(content_type="image/png\r\nX: y"), "content type"),
    "width": ("camera.value", says(width=0), "width"),
    "taken": ("camera.value", says(taken_at=12.5), "time.monotonic"),
    "metadata": ("camera.value", says(metadata={"where": Path()}), "'where' is a PosixPath"),
    "shrinks": ("camera.value", Shrinks, "1,000 bytes had arrived, and later 100"),
    "more-to-come": ("camera.complete", says(size=10**6), "2048 bytes of 1000000"),
    "never": ("camera.complete", NeverComplete, "open.* ended, and the picture is not complete"),
    "upper-hex": ("camera.sha256", says(sha256="A" * 64), "'AAAA"),
    "other-bytes": ("camera.sha256", OtherBytes, "another SHA-256"),
    "no-file": ("camera.path", NoFile, "does not hold"),
    "no-path": ("camera.path", says(path="p1.png"), "path of"),
    "by-chance": ("camera.any-id", does(image=by_chance), "which images\\(\\) lacks"),
    "by-index": ("camera.any-id", does(image=by_index), "KeyError"),
    "never-there": ("camera.lookup", does(image=never_there), "image\\(\\) gives None"),
    "another": ("camera.lookup", does(image=another), "width=7"),
    "no-unknown": ("camera.unknown", NoUnknown, "raised nothing; raise UnknownImage"),
    "empty-chunk": ("camera.chunks", EmptyChunk, "chunk of 0 bytes"),
    "large-chunk": ("camera.chunks", LargeChunk, "chunk of 1,048,577 bytes"),
    "short": ("camera.whole", ShortChunk, "and ended; its size is 2048"),
    "hangs": ("camera.whole", Hangs, "had not ended after"),
    "from-the-start": ("camera.start", FromTheStart, "open\\('p2', 1\\) yielded something else"),
    "ends-early": ("camera.complete", EndsEarly, "ended, and the picture is not complete"),
    "one-position": ("camera.readers", OnePosition, "two readers of 'p2'"),
    "revisions": ("camera.revision", NewRevisions, "changed while it arrived"),
    "noise": ("camera.revision", FreshNoise, "the same revision"),
    "images": ("camera.new", Images, "which is no id"),
    "forgets": ("camera.new-from", ForgetsNew, "new\\(\\) did not yield it"),
    "late": ("camera.new-from", LateListener, "after new\\(\\) was called"),
    "arriving": ("camera.arriving", Completes, "was arriving when"),
}


async def test_a_good_camera_passes() -> None:
    camera = Album()
    await check_camera(camera, arrive=camera.arrive)


@pytest.mark.parametrize(("clause", "make", "words"), CAMERA.values(), ids=CAMERA)
async def test_a_bad_camera_is_told_its_clause(
    clause: str, make: Callable[[], Any], words: str
) -> None:
    camera = make()
    check = partial(check_camera, camera, arrive=camera.arrive, timeout_s=0.7)
    await broken_by(check, clause, words)


async def test_a_picture_that_breaks_off_is_told_in_the_cameras_words() -> None:
    camera = Breaks()
    with pytest.raises(ImageBroken, match="the link went down"):
        await check_camera(camera, arrive=camera.arrive)


async def test_a_camera_that_waits_for_pictures_is_told_how_to_get_one() -> None:
    with pytest.raises(ContractBroken, match="arrive="):
        await check_camera(Album(), timeout_s=0.1)


# ------------------------------------------------------------------------------- commands


class Checker:
    """A good validator, of which the bad ones change one thing: files of `go` lines are good."""

    steps: Sequence[Step] = (Step("read", "Reading"), Step("look", "Looking"))

    def finding(self, line: int) -> Finding:
        return Finding(Severity.ERROR, "look.word", "no go", line=line, column=1, step="look")

    def verdict(self, verdict: Verdict) -> Verdict:
        return verdict

    async def validate(self, path: Path) -> AsyncIterator[Progress | Finding | Verdict]:
        yield Progress("read", 0, "Reading")
        try:
            data = await to_thread.run_sync(path.read_bytes)
        except OSError as exc:
            raise SourceError(f"{path} cannot be read: {exc.strerror}") from exc
        yield Progress("look", 0.5, "Looking")
        wrong = [n for n, line in enumerate(data.split(b"\n"), 1) if line not in (b"go", b"")]
        wrong = wrong[:10] if data else [1]
        for line in wrong:
            yield self.finding(line)
        yield Progress("look", 1, "Looked")
        yield self.verdict(Verdict(not wrong, len(wrong), 0, "looked at", {"bytes": len(data)}))


def judges(**changes: Any) -> Callable[[], Checker]:
    return type("Judge", (Checker,), {"verdict": lambda _, verdict: replace(verdict, **changes)})


def finds(**changes: Any) -> Callable[[], Checker]:
    def finding(self: Checker, line: int) -> Finding:
        return replace(Checker.finding(self, line), **changes)

    return type("Finder", (Checker,), {"finding": finding})


class Changed(Checker):
    """Yields other reports than the good one."""

    def report(self, report: Any) -> list[Any]:
        return [report]

    async def validate(self, path: Path) -> AsyncIterator[Any]:
        async for report in super().validate(path):
            for changed in self.report(report):
                yield changed


def tells(report: Callable[[Any], list[Any]]) -> Callable[[], Checker]:
    return type("Teller", (Changed,), {"report": lambda _, one: report(one)})


def progress(**changes: Any) -> Callable[[], Checker]:
    return tells(lambda one: [replace(one, **changes) if isinstance(one, Progress) else one])


class OtherSteps(Checker):
    checks = 0

    @property
    def steps(self) -> Sequence[Step]:  # type: ignore[override] # what is wrong with it
        return [*Checker.steps, Step(f"more-{self.checks}", "More")]

    async def validate(self, path: Path) -> AsyncIterator[Progress | Finding | Verdict]:
        self.checks += 1
        async for report in super().validate(path):
            yield report


class Raising(Checker):
    async def validate(self, path: Path) -> AsyncIterator[Progress | Finding | Verdict]:
        (await to_thread.run_sync(path.read_bytes)).decode()
        async for report in super().validate(path):
            yield report


class AcceptsEmpty(Checker):
    async def validate(self, path: Path) -> AsyncIterator[Progress | Finding | Verdict]:
        async for report in super().validate(path):
            if (await to_thread.run_sync(path.read_bytes)) or isinstance(report, Progress):
                yield report
            elif isinstance(report, Verdict):
                yield Verdict(True, 0, 0, "nothing to do")


class OneAtATime(Checker):
    """Keeps what it works on where the next check finds it."""

    async def validate(self, path: Path) -> AsyncIterator[Progress | Finding | Verdict]:
        self.path = path
        yield Progress("read", 0, "Reading")
        await sleep(0.01)
        async for report in super().validate(self.path):
            yield report


class Normalising(Checker):
    async def validate(self, path: Path) -> AsyncIterator[Progress | Finding | Verdict]:
        async for report in super().validate(path):
            yield report
        await to_thread.run_sync(path.write_bytes, b"go\n")


class LeavesLog(Checker):
    async def validate(self, path: Path) -> AsyncIterator[Progress | Finding | Verdict]:
        async for report in super().validate(path):
            yield report
        await to_thread.run_sync(path.with_suffix(".log").write_text, "looked")


class NeedsNoFile(Checker):
    async def validate(self, path: Path) -> AsyncIterator[Progress | Finding | Verdict]:
        if path.exists():  # noqa: ASYNC240 # of a bad source
            async for report in super().validate(path):
                yield report
        else:
            yield Verdict(False, 1, 0, "no file")


COMMANDS: Bad = {
    "no-steps": ("commands.steps", type("None", (Checker,), {"steps": []}), "sequence of Steps"),
    "other-steps": ("commands.steps", OtherSteps, "others after some checks"),
    "same-steps": (
        "commands.step",
        type("Same", (Checker,), {"steps": [Step("look", "A"), Step("look", "B")]}),
        "share a name",
    ),
    "step": ("commands.step", progress(step="guess"), "that `steps` lacks"),
    "finding-step": ("commands.step", finds(step="guess"), "that `steps` lacks"),
    "no-verdict": (
        "commands.verdict",
        tells(lambda one: [] if isinstance(one, Verdict) else [one]),
        "0 verdicts",
    ),
    "two-verdicts": (
        "commands.verdict",
        tells(lambda one: [one, one] if isinstance(one, Verdict) else [one]),
        "2 verdicts",
    ),
    "talks-on": (
        "commands.verdict",
        tells(lambda one: [one, Progress("look", 1, "and so on")]),
        "ended with Progress",
    ),
    "strings": ("commands.verdict", tells(lambda one: ["checking", one]), "yielded 'checking'"),
    "percent": ("commands.fraction", progress(fraction=50), "not from 0 to 1"),
    "nan": ("commands.fraction", progress(fraction=float("nan")), "not from 0 to 1"),
    "backwards": (
        "commands.fraction",
        tells(
            lambda one: [
                replace(one, fraction=1 - one.fraction) if isinstance(one, Progress) else one
            ]
        ),
        "after the fraction 1",
    ),
    "severity": ("commands.finding", finds(severity="fatal"), "no Severity"),
    "no-code": ("commands.finding", finds(code=""), "empty"),
    "line-0": ("commands.place", finds(line=0), "from 1"),
    "no-line": ("commands.place", finds(line=None), "a column, but no line"),
    "miscounted": ("commands.counts", judges(errors=0), "counts 0 errors"),
    "strict": ("commands.counts", judges(accepted=False), "only errors reject"),
    "all-good": (
        "commands.accepted",
        tells(
            lambda one: (
                [Verdict(True, 0, 0, "fine")]
                if isinstance(one, Verdict)
                else [one] * isinstance(one, Progress)
            )
        ),
        "bad file was accepted",
    ),
    "silent-detail": ("commands.outcome", judges(detail=""), "empty"),
    "raising": ("commands.outcome", Raising, "raised UnicodeDecodeError"),
    "summary": ("commands.summary", judges(summary={"when": Path()}), "'when' is a PosixPath"),
    "artifact": ("commands.artifact", judges(artifact="text"), "is a str"),
    "huge": ("commands.artifact", judges(artifact=bytes(2**25)), "33,554,432 bytes"),
    "empty": ("commands.anything", AcceptsEmpty, "an empty file was accepted"),
    "no-finding": (
        "commands.anything",
        tells(lambda one: [one] * (not isinstance(one, Finding))),
        "no finding of an error",
    ),
    "one-at-a-time": ("commands.at-once", OneAtATime, "beside others"),
    "normalising": ("commands.unchanged", Normalising, "changed or removed"),
    "log": ("commands.unchanged", LeavesLog, r"left .*\.log"),
    "no-file": ("commands.unchecked", NeedsNoFile, "raise a SourceError"),
}


async def test_a_good_validator_passes() -> None:
    await check_commands(Checker(), good=b"go\ngo\n", bad=b"go\nstop\n")


@pytest.mark.parametrize(("clause", "make", "words"), COMMANDS.values(), ids=COMMANDS)
async def test_a_bad_validator_is_told_its_clause(
    clause: str, make: Callable[[], Any], words: str
) -> None:
    check = partial(check_commands, make(), good=b"go\n", bad=b"stop\n", timeout_s=2)
    await broken_by(check, clause, words)
