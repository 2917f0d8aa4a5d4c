"""A reader is a recipe: each iteration begins at its start, in this process or, pickled, in another."""

from __future__ import annotations

import copy
import gc
import io
import multiprocessing
import os
import pickle

import pytest

from recordfs import RecordReader, RecordWriter
from recordfs.errors import ClosedFileError, CorruptRecordError, FailedPreconditionError
from recordfs.filesystems.memory import MemoryFileSystem

RECORDS = [b"record %d" % number for number in range(100)]


@pytest.fixture
def files(tmp_path) -> str:
    for part in range(4):
        with RecordWriter(tmp_path / f"part-{part}") as writer:
            writer.write_batch(RECORDS[25 * part : 25 * part + 25])
    return str(tmp_path / "part-*")


def test_every_epoch_reads_everything(files):
    reader = RecordReader(files)
    for _ in range(3):
        assert list(reader) == RECORDS
        assert reader.report.records == 100
    assert [record for batch in reader.batches(7) for record in batch] == RECORDS
    assert [bytes(view) for view in reader.views()] == RECORDS


def test_an_epoch_that_was_broken_off_is_not_gone_on_with(files):
    reader = RecordReader(files, start=(files.replace("*", "1"), 0))
    for record in reader:
        if record == RECORDS[30]:
            break
    assert list(reader) == RECORDS[25:]


def test_an_iterator_goes_on_where_it_stands(files):
    iterator = iter(RecordReader(files))
    assert [next(iterator) for _ in range(10)] == RECORDS[:10]
    assert list(iterator) == RECORDS[10:]


def test_what_was_wrong_is_wrong_again(files):
    path = files.replace("*", "1")
    with open(path, "r+b") as file:
        file.seek(5)
        file.write(b"x")
    reader = RecordReader(files)
    for _ in range(2):
        found: list[bytes] = []
        with pytest.raises(CorruptRecordError):
            found.extend(iter(reader))
        assert reader.report.records == 25


def test_a_file_object_that_seeks_is_read_again_from_where_it_stood(files):
    with open(files.replace("*", "0"), "rb") as file:
        file.seek(len(RECORDS[0]) + 16)
        reader = RecordReader(file)
        assert list(reader) == RECORDS[1:25]
        assert list(reader) == RECORDS[1:25]
        for one, other in zip(reader, reader, strict=True):
            assert one == other


class Pipe(io.RawIOBase):
    """Bytes that come once."""

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        return self._file.readinto(buffer)


def test_a_file_object_that_cannot_seek_is_refused_the_second_time(files):
    with open(files.replace("*", "0"), "rb") as file:
        reader = RecordReader(Pipe(file.read()))
    iterator = iter(reader)
    assert next(iterator) == RECORDS[0]
    with pytest.raises(FailedPreconditionError, match="cannot seek back"):
        iter(reader)
    assert list(iterator) == RECORDS[1:25]


def test_close_and_stop_are_for_good(files):
    reader = RecordReader(files)
    first, second = iter(reader), iter(reader)
    next(first)
    reader.close()
    for iterator in (first, second, iter(reader)):
        with pytest.raises(ClosedFileError):
            next(iterator)
    reader = RecordReader(files)
    first, second = iter(reader), iter(reader)
    reader.stop()
    for iterator in (first, second, iter(reader)):
        assert list(iterator) == []


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_readers_that_are_dropped_close_their_files_at_once(files):
    gc.collect()
    before = open_descriptors()
    gc.disable()
    try:
        for _ in range(20):
            RecordReader(files)
            next(iter(RecordReader(files)))
            next(RecordReader(files).batches(3))
            reader = RecordReader(files)
            list(reader)
            next(iter(reader))
        del reader
        assert open_descriptors() == before
    finally:
        gc.enable()


def test_a_reader_is_pickled_with_its_files_and_all_it_was_asked(files):
    reader = RecordReader(files, start=(files.replace("*", "2"), 0), on_error="skip", verify_checksums=False)
    next(iter(reader))
    for again in (pickle.loads(pickle.dumps(reader)), copy.copy(reader), copy.deepcopy(reader)):
        # A file that came later is not in it: every process reads the same.
        with RecordWriter(files.replace("*", "9")) as writer:
            writer.write(b"late")
        assert list(again) == RECORDS[50:]
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(RecordReader(io.BytesIO()))
    with pytest.raises(TypeError):
        pickle.dumps(iter(reader))


def test_a_reader_is_pickled_although_its_names_look_like_patterns(tmp_path):
    with RecordWriter(tmp_path / "[ab]*") as writer:
        writer.write(b"literal")
    with RecordWriter(tmp_path / "a") as writer:
        writer.write(b"other")
    assert list(pickle.loads(pickle.dumps(RecordReader(tmp_path / "[ab]*")))) == [b"literal"]


def total(reader: RecordReader) -> int:
    return sum(1 for _ in reader)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_reader_is_read_in_other_processes(files, method):
    reader = RecordReader(files)
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(total, [reader, reader]) == [100, 100]
    assert total(reader) == 100


def test_a_reader_of_an_own_filesystem_is_pickled_with_it(tmp_path):
    store = MemoryFileSystem()
    with RecordWriter("ram://pickled/f", file_system=store) as writer:
        writer.write(b"one")
    reader = RecordReader("ram://pickled/f", file_system=store)
    assert list(reader) == [b"one"]
