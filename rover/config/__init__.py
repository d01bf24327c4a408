"""The configuration of a mission: a file and environment variables.

    config      everything that a file and the environment say
    sources     sources by name
    parameters  the dictionary: changes of parameters, derived parameters
    settings    settings in a file
    table       checked access to the tables of a file
    file        reads a file

Each module imports only from modules listed below it.
"""

from rover.config.config import Config
from rover.config.sources import SourceConfig, TelemetryConfig

__all__ = ["Config", "SourceConfig", "TelemetryConfig"]
