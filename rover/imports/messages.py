"""Values of messages of ROS, named by their topics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sources.values.flatten import Flattener

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_ARRAY = 32
"""Number of items from which an array, such as an image or a scan, is left out."""


class MessageValues:
    """The names and values of the messages of one file."""

    def __init__(self) -> None:
        self._flattener = Flattener()

    def of(self, topic: str, message: Any) -> Mapping[str, Any]:
        """The values of a message.

        Args:
            topic: its topic, such as `/imu`.
            message: parsed JSON, or an object with fields.

        Raises:
            TooLarge: it has too many values.
        """
        place = topic.strip("/").replace("/", ".") or "message"
        return self._flattener.flatten(_plain(message), place)


def _plain(value: Any) -> Any:
    """The value as JSON. Long arrays are left out."""
    if isinstance(value, str | int | float | bool | None):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, bytes | bytearray | memoryview):
        return None
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(one) for one in value] if len(value) < MAX_ARRAY else None
    names: Any = getattr(value, "__dataclass_fields__", None) or getattr(value, "__slots__", ())
    return {
        name: _plain(getattr(value, name)) for name in names if name not in ("__msgtype__", "_type")
    }
