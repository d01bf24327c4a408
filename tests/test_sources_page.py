"""The examples in docs/sources.md work, and keep the contract."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from anyio import BrokenResourceError, create_tcp_listener, sleep
from anyio.abc import SocketAttribute

from rover.testing import ContractBroken, check_telemetry
from rover.testing.samples import check_sample
from sources.base import Sample
from sources.registry import open_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anyio.abc import SocketStream

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both event loops that the server runs on."""
    return "asyncio", {"use_uvloop": request.param}


def blocks(language: str) -> list[str]:
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return found


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the page, and its package as if it were installed there."""
    folder = tmp_path_factory.mktemp("examples")
    for block in blocks("python"):
        name = re.match(r"# (\w+\.py)\n", block)
        assert name, f"this block must begin with the name of its file:\n{block}"
        assert not (folder / name[1]).exists()
        (folder / name[1]).write_text(block, encoding="utf-8")
    (package,) = (tomllib.loads(block) for block in blocks("toml"))
    project = package["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    (info / "entry_points.txt").write_text(
        "\n".join(
            f"[{group}]\n" + "\n".join(f"{name} = {value}" for name, value in points.items())
            for group, points in project["entry-points"].items()
        )
    )
    return folder


@pytest.fixture
def importable(examples: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(examples)
    yield
    for file in examples.glob("*.py"):
        sys.modules.pop(file.stem, None)


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={
            "PATH": "",
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # most plugins of this project take a second
        },
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_the_tests_on_the_page_pass(examples: Path) -> None:
    options = ["-q", "-p", "anyio", "-p", "no:cacheprovider", "-W", "error"]
    done = run(examples, "-m", "pytest", *options, str(examples))
    assert done.returncode == 0, done.stdout
    tests = sum(block.count("def test_") for block in blocks("python"))
    assert f"{tests} passed" in done.stdout


def test_the_check_without_a_test_runner_passes(examples: Path) -> None:
    code = re.search(r'python -c "(.*)"', PAGE)
    assert code
    assert run(examples, "-c", code[1]).stderr == ""


async def send_pressure(connection: SocketStream) -> None:
    async with connection:
        with suppress(BrokenResourceError):  # the check has closed the connection
            while True:
                await connection.send(b"5.31\n")
                await sleep(0.01)


@pytest.mark.anyio
@pytest.mark.usefixtures("importable")
async def test_the_gauge_keeps_the_contract() -> None:
    async with await create_tcp_listener(local_host="127.0.0.1") as device:
        port = device.extra(SocketAttribute.local_port)  # noqa: S610 # no Django here
        await check_telemetry(
            open_source("telemetry", f"gauge:Gauge?host=127.0.0.1&port={port}"),
            feed=partial(device.serve, send_pressure),
            unreachable=open_source("telemetry", "gauge:Gauge?host=127.0.0.1&port=1"),
        )


@pytest.mark.usefixtures("importable")
def test_every_url_on_the_page_names_a_source() -> None:
    urls = re.findall(r'ROVER_(\w+)="([^"]+)"', PAGE)
    assert len(urls) == 7
    for setting, url in urls:
        kind = setting.lower()
        assert kind in ("telemetry", "camera", "commands")
        open_source(kind, url)


def test_the_first_example_has_at_most_12_lines() -> None:
    assert len([line for line in blocks("python")[0].splitlines() if line.strip()]) <= 12


def test_the_page_shows_the_error_that_a_check_raises() -> None:
    with pytest.raises(ContractBroken) as caught:
        check_sample(Sample(81_523.4, {}), {})
    assert f"{caught.value}\n" in blocks("text")
