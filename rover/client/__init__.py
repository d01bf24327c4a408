"""A client of Cosmic Rover servers for Python programs, on asyncio.

    async with Client("https://lab.example/rover/", token="rvr_…") as rover:
        async for event in rover.telemetry(fields=["battery_level"]):
            if isinstance(event, Sample):
                print(event.t, event.values["battery_level"])

It imports nothing of the server. docs/client.md describes it.
"""

from rover.client.channel_events import Message, Presence, Said
from rover.client.channel_stream import ChannelStream
from rover.client.client import Client
from rover.client.comms import Channel
from rover.client.errors import (
    ChannelClosed,
    ClientError,
    ConnectionFailed,
    ImageChanged,
    ImageIncomplete,
    InvalidArgument,
    MessageRefused,
    NotARover,
    OutcomeUnknown,
    Refused,
    Silent,
)
from rover.client.images import ImageDownload
from rover.client.sse import EventParser, ServerSentEvent
from rover.client.stream import EventStream, Gap, Interruption
from rover.client.subscriptions import Subscription
from rover.client.telemetry import Beat, Notice, Sample, TelemetryStream
from rover.client.uploads import Finding, Upload, UploadStatus

__all__ = [
    "Beat",
    "Channel",
    "ChannelClosed",
    "ChannelStream",
    "Client",
    "ClientError",
    "ConnectionFailed",
    "EventParser",
    "EventStream",
    "Finding",
    "Gap",
    "ImageChanged",
    "ImageDownload",
    "ImageIncomplete",
    "Interruption",
    "InvalidArgument",
    "Message",
    "MessageRefused",
    "NotARover",
    "Notice",
    "OutcomeUnknown",
    "Presence",
    "Refused",
    "Said",
    "Sample",
    "ServerSentEvent",
    "Silent",
    "Subscription",
    "TelemetryStream",
    "Upload",
    "UploadStatus",
]
