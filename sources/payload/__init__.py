"""What devices say in JSON, taken as samples: by `mqtt:`, `ws:` and `push:` alike.

    reader        a payload's samples; docs/sources/json.md says what is understood
    flatten       an object as values by parameter name
    stamp         the time that a value tells
    dictionary    parameters out of a file
    losses        what could not be taken, told without a flood

Each imports only from those below it.
"""

from sources.payload.dictionary import read_dictionary
from sources.payload.losses import Losses
from sources.payload.reader import PayloadReader, PayloadRefused

__all__ = ["Losses", "PayloadReader", "PayloadRefused", "read_dictionary"]
