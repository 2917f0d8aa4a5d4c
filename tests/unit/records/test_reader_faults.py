"""Broken, cut and lying files: every row of TensorFlow's table has an answer, and nothing is lost by trying again."""

from __future__ import annotations

import gzip
import io
import itertools
import random

import pytest
from tests.support.framing import header
from tests.support.record_files import ScheduledReadableFile, offsets_of, read_until_error, stream_of

import recordfs
from recordfs.errors import (
    CorruptRecordError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    OutOfRangeError,
    TruncatedRecordError,
    UnavailableError,
)

RECORDS = [b"first", b"", b"y" * 40, random.Random(1).randbytes(300_000), b"last"]


# TensorFlow: clean end for a torn header, data loss for a torn body. Here both say so, and both can be tried again.


def test_every_cut_is_reported_and_reading_goes_on_when_the_rest_arrives():
    records = [b"first", b"", b"y" * 40]
    whole, offsets = stream_of(records), offsets_of(records)
    for cut in range(len(whole) + 1):
        file = ScheduledReadableFile(whole[:cut])
        reader = recordfs.RecordReader(file)
        iterator = iter(reader)
        complete = sum(1 for offset in offsets[1:] if offset <= cut)
        before, error = read_until_error(iterator)
        assert before == records[:complete]
        assert (error is None) == (cut in offsets), cut
        assert reader.report.truncated_tail == (error is not None)
        if error is not None:
            assert isinstance(error, TruncatedRecordError)
            assert (error.path, error.offset) == ("scheduled", offsets[complete])
            again, error_again = read_until_error(iterator)
            assert again == []
            assert type(error_again) is TruncatedRecordError
        assert reader.tell().offset == offsets[complete]
        file.data = whole
        assert before + list(iterator) == records
        assert not reader.report.truncated_tail


@pytest.mark.parametrize("compression", ["GZIP", "ZLIB"])
def test_a_compressed_file_may_be_cut_anywhere_and_go_on_when_the_rest_arrives(compression):
    records = [b"first", b"", b"y" * 40]
    whole = stream_of(records, compression)
    for cut in range(len(whole)):
        for step in (1, len(whole)):
            file = ScheduledReadableFile(whole[:cut])
            reader = recordfs.RecordReader(file)
            iterator = iter(reader)
            got = read_until_error(iterator)[0]
            for end in range(cut, len(whole) + step, step):
                file.data = whole[:end]
                got += read_until_error(iterator)[0]
            assert got == records, (cut, step)
            assert not reader.report.truncated_tail


