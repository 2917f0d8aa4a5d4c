"""`write` of bytes and `next` of a record at hand have short ways: they do what the general ways do."""

from __future__ import annotations

import gc
import sys
import weakref
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest

from recordfs import RecordReader, RecordWriter
from recordfs._core import NativeRecordReader, NativeRecordWriter
from recordfs.errors import ClosedFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BLOCK = 512 * 1024
DIRECT = 128 * 1024

# A record that just fits into the rest of a block, one that does not, and others that go their own ways.
SIZES = [0, 1, 100, 1000, BLOCK // 2 - 5 * 16 - 1101, BLOCK // 2 - 16, 0, BLOCK // 2, DIRECT - 1, DIRECT, DIRECT + 1, 7]


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_records_one_by_one_make_the_same_file_and_index_as_a_batch(tmp_path: Path, compression: str) -> None:
    records = [bytes([number]) * size for number, size in enumerate(SIZES * 3)]
    with RecordWriter(tmp_path / "single", compression=compression, index=not compression) as writer:
        offsets = []
        for record in records:
            offsets.append(writer.tell())
            assert writer.write(record) is None
        assert writer.records_written == len(records)
    with RecordWriter(tmp_path / "batch", compression=compression, index=not compression) as writer:
        writer.write_batch(records)
    assert (tmp_path / "single").read_bytes() == (tmp_path / "batch").read_bytes()
    assert offsets == [sum(len(record) + 16 for record in records[:number]) for number in range(len(records))]
    if not compression:
        assert (tmp_path / "single.idx").read_bytes() == (tmp_path / "batch.idx").read_bytes()
    reader = RecordReader(tmp_path / "single")
    assert list(reader) == records
    assert [record for batch in reader.batches(5) for record in batch] == records


def test_a_record_of_any_kind_is_written_as_its_bytes() -> None:
    class Named(bytes):
        """Bytes of a class of their own."""

    file = BytesIO()
    records: list[Any] = [b"bytes", Named(b"named"), bytearray(b"array"), memoryview(b"a view")[2:]]
    with RecordWriter(file) as writer:
        for record in records:
            writer.write(record)
    assert list(RecordReader(BytesIO(file.getvalue()))) == [bytes(record) for record in records]


def test_what_gives_no_buffer_now_is_refused_with_the_reason() -> None:
    released = memoryview(b"one")
    released.release()
    with RecordWriter(BytesIO()) as writer:
        for call in (lambda: writer.write(released), lambda: writer.write_batch([b"one", released])):
            with pytest.raises(TypeError, match="found memoryview, which gives none: operation forbidden") as raised:
                call()
            assert isinstance(raised.value.__cause__, ValueError)
        assert writer.records_written == 1


def test_a_writer_that_is_closed_or_was_never_opened_takes_no_bytes() -> None:
    writer = RecordWriter(BytesIO())
    writer.write(b"one")
    writer.close()
    for unusable in (writer, RecordWriter.__new__(RecordWriter), NativeRecordWriter()):
        with pytest.raises(ClosedFileError):
            unusable.write(b"two")
    assert writer.records_written == 1


def test_a_wrong_call_of_write_is_a_type_error_and_writes_nothing() -> None:
    write: Any = NativeRecordWriter.write
    with RecordWriter(BytesIO()) as writer:
        for arguments in ((), (b"one", b"two"), ("text",), (None,)):
            with pytest.raises(TypeError):
                write(writer, *arguments)
        with pytest.raises(TypeError):
            write(writer, data=b"one")
        with pytest.raises(TypeError):
            write(object(), b"one")
        assert writer.records_written == 0


def test_writing_and_reading_leave_the_counts_of_references_as_they_were() -> None:
    file, payload = BytesIO(), bytes(range(100))
    with RecordWriter(file) as writer:
        before = sys.getrefcount(payload), sys.getrefcount(writer), sys.getrefcount(None)
        for _ in range(10_000):
            writer.write(payload)
        after = sys.getrefcount(payload), sys.getrefcount(writer), sys.getrefcount(None)
    assert after[:2] == before[:2]
    assert abs(after[2] - before[2]) < 1000
    records = iter(RecordReader(BytesIO(file.getvalue())))
    before_reading = sys.getrefcount(records)
    fresh = [next(records), bytes(bytearray(100)), next(records)]
    assert len({sys.getrefcount(record) for record in fresh}) == 1
    assert sum(1 for _ in records) == 9_998
    assert sys.getrefcount(records) == before_reading
    with pytest.raises(StopIteration):
        next(records)


def test_the_class_of_readers_outlives_no_reader_and_loses_no_reference() -> None:
    def read() -> None:
        assert list(RecordReader(BytesIO(stream))) == [b"one"]

    file = BytesIO()
    with RecordWriter(file) as writer:
        writer.write(b"one")
    stream = file.getvalue()
    read()
    gc.collect()
    before = sys.getrefcount(NativeRecordReader)
    for _ in range(100):
        read()
    gc.collect()
    assert sys.getrefcount(NativeRecordReader) == before


@pytest.mark.parametrize(
    "iterate",
    [iter, lambda reader: reader.batches(1), lambda reader: reader.views()],
    ids=["records", "batches", "views"],
)
def test_a_cycle_through_the_iterator_of_a_reader_is_collected(
    iterate: Callable[[RecordReader], Iterator[Any]],
) -> None:
    class File(BytesIO):
        """A file that knows who reads it."""

        iterator: object = None

    written = BytesIO()
    with RecordWriter(written) as writer:
        writer.write_batch([b"one", b"two"])
    file = File(written.getvalue())
    file.iterator = iterate(RecordReader(file))
    assert next(file.iterator) in (b"one", [b"one"])  # type: ignore[call-overload]
    gone = weakref.ref(file)
    del file
    gc.collect()
    assert gone() is None


def test_the_class_of_readers_is_what_it_says() -> None:
    advance: Any = NativeRecordReader.__next__
    with pytest.raises(TypeError):
        advance(iter([b"one"]))
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Derived", (NativeRecordReader,), {})
    assert (NativeRecordReader.__module__, NativeRecordReader.__qualname__) == ("recordfs._core", "NativeRecordReader")
