"""The order in which a mission closes its clients.

Members come first: granian drops WebSockets once the last HTTP response completes. Transfers come
last, with a grace period.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.asgi.servers.granian import WEBSOCKET_CLOSE_S
from rover.serving import Stage

if TYPE_CHECKING:
    from rover.commands import Commands
    from rover.comms import Comms
    from rover.images import Cameras
    from rover.serving import Serving
    from rover.telemetry import Telemetry

STREAMS_CLOSE_S = 1.0
"""Seconds from the start of a drain in which event streams send their last event."""

MIN_TRANSFER_SHARE = 0.5
"""Minimum share of `drain_s` for transfers, after members and event streams have closed."""


def drain_in_order(
    serving: Serving, telemetry: Telemetry, cameras: Cameras, comms: Comms, commands: Commands
) -> None:
    """Set what a drain of `serving` closes, and in which order.

    Args:
        serving: the connections.
        telemetry: its readers are closed second, with those of channels and video.
        cameras: their downloads are aborted last.
        comms: its members are closed first.
        commands: sends nothing from the start of the drain; uploads are aborted last.
    """
    drain_s = serving.settings.drain_s

    def close_members() -> None:
        commands.sender.stop()
        comms.close()

    def open_streams() -> int:
        return len(serving.streams) + len(serving.replays) + len(cameras.frames.viewers)

    def close_streams() -> None:
        telemetry.close()
        cameras.frames.close()
        comms.close_streams()

    def abort_stalled() -> None:
        serving.streams.abort_stalled()
        serving.replays.abort_stalled()

    def open_transfers() -> int:
        sending = commands.open_uploads + commands.sender.is_sending
        return cameras.readers + sending + serving.requests + serving.websockets

    def abort_transfers() -> None:
        serving.bodies.close()
        serving.large_responses.close()
        commands.close()
        cameras.close()

    serving.drain_in_order(
        Stage(lambda: serving.websockets, close_members, WEBSOCKET_CLOSE_S),
        Stage(open_streams, close_streams, STREAMS_CLOSE_S, abort=abort_stalled),
        Stage(
            open_transfers,
            timeout_s=drain_s,
            min_timeout_s=MIN_TRANSFER_SHARE * drain_s,
            abort=abort_transfers,
        ),
        counts={
            "telemetry readers": lambda: len(serving.streams),
            "replays": lambda: len(serving.replays),
            "viewers": lambda: len(serving.viewers),
            "members": lambda: comms.members,
            "downloads": lambda: cameras.readers,
            "uploads": lambda: commands.open_uploads,
        },
    )
