"""Records written by RecordWriter come back from RecordReader, whatever their size, form and compression."""

from __future__ import annotations

import array
import io
import os
import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import recordfs
from recordfs.errors import ClosedFileError, InvalidArgumentError

COMPRESSIONS = [None, "GZIP", "ZLIB"]

# Around every size at which the writer or reader changes its way: the buffer, large records, pieces of these.
SIZES = [0, 1, 2, 1000, 32767, 32768, 32769, 131071, 131072, 131073, 262127, 262128, 262129, 262144, 600_000]


def payload(size: int, seed: int = 0) -> bytes:
    return random.Random(seed * 1_000_003 + size).randbytes(size)


def write(path, records, **keywords) -> None:
    with recordfs.RecordWriter(path, **keywords) as writer:
        for record in records:
            writer.write(record)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_records_of_all_sizes_come_back(tmp_path, compression):
    path = tmp_path / "records"
    records = [payload(size) for size in SIZES] + [b"tail"] * 50 + [payload(size, 1) for size in reversed(SIZES)]
    write(path, records, compression=compression)
    assert list(recordfs.RecordReader(path)) == records
    assert list(recordfs.RecordReader(path, compression=compression)) == records
    assert [bytes(view) for view in recordfs.RecordReader(path).views()] == records
    batches = list(recordfs.RecordReader(path).batches(7))
    assert [len(batch) for batch in batches[:-1]] == [7] * (len(batches) - 1)
    assert [record for batch in batches for record in batch] == records


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_batch_is_the_same_as_single_writes(tmp_path, compression):
    records = [payload(size % 3000, size) for size in range(500)] + [payload(size) for size in SIZES]
    write(tmp_path / "single", records, compression=compression)
    with recordfs.RecordWriter(tmp_path / "batch", compression=compression) as writer:
        writer.write_batch(records[:100])
        writer.write_batch(tuple(records[100:200]))
        writer.write_batch(iter(records[200:]))
        assert writer.records_written == len(records)
    assert (tmp_path / "batch").read_bytes() == (tmp_path / "single").read_bytes()


@settings(max_examples=30, deadline=None)
@given(records=st.lists(st.binary(max_size=400), max_size=40), batch=st.integers(1, 9))
def test_any_records_come_back_from_memory(records, batch):
    file = io.BytesIO()
    writer = recordfs.RecordWriter(file)
    writer.write_batch(records)
    writer.close()
    assert writer.records_written == len(records)
    file.seek(0)
    assert [one for some in recordfs.RecordReader(file).batches(batch) for one in some] == records


def test_everything_that_has_a_buffer_is_written_as_its_bytes(tmp_path):
    numbers = array.array("d", [1.0, 2.0])
    large = bytearray(payload(200_000))
    given = [b"bytes", bytearray(b"bytearray"), memoryview(b"view"), memoryview(b"abcdef")[::2], numbers, large]
    expected = [b"bytes", b"bytearray", b"view", b"ace", numbers.tobytes(), bytes(large)]
    write(tmp_path / "records", given)
    assert list(recordfs.RecordReader(tmp_path / "records")) == expected


@pytest.mark.parametrize("wrong", ["text", 17, None, ["list"], object()])
def test_what_has_no_buffer_is_a_type_error_and_nothing_is_written(tmp_path, wrong):
    with recordfs.RecordWriter(tmp_path / "records") as writer:
        writer.write(b"before")
        with pytest.raises(TypeError, match="a record is bytes"):
            writer.write(wrong)
        with pytest.raises(TypeError, match="a record is bytes"):
            writer.write_batch([b"in the batch", wrong, b"not reached"])
        assert writer.records_written == 2
        writer.write(b"after")
    assert list(recordfs.RecordReader(tmp_path / "records")) == [b"before", b"in the batch", b"after"]


