"""``tell`` and the report count what was handed out, not what was read: nothing is lost by resuming there."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from recordfs import RecordReader, RecordWriter
from recordfs.errors import CorruptRecordError, UnavailableError

RECORDS = [b"%05d" % number * 10 for number in range(20_000)]


@pytest.fixture
def path(tmp_path) -> str:
    path = str(tmp_path / "records")
    with RecordWriter(path) as writer:
        writer.write_batch(RECORDS)
    return path


class TroubledFile:
    """The bytes of a file; the fourth read of them makes trouble."""

    def __init__(self, path: str, trouble) -> None:
        self.name = path
        self.reads = 0
        self._trouble = trouble
        self._content = Path(path).read_bytes()

    def size(self) -> int:
        return len(self._content)

    def read_into(self, offset: int, buffer) -> int:
        self.reads += 1
        if self.reads == 4:
            self._trouble()
        part = self._content[offset : offset + len(buffer)]
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        """Nothing is open."""


def overloaded() -> None:
    raise UnavailableError("the store is overloaded")


def interrupted() -> None:
    signal.raise_signal(signal.SIGINT)


def take_all(batches, found: list[bytes]) -> None:
    for batch in batches:
        found += batch


@pytest.mark.parametrize(("trouble", "error"), [(overloaded, UnavailableError), (interrupted, KeyboardInterrupt)])
def test_what_a_failing_batch_keeps_back_is_not_counted(path, trouble, error):
    reader = RecordReader(TroubledFile(path, trouble))
    batches = reader.batches(5000)
    found: list[bytes] = []
    with pytest.raises(error):
        take_all(batches, found)
    assert 0 < len(found) < len(RECORDS)
    assert reader.report.records == len(found)
    assert reader.report.bytes == sum(map(len, found))
    position = reader.tell()
    assert position.offset == sum(len(record) + 16 for record in found)
    assert found + list(RecordReader(path, start=position.offset)) == RECORDS
    # Going on with the same iterator loses and doubles nothing either.
    assert found + [record for batch in batches for record in batch] == RECORDS
    assert reader.report.records == len(RECORDS)


def test_a_batch_counts_when_it_leaves(path):
    reader = RecordReader(path)
    batches = reader.batches(7)
    for number in range(1, 4):
        next(batches)
        assert reader.report.records == 7 * number
        assert reader.tell().offset == 7 * number * 66


def test_in_front_of_a_broken_record_a_batch_ends_and_tell_is_its_place(path):
    with open(path, "r+b") as file:
        file.seek(66 * 10 + 20)
        file.write(b"x")
    reader = RecordReader(path)
    batches = reader.batches(100)
    assert next(batches) == RECORDS[:10]
    assert (reader.tell().offset, reader.report.records) == (660, 10)
    with pytest.raises(CorruptRecordError):
        next(batches)
    assert (reader.tell().offset, reader.report.records) == (660, 10)
