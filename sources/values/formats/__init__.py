"""The formats of messages: which one a message has, and its readings.

    ttn        uplinks of The Things Stack
    owntracks  the OwnTracks apps
    senml      RFC 8428
    rosbridge  ROS messages in the envelope of rosbridge
    reading    one measurement in a message, before its names and values become legal

The modules do not import each other, except `reading`.
"""

from sources.values.formats.reading import Reading
from sources.values.formats.recognise import Format, readings

__all__ = ["Format", "Reading", "readings"]