def test_str_says_to_encode(tmp_path):
    with recordfs.RecordWriter(tmp_path / "records") as writer, pytest.raises(TypeError, match="encode"):
        writer.write("text")


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_tell_is_where_the_reader_finds_the_next_record(tmp_path, compression):
    path = tmp_path / "records"
    records = [payload(size) for size in (0, 5, 300_000, 40_000, 7)]
    offsets = []
    with recordfs.RecordWriter(path, compression=compression) as writer:
        for record in records:
            offsets.append(writer.tell())
            writer.write(record)
        end = writer.tell()
    reader = recordfs.RecordReader(path)
    iterator = iter(reader)
    for offset, record in zip(offsets, records, strict=True):
        assert reader.tell() == (str(path), offset)
        assert next(iterator) == record
    assert reader.tell().offset == end
    for index, offset in enumerate(offsets):
        assert list(recordfs.RecordReader(path, start=offset)) == records[index:]
        assert list(recordfs.RecordReader(path, start=(str(path), offset))) == records[index:]
    assert list(recordfs.RecordReader(path, start=end)) == []


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_flush_makes_every_record_readable(tmp_path, compression):
    path = tmp_path / "records"
    with recordfs.RecordWriter(path, compression=compression) as writer:
        for count in range(1, 6):
            writer.write(payload(count * 1000))
            writer.flush()
            if compression is None or count > 0:
                reader = recordfs.RecordReader(path)
                assert len(list(reader)) == count
                assert reader.report.unfinished_stream == (compression is not None)
        size = path.stat().st_size
        writer.flush()
        assert path.stat().st_size == size  # nothing new, nothing written
        writer.sync()
    assert len(list(recordfs.RecordReader(path))) == 5


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_file_without_records_is_readable(tmp_path, compression):
    path = tmp_path / "records"
    write(path, [], compression=compression)
    reader = recordfs.RecordReader(path)
    assert list(reader) == []
    assert not reader.report.unfinished_stream


def test_a_higher_compression_level_gives_a_smaller_file(tmp_path):
    record = b"abcdefgh" * 10_000
    sizes = []
    for level in (0, 1, 9, -1):
        path = tmp_path / f"level{level}"
        write(path, [record], compression="ZLIB", compression_level=level)
        sizes.append(path.stat().st_size)
        assert zlib.decompress(path.read_bytes())[12:-4] == record
    assert sizes[0] > len(record) > sizes[1] >= sizes[2]


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"compression": "gzip"}, "GZIP"),
        ({"compression": "SNAPPY"}, "GZIP"),
        ({"compression": "GZIP", "compression_level": 10}, "between -1 and 9"),
        ({"append": True, "atomic": True}, "exclude"),
        ({"repair_tail": True}, "append=True"),
        ({"compression": "GZIP", "index": True}, "index"),
    ],
)
def test_wrong_arguments_make_no_file(tmp_path, keywords, message):
    with pytest.raises(InvalidArgumentError, match=message):
        recordfs.RecordWriter(tmp_path / "records", **keywords)
    assert list(tmp_path.iterdir()) == []


def test_missing_parents_are_made(tmp_path):
    write(os.fsencode(tmp_path / "a" / "b" / "records"), [b"x"])
    assert list(recordfs.RecordReader(tmp_path / "a" / "b" / "records")) == [b"x"]


def test_every_call_after_close_raises(tmp_path):
    writer = recordfs.RecordWriter(tmp_path / "records")
    writer.write(b"x")
    writer.close()
    writer.close()
    assert writer.closed
    for call in (
        lambda: writer.write(b"y"),
        lambda: writer.write_batch([b"y"]),
        writer.flush,
        writer.sync,
        writer.tell,
    ):
        with pytest.raises(ClosedFileError) as caught:
            call()
        assert caught.value.path == str(tmp_path / "records")
    assert list(recordfs.RecordReader(tmp_path / "records")) == [b"x"]


def test_a_closed_reader_says_so(tmp_path):
    write(tmp_path / "records", [b"x", b"y"])
    with recordfs.RecordReader(tmp_path / "records") as reader:
        iterator = iter(reader)
        assert next(iterator) == b"x"
    reader.close()
    with pytest.raises(ClosedFileError):
        next(iterator)


def test_views_outlive_everything(tmp_path):
    records = [payload(size) for size in (10, 1000, 300_000)] * 30
    write(tmp_path / "records", records)
    with recordfs.RecordReader(tmp_path / "records") as reader:
        views = list(reader.views())
    del reader
    assert [bytes(view) for view in views] == records
    assert all(view.readonly for view in views)


def test_iterators_of_one_reader_are_independent_whatever_their_form(tmp_path):
    records = [payload(size % 977, size) for size in range(4000)]
    write(tmp_path / "records", records)
    reader = recordfs.RecordReader(tmp_path / "records")
    for whole, views, batch in zip(reader, reader.views(), reader.batches(1), strict=True):
        assert whole == views == batch[0]
    assert list(reader) == records
    assert [record for batch in reader.batches(7) for record in batch] == records
