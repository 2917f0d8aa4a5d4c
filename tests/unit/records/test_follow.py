"""Following a growing file: waiting, timing out, being stopped and interrupted."""

from __future__ import annotations

import time

import pytest
from tests.support.followers import Follower
from tests.support.interrupts import assert_interrupt_ends
from tests.support.record_files import ScheduledReadableFile

import recordfs
from recordfs.errors import CorruptRecordError


@pytest.mark.parametrize("compression", [None, "GZIP", "ZLIB"])
def test_records_come_as_they_are_flushed(tmp_path, compression):
    path = tmp_path / "records"
    path.touch()
    reader = recordfs.RecordReader(path, follow=True)
    follower = Follower(reader)
    records = [b"one", b"", b"x" * 300_000, b"four"]
    with recordfs.RecordWriter(path, compression=compression) as writer:
        for count, record in enumerate(records, start=1):
            writer.write(record)
            writer.flush()
            follower.wait_for(count)
    reader.stop()
    follower.join()
    assert follower.items == records
    assert follower.error is None
    assert not reader.report.truncated_tail


def test_bytes_may_come_one_by_one(tmp_path):
    path = tmp_path / "whole"
    with recordfs.RecordWriter(path) as writer:
        writer.write_batch([b"abc", b"defgh"])
    whole = path.read_bytes()
    growing = tmp_path / "growing"
    with growing.open("wb", buffering=0) as file:
        reader = recordfs.RecordReader(growing, follow=True)
        follower = Follower(reader)
        for index in range(len(whole)):
            file.write(whole[index : index + 1])
            if index in (18, len(whole) - 1):
                follower.wait_for(1 if index == 18 else 2)
    reader.stop()
    follower.join()
    assert follower.items == [b"abc", b"defgh"]


def test_timeout_ends_the_iteration_and_says_whether_the_tail_is_torn(tmp_path):
    path = tmp_path / "records"
    with recordfs.RecordWriter(path) as writer:
        writer.write_batch([b"a", b"b"])
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    reader = recordfs.RecordReader(path, follow=True, follow_timeout=0.05)
    iterator = iter(reader)
    assert list(iterator) == [b"a"]
    assert reader.report.truncated_tail
    assert reader.tell().offset == 17
    # It has ended, and can be asked again.
    path.write_bytes(whole)
    assert list(iterator) == [b"b"]
    assert not reader.report.truncated_tail
    assert list(recordfs.RecordReader(path, follow=True, follow_timeout=0)) == [b"a", b"b"]


def test_the_timeout_counts_from_the_last_new_byte(tmp_path):
    path = tmp_path / "records"
    writer = recordfs.RecordWriter(path)
    reader = recordfs.RecordReader(path, follow=True, follow_timeout=1.5)
    follower = Follower(reader)
    for count in range(1, 8):
        time.sleep(0.3)
        writer.write(b"%d" % count)
        writer.flush()
        follower.wait_for(count)
    follower.join()
    assert len(follower.items) == 7
    writer.close()


def test_stop_and_close_wake_a_waiting_reader(tmp_path):
    (tmp_path / "records").touch()
    for end in ("stop", "close"):
        reader = recordfs.RecordReader(tmp_path / "records", follow=True)
        follower = Follower(reader)
        time.sleep(0.05)
        getattr(reader, end)()
        follower.join()
        assert follower.items == []


def test_questions_are_answered_while_another_thread_waits(tmp_path):
    with recordfs.RecordWriter(tmp_path / "records") as writer:
        writer.write(b"a")
    reader = recordfs.RecordReader(tmp_path / "records", follow=True)
    follower = Follower(reader)
    follower.wait_for(1)
    assert reader.tell().offset == 17
    assert reader.report.records == 1
    reader.stop()
    follower.join()


def test_control_c_works_while_waiting(tmp_path):
    (tmp_path / "records").touch()
    reader = recordfs.RecordReader(tmp_path / "records", follow=True)
    assert_interrupt_ends(lambda: list(reader))
    # Nothing is lost by it.
    with recordfs.RecordWriter(tmp_path / "records") as writer:
        writer.write(b"a")
    assert next(iter(reader)) == b"a"


def test_control_c_works_for_a_thread_that_waits_for_its_turn(tmp_path):
    (tmp_path / "records").touch()
    reader = recordfs.RecordReader(tmp_path / "records", follow=True)
    iterator = iter(reader)
    follower = Follower(iterator)
    time.sleep(0.05)  # in most runs the other thread is inside then, and this one waits for its turn
    assert_interrupt_ends(lambda: list(iterator))
    reader.stop()
    follower.join()


