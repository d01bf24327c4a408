"""One mission: its sources, its four streams and its routes, from start to shutdown.

    async with MissionControl(settings) as mission:  # the sources run
        mission.app                                  # an ASGI app that serves them

No state is global: several missions in one process are independent.
"""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from time import time
from typing import TYPE_CHECKING, Any, Self

from anyio import CancelScope, Event, create_task_group, sleep, to_thread

from rover.addresses import Proxies, words
from rover.asgi.clients import Clients
from rover.asgi.connection_limits import ConnectionLimits
from rover.asgi.problems import ProblemApp
from rover.asgi.session_cookies import SessionCookies
from rover.asgi.shutdown import listen_for_signals
from rover.asgi.sign_in import SignInForms
from rover.audit import AuditLog
from rover.commands import Commands
from rover.commands.light_time import LightTime
from rover.comms import Comms
from rover.comms.system import SystemMessages
from rover.config import Config
from rover.config.names import unknown_names
from rover.counts import Counts
from rover.drain_order import drain_in_order
from rover.embedding import Hosts, beside
from rover.errors import LogDamaged, SettingError
from rover.images import Cameras, Images
from rover.images.announcements import Announcements
from rover.images.arrivals import Arrivals
from rover.images.kept import KeptImages
from rover.images.thumbnails import Thumbnails
from rover.lifetime import entered
from rover.logs import log_of
from rover.logs.gaps import record_stop
from rover.masking import hide
from rover.metrics import MissionMetrics
from rover.mission_routes import make_routes
from rover.mission_sources import MissionSources, SourceStates
from rover.private_folder import make_private
from rover.retention import RetentionClock
from rover.routes.image_json import image_event_json
from rover.serving import Phase, Serving
from rover.sessions import SignIns
from rover.simulated_spans import record_simulated
from rover.system_events import SourceWatch, alarm_event, image_event, upload_event
from rover.telemetry import Telemetry
from rover.telemetry.records import STREAM as TELEMETRY
from rover.tokens import Tokens
from rover.watchdog import watch_loop
from sources.registry import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from starlette.applications import Starlette
    from starlette.authentication import AuthenticationBackend
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp

    from rover.asgi.lifespan import AnyApp
    from rover.commands.upload import Upload
    from rover.comms.system import SystemEvent
    from rover.images.arrivals import Arrival
    from rover.logs.base import Log
    from rover.mission_routes import Part
    from rover.named_sources import Given
    from rover.settings import Settings
    from sources.base import Camera, CommandValidator, TelemetrySource, Uplink

logger = logging.getLogger("rover.sources")

LEARN_S = 30.0
"""Seconds in which a source without a dictionary should have sent each parameter once."""

UPLOAD_HEARTBEAT_S = 3.0
"""Seconds of silence after which the events of an upload have a heartbeat."""