@pytest.mark.parametrize("source", ["known size", "unknown size", "GZIP"])
def test_a_large_record_that_is_cut_goes_on_when_the_rest_arrives(source):
    whole = stream_of(RECORDS, "GZIP" if source == "GZIP" else None)
    for cut in [len(whole) * part // 13 for part in range(1, 13)] + [len(whole) - size for size in (1, 9, 21, 25, 40)]:
        file = ScheduledReadableFile(whole[:cut])
        if source == "unknown size":
            file.size = lambda: -1
        reader = recordfs.RecordReader(file)
        iterator = iter(reader)
        before, error = read_until_error(iterator)
        if source != "GZIP":
            assert isinstance(error, TruncatedRecordError)
            assert f"{cut - error.offset} of" in str(error)
        file.data = whole
        assert before + list(iterator) == RECORDS


def test_a_truncated_message_says_how_much_is_there():
    data = stream_of([b"x" * 84])
    with pytest.raises(TruncatedRecordError, match="5 of the 12 bytes of its header"):
        list(recordfs.RecordReader(io.BytesIO(data[:5])))
    with pytest.raises(TruncatedRecordError, match="60 of its 100 bytes"):
        list(recordfs.RecordReader(io.BytesIO(data[:60])))


@pytest.mark.parametrize(("compression", "trailer"), [(None, 0), ("GZIP", 8), ("ZLIB", 4)])
def test_any_flipped_bit_is_noticed(compression, trailer):
    records = [b"first", b"", b"y" * 40, b"last"] * 3
    sound = stream_of(records, compression)
    for at, bit in itertools.product(range(len(sound)), range(8)):
        data = bytearray(sound)
        data[at] ^= 1 << bit
        reader = recordfs.RecordReader(io.BytesIO(data), compression=compression)
        got, error = read_until_error(reader)
        assert got == records[: len(got)]
        # A changed bit can make a header or the last block swallow the trailer: then the stream looks unfinished.
        if error is not None or reader.report.unfinished_stream:
            continue
        # gzip's time, system and flag for text do not matter to anybody, nor do the bits after the last block.
        in_header = compression == "GZIP" and (4 <= at < 10 or (at, bit) == (3, 0))
        assert in_header or (compression and at == len(sound) - trailer - 1)
        assert got == records


def test_a_corrupt_record_names_file_and_offset_and_ends_the_iteration(tmp_path):
    path = tmp_path / "records"
    data, offsets = bytearray(stream_of(RECORDS)), offsets_of(RECORDS)
    for index, at in [(0, 3), (0, 10), (0, 14), (2, offsets[2] + 20), (3, offsets[3] + 200_000), (4, len(data) - 1)]:
        broken = bytearray(data)
        broken[at] ^= 1
        path.write_bytes(broken)
        reader = recordfs.RecordReader(path)
        iterator = iter(reader)
        got, error = read_until_error(iterator)
        assert got == RECORDS[:index]
        assert type(error) is CorruptRecordError
        assert (error.path, error.offset) == (str(path), offsets[index])
        assert reader.tell() == (str(path), offsets[index])
        assert list(iterator) == []


def test_what_is_no_record_file_says_so():
    with pytest.raises(CorruptRecordError, match="perhaps no TFRecord file"):
        list(recordfs.RecordReader(io.BytesIO(b"hello, this is a text and no record file")))
    with pytest.raises(CorruptRecordError, match="looks like a GZIP file"):
        list(recordfs.RecordReader(io.BytesIO(stream_of([b"x"], "GZIP")), compression=None))
    with pytest.raises(CorruptRecordError, match="bad compression header"):
        list(recordfs.RecordReader(io.BytesIO(stream_of([b"x"])), compression="GZIP"))


@pytest.mark.parametrize("length", [2**31 + 1, 2**40, 2**63 - 1, 2**63, 2**64 - 5, 2**64 - 1])
@pytest.mark.parametrize("follow", [False, True])
def test_absurd_lengths_are_errors_and_allocate_nothing(length, follow):
    file = ScheduledReadableFile(stream_of([b"x"]) + header(length) + bytes(1000))
    reader = recordfs.RecordReader(file, follow=follow, follow_timeout=5)
    iterator = iter(reader)
    assert next(iterator) == b"x"
    with pytest.raises(CorruptRecordError, match=str(length)) as caught:
        next(iterator)
    assert caught.value.offset == 17


def test_a_believable_length_costs_only_what_arrives():
    """A length of 2^31 is allowed; the file's size, or the bytes themselves, show that it is not true."""
    data = stream_of([b"x"]) + header(2**31) + bytes(1000)
    unknown = ScheduledReadableFile(data)
    unknown.size = lambda: -1
    for file in (ScheduledReadableFile(data), unknown, io.BytesIO(gzip.compress(data))):
        with pytest.raises(TruncatedRecordError, match="1012 of its 2147483664 bytes"):
            list(recordfs.RecordReader(file))


def test_max_record_size_is_the_callers():
    data = stream_of([b"12345", b"123456"])
    reader = recordfs.RecordReader(io.BytesIO(data), max_record_size=5)
    iterator = iter(reader)
    assert next(iterator) == b"12345"
    with pytest.raises(CorruptRecordError, match="limit of 5"):
        next(iterator)
    skipping = recordfs.RecordReader(ScheduledReadableFile(data + data), max_record_size=5, on_error="skip")
    assert list(skipping) == [b"12345", b"12345"]
    assert skipping.report.lost_bytes == 44
    with pytest.raises(InvalidArgumentError):
        recordfs.RecordReader(io.BytesIO(data), max_record_size=-1)


def test_trailing_garbage_is_an_error():
    for size in (1, 11, 12, 100):
        reader = recordfs.RecordReader(io.BytesIO(stream_of([b"x"]) + b"g" * size))
        got, error = read_until_error(reader)
        assert got == [b"x"]
        assert type(error) is (TruncatedRecordError if size < 12 else CorruptRecordError)


def test_payload_checksums_can_be_left_out_but_not_those_of_lengths():
    data = bytearray(stream_of([b"first", b"x" * 200_000, b"last"]))
    data[13] ^= 1
    data[100_000] ^= 1
    with pytest.raises(CorruptRecordError):
        list(recordfs.RecordReader(io.BytesIO(data)))
    assert len(list(recordfs.RecordReader(io.BytesIO(data), verify_checksums=False))) == 3
    data[0] ^= 1
    with pytest.raises(CorruptRecordError):
        list(recordfs.RecordReader(io.BytesIO(data), verify_checksums=False))


@pytest.mark.parametrize("compression", [None, "GZIP"])
@pytest.mark.parametrize("error", [UnavailableError, KeyboardInterrupt])
def test_a_read_that_fails_at_any_step_can_be_tried_again(compression, error):
    data = stream_of(RECORDS, compression)
    failing = -1
    calls = 0

    def count(offset: int, wanted: int) -> int:
        nonlocal calls
        calls += 1
        if calls - 1 == failing:
            raise error
        return max(1, wanted // 3)

    assert list(recordfs.RecordReader(ScheduledReadableFile(data, count))) == RECORDS
    for failing in range(calls):  # noqa: B007 - the function above looks at it
        calls = 0
        for form in ("bytes", "views", "batches"):
            reader = recordfs.RecordReader(ScheduledReadableFile(data, count))
            iterator = {"bytes": iter(reader), "views": reader.views(), "batches": reader.batches(2)}[form]
            got = []
            while True:
                try:
                    item = next(iterator)
                except error:
                    continue
                except StopIteration:
                    break
                got.extend(item if form == "batches" else [bytes(item)])
            assert got == RECORDS


@pytest.mark.parametrize("answer", [-1, 2**40, 262_145, None, "3", 2.5])
def test_an_impossible_count_is_an_internal_error(answer):
    file = ScheduledReadableFile(stream_of([b"x"]))
    file.read_into = lambda offset, buffer: answer
    with pytest.raises(InternalError, match="read_into") as caught:
        list(recordfs.RecordReader(file))
    assert caught.value.path == "scheduled"


def test_an_impossible_size_is_an_internal_error():
    file = ScheduledReadableFile(stream_of([b"x" * 300_000]))
    file.size = lambda: "large"
    with pytest.raises(InternalError, match="size"):
        list(recordfs.RecordReader(file))


def test_memory_that_a_file_keeps_is_never_used_again():
    kept: list[memoryview] = []
    records = [bytes([index % 256]) * 3000 for index in range(400)] + [b"z" * 700_000]

    class Hoarder(ScheduledReadableFile):
        def read_into(self, offset: int, buffer) -> int:
            count = super().read_into(offset, buffer)
            kept.append(memoryview(buffer)[:50])
            return count

    got = []
    for record in recordfs.RecordReader(Hoarder(stream_of(records))):
        got.append(record)
        for view in kept:
            view[:] = b"\0" * len(view)  # whoever kept a part may still write there
    assert got == records


@pytest.mark.parametrize("count", [1, 2, 3, 7, 11, 13])
def test_a_file_that_gives_a_few_bytes_a_read_is_read_whole(count):
    records = RECORDS[:3] * 5 + [b"z" * 140_000]
    for compression in (None, "GZIP", "ZLIB"):
        data = stream_of(records, compression)
        assert list(recordfs.RecordReader(ScheduledReadableFile(data, lambda offset, wanted: count))) == records


def test_a_start_beyond_the_end_is_out_of_range():
    data = stream_of([b"x"])
    for file in map(ScheduledReadableFile, (data, gzip.compress(data), data[:5], b"")):
        with pytest.raises(OutOfRangeError):
            list(recordfs.RecordReader(file, start=18))
    assert list(recordfs.RecordReader(ScheduledReadableFile(data), start=17)) == []
    with pytest.raises(CorruptRecordError):
        list(recordfs.RecordReader(ScheduledReadableFile(data), start=1))
    with pytest.raises(InvalidArgumentError):
        recordfs.RecordReader(ScheduledReadableFile(data), start=-1)


def test_a_missing_file_is_reported_at_once(tmp_path):
    with pytest.raises(NotFoundError):
        recordfs.RecordReader(tmp_path / "missing")
