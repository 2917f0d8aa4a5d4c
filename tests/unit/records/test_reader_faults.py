"""Broken, cut and lying files: every row of TensorFlow's table has an answer, and nothing is lost by trying again."""

from __future__ import annotations

import gzip
import io
import itertools
import random
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.record_files import ScheduledReadableFile

import recordfs
from recordfs._core import RecordScanner
from recordfs.errors import (
    CorruptRecordError,
    DataLossError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    OutOfRangeError,
    TruncatedRecordError,
    UnavailableError,
)

RECORDS = [b"first", b"", b"y" * 40, random.Random(1).randbytes(300_000), b"last"]


def stream_of(records, compression=None) -> bytes:
    file = io.BytesIO()
    writer = recordfs.RecordWriter(file, compression=compression)
    writer.write_batch(records)
    writer.close()
    return file.getvalue()


def offsets_of(records) -> list[int]:
    offsets = [0]
    for record in records:
        offsets.append(offsets[-1] + len(record) + 16)
    return offsets


def header(length: int) -> bytes:
    """A header with a sound checksum for any length."""
    # A record of 8 bytes has the checksum of these 8 bytes as its footer.
    field = struct.pack("<Q", length)
    return field + stream_of([field])[-4:]


def read_until_error(reader) -> tuple[list[bytes], Exception | None]:
    records: list[bytes] = []
    try:
        for record in reader:
            records.append(record)  # noqa: PERF402 - what came before the error counts
    except DataLossError as error:
        return records, error
    return records, None


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
        # gzip's time, system and flag for text do not matter to anybody, nor do the bits behind the last block.
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


# Compressed streams.


def test_members_of_a_gzip_file_are_read_through():
    data = gzip.compress(stream_of([b"a", b"b"])) + gzip.compress(b"") + gzip.compress(stream_of([b"c"]))
    assert list(recordfs.RecordReader(io.BytesIO(data))) == [b"a", b"b", b"c"]


def test_a_record_may_cross_members():
    stream = stream_of([b"record" * 100])
    data = gzip.compress(stream[:77]) + gzip.compress(stream[77:])
    assert list(recordfs.RecordReader(io.BytesIO(data))) == [b"record" * 100]


@pytest.mark.parametrize(("compression", "trailer"), [("GZIP", 8), ("ZLIB", 4)])
def test_trailers(compression, trailer):
    data = stream_of([b"a", b"b"], compression)
    for missing in range(trailer + 1):
        file = ScheduledReadableFile(data[: len(data) - missing])
        reader = recordfs.RecordReader(file)
        iterator = iter(reader)
        got, error = read_until_error(iterator)
        assert got == [b"a", b"b"]
        assert reader.report.unfinished_stream == (missing == trailer)
        # A partial trailer is an error: nobody flushes there.
        assert type(error) is (DataLossError if 0 < missing < trailer else type(None))
        file.data = data
        assert list(iterator) == []
        assert not reader.report.unfinished_stream
    wrong = bytearray(data)
    wrong[-trailer] ^= 1
    got, error = read_until_error(recordfs.RecordReader(io.BytesIO(wrong)))
    assert got == [b"a", b"b"]
    assert type(error) is DataLossError
    assert "checksum" in str(error)


def test_a_trailer_that_is_cut_off_is_one_loss_however_often_it_is_met():
    for on_error in ("skip", "stop"):
        file = ScheduledReadableFile(stream_of([b"a"], "GZIP")[:-3])
        reader = recordfs.RecordReader(file, on_error=on_error)
        iterator = iter(reader)
        assert list(iterator) == [b"a"]
        assert list(iterator) == []
        assert [(loss.offset, loss.length) for loss in reader.report.losses] == [(17, None)]
        assert reader.report.loss_count == 1


def test_an_unfinished_stream_is_remembered_when_other_files_follow(tmp_path):
    (tmp_path / "1").write_bytes(stream_of([b"a"], "GZIP")[:-8])
    (tmp_path / "2").write_bytes(stream_of([b"b"], "GZIP"))
    reader = recordfs.RecordReader(str(tmp_path / "*"))
    assert list(reader) == [b"a", b"b"]
    assert reader.report.unfinished_stream


def test_bytes_behind_a_zlib_stream_are_an_error():
    reader = recordfs.RecordReader(io.BytesIO(stream_of([b"a"], "ZLIB") * 2))
    iterator = iter(reader)
    got, error = read_until_error(iterator)
    assert got == [b"a"]
    assert type(error) is CorruptRecordError
    assert list(iterator) == []


def test_a_plain_record_that_looks_compressed_is_plain():
    for length in (40_056, 559_903):
        data = stream_of([bytes(length)])
        assert data[:2] in (b"\x78\x9c", b"\x1f\x8b")
        assert list(recordfs.RecordReader(io.BytesIO(data))) == [bytes(length)]


# Skipping and stopping.


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
    """A writer died in the middle of a record, and another appended behind it."""
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


# Files that fail, stutter, lie or keep what they were lent.


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
def test_short_counts(count):
    records = RECORDS[:3] * 5 + [b"z" * 140_000]
    for compression in (None, "GZIP", "ZLIB"):
        data = stream_of(records, compression)
        assert list(recordfs.RecordReader(ScheduledReadableFile(data, lambda offset, wanted: count))) == records


def test_start_beyond_the_end():
    data = stream_of([b"x"])
    for file in map(ScheduledReadableFile, (data, gzip.compress(data), data[:5], b"")):
        with pytest.raises(OutOfRangeError):
            list(recordfs.RecordReader(file, start=18))
    assert list(recordfs.RecordReader(ScheduledReadableFile(data), start=17)) == []
    with pytest.raises(CorruptRecordError):
        list(recordfs.RecordReader(ScheduledReadableFile(data), start=1))
    with pytest.raises(InvalidArgumentError):
        recordfs.RecordReader(ScheduledReadableFile(data), start=-1)


def test_a_zlib_stream_of_anything_else_is_no_record_file():
    with pytest.raises(CorruptRecordError):
        list(recordfs.RecordReader(io.BytesIO(zlib.compress(b"no records in here, only text"))))


def test_a_missing_file_is_reported_at_once(tmp_path):
    with pytest.raises(NotFoundError):
        recordfs.RecordReader(tmp_path / "missing")
