"""What waits for its transaction, when it cannot be written."""

from __future__ import annotations

from rover.logs.batch import PACK_BYTES, Batch, Hole
from rover.schema import MAX_OFFSET, OFFSET_BITS

T0 = 1_790_000_000.0


def batch_of(stream: int, *offsets: int, size: int = PACK_BYTES) -> Batch:
    batch = Batch()
    for offset in offsets:
        row = (stream << OFFSET_BITS | offset, T0 + offset, None, "sample", "x" * size)
        batch.append(row)
    return batch


def offsets(batch: Batch) -> list[tuple[int, int]]:
    """The stream and the offset of each record."""
    assert all(pack.first == pack.last for pack in batch.packs)
    return [(pack.stream, pack.last & MAX_OFFSET) for pack in batch.packs]


RECORD_BYTES = batch_of(1, 1).size


def test_what_was_appended_later_follows() -> None:
    batch, later = batch_of(1, 1, 2), batch_of(1, 3)
    later.items["alarm/1"] = "red"
    batch.extend(later)
    assert offsets(batch) == [(1, 1), (1, 2), (1, 3)]
    assert batch.items == {"alarm/1": "red"}
    assert batch.size == 3 * RECORD_BYTES


def test_the_oldest_records_are_dropped_and_leave_one_hole() -> None:
    batch = batch_of(1, *range(1, 9))
    assert batch.drop_oldest(4 * RECORD_BYTES, "the disk is full") == 4
    assert offsets(batch) == [(1, 5), (1, 6), (1, 7), (1, 8)]
    later = batch_of(1, 9, 10)
    later.drop_oldest(RECORD_BYTES, "the disk is full")
    batch.extend(later)
    assert batch.holes == {1: Hole(1, 1, 9, T0 + 1, T0 + 9, "the disk is full")}
    assert batch.drop_oldest(0, "the disk is full") == len([5, 6, 7, 8, 10])
    assert batch.size == 0


def test_a_deleted_stream_takes_its_records_along() -> None:
    batch, later = batch_of(1, 1, 2), batch_of(2, 1)
    later.delete(1)
    batch.extend(later)
    assert offsets(batch) == [(2, 1)]
    assert batch.deleted == {1}
    assert batch.drop_oldest(0, "the disk is full") == 1
