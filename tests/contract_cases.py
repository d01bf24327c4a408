"""Cases of sources that break one clause of the contract each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from rover.testing import ContractBroken

Cases = Mapping[str, tuple[str, Callable[[], Any], str]]
"""Cases by name: the code of the clause, a function that creates the source, and a value or an
identifier that the error must contain."""


async def assert_breaks(check: Awaitable[None], clause: str, contains: str) -> None:
    """Require that the check raises `ContractBroken` for the clause with this code."""
    with pytest.raises(ContractBroken) as caught:
        await check
    assert caught.value.clause == clause, caught.value
    assert contains in caught.value.observed, caught.value
