"""The messages of channels as one file of any length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from rover.api import Answer, Operation
from rover.api.schema import BINARY
from rover.asgi.query import Choice, Moment, Texts
from rover.comms.transcript_writers import FORMATS
from rover.comms.transcripts import pieces, stored_messages
from rover.errors import BadQuery, ChannelRefused, LogDamaged, PoolFull
from rover.routes.comms import HasComms

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from rover.logs.base import Log

MAX_CHANNELS = 32
"""Maximum number of channels in one file: some messages of each are in memory."""

CHANNELS = Texts(name="channel", summary="names of channels", at_most=MAX_CHANNELS)
SINCE = Moment(name="since", summary="time of the first message")
UNTIL = Moment(name="until", summary="time before which the last message is")
FORMAT = Choice(
    name="format", summary="of the file, `txt` by default", choices=lambda: list(FORMATS)
)


class HasRecordedComms(HasComms, Protocol):
    """The parts of a mission that this route uses."""

    log: Log


def routes(mission: HasRecordedComms) -> list[BaseRoute]:
    """`GET /comms/export`."""

    async def transcript(request: Request) -> Response:
        comms, log = mission.comms, mission.log
        since, until = SINCE.of(request), UNTIL.of(request)
        file_format = FORMAT.of(request) or "txt"
        known = [one.name for one in comms.channels.listed()]
        names = dict.fromkeys(map(comms.channels.names.find, CHANNELS.of(request)))
        if unknown := sorted(set(names).difference(known)):
            raise BadQuery(
                "channel", unknown[0], f"must be one of {', '.join(known) or 'none yet'}"
            )
        await comms.committed()  # a client that has sent a message finds it
        channels = {name: stored_messages(log, name, since, until) for name in names}
        disposition = f'attachment; filename="comms.{file_format}"'
        return mission.serving.large_responses.stream(
            pieces(channels, file_format),
            FORMATS[file_format],
            {"Content-Disposition": disposition},
        )

    return [
        Operation(
            "/comms/export",
            transcript,
            "The kept messages of channels as a file, however long",
            description="The messages of all channels are in the order of their times. Times are "
            "in UTC.",
            query=[CHANNELS, SINCE, UNTIL, FORMAT],
            answers={200: Answer("the file", BINARY, [*FORMATS.values()])},
            errors=[BadQuery, ChannelRefused, LogDamaged, PoolFull],
        ),
    ]
