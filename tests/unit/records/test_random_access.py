"""RecordFile: any record by its number, checked, with an index that is known to fit."""

from __future__ import annotations

import gzip
import multiprocessing
import os
import pickle
import random
import threading
from array import array

import numpy as np
import pytest

from recordfs import RecordFile, RecordWriter
from recordfs.errors import (
    ClosedFileError,
    CorruptRecordError,
    DataLossError,
    FailedPreconditionError,
    InvalidArgumentError,
    IsADirectoryError,
    NotFoundError,
    OutOfRangeError,
    TruncatedRecordError,
    UnavailableError,
)
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.filesystems.posix import PosixFileSystem
from recordfs.records.index import RecordIndex, build_index, read_index
from recordfs.testing.faulty import FaultyFileSystem

# Small ones that are read together, ones around the size from which a record is read alone, and empty ones.
SIZES = [0, 1, 17, 4096, 0, 131_055, 131_056, 131_057, 300_000, 5, *([900] * 700)]
RECORDS = [random.Random(number).randbytes(size) for number, size in enumerate(SIZES)]


@pytest.fixture(params=["local", "memory"])
def place(request, tmp_path):
    if request.param == "local":
        return str(tmp_path / "records"), PosixFileSystem()
    return "ram://random_access/records", MemoryFileSystem()


def write(place, records=RECORDS, **options) -> None:
    path, store = place
    with RecordWriter(path, file_system=store, **options) as writer:
        writer.write_batch(records)


def open_file(place, index=None, **options) -> RecordFile:
    path, store = place
    return RecordFile(path, index, file_system=store, **options)


@pytest.mark.parametrize("indexed", [False, True])
def test_every_record_by_its_number(place, indexed):
    write(place, index=indexed)
    with open_file(place) as file:
        assert len(file) == len(RECORDS)
        assert [file[number] for number in range(20)] == RECORDS[:20]
        assert file[-1] == RECORDS[-1]
        assert list(file) == RECORDS
        assert file[3:9] == RECORDS[3:9]
        assert file[::-100] == RECORDS[::-100]
        assert RECORDS[17] in file
        assert list(file.record_index) == list(open_file(place).record_index)


def test_many_records_at_once_in_any_order(place):
    write(place)
    chooser = random.Random(7)
    with open_file(place) as file:
        for count in (0, 1, 2, 50, 1000):
            numbers = [chooser.randrange(-len(RECORDS), len(RECORDS)) for _ in range(count)]
            expected = [RECORDS[number] for number in numbers]
            assert file.__getitems__(numbers) == expected
            assert file.__getitems__(iter(numbers)) == expected
            assert file.__getitems__(np.array(numbers, np.int64)) == expected
        assert file.__getitems__([np.int32(3), 3, 3]) == [RECORDS[3]] * 3


def test_a_number_that_is_none_of_the_file_is_an_index_error(place):
    write(place)
    with open_file(place) as file:
        for number in (len(RECORDS), -len(RECORDS) - 1, 10**9):
            with pytest.raises(OutOfRangeError, match=f"no record {number}"):
                file[number]
            with pytest.raises(IndexError):
                file.__getitems__([0, number])
        with pytest.raises(TypeError):
            file["1"]


def test_an_empty_file_has_no_records(place):
    write(place, [])
    assert len(open_file(place)) == 0
    assert list(open_file(place)) == []


def change(place, offset: int, what: bytes) -> None:
    path, store = place
    with store.new_random_access_file(path) as file:
        content = bytearray(file.read(0, file.size()))
    content[offset : offset + len(what)] = what
    with store.new_writable_file(path) as file:
        file.append(bytes(content))


@pytest.mark.parametrize("number", [3, 8, 20])
def test_a_broken_record_is_told_and_the_others_are_not_touched(place, number):
    write(place, index=True)
    file = open_file(place)
    offset, size = file.record_index[number]
    change(place, offset + 12, b"????")
    with open_file(place) as file:
        with pytest.raises(CorruptRecordError, match="data's checksum") as caught:
            file.__getitems__([0, number, 1])
        assert (caught.value.path, caught.value.offset) == (place[0], offset)
        assert file.__getitems__([0, 1]) == RECORDS[:2]
    assert len(open_file(place, verify_checksums=False)[number]) == size - 16


def test_a_file_written_anew_after_it_was_opened_is_noticed(tmp_path):
    place = (str(tmp_path / "records"), PosixFileSystem())
    write(place, [b"a" * 20] * 50)
    file = open_file(place)
    write(place, [b"b" * 15, b"c" * 25] * 25)
    with pytest.raises(DataLossError, match="index again with build_index"):
        file.__getitems__(range(50))


def test_a_file_cut_short_after_it_was_opened_is_noticed(tmp_path):
    path = tmp_path / "records"
    write((str(path), PosixFileSystem()))
    file = RecordFile(path)
    os.truncate(path, file.record_index[9][0] + 3)
    assert file.__getitems__(range(9)) == RECORDS[:9]
    with pytest.raises(TruncatedRecordError) as caught:
        file[9]
    assert caught.value.offset == file.record_index[9][0]


