"""The contract of `sources/base.py` as tests that anyone can run on a source of their own.

    async def test_my_driver() -> None:
        await check_telemetry(MyDriver("/dev/ttyUSB0"))

Or without any test runner: `asyncio.run(check_telemetry(MyDriver("/dev/ttyUSB0")))`.

It runs on asyncio, as the server does, and needs nothing but the base install.
"""

from rover.testing.camera import check_camera
from rover.testing.clauses import Clause, ContractBroken
from rover.testing.commands import check_commands
from rover.testing.telemetry import check_telemetry

__all__ = ["Clause", "ContractBroken", "check_camera", "check_commands", "check_telemetry"]
