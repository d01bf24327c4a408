"""Sources by URL: schemes, factories, options, and the error for each mistake."""

from __future__ import annotations

import importlib
import itertools
import logging
from typing import TYPE_CHECKING, Any

import pytest

from sources.base import SourceError
from sources.registry import SCHEMES, Scheme, SourceKind, SourceSettingError, open_source
from sources.registry.schemes import Schemes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Install = Callable[..., str]

MODULE_HEAD = """
from __future__ import annotations
import functools
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Optional
from sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

class Source:
    parameters = ()
    def samples(self):
        raise NotImplementedError
"""

_numbers = itertools.count()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """A function that writes a module with the given code, and returns its name."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(code: str, head: str = MODULE_HEAD) -> str:
        name = f"own_source_{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text(head + code)
        importlib.invalidate_caches()
        return name

    return write


@pytest.fixture
def add_entry_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that installs a package with entry points, as `pip` does."""
    monkeypatch.syspath_prepend(tmp_path)

    def add(package: str = "own-drivers", **points: str) -> None:
        lines = (f"{name.replace('__', '.')} = {value}" for name, value in points.items())
        folder = tmp_path / f"{package.replace('-', '_')}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text("\n".join(["[rover.sources]", *lines]))
        importlib.invalidate_caches()

    return add


def refused(url: str, kind: SourceKind = "telemetry") -> SourceSettingError:
    with pytest.raises(SourceSettingError) as caught:
        open_source(kind, url)
    assert str(caught.value).startswith(f"{caught.value.setting}=")
    return caught.value


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, known in SCHEMES.items() for name in known]
)
def test_every_shipped_scheme_can_be_imported(kind: SourceKind, name: str) -> None:
    module, _, attribute = SCHEMES[kind][name].factory.partition(":")
    assert callable(getattr(importlib.import_module(module), attribute))


@pytest.mark.parametrize(
    "written", ["odd%20%25%3F%23.csv", "odd %25%3F#.csv"], ids=["encoded", "as little as possible"]
)
def test_a_path_is_percent_decoded(tmp_path: Path, written: str) -> None:
    (tmp_path / "odd %?#.csv").write_text("t,speed\n0,1\n1,2\n")
    source = open_source("telemetry", f"replay:{tmp_path}/{written}?speed=4")
    assert [p.name for p in source.parameters] == ["t_recorded", "speed"]
    assert source.period_s == 0.25  # type: ignore[attr-defined]  # a replay is Paced


