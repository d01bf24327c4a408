"""Sources by URL: one line of text names a source, its place and its options.

    sim:?seed=7                           a scheme that ships, and options
    replay:drive.csv?speed=10             … that takes a path
    package.module:factory?key=value      anyone's own, the query as keyword arguments

A path is percent-decoded (write `%25`, `%3F` for a `%` or `?` in it; a blank may stay), and so are
the options, which are converted as the factory's annotations say. A module is looked for where
Python looks for any: `python -m` and `uvicorn` add the working directory.

A package adds a scheme with an entry point whose name says of what kind the source is:

    [project.entry-points."rover.sources"]
    "telemetry.modbus" = "rover_modbus:ModbusTelemetry"

Then `modbus:` calls the factory with the options alone, `modbus:some/path` with the decoded path
before them, and `modbus://host:502/unit` with the whole URL as far as the `?`. A scheme that ships
cannot be replaced this way; an entry point that tries is passed over, with a warning.

    urls         a source out of a URL
    schemes      which schemes there are
    factories    imports what makes a source
    options      its keyword arguments out of the query
    errors       why a URL names no source

Each imports only from those below it.
"""

from sources.base import SourceKind
from sources.registry.errors import SourceSettingError
from sources.registry.schemes import SCHEMES, Scheme
from sources.registry.urls import open_source

__all__ = ["SCHEMES", "Scheme", "SourceKind", "SourceSettingError", "open_source"]
