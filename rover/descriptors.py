"""The number of file descriptors that the system allows: each client's connection takes one."""

from __future__ import annotations

import logging
import sys

if sys.platform != "win32":
    import resource

logger = logging.getLogger("rover.descriptors")

RESERVED_DESCRIPTORS = 128
"""Descriptors that clients must leave for files, sources and reserved connections."""


def raise_limit() -> None:
    """Raise the soft limit of this process to its hard limit. Child processes inherit it.

    Source: getrlimit(2), RLIMIT_NOFILE. macOS refuses a limit above `kern.maxfilesperproc`.
    """
    if sys.platform == "win32":
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as exc:
        logger.warning("the limit of open files stays at %d: %s", soft, exc)


def max_clients(
    wanted: int, what: str = "telemetry clients", setting: str = "ROVER_MAX_READERS"
) -> int:
    """The number of clients that the system allows, at most `wanted`; logs a warning if fewer.

    Args:
        wanted: the limit in the settings.
        what: the kind of clients, for the warning.
        setting: the variable with the limit, for the warning.
    """
    if sys.platform == "win32":
        return wanted
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or (allowed := soft - RESERVED_DESCRIPTORS) >= wanted:
        return wanted
    allowed = max(1, allowed)
    logger.warning(
        "this process may open %d files, so at most %d %s are served instead of %d "
        "(%s); raise the limit with `ulimit -n` or LimitNOFILE=",
        soft,
        allowed,
        what,
        wanted,
        setting,
    )
    return allowed