def test_a_scheme_may_be_in_capitals(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    source = open_source("telemetry", f"REPLAY:{tmp_path}/a.csv?rate_hz=1")
    assert [p.name for p in source.parameters] == ["a"]


CONVERSIONS = """
class Mode(StrEnum):
    FAST = "fast"

def make(text: str = "", number: float = 0, count: int = 0, flag: bool = False, path: Path = Path(),
         choice: Literal["a", 1] = "a", mode: Mode = Mode.FAST, maybe: Optional[int] = 3,
         either: int | str = 0, marked: Annotated[float, "m"] = 0, bare=None, *,
         only: bool = True, clock: Callable[[], float] | None = None):
    source = Source()
    source.given = dict(locals())
    return source
"""


@pytest.mark.parametrize(
    ("query", "name", "value"),
    [
        ("text=a+b%26c=d", "text", "a+b&c=d"),
        ("text=", "text", ""),
        ("number=2.5e3", "number", 2500.0),
        ("count=-7", "count", -7),
        *((f"flag={word}", "flag", True) for word in ("true", "1", "yes", "on", "True")),
        *((f"flag={word}", "flag", False) for word in ("false", "0", "no", "off")),
        ("choice=1", "choice", 1),
        ("mode=fast", "mode", "fast"),
        ("maybe=none", "maybe", None),
        ("maybe=4", "maybe", 4),
        ("either=4", "either", 4),
        ("either=four", "either", "four"),
        ("marked=1.5", "marked", 1.5),
        ("bare=x", "bare", "x"),
        ("only=off", "only", False),
        ("&only=off&", "only", False),
    ],
)
def test_options_are_converted_to_the_annotated_types(
    install: Install, query: str, name: str, value: object
) -> None:
    source: Any = open_source("telemetry", f"{install(CONVERSIONS)}:make?{query}")
    assert source.given[name] == value
    assert type(source.given[name]) is type(value) or name == "mode"


def test_a_path_option_is_a_path(install: Install, tmp_path: Path) -> None:
    source: Any = open_source("telemetry", f"{install(CONVERSIONS)}:make?path={tmp_path}/a b")
    assert source.given["path"] == tmp_path / "a b"


@pytest.mark.parametrize(
    "code",
    [
        "class make(Source):\n    def __init__(self, rate: int): self.rate = rate",
        "class Nest:\n    @staticmethod\n    def make(rate: int):\n        s = Source()\n"
        "        s.rate = rate\n        return s\nmake = Nest.make",
        "def two(a, rate: int):\n    s = Source(); s.rate = rate\n    return s\n"
        "make = functools.partial(two, 1)",
        "class Call:\n    def __call__(self, rate: int):\n        s = Source(); s.rate = rate\n"
        "        return s\nmake = Call()",
        "import dataclasses\n@dataclasses.dataclass\nclass make(Source):\n    rate: int",
    ],
    ids=["class", "static method", "partial", "callable object", "dataclass"],
)
def test_a_factory_may_be_any_callable(install: Install, code: str) -> None:
    source: Any = open_source("telemetry", f"{install(code)}:make?rate=5")
    assert source.rate == 5


def test_a_factory_may_take_any_options(install: Install) -> None:
    code = "def make(**options):\n    s = Source(); s.given = options\n    return s"
    source: Any = open_source("telemetry", f"{install(code)}:make?a=1&b=two")
    assert source.given == {"a": "1", "b": "two"}


def test_an_attribute_may_be_dotted(install: Install) -> None:
    code = "class Nest:\n    Inner = Source"
    assert type(open_source("telemetry", f"{install(code)}:Nest.Inner")).__name__ == "Source"


def test_checking_for_a_property_does_not_run_it(install: Install) -> None:
    code = """
class make:
    @property
    def parameters(self): raise RuntimeError("not connected yet")
    def samples(self): ...
"""
    assert type(open_source("telemetry", f"{install(code)}:make")).__name__ == "make"


@pytest.mark.parametrize(
    ("rest", "given"),
    [
        ("", ()),
        ("a%20b/c", ("a b/c",)),
        ("//host:502/unit%201", ("added://host:502/unit%201",)),
    ],
)
def test_an_entry_point_adds_a_scheme(
    install: Install, add_entry_points: Callable[..., None], rest: str, given: tuple[str, ...]
) -> None:
    code = "def make(*place, qos: int = 0):\n    s = Source(); s.given = place, qos\n    return s"
    add_entry_points(telemetry__added=f"{install(code)}:make")
    source: Any = open_source("telemetry", f"added:{rest}?qos=2")
    assert source.given == (given, 2)


def test_a_factory_without_a_path_refuses_one(
    install: Install, add_entry_points: Callable[..., None]
) -> None:
    add_entry_points(telemetry__added=f"{install('def make(*, qos=0): return Source()')}:make")
    assert "'x'" in refused("added:x").hint


def test_an_entry_point_adds_a_scheme_only_for_its_kind(
    add_entry_points: Callable[..., None],
) -> None:
    add_entry_points(camera__added="nowhere:make")
    assert "added:" not in refused("added:").reason
    assert "added:" in refused("ad:", "camera").reason


def test_an_entry_point_cannot_replace_a_shipped_scheme(
    add_entry_points: Callable[..., None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    add_entry_points(telemetry__replay="nowhere:make")
    with caplog.at_level(logging.WARNING):
        source = open_source("telemetry", f"replay:{tmp_path}/a.csv?rate_hz=1")
    assert [p.name for p in source.parameters] == ["a"]
    assert "replay:" in caplog.text
    assert "own-drivers (nowhere:make)" in caplog.text


def test_a_scheme_of_two_packages_is_refused_with_both_names(
    add_entry_points: Callable[..., None],
) -> None:
    add_entry_points("drivers-one", telemetry__x="one:make")
    add_entry_points("drivers-two", telemetry__x="two:make")
    reason = refused("x:").reason
    assert "drivers-one (one:make)" in reason
    assert "drivers-two (two:make)" in reason


def test_an_error_has_setting_kind_url_reason_and_hint() -> None:
    error = refused("reply:x.csv")
    assert isinstance(error, SourceError)
    assert (error.setting, error.kind, error.url) == ("ROVER_TELEMETRY", "telemetry", "reply:x.csv")
    assert (error.reason, error.hint) == (
        "must start with one of host:, mavlink:, mqtt:, mqtts:, none:, push:, replay:, serial:,"
        " sim:, tcp:, tcp-listen:, udp:, ws:, wss: or your own package.module:factory",
        "did you mean replay:?",
    )
    assert str(error) == f"ROVER_TELEMETRY=reply:x.csv: {error.reason}; {error.hint}"


def test_the_error_names_the_given_setting() -> None:
    with pytest.raises(SourceSettingError, match=r"^--camera=x: "):
        open_source("camera", "x", "--camera")


@pytest.mark.parametrize(
    ("kind", "url", "facts"),
    [
        (
            "telemetry",
            "",
            ["host:, mavlink:, mqtt:, mqtts:, none:, push:, replay:, "],
        ),
        ("telemetry", "  ", ["host:, mavlink:, mqtt:", "package.module:factory"]),
        ("telemetry", "/data/drive.csv", ["host:, mavlink:, mqtt:", "package.module:factory"]),
        ("telemetry", "sim", ["did you mean sim:?"]),
        ("telemetry", ":x", ["host:, mavlink:, mqtt:"]),
        ("telemetry", "sim:earth", ["sim: takes no path"]),
        ("telemetry", "replay:", ["replay:some/path"]),
        ("telemetry", "dir:x", ["dir: ", "ROVER_CAMERA"]),
        ("telemetry", "my-thing:x", ["host:, mavlink:, mqtt:"]),
        ("telemetry", "replay:/no/where.csv", ["/no/where.csv cannot be read: No such file"]),
        ("telemetry", "replay:x?speed", ["speed: "]),
        ("telemetry", "replay:x?speed=1&speed=2", ["speed: ", "twice"]),
        ("telemetry", "replay:x?speed=fast", ["speed=fast: must be a number"]),
        ("telemetry", "replay:x?loop=maybe", ["loop=maybe: must be true or false"]),
        ("telemetry", "replay:x?decimal=x", ["decimal=x: must be one of ., ,"]),
        ("telemetry", "replay:x?sped=1", ["sped=1: ", "did you mean speed?", "speed, loop, time,"]),
        ("telemetry", "replay:x?clock=1", ["clock=1: "]),
        ("telemetry", "replay:x?path=y", ["path=y: ", "speed, loop, time,"]),
        ("telemetry", "json:", ["json:factory"]),
        ("telemetry", "no.such.module:make", ["'no'"]),
        ("telemetry", "json.nothing:make", ["'json.nothing'"]),
        ("telemetry", "json:dump_", ["json", "'dump_'", "did you mean dump?"]),
        ("telemetry", "json:decoder.x.y", ["json", "'decoder.x.y'"]),
        ("telemetry", "math:pi", ["math:pi", "float"]),
        ("telemetry", "builtins:dict?x=1", ["dict", "parameters, samples"]),
        ("camera", "json:JSONDecoder", ["JSONDecoder", "images, image, open, new"]),
        ("commands", "json:JSONDecoder", ["JSONDecoder", "steps, validate"]),
    ],
)
def test_the_error_for_a_wrong_url_names_the_cause(
    kind: SourceKind, url: str, facts: list[str]
) -> None:
    text = str(refused(url, kind))
    for fact in facts:
        assert fact in text


def test_an_injected_clock_is_not_offered_as_an_option() -> None:
    assert "clock" not in refused("replay:x?sped=1").hint


@pytest.mark.parametrize(
    ("code", "query", "facts"),
    [
        ("def make(host, port: int): ...", "", ["host, port: ", "?host=…&port=…"]),
        ("def make(): ...", "?a=1", ["a=1: "]),
        ("def make(x: list[int]): ...", "?x=1", ["x=1: "]),
        ("def make(x: Missing): ...", "?x=1", ["x=1: "]),
        ("def make(x: int | None): ...", "?x=y", ["x=y: must be a whole number"]),
        ("def make(): raise SourceError('no serial port')", "", [": no serial port"]),
        ("def make(): raise KeyError('port')", "", ["KeyError: 'port'"]),
        ("def make(): import no_such_thing", "", ["ModuleNotFoundError", "no_such_thing"]),
        ("async def make(): ...", "", ["async", "__aenter__"]),
        ("def make(): return None", "", ["NoneType", "parameters, samples"]),
        ("import no_such_thing", "", ["ModuleNotFoundError", "no_such_thing"]),
        ("from json import no_such_name", "", ["ImportError", "no_such_name"]),
        ("1 / 0", "", ["ZeroDivisionError: division by zero"]),
        ("1 +", "", ["SyntaxError"]),
        ("raise SystemExit(3)", "", ["SystemExit: 3"]),
        ("def make(): raise SystemExit(3)", "", ["SystemExit: 3"]),
        ("def make(): raise BaseExceptionGroup('g', [KeyError(1)])", "", ["KeyError: 1"]),
    ],
)
def test_the_error_for_a_broken_factory_names_the_cause(
    install: Install, code: str, query: str, facts: list[str]
) -> None:
    text = str(refused(f"{install(code)}:make{query}"))
    for fact in facts:
        assert fact in text


def test_the_error_of_a_factory_is_the_cause(install: Install) -> None:
    error = refused(f"{install('def make(): raise KeyError(1)')}:make")
    assert isinstance(error.__cause__, KeyError)


@pytest.mark.parametrize(
    "code", ["import no_such_thing", "def make():\n    import no_such_thing"], ids=["top", "later"]
)
def test_the_error_for_a_missing_extra_names_the_install_command(
    install: Install, code: str
) -> None:
    scheme = Scheme(f"{install(code)}:make", extra="mqtt")
    schemes = Schemes({"telemetry": {"mqtt": scheme}})
    with pytest.raises(SourceSettingError) as caught:
        open_source("telemetry", "mqtt:", schemes=schemes)
    error = caught.value
    assert error.hint == "pip install 'cosmic-rover[mqtt]'"
    assert "no_such_thing" in error.reason


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("amqp://bob:hunter2@host/x?qos=1", "amqp://bob:…@host/x?qos=1"),
        ("x:?api_token=hunter2&a=1", "x:?api_token=…&a=1"),
    ],
)
def test_secrets_are_not_in_messages(url: str, shown: str) -> None:
    error = refused(url)
    assert shown in str(error)
    assert "hunter2" not in str(error)
