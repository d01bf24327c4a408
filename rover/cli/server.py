"""Runs uvicorn with a mission and with limits that uvicorn does not have."""

from __future__ import annotations

import logging.config
import os
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
import uvicorn

from rover.asgi.servers.uvicorn import max_frame_bytes
from rover.asgi.servers.uvicorn_protocols import BoundedHTTPProtocol, BoundedWebSocketProtocol
from rover.cli.connection import WRONG_USE, report
from rover.cli.first_sign_in import first_sign_in
from rover.cli.listening import check_address
from rover.commands.inbox import Inbox
from rover.config import Config
from rover.descriptors import raise_limit
from rover.errors import RoverError
from rover.heaps import limit_heaps
from rover.log_lines import logging_config
from rover.logs.folder import DataFolder
from rover.mission import MissionControl
from rover.missions import RecordedMission
from rover.settings import Settings
from rover.simulated_spans import was_simulated
from sources.base import SourceError
from sources.none import RecordedCamera, RecordedTelemetry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.applications import Starlette


def find_sources_in_this_folder() -> None:
    """Let Python import modules of the current folder, as `python -m` does."""
    if (folder := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, folder)


def run(host: str, port: int, chosen: Mapping[str, str], *, reload: bool = False) -> int:
    """Serve until a signal ends the server.

    Args:
        host: address to serve on.
        port: the port; 0 for any free one.
        chosen: variables that override those of the environment.
        reload: whether to restart when a Python file changes.

    Returns:
        The exit status: 0, or 2 if a setting is wrong.

    Raises:
        click.UsageError: the server cannot listen at the address.
    """
    find_sources_in_this_folder()
    try:
        config = Config.load(environ={**os.environ, **chosen}).recorded()
        _check_address(host, port, config.settings.data_dir)
        # only the command configures logging: an app that is mounted in another app must not
        logging.config.dictConfig(logging_config(config.settings.log_format))
        raise_limit()  # before the app is created, which asks for the limit
        limit_heaps()
        with Inbox(config.settings.data_dir).open():
            pass  # an unusable folder is reported in one line, before the server starts
        mission = MissionControl(config=config)
    except (RoverError, SourceError) as exc:
        report(str(exc))
        return WRONG_USE
    sys.stderr.write(first_sign_in(None if reload else mission, host, port))
    app: Starlette | str = mission.app
    if reload:  # the app runs in another process, which imports it by name
        os.environ.update(chosen)
        app = "rover.main:app"
    try:
        _serve(app, host, port, config.settings, reload=reload)
    except SystemExit:
        if not mission.was_ended_as_standby:  # uvicorn reports a failed startup
            raise
    return 0


def _check_address(host: str, port: int, data_dir: Path) -> None:
    """Check that a server can listen at an address; a standby can once the other process ends.

    Raises:
        click.UsageError: it cannot.
        SettingError: the data folder is not writable.
    """
    try:
        check_address(host, port)
    except click.UsageError:
        folder = DataFolder(data_dir)
        is_free = folder.acquire()
        folder.release()
        if is_free:
            raise


def run_recorded(file: Path, host: str, port: int) -> int:
    """Serve a recorded mission until a signal ends the server; returns the exit status.

    Args:
        file: of the mission.
        host: address to serve on.
        port: the port; 0 for any free one.

    Raises:
        RoverError: the file or a setting is wrong.
        OSError: the disk is full, for example.
    """
    given = Settings.from_env()
    with tempfile.TemporaryDirectory(prefix="rover-") as folder:
        data_dir = Path(folder)
        recorded = RecordedMission(file)
        recorded.extract(data_dir)
        logging.config.dictConfig(logging_config(given.log_format))
        raise_limit()
        limit_heaps()
        mission = open_mission(recorded, replace(given, data_dir=data_dir))
        sys.stderr.write(first_sign_in(mission, host, port))
        _serve(mission.app, host, port, mission.settings)
    return 0


def open_mission(recorded: RecordedMission, settings: Settings) -> MissionControl:
    """A recorded mission.

    Args:
        recorded: the mission.
        settings: with a data folder into which its files were extracted.
    """
    return MissionControl(
        settings,
        telemetry=RecordedTelemetry(
            recorded.parameters, simulated=was_simulated(recorded.simulated, "telemetry")
        ),
        camera={
            name: RecordedCamera(simulated=was_simulated(recorded.simulated, "camera", name))
            for name in recorded.cameras
        }
        or "none:",
        commands="none:",
        log=recorded.log,
    )


def _serve(
    app: Starlette | str, host: str, port: int, settings: Settings, *, reload: bool = False
) -> None:
    # After its shutdown uvicorn raises the signal again, for the handlers of its caller. The exit
    # status is 0 then, and also if a signal arrives before uvicorn has started.
    for sig in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sig, lambda *_: sys.exit(0))
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup ignores it
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_config=logging_config(settings.log_format),
        reload=reload,
        proxy_headers=False,  # they would replace the address of the client, which is checked
        http=BoundedHTTPProtocol,
        ws=BoundedWebSocketProtocol,
        ws_max_size=max_frame_bytes(settings.max_message_bytes),
    )
