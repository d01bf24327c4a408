import pytest

from rover.identity import EVERYONE, SCOPES, Identity


@pytest.mark.parametrize("scope", SCOPES)
def test_everyone_and_administrators_may_do_everything(scope: str) -> None:
    assert EVERYONE.allows(scope)
    assert Identity(scopes=frozenset({"admin"})).allows(scope, "flight")


@pytest.mark.parametrize(
    ("target", "allowed"), [(None, True), ("flight-1", True), ("flight", False), ("science", False)]
)
def test_a_pattern_allows_only_the_targets_that_match(target: str | None, allowed: bool) -> None:
    assert Identity(scopes=frozenset({"say:flight-*"})).allows("say", target) is allowed


def test_a_scope_allows_no_other() -> None:
    device = Identity(scopes=frozenset({"ingest"}))
    assert device.allows("ingest")
    assert not device.allows("view")
    assert not device.allows("say")