class MissionControl:
    """Everything of one mission. Enter it as an async context manager to run it.

    Args:
        settings: by default those of `config`.
        config: by default that of `Config.load`: a file and the environment.
        telemetry: a source, its URL, or several by name, instead of those of the config.
        camera: a camera, its URL, or several by name, instead of those of the config.
        commands: a validator or its URL, instead of that of the config.
        uplink: an uplink or its URL, instead of that of the config.
        authentication: a backend of Starlette's `AuthenticationMiddleware`, which gives access to
            the users of your app. All other clients then need a token.
        log: makes what keeps the events of a run, instead of that of `ROVER_LOG`.

    Attributes:
        app: an ASGI app of all parts; its lifespan runs the mission.
        config: the configuration, with the URL of each source.
        settings: the settings.
        tokens: which tokens give access.
        sign_ins: the sessions of browsers, and tickets.
        telemetry: the telemetry stream of this run.
        cameras: the images of this run.
        comms: the channels of this run.
        commands: the command files of this run.
        system_messages: sends the messages of the mission in channels.
        audit: the audit log of this run.
        counts: of the events of this run, for `metrics`.
        metrics: a collector for a registry of prometheus-client.
        serving: the connections of this run.
        connection_limits: the limits of connections, if the server is uvicorn with the protocols of
            `python -m rover`.
        log: keeps the events of this run.
        access_of_others: why other users of the machine may read the data folder; empty if not.

    Raises:
        SettingError: a setting is out of range.
        ConfigError: the configuration file is wrong.
        NameCollision: two parameters of a source have the same name.
        SourceError: the URL of a source is wrong, or its file or device does not exist.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        config: Config | None = None,
        telemetry: Given[TelemetrySource] | None = None,
        camera: Given[Camera] | None = None,
        commands: CommandValidator | str | None = None,
        uplink: Uplink | str | None = None,
        authentication: AuthenticationBackend | None = None,
        log: Callable[[], Log] | None = None,
    ) -> None:
        if config is None:
            config = Config.load() if settings is None else Config.of(settings)
        elif settings is not None:
            raise TypeError("the settings are in the config; pass only one of them")
        self.config = config = config.completed(
            telemetry=telemetry, camera=camera, commands=commands
        )
        self.settings = config.settings
        self._sources = MissionSources(config, telemetry, camera, commands, uplink)
        url = self.settings.image_store
        self._image_store = open_store(url, "ROVER_IMAGE_STORE") if url else None
        self.tokens = Tokens.of(self.settings)
        hide(words(self.settings.tokens))
        self._make_log = log or partial(log_of, self.settings)
        if authentication is not None:
            self.tokens.required = True
        self._check_proxies()
        self.sign_ins = SignIns(self.tokens, self.settings)
        self.session_cookies = SessionCookies(Clients(self.settings.trusted_proxies))
        self.sign_in_forms = SignInForms(self.session_cookies, self.tokens)
        self.access_of_others = ""
        self._entered = False
        self.connection_limits = ConnectionLimits(self.settings)
        self._hosts = Hosts(self.lifespan)
        self._stack = AsyncExitStack()
        self._reset()
        self._routes = make_routes(self, authentication)
        self.app = self.app_for()

    def _check_proxies(self) -> None:
        trusted = self.settings.trusted_proxies
        if not self.tokens.required and Proxies(trusted).is_wide:
            reason = "requires tokens: add one with `rover token add`, or set ROVER_TOKENS"
            raise SettingError("ROVER_TRUSTED_PROXIES", trusted, reason)

    def _reset(self) -> None:
        settings = self.settings
        self.audit = AuditLog.of(settings)
        self.counts = Counts()
        self.metrics = MissionMetrics(self)
        self.log = log = self._make_log()
        self.retention = RetentionClock(log)
        self.serving = serving = Serving(settings, self.tokens.grants, log)
        notify = serving.flusher.mark
        self.telemetry = Telemetry(
            {name: named.source for name, named in self._sources.telemetry.items()},
            settings,
            serving.flusher,
            translate=self.config.translation,
            derived=self.config.derived,
            changes=self.config.parameters,
            log=log,
            retention=self.retention.now,
        )
        announcements = Announcements(self._publish_image)
        arrivals = Arrivals(log, beside=[TELEMETRY], changed=announcements.add)
        self.cameras = Cameras(
            {name: self._images(name, arrivals) for name in self._sources.cameras},
            arrivals,
            Thumbnails(settings.data_dir / "thumbnails", settings.thumbnail_bytes),
            announcements,
        )
        self.comms = Comms(
            settings,
            notify=notify,
            has_name=self.tokens.has_name,
            log=log,
            retention=self.retention.now,
            rules=self.config.channels,
        )
        self.system_messages = SystemMessages(self.comms.say, self.config.channels)
        self.telemetry.on_alarm = lambda *change: self._report(alarm_event(*change))
        validator, uplink = self._sources.validator, self._sources.uplink
        light_time = LightTime(settings)
        self.telemetry.latest.on_update = light_time.update
        self.commands = Commands(
            validator.source,
            settings,
            notify=lambda topic: serving.flusher.limit_silence(topic, UPLOAD_HEARTBEAT_S),
            on_finish=self._record_upload,
            log=log,
            source=validator.scheme,
            uplink=uplink.source,
            target=uplink.target,
            light_time=light_time,
            lapsed=lambda token_id: self.tokens.lapsed(token_id, "release"),
        )
        self.tokens.on_check = self.commands.queue.drop_lapsed
        self._states = SourceStates(self._sources, self.telemetry, self.cameras, self.commands)
        drain_in_order(serving, self.telemetry, self.cameras, self.comms, self.commands)

    def _report(self, event: SystemEvent | None) -> None:
        """Report an event in the channels that have its category."""
        if event is not None:
            self.system_messages.add(event)

    async def _run_system_messages(self) -> None:
        if self.log.recorded is not None or not self.system_messages.categories:
            return
        async with create_task_group() as tasks:
            tasks.start_soon(self.system_messages.run)
            tasks.start_soon(SourceWatch(self.sources, self.log, self._report).run)

    def _record_upload(self, upload: Upload) -> None:
        report = upload.report
        self._report(upload_event(upload))
        self.counts.uploads[upload.status.lower()] += 1
        self.counts.upload_bytes += upload.received
        self.audit.record(
            f"upload.{upload.status.lower()}",
            upload=upload.id,
            file=upload.name,
            size=upload.received,
            sha256=upload.sha256 or None,
            detail=report["detail"],
        )

    def _publish_image(self, arrival: Arrival, skipped: int) -> None:
        several = len(self._sources.cameras) > 1
        self._report(image_event(arrival))
        self.telemetry.publish_named("image", image_event_json(arrival, skipped, several=several))

    def _images(self, camera: str, arrivals: Arrivals) -> Images:
        spool = self.settings.data_dir / "spool"
        return Images(
            self._sources.cameras[camera].source,
            self.settings,
            spool if len(self._sources.cameras) == 1 else spool / camera,
            name=camera,
            notify=self.serving.flusher.mark,
            kept=self._kept_images(camera),
            arrivals=arrivals,
        )

    def _kept_images(self, camera: str) -> KeptImages | None:
        folder, max_bytes = (
            self.settings.data_dir / "images" / camera,
            self.settings.keep_image_bytes,
        )
        if self.log.file is None or not max_bytes:
            if self._image_store is not None:
                reason = "requires ROVER_LOG=sqlite: and ROVER_KEEP_IMAGE_BYTES of more than 0"
                raise SettingError("ROVER_IMAGE_STORE", self._image_store.place, reason)
            return None
        store = self._image_store if self.log.recorded is None else None
        return KeptImages(self.log, folder, camera, max_bytes, store)

    async def __aenter__(self) -> Self:
        """Open the sources and start the streams. A mission may run again, with new streams.

        Raises:
            SourceError: a source cannot be opened.
            RuntimeError: the mission is running.
        """
        if self._entered:
            raise RuntimeError(
                "this mission is already running; run its lifespan in one place only"
            )
        self._entered = True
        if self.serving.phase is not Phase.NOT_STARTED:
            self._reset()
        try:
            await self._start()
        except (
            BaseExceptionGroup
        ) as group:  # raised by the task group; only one task can fail during the start
            raise group.exceptions[0] from None
        return self

    async def _start(self) -> None:
        async with AsyncExitStack() as stack:
            stack.callback(setattr, self, "_entered", False)
            stack.push_async_callback(self.log.close)
            if not await self._open_log():
                self._stack = stack.pop_all()
                return
            self.access_of_others = await to_thread.run_sync(make_private, self.settings.data_dir)
            await stack.enter_async_context(
                watch_loop(self._states.watched(), lag=self.counts.loop_lag)
            )
            await stack.enter_async_context(self.audit)  # first, so that it ends last
            await stack.enter_async_context(
                entered((one.key, one.source) for one in self._sources.all)
            )
            tasks = await stack.enter_async_context(create_task_group())
            stack.callback(tasks.cancel_scope.cancel)
            await tasks.start(self.commands.run)  # first: it fails if the data folder is unusable
            self.retention.load()
            simulated = [one.key for one in self._sources.all if one.simulated]
            record_simulated(self.log, simulated, time())
            with suppress(LogDamaged):  # the log reports it
                await record_stop(self.log, TELEMETRY, time())
            await self.cameras.load()  # before new records of telemetry
            await self.telemetry.load()
            for run in (
                self.log.run,
                self.retention.run,
                self.telemetry.run,
                self.cameras.run,
                self.comms.run,
                self._run_system_messages,
                self.audit.run,
                self.tokens.run,
            ):
                tasks.start_soon(run)
            await stack.enter_async_context(self.serving)
            if self.config.path is not None:
                logger.info("the configuration file is %s", self.config.path.absolute())
            self._states.log()
            tasks.start_soon(self._log_unknown_names)
            self._stack = stack.pop_all()

    async def _open_log(self) -> bool:
        """Open the log; returns whether no signal came while the process waited as a standby."""
        shutdown = self.serving.shutdown
        with listen_for_signals(shutdown), CancelScope() as scope:
            async with create_task_group() as tasks:
                tasks.start_soon(shutdown.watch_parent)
                tasks.start_soon(_cancel_after, shutdown.requested, scope)
                await self.log.open()
                tasks.cancel_scope.cancel()
            return True
        return False

    async def _log_unknown_names(self) -> None:
        """Log the names in the configuration that no source has."""
        feeds = self.telemetry.feeds
        if not all(feed.declared for feed in feeds.values()):
            await sleep(LEARN_S)
        published = [parameter.name for parameter in self.telemetry.parameters]
        raw = {name: feed.declared for name, feed in feeds.items()}
        for note in unknown_names(self.config, published, raw):
            logger.warning("%s: %s", self.config.path, note)

    async def __aexit__(self, *exc_info: Any) -> bool | None:
        """Drain, stop the streams and close the sources."""
        return await self._stack.__aexit__(*exc_info)

    async def drain(self) -> None:
        """Close all streams, in order; transfers have a grace period. New streams receive 503.

        A second call waits for the first.
        """
        await self.serving.drain()

    @asynccontextmanager
    async def lifespan(self, _app: object = None) -> AsyncIterator[None]:
        """Run the mission as an ASGI lifespan: `Starlette(lifespan=mission.lifespan)`."""
        async with self:
            yield

    @property
    def was_ended_as_standby(self) -> bool:
        """Whether a signal has ended this process while it waited as a standby."""
        return self.phase is Phase.NOT_STARTED and self.serving.shutdown.requested.is_set()

    @property
    def phase(self) -> Phase:
        """The phase of the current run."""
        return self.serving.phase

    def sources(self) -> Mapping[str, Mapping[str, object]]:
        """Each source and its state, as `/readyz` shows them."""
        return self._states.as_json()

    def failures(self) -> Mapping[str, int]:
        """How often each source of telemetry or images ended or raised, and was restarted."""
        return self._states.failures()

    def notifications(self) -> Sequence[Mapping[str, object]]:
        """The state of each receiver of notifications, as `/readyz` shows it."""
        return self.telemetry.notifier.as_json()

    def routes_for(self, *parts: Part) -> list[BaseRoute]:
        """Starlette routes of some parts, by default of all, for an app of your own.

        Each route checks access and responds to its own errors, in any app.
        """
        return [route for part in parts or self._routes for route in self._routes[part]]

    def app_for(self, *parts: Part) -> Starlette:
        """An app of some parts, by default of all. Its lifespan runs the mission."""
        app = ProblemApp(routes=self.routes_for(*parts), lifespan=self.lifespan)
        app.allowed_origins = self.settings.allowed_origins
        app.trusted_proxies = self.settings.trusted_proxies
        app.has_ended = lambda: self.was_ended_as_standby
        app.begin_lifespan = self.connection_limits.begin_lifespan
        app.router.redirect_slashes = False  # a redirect would lack a prefix that a proxy strips
        return app

    def mount(self, host: Starlette, path: str, *parts: Part) -> None:
        """Mount the mission in a Starlette or FastAPI app, whose lifespan then runs the mission.

        Args:
            host: the app. Its own lifespan runs inside the mission's.
            path: the prefix, such as `/rover`.
            parts: to mount; all by default.
        """
        self._hosts.mount(host, path, self.app_for(*parts))

    def beside(self, host: AnyApp, path: str, *parts: Part) -> ASGIApp:
        """An ASGI app: the mission serves all requests below `path`, and `host` serves the others.

        Args:
            host: an app of any framework. Its own lifespan runs, if it has one.
            path: the prefix, such as `/rover`.
            parts: to serve there; all by default.
        """
        return beside(host, path, self.app_for(*parts), self.lifespan)


async def _cancel_after(event: Event, scope: CancelScope) -> None:
    await event.wait()
    scope.cancel()


def create_app(
    settings: Settings | None = None,
    *,
    config: Config | None = None,
    telemetry: Given[TelemetrySource] | None = None,
    camera: Given[Camera] | None = None,
    commands: CommandValidator | str | None = None,
    uplink: Uplink | str | None = None,
    authentication: AuthenticationBackend | None = None,
) -> Starlette:
    """An ASGI app that runs one mission. The arguments are those of `MissionControl`."""
    return MissionControl(
        settings,
        config=config,
        telemetry=telemetry,
        camera=camera,
        commands=commands,
        uplink=uplink,
        authentication=authentication,
    ).app
