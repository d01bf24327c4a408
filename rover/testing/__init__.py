"""Tests of the source contract, `sources/base.py`, for your own source.

In any test runner that runs async tests on asyncio, as the server does:

    from rover.testing import check_telemetry

    async def test_my_driver() -> None:
        await check_telemetry(MyDriver("/dev/ttyUSB0"))

Without a test runner:

    asyncio.run(check_telemetry(MyDriver("/dev/ttyUSB0")))

`check_camera`, `check_commands` and `check_uplink` check the other kinds of source. Each check
returns `None` if the source keeps the contract, and raises `ContractBroken` if it does not. The
error's `clause` is a stable code, such as `telemetry.time`; its text has the code, the observed
behaviour and the rule.

The checks need only the base install.
"""

from rover.testing.camera import check_camera
from rover.testing.clauses import Clause, ContractBroken
from rover.testing.commands import check_commands
from rover.testing.telemetry import check_telemetry
from rover.testing.uplink import check_uplink

__all__ = [
    "Clause",
    "ContractBroken",
    "check_camera",
    "check_commands",
    "check_telemetry",
    "check_uplink",
]
