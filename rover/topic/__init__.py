"""Topics: ordered events with ids, for any number of subscribers. `rover.topic.topic` explains."""

from rover.events import HEARTBEAT, EventId, Gap, GapReason, Heartbeat
from rover.topic.batch import Batch, News
from rover.topic.releases import Sink
from rover.topic.subscriber import Subscriber
from rover.topic.topic import Topic

__all__ = [
    "HEARTBEAT",
    "Batch",
    "EventId",
    "Gap",
    "GapReason",
    "Heartbeat",
    "News",
    "Sink",
    "Subscriber",
    "Topic",
]
