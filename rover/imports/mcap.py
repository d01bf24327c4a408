"""Reads MCAP with JSON, ROS 1 and ROS 2 messages."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any, BinaryIO

from mcap.exceptions import McapError
from mcap.reader import NonSeekingReader, make_reader

from rover.errors import ImportFailed
from rover.exports.mcap import SCHEMA, UNIT
from rover.imports.base import imported, time_of
from rover.imports.messages import MessageValues
from rover.imports.text import values_of
from sources.base import RESERVED
from sources.values.flatten import Flattener, TooLarge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rover.imports.base import Declare, Imported

NANOSECONDS = 10**9


def read_mcap(path: Path, declare: Declare) -> Iterator[Imported]:
    """The messages in order of their log times. Samples of an export are read exactly.

    Values of other messages are named by their topics: `/imu` gives `imu.angular_velocity`. The
    checksums of the file are checked.

    Args:
        path: of the file.
        declare: called with the parameters of an export.

    Raises:
        ImportFailed: the file is damaged, or a message cannot be decoded. It is raised at the end
            if whole topics are left out, because nothing here decodes their messages.
        ImportError: the library for a ROS 2 message is not installed.
    """
    messages = MessageValues()
    flattener = Flattener()
    decoders: dict[int, Callable[[bytes], Any] | None] = {}
    left_out: dict[str, str] = {}
    exports: set[int] = set()  # ids of channels
    number = 0
    with path.open("rb") as file:
        try:
            for schema, channel, message in _messages(file):
                number += 1
                place, t = f"message {number:,}", message.log_time / NANOSECONDS
                late = False
                if channel.message_encoding == "json":
                    fields = json.loads(message.data)
                    if not isinstance(fields, dict):
                        fields = {"value": fields}
                    if schema is not None and schema.name == SCHEMA:
                        if channel.id not in exports:
                            exports.add(channel.id)
                            declare(_units(channel, schema))
                        t, late = time_of(fields.pop("t")) or t, fields.pop("late", False) is True
                        values = values_of(flattener, fields)
                    else:
                        values = messages.of(channel.topic, fields)
                else:
                    if channel.id not in decoders:
                        decoders[channel.id] = _decoder(channel, schema)
                    if (decode := decoders[channel.id]) is None:
                        left_out[channel.topic] = channel.message_encoding or "no encoding"
                        continue
                    values = messages.of(channel.topic, decode(message.data))
                yield imported(path, place, t, values, late=late, position=file.tell())
        except ImportFailed:
            raise
        except (McapError, EOFError, struct.error) as exc:
            text = f"the file is truncated or damaged: {str(exc) or type(exc).__name__}"
            raise ImportFailed(path, f"message {number + 1:,}", text) from exc
        except (ValueError, LookupError, TypeError, TooLarge) as exc:
            raise ImportFailed(path, f"message {number:,}", str(exc)) from exc
    if left_out:
        topics = ", ".join(f"{topic} ({encoding})" for topic, encoding in left_out.items())
        text = "left out, because only json, ros1, and cdr with ros2msg can be read"
        raise ImportFailed(path, "", f"topics {topics}: {text}")


def _messages(file: BinaryIO) -> Iterator[tuple[Any, Any, Any]]:
    """The messages; of a truncated file, those before its end in the order of the file.

    Raises:
        McapError: the file is damaged.
    """
    reader = make_reader(file, validate_crcs=True)
    try:
        reader.get_summary()
    except (McapError, EOFError, struct.error):
        file.seek(0)
        return NonSeekingReader(file, validate_crcs=True).iter_messages(log_time_order=False)
    return reader.iter_messages()


def _units(channel: Any, schema: Any) -> dict[str, str]:
    """The units of the parameters of an export, by name in their order."""
    names = [name for name in json.loads(schema.data)["properties"] if name not in RESERVED]
    return {name: channel.metadata.get(UNIT + name, "") for name in names}


def _decoder(channel: Any, schema: Any) -> Callable[[bytes], Any] | None:
    """A function that decodes the messages of a channel; `None` if nothing here decodes them.

    Raises:
        ImportError: the library is not installed.
    """
    if channel.message_encoding == "cdr":
        from mcap_ros2.decoder import DecoderFactory

        decode: Callable[[bytes], Any] | None
        decode = DecoderFactory().decoder_for(channel.message_encoding, schema)
        return decode
    if channel.message_encoding == "ros1" and schema is not None:
        return _ros_1_decoder(schema)
    return None


def _ros_1_decoder(schema: Any) -> Callable[[bytes], Any]:
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    package, _, name = schema.name.partition("/")
    type_name = f"{package}/msg/{name.removeprefix('msg/')}"
    store = get_typestore(Stores.EMPTY)
    store.register(get_types_from_msg(schema.data.decode(), type_name))
    return lambda data: store.deserialize_ros1(data, type_name)