def test_batches_do_not_keep_back_what_is_there(tmp_path):
    path = tmp_path / "records"
    with recordfs.RecordWriter(path) as writer:
        writer.write_batch([b"a", b"b", b"c"])
        writer.flush()
        reader = recordfs.RecordReader(path, follow=True)
        follower = Follower(reader.batches(2))
        follower.wait_for(2)
        writer.write(b"d")
        writer.flush()
        follower.wait_for(3)
    reader.stop()
    follower.join()
    assert follower.items == [[b"a", b"b"], [b"c"], [b"d"]]


def test_only_the_last_file_is_waited_for(tmp_path):
    for name in "abc":
        with recordfs.RecordWriter(tmp_path / name) as writer:
            writer.write(name.encode())
    reader = recordfs.RecordReader(str(tmp_path / "*"), follow=True, follow_timeout=0.05)
    assert list(reader) == [b"a", b"b", b"c"]


def test_corruption_is_not_waited_for(tmp_path):
    (tmp_path / "records").write_bytes(bytes(12) + b"x")
    with pytest.raises(CorruptRecordError):
        list(recordfs.RecordReader(tmp_path / "records", follow=True))


def test_skip_and_follow_go_together(tmp_path):
    path = tmp_path / "records"
    with recordfs.RecordWriter(path) as writer:
        writer.write_batch([b"a", b"b", b"c"])
    whole = bytearray(path.read_bytes())
    whole[18] ^= 1
    path.write_bytes(whole[:30])
    reader = recordfs.RecordReader(path, follow=True, on_error="skip")
    follower = Follower(reader)
    follower.wait_for(1)
    path.write_bytes(whole)
    follower.wait_for(2)
    reader.stop()
    follower.join()
    assert follower.items == [b"a", b"c"]
    assert [(loss.offset, loss.length) for loss in reader.report.losses] == [(17, 17)]


def test_a_timeout_while_skipping_reports_what_was_passed_over(tmp_path):
    garbage = bytes(100)
    (tmp_path / "records").write_bytes(recordfs_stream(b"a") + garbage)
    reader = recordfs.RecordReader(tmp_path / "records", follow=True, follow_timeout=0.05, on_error="skip")
    iterator = iter(reader)
    assert list(iterator) == [b"a"]
    assert reader.report.truncated_tail
    (loss,) = reader.report.losses
    assert loss.offset == 17
    assert loss.length >= 88
    with (tmp_path / "records").open("ab") as file:
        file.write(recordfs_stream(b"b"))
    assert list(iterator) == [b"b"]
    assert reader.report.lost_bytes == 100
    assert not reader.report.truncated_tail


def test_a_timeout_tells_that_a_compressed_stream_is_unfinished(tmp_path):
    with recordfs.RecordWriter(tmp_path / "records", compression="GZIP") as writer:
        writer.write(b"a")
        writer.flush()
        reader = recordfs.RecordReader(tmp_path / "records", follow=True, follow_timeout=0.05)
        iterator = iter(reader)
        assert list(iterator) == [b"a"]
        assert reader.report.unfinished_stream
        assert not reader.report.truncated_tail
    assert list(iterator) == []
    assert not reader.report.unfinished_stream


def test_a_large_record_is_followed_without_trusting_its_length():
    with_header = ScheduledReadableFile(b"")
    data = recordfs_stream(b"z" * 3_000_000)
    with_header.data = data[:100]
    reader = recordfs.RecordReader(with_header, follow=True)
    follower = Follower(reader)
    for end in (5000, 1_500_000, 2_999_999, len(data)):
        time.sleep(0.02)
        with_header.data = data[:end]
    follower.wait_for(1)
    reader.stop()
    follower.join()
    assert follower.items == [b"z" * 3_000_000]


def recordfs_stream(*records: bytes) -> bytes:
    import io

    file = io.BytesIO()
    writer = recordfs.RecordWriter(file)
    writer.write_batch(records)
    writer.close()
    return file.getvalue()


@pytest.mark.parametrize("timeout", [-1, float("nan"), 1e300])
def test_a_timeout_is_a_number_of_seconds(tmp_path, timeout):
    (tmp_path / "records").touch()
    with pytest.raises(recordfs.errors.InvalidArgumentError, match="follow_timeout"):
        recordfs.RecordReader(tmp_path / "records", follow=True, follow_timeout=timeout)
    recordfs.RecordReader(tmp_path / "records", follow=True, follow_timeout=float("inf")).close()
