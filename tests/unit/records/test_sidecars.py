"""The index beside a record file tells of that file, or is known not to: stale ones go, and none is read as records."""

from __future__ import annotations

import os
import shutil

import pytest

from recordfs import RecordReader, RecordWriter
from recordfs.errors import AlreadyExistsError, InvalidArgumentError, NotFoundError, PermissionDeniedError
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.filesystems.wrapper import WrapperFileSystem
from recordfs.records.index import build_index, is_index_fresh, read_index


def write(path, sizes, **options) -> None:
    with RecordWriter(path, **options) as writer:
        writer.write_batch([bytes([number % 251]) * size for number, size in enumerate(sizes)])


def places(path) -> list[tuple[int, int]]:
    found, offset = [], 0
    for record in RecordReader(path):
        found.append((offset, len(record) + 16))
        offset += len(record) + 16
    return found


def replace_keeping_times(path, sizes) -> None:
    """As ``rsync -t`` does with a file of the same size and an older time."""
    write(path.parent / "other", sizes)
    os.utime(path.parent / "other", (1e9, 1e9))
    os.rename(path.parent / "other", path)


@pytest.mark.parametrize("old", [[20, 20, 20], [20] * 10_000])
def test_an_index_of_another_file_of_the_same_size_is_not_fresh(tmp_path, old):
    path = tmp_path / "records"
    write(path, old, index=True)
    assert is_index_fresh(path)
    replace_keeping_times(path, [size + 5 * (-1) ** number for number, size in enumerate(old[:-1])] + [old[-1]])
    if len(old) % 2 == 0:
        replace_keeping_times(path, [15, 25] * (len(old) // 2 - 1) + [20, 20])
    assert not is_index_fresh(path)
    write(path, [3], append=True, index=True)
    assert list(read_index(f"{path}.idx")) == places(path)


@pytest.mark.parametrize("garbage", [b"x" * 70_000, b"1" * 70_000, b"\n" * 70_000, b"1 2\n" * 20_000])
def test_a_malformed_index_is_not_fresh(tmp_path, garbage):
    path = tmp_path / "records"
    write(path, [3], index=True)
    (tmp_path / "records.idx").write_bytes(garbage + b"\n0 19\n")
    assert not is_index_fresh(path)


def test_a_long_index_is_fresh(tmp_path):
    write(tmp_path / "records", [number % 700 for number in range(20_000)], index=True)
    assert is_index_fresh(tmp_path / "records")


def test_an_index_far_away_is_looked_up_in_a_few_places():
    store = MemoryFileSystem()
    write("ram://sidecars/f", [number % 70 for number in range(5000)], index=True, file_system=store)
    requests = []

    class Far(WrapperFileSystem):
        def capabilities(self, path):
            return super().capabilities(path)._replace(memory_region=False)

        def new_random_access_file(self, path):
            file = super().new_random_access_file(path)
            read = file.read_ranges
            file.read_ranges = lambda ranges, **options: requests.append(len(ranges)) or read(ranges, **options)
            return file

    assert is_index_fresh("ram://sidecars/f", file_system=Far(store))
    assert requests
    assert max(requests) < 20


def test_a_file_written_anew_without_an_index_does_not_keep_the_old_one(tmp_path):
    path, index = tmp_path / "records", tmp_path / "records.idx"
    write(path, [1, 2, 3], index=True)
    write(path, [4])
    assert not index.exists()
    write(path, [1, 2, 3], index=True)
    write(path, [4], index=tmp_path / "elsewhere")
    assert not index.exists()
    write(path, [1, 2, 3], index=True)
    write(path, [4], append=True)
    assert not index.exists()
    write(path, [], index=True)
    write(path, [4])
    assert not index.exists()
    write(path, [1, 2], index=f"{tmp_path}/./records.idx")
    assert is_index_fresh(path)


def test_an_atomic_writer_removes_the_old_index_when_it_publishes(tmp_path):
    path, index = tmp_path / "records", tmp_path / "records.idx"
    write(path, [1, 2, 3], index=True)
    with RecordWriter(path, atomic=True) as writer:
        writer.write(b"new")
        writer.flush()
        assert index.exists()
    assert not index.exists()
    write(path, [1, 2, 3], index=True)
    writer = RecordWriter(path, atomic=True)
    writer.discard()
    assert is_index_fresh(path)


@pytest.mark.parametrize("content", [b"\x00\x00\x08\x01 MNIST", b"5 17\n", b"0 17\nand more", b"text\n"])
def test_what_is_no_index_of_ours_stays(tmp_path, content):
    (tmp_path / "train.idx").write_bytes(content)
    write(tmp_path / "train", [1])
    assert (tmp_path / "train.idx").read_bytes() == content


def test_an_index_that_cannot_be_looked_at_hinders_no_writer():
    class NoReading(WrapperFileSystem):
        def new_random_access_file(self, path):
            raise PermissionDeniedError("write only", path=path)

    store = NoReading(MemoryFileSystem())
    write("ram://sidecars/write_only", [1], file_system=store)


def test_patterns_leave_indexes_out(tmp_path):
    for part in range(2):
        write(tmp_path / f"train-{part}", [part + 1], index=True)
    assert [len(record) for record in RecordReader(str(tmp_path / "train-*"))] == [1, 2]
    # One whose file is not there may be anything.
    shutil.move(tmp_path / "train-1", tmp_path / "alone.idx")
    assert [len(record) for record in RecordReader(str(tmp_path / "alone*"))] == [2]


def test_patterns_leave_out_what_no_writer_has_published(tmp_path):
    write(tmp_path / "train", [1])
    writer = RecordWriter(tmp_path / "train-2", atomic=True)
    writer.write(b"not yet")
    writer.flush()
    assert len(list(tmp_path.iterdir())) == 2
    assert [len(record) for record in RecordReader(str(tmp_path / "*"))] == [1]
    writer.discard()


def test_an_index_that_cannot_be_opened_costs_no_records(tmp_path):
    path = tmp_path / "records"
    write(path, [1, 2, 3])
    (tmp_path / "file").write_bytes(b"")
    for index in (tmp_path / "file" / "below", tmp_path, path):
        with pytest.raises((InvalidArgumentError, OSError)):
            RecordWriter(path, index=index)
        assert len(places(path)) == 3


@pytest.mark.parametrize("index", [False, True])
@pytest.mark.parametrize("atomic", [False, True])
def test_an_exclusive_writer_wipes_nothing(tmp_path, index, atomic):
    path = tmp_path / "below" / "records"
    write(path, [1, 2, 3], exclusive=True, index=index, atomic=atomic)
    with pytest.raises(AlreadyExistsError), RecordWriter(path, exclusive=True, index=index, atomic=atomic) as writer:
        writer.write(b"other")
    assert len(places(path)) == 3
    assert is_index_fresh(path) == index


def test_exclusive_goes_with_new_files_only(tmp_path):
    for options in ({"append": True}, {"append": True, "index": True}):
        with pytest.raises(InvalidArgumentError, match="exclusive"):
            RecordWriter(tmp_path / "records", exclusive=True, **options)
    with (tmp_path / "open").open("wb") as file, pytest.raises(InvalidArgumentError, match="exclusive"):
        RecordWriter(file, exclusive=True)
    with pytest.raises(NotFoundError):
        RecordReader(tmp_path / "records")


def test_build_index_makes_a_stale_index_fresh(tmp_path):
    path = tmp_path / "records"
    write(path, [20, 20, 20], index=True)
    replace_keeping_times(path, [10, 30, 20])
    assert build_index(path) == 3
    assert list(read_index(f"{path}.idx")) == places(path)
