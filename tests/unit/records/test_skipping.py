"""What on_error="skip" and "stop" hand out of a broken file, and how they account for the rest."""

from __future__ import annotations

import io
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.record_files import ScheduledReadableFile, offsets_of, stream_of

import recordfs
from recordfs._core import RecordScanner
from recordfs.errors import (
    CorruptRecordError,
    InvalidArgumentError,
)


def test_skip_goes_on_behind_each_kind_of_damage():
    records = [b"record %d " % index + bytes(index * 37 % 500) for index in range(40)]
    offsets = offsets_of(records)
    for at in range(offsets[5], offsets[7]):
        data = bytearray(stream_of(records))
        data[at] ^= 0x55
        reader = recordfs.RecordReader(ScheduledReadableFile(bytes(data)), on_error="skip")
        got = list(reader)
        broken = 5 if at < offsets[6] else 6
        assert got == records[:broken] + records[broken + 1 :]
        report = reader.report
        assert report.records == len(got)
        assert report.bytes == sum(map(len, got))
        (loss,) = report.losses
        assert (loss.path, loss.offset, loss.length) == ("scheduled", offsets[broken], len(records[broken]) + 16)
        assert "checksum" in loss.reason
        assert (report.loss_count, report.lost_bytes) == (1, loss.length)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_skip_accounts_for_every_byte(data):
    """Any damage: sound records and losses together cover the file, and the scanner finds the same."""
    records = data.draw(st.lists(st.binary(max_size=60), min_size=1, max_size=12))
    stream = bytearray(stream_of(records))
    for _ in range(data.draw(st.integers(0, 5))):
        begin = data.draw(st.integers(0, len(stream)))
        end = min(len(stream), begin + data.draw(st.integers(0, 30)))
        stream[begin:end] = data.draw(st.binary(max_size=30))
    reader = recordfs.RecordReader(ScheduledReadableFile(bytes(stream)), on_error="skip", compression=None)
    got = list(reader)
    report = reader.report
    assert sum(len(record) + 16 for record in got) + report.lost_bytes == len(stream)
    assert reader.tell().offset == len(stream)
    ends = [loss.offset + loss.length for loss in report.losses]
    assert all(end <= loss.offset for end, loss in zip(ends, report.losses[1:], strict=False))
    scanner = RecordScanner(end=len(stream), max_record_size=2**31, resync=True)
    scanner.feed(bytes(stream))
    scanner.finish()
    assert scanner.records == len(got)
    assert scanner.lost_bytes == report.lost_bytes


def test_skip_finds_a_header_however_far():
    garbage = random.Random(3).randbytes(1_000_003)
    data = garbage + stream_of([b"found", b"x" * 300_000]) + garbage + stream_of([b"again"])
    reader = recordfs.RecordReader(ScheduledReadableFile(data), on_error="skip")
    assert list(reader) == [b"found", b"x" * 300_000, b"again"]
    assert [(loss.offset, loss.length) for loss in reader.report.losses] == [(0, 1_000_003), (1_300_040, 1_000_003)]


def test_skip_passes_a_torn_record_in_the_middle():
    """A writer died in the middle of a record, and another appended after it."""
    torn = stream_of([b"z" * 500_000])[:100_000]
    data = stream_of([b"a"]) + torn + stream_of([b"b", b"c"])
    reader = recordfs.RecordReader(ScheduledReadableFile(data), on_error="skip")
    assert list(reader) == [b"a", b"b", b"c"]
    (loss,) = reader.report.losses
    assert (loss.offset, loss.length) == (17, 100_000)
    assert "truncated" in loss.reason
    assert not reader.report.truncated_tail


def test_skip_goes_on_to_the_next_file(tmp_path):
    (tmp_path / "1").write_bytes(stream_of([b"a"]) + stream_of([b"torn"])[:-1])
    (tmp_path / "2").write_bytes(stream_of([b"b"], "GZIP")[:-3])
    (tmp_path / "3").write_bytes(stream_of([b"c" * 400_000], "GZIP")[:300])
    (tmp_path / "4").write_bytes(stream_of([b"d"], "ZLIB") + b"garbage")
    (tmp_path / "5").write_bytes(stream_of([b"e"]))
    reader = recordfs.RecordReader(str(tmp_path / "*"), on_error="skip")
    assert list(reader) == [b"a", b"b", b"d", b"e"]
    report = reader.report
    assert [loss.path for loss in report.losses] == [str(tmp_path / name) for name in "1234"]
    assert not report.truncated_tail


def test_skip_reports_a_torn_tail():
    reader = recordfs.RecordReader(ScheduledReadableFile(stream_of([b"a", b"torn"])[:-2]), on_error="skip")
    assert list(reader) == [b"a"]
    assert reader.report.truncated_tail
    assert [(loss.offset, loss.length) for loss in reader.report.losses] == [(17, 18)]


def test_losses_are_counted_but_listed_only_up_to_a_limit():
    data = bytearray(stream_of([b"x"] * 3000))
    data[12::17] = b"y" * 3000
    reader = recordfs.RecordReader(ScheduledReadableFile(bytes(data)), on_error="skip")
    assert list(reader) == []
    assert (len(reader.report.losses), reader.report.loss_count, reader.report.lost_bytes) == (1000, 3000, 51_000)


@pytest.mark.parametrize("damage", ["length", "payload", "tail"])
def test_stop_ends_quietly_and_reports(damage):
    data = bytearray(stream_of([b"a", b"b", b"c"]))
    if damage == "tail":
        del data[-5:]
    else:
        data[17 + (0 if damage == "length" else 12)] ^= 1
    reader = recordfs.RecordReader(ScheduledReadableFile(bytes(data)), on_error="stop")
    iterator = iter(reader)
    expected = [b"a", b"b"] if damage == "tail" else [b"a"]
    assert list(iterator) == expected
    assert list(iterator) == []
    (loss,) = reader.report.losses
    assert (loss.offset, loss.length) == (17 * len(expected), None)
    assert reader.report.truncated_tail == (damage == "tail")


def test_a_batch_hands_out_what_was_sound_before_the_error():
    data = bytearray(stream_of([b"a", b"b", b"c", b"d"]))
    data[17 * 3 + 12] ^= 1
    batches = recordfs.RecordReader(io.BytesIO(data)).batches(2)
    assert next(batches) == [b"a", b"b"]
    assert next(batches) == [b"c"]
    with pytest.raises(CorruptRecordError):
        next(batches)
    assert list(batches) == []
    with pytest.raises(InvalidArgumentError):
        recordfs.RecordReader(io.BytesIO(data)).batches(0)
