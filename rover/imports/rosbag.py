"""Reads bags of ROS 1 and ROS 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.typesys import Stores, get_typestore

from rover.errors import ImportFailed
from rover.imports.base import imported
from rover.imports.messages import MessageValues
from sources.values.flatten import TooLarge

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rover.imports.base import Imported

NANOSECONDS = 10**9


def read_rosbag(path: Path) -> Iterator[Imported]:
    """The messages of a `.bag`, or of the folder of a rosbag 2, in order of their times.

    Values are named by their topics: `/imu` gives `imu.angular_velocity`.

    Raises:
        ImportFailed: the bag is damaged, or a message cannot be decoded.
    """
    folder = path.parent if path.suffix == ".db3" else path
    values, number = MessageValues(), 0
    try:
        store = get_typestore(Stores.LATEST)  # of bags without the definitions of their messages
        with AnyReader([folder], default_typestore=store) as reader:
            for connection, time_ns, data in reader.messages():
                number += 1
                message = reader.deserialize(data, connection.msgtype)
                found = values.of(connection.topic, message)
                yield imported(path, f"message {number:,}", time_ns / NANOSECONDS, found)
    except ImportFailed:
        raise
    except AnyReaderError as exc:
        raise ImportFailed(path, "", str(exc)) from exc
    except (ValueError, LookupError, TypeError, AttributeError, TooLarge) as exc:
        raise ImportFailed(path, f"message {number:,}", f"{type(exc).__name__}: {exc}") from exc
