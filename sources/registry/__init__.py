"""Sources by URL: one line of text names a source, its place and its options.

    sim:?seed=7                           a scheme that ships, with options
    replay:drive.csv?speed=10             a scheme with a path
    package.module:factory?key=value      your own source, with keyword arguments

Paths and options are percent-decoded (write `%25` and `%3F` for `%` and `?` in a path; a space may
stay). Options are converted to the types in the factory's annotations. Python imports the module:
`python -m` and `uvicorn` add the working directory to its path.

A package adds a scheme with an entry point whose name starts with the kind of the source:

    [project.entry-points."rover.sources"]
    "telemetry.modbus" = "rover_modbus:ModbusTelemetry"

Then `modbus:` calls the factory with the options alone, `modbus:some/path` with the decoded path
before them, and `modbus://host:502/unit` with the URL up to the `?` before them. An entry point
cannot replace a scheme that ships: it is ignored with a warning.

    urls         makes the source or the store that a URL names
    factories    imports the factory of a source
    schemes      the known schemes
    options      the factory's arguments from the query
    annotations  the types of the options, and the conversion to them
    errors       the errors for a URL that names no source

Each module imports only from modules listed below it.
"""

from sources.base import SourceKind
from sources.registry.errors import SourceSettingError, redacted
from sources.registry.schemes import SCHEMES, Scheme
from sources.registry.urls import open_source, open_store

__all__ = [
    "SCHEMES",
    "Scheme",
    "SourceKind",
    "SourceSettingError",
    "open_source",
    "open_store",
    "redacted",
]
