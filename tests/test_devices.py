"""Several connections of one named client are one member, with one bucket."""

from __future__ import annotations

from typing import Any

import pytest
from anyio import CancelScope

from rover.comms import Comms
from rover.comms.buckets import MAX_CLIENTS, Buckets
from rover.comms.events import PresenceEvent
from rover.errors import TooManyMessages
from rover.identity import EVERYONE, Identity
from rover.settings import Settings

pytestmark = pytest.mark.anyio

ADA = Identity(name="Ada", role="FD", scopes=frozenset({"view", "say"}))


def comms_of(**settings: Any) -> Comms:
    return Comms(Settings(**settings))


async def test_two_devices_of_one_person_are_one_member_until_the_last_one_leaves() -> None:
    comms = comms_of()
    with comms.join("flight", identity=ADA) as phone:
        topic = phone.channel.topic
        with comms.join("flight", identity=ADA) as laptop:
            assert (laptop.name, laptop.member_count, laptop.names(9)) == ("Ada", 1, ["Ada"])
            assert laptop.roles(9) == {"Ada": "FD"}
            assert comms.members == 1
            assert laptop.joined == topic.last_id
            phone.say("from the phone")
            assert laptop.subscriber.lag == 1
        assert phone.member_count == 1
    events = [event for event in topic.retained_items() if isinstance(event, PresenceEvent)]
    assert [(event.kind, event.member_count) for event in events] == [("join", 1), ("leave", 0)]


async def test_clients_without_a_name_are_members_each() -> None:
    comms = comms_of()
    with comms.join("flight", "ada"), comms.join("flight", "ada") as other:
        assert (other.name, other.member_count) == ("ada-2", 2)


async def test_a_resume_token_replaces_its_own_device_only() -> None:
    comms = comms_of()
    with comms.join("flight", identity=ADA) as laptop:
        half_open = laptop.channel.join("Ada", None, CancelScope(), identity=ADA)
        token = half_open.resume_token
        with comms.join("flight", identity=ADA, resume_token=token) as again:
            assert half_open.close_reason is not None
            assert laptop.close_reason is None
            assert (again.name, again.member_count) == ("Ada", 1)
            laptop.channel.leave(half_open)
            assert list(laptop.channel.members) == [laptop, again]
        assert list(laptop.channel.members) == [laptop]


@pytest.mark.parametrize("identity", [ADA, EVERYONE])
async def test_a_reconnection_does_not_fill_the_bucket(identity: Identity) -> None:
    comms = comms_of(message_burst=5, message_rate=0.1)
    for name in ("ada", "bo", "cy"):  # another name does not help either
        with comms.join("flight", name, client="192.0.2.7", identity=identity) as member:
            for _ in range(5):
                member.bucket.take()
            assert member.bucket.wait_s > 0
    if identity is EVERYONE:
        with comms.join("flight", "dee", client="192.0.2.8") as other:
            assert other.bucket.wait_s == 0


async def test_devices_and_requests_of_one_person_share_a_bucket() -> None:
    comms = comms_of(message_burst=2, message_rate=0.1)
    with (
        comms.join("flight", identity=ADA, client="192.0.2.7") as phone,
        comms.join("flight", identity=ADA, client="192.0.2.8") as laptop,
    ):
        assert phone.bucket is laptop.bucket
        phone.bucket.take()
        laptop.bucket.take()
        with pytest.raises(TooManyMessages):
            await comms.say("flight", "one more", identity=ADA, client="192.0.2.9")


def test_the_number_of_buckets_is_bounded() -> None:
    now = 0.0
    buckets = Buckets(0.1, 2, lambda: now)
    for number in range(MAX_CLIENTS + 10):
        for _ in range(3):
            bucket = buckets.join(f"192.0.2.{number}", EVERYONE)
            bucket.take()
            buckets.leave(bucket, f"192.0.2.{number}", EVERYONE)
        buckets.take_request(f"192.0.2.{number}", EVERYONE)
    assert len(buckets._left) == len(buckets._shared) == MAX_CLIENTS
    assert {len(left) for left in buckets._left.values()} == {1}