def test_an_index_that_does_not_fit_is_not_used(place):
    path, store = place
    write(place, [b"a" * 10, b"b" * 30, b"c" * 20], index=True)
    index = read_index(path + ".idx", file_system=store)
    write((path + "2", store), [b"d" * 20] * 3)
    with store.new_random_access_file(path + "2") as other:
        content = other.read(0, 1000)
    with store.new_writable_file(path) as file:
        file.append(content)
    assert list(open_file(place)) == [b"d" * 20] * 3
    for given in (path + ".idx", index):
        with pytest.raises(FailedPreconditionError, match="not of this file"):
            open_file(place, given)
    build_index(path, file_system=store)
    assert list(open_file(place, path + ".idx")) == [b"d" * 20] * 3
    with pytest.raises(NotFoundError):
        open_file(place, path + ".missing")


def test_what_an_index_claims_is_not_believed(place):
    write(place, [b"a" * 10])
    for offset, size in [(0, 2**63), (2**63, 26), (2**64 - 10, 36)]:
        try:
            file = open_file(place, RecordIndex(array("Q", [offset]), array("Q", [size])))
        except (FailedPreconditionError, DataLossError, InvalidArgumentError, OverflowError):
            continue
        with pytest.raises(DataLossError):
            file[0]


def test_compressed_files_are_refused(tmp_path):
    with gzip.open(tmp_path / "records", "wb") as file:
        file.write(b"")
    write((str(tmp_path / "records"), PosixFileSystem()), compression="GZIP")
    with pytest.raises(InvalidArgumentError, match="RecordReader"):
        RecordFile(tmp_path / "records")


def test_a_broken_file_without_an_index_is_refused(tmp_path):
    write((str(tmp_path / "records"), PosixFileSystem()))
    os.truncate(tmp_path / "records", 5000)
    with pytest.raises(TruncatedRecordError):
        RecordFile(tmp_path / "records")


def test_a_closed_file_says_so(place):
    write(place)
    file = open_file(place)
    file.close()
    file.close()
    for call in (lambda: file[0], lambda: list(file), lambda: file.__getitems__([1])):
        with pytest.raises(ClosedFileError):
            call()
    assert len(file) == len(RECORDS)


def test_a_read_that_fails_can_be_tried_again():
    store = FaultyFileSystem(MemoryFileSystem())
    write(("ram://random_access/faulty", store), index=True)
    file = RecordFile("ram://random_access/faulty", file_system=store)
    store.fail("read_ranges", nth=1, error=UnavailableError("not now"))
    with pytest.raises(UnavailableError):
        file.__getitems__([1, 2])
    assert file.__getitems__([1, 2]) == RECORDS[1:3]


def test_an_error_of_the_system_names_the_file(tmp_path):
    path = f"{tmp_path}/records"
    with RecordWriter(path, index=True) as writer:
        writer.write(b"data")
    with RecordFile(path) as file:
        directory = os.open(tmp_path, os.O_RDONLY)
        try:
            # Whatever descriptor of the file it reads from, reading gives an error of the system now.
            for number in os.listdir("/proc/self/fd"):
                if os.path.realpath(f"/proc/self/fd/{number}") == os.path.realpath(path):
                    os.dup2(directory, int(number))
            for read in (lambda: file[0], lambda: file.__getitems__([0])):
                with pytest.raises(IsADirectoryError, match=r"Is a directory$") as caught:
                    read()
                assert caught.value.path == path
        finally:
            os.close(directory)


def test_threads_read_at_the_same_time(place):
    write(place)
    file = open_file(place)
    wrong: list[int] = []

    def read(seed: int) -> None:
        chooser = random.Random(seed)
        for _ in range(30):
            numbers = [chooser.randrange(len(RECORDS)) for _ in range(20)]
            if file.__getitems__(numbers) != [RECORDS[number] for number in numbers]:
                wrong.append(seed)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def last(file: RecordFile) -> bytes:
    return file[-1]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_read_it(tmp_path, method):
    write((str(tmp_path / "records"), PosixFileSystem()))
    with RecordFile(tmp_path / "records") as file:
        with multiprocessing.get_context(method).Pool(1) as pool:
            assert pool.map(last, [file, file]) == [RECORDS[-1]] * 2
        again = pickle.loads(pickle.dumps(file))
        assert list(again.record_index) == list(file.record_index)
        assert again.__getitems__([5, 6]) == RECORDS[5:7]


@pytest.mark.parametrize("kept", [slice(500, None), slice(-1, None), slice(None, None, 2), slice(1, None)])
def test_an_index_that_leaves_records_out_is_not_used(tmp_path, kept):
    path = str(tmp_path / "records")
    with RecordWriter(path, index=True) as writer:
        writer.write_batch([b"%05d" % number for number in range(1001)])
    lines = (tmp_path / "records.idx").read_text().splitlines(keepends=True)
    (tmp_path / "records.idx").write_text("".join(lines[kept]))
    with RecordFile(path) as file:
        assert len(file) == 1001
        assert file[0] == b"00000"
    with pytest.raises(FailedPreconditionError):
        RecordFile(path, index=f"{path}.idx")
