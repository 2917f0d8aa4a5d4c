"""What a reader can be given: paths, patterns, lists, file objects; and where it starts in them."""

from __future__ import annotations

import gzip
import io
import os
import threading

import pytest

import recordfs
from recordfs.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    IsADirectoryError,
    NotFoundError,
    OutOfRangeError,
    UnavailableError,
    UnimplementedError,
)
from recordfs.filesystems.posix import PosixFileSystem


def stream_of(*records: bytes) -> bytes:
    file = io.BytesIO()
    writer = recordfs.RecordWriter(file)
    writer.write_batch(records)
    writer.close()
    return file.getvalue()


@pytest.fixture
def folder(tmp_path):
    for name in ("b", "a", "c"):
        (tmp_path / name).write_bytes(stream_of(name.encode()))
    return tmp_path


def read(source, **keywords) -> list[bytes]:
    return list(recordfs.RecordReader(source, **keywords))


def test_every_kind_of_path(folder):
    for path in (folder / "a", str(folder / "a"), os.fsencode(folder / "a")):
        assert read(path) == [b"a"]


def test_patterns_are_sorted_and_lists_keep_their_order(folder):
    assert read(str(folder / "*")) == [b"a", b"b", b"c"]
    assert read(str(folder / "[!a]")) == [b"b", b"c"]
    assert read([folder / "c", str(folder / "[ab]"), io.BytesIO(stream_of(b"object"))]) == [b"c", b"a", b"b", b"object"]
    assert read(folder / name for name in "ba") == [b"b", b"a"]


def test_an_existing_name_wins_over_the_pattern(folder):
    (folder / "[ab]").write_bytes(stream_of(b"literal"))
    assert read(str(folder / "[ab]")) == [b"literal"]


def test_path_objects_and_bytes_are_no_patterns(folder):
    for path in (folder / "*", os.fsencode(folder / "*")):
        with pytest.raises(NotFoundError):
            recordfs.RecordReader(path)


def test_nothing_to_read_is_an_error(folder):
    with pytest.raises(NotFoundError, match=r"nothing matches this pattern$"):
        recordfs.RecordReader(str(folder / "nothing*"))
    with pytest.raises(NotFoundError, match=r"nothing matches this pattern; .*/none/: No such file or directory$"):
        recordfs.RecordReader(str(folder / "none" / "*"))
    with pytest.raises(NotFoundError, match="takes one file, not a pattern"):
        recordfs.RecordFile(str(folder / "[ab]"))
    with pytest.raises(InvalidArgumentError, match="empty"):
        recordfs.RecordReader([])
    with pytest.raises(IsADirectoryError):
        recordfs.RecordReader(folder)
    with pytest.raises(TypeError, match="int"):
        recordfs.RecordReader(7)


def test_a_missing_file_in_a_list_can_be_waited_for(folder):
    reader = recordfs.RecordReader([folder / "a", folder / "late", folder / "b"])
    iterator = iter(reader)
    assert next(iterator) == b"a"
    for _ in range(2):
        with pytest.raises(NotFoundError):
            next(iterator)
    (folder / "late").write_bytes(stream_of(b"late"))
    assert list(iterator) == [b"late", b"b"]


def test_each_file_has_a_compression_of_its_own(folder):
    (folder / "b").write_bytes(gzip.compress(stream_of(b"b")))
    assert read(str(folder / "*")) == [b"a", b"b", b"c"]


def test_positions_resume_in_any_file(folder):
    (folder / "b").write_bytes(stream_of(b"b1", b"b2"))
    reader = recordfs.RecordReader(str(folder / "*"))
    iterator = iter(reader)
    seen = []
    while True:
        position = reader.tell()
        rest = read(str(folder / "*"), start=position)
        record = next(iterator, None)
        if record is None:
            assert rest == []
            break
        assert rest == [b"a", b"b1", b"b2", b"c"][len(seen) :]
        seen.append(record)
    assert seen == [b"a", b"b1", b"b2", b"c"]
    with pytest.raises(InvalidArgumentError):
        recordfs.RecordReader(str(folder / "*"), start=(str(folder / "d"), 0))


def test_a_position_in_a_file_that_is_read_twice_is_refused(folder):
    twice = [str(folder / "a"), str(folder / "c"), str(folder / "a")]
    reader = recordfs.RecordReader(twice)
    assert list(reader) == [b"a", b"c", b"a"]
    with pytest.raises(InvalidArgumentError, match="in 2 of the sources") as caught:
        recordfs.RecordReader(twice, start=reader.tell())
    assert caught.value.path == twice[0]
    assert read(twice, start=(twice[1], 0)) == [b"c", b"a"]
    assert read(twice, start=0) == [b"a", b"c", b"a"]


def test_a_pattern_and_a_name_are_read_on_another_filesystem():
    with recordfs.RecordWriter("ram://test_sources/a/b") as writer:
        writer.write(b"in memory")
    assert read("ram://test_sources/*/b") == [b"in memory"]
    assert read("ram://test_sources/a/b", file_system=recordfs.get_file_system("ram://")) == [b"in memory"]


# Python's own file objects.


class OnlyRead:
    """The least that can be read from."""

    def __init__(self, data: bytes, step: int = 7) -> None:
        self._file = io.BytesIO(data)
        self._step = step

    def read(self, size: int) -> bytes:
        return self._file.read(min(size, self._step))


def test_file_objects_are_read_from_where_they_stand_and_stay_open(folder):
    data = stream_of(b"skipped") + stream_of(b"a", b"b" * 300_000, b"c")
    (folder / "records").write_bytes(data)
    with (folder / "records").open("rb") as buffered, (folder / "records").open("rb", buffering=0) as raw:
        for file in (buffered, raw, io.BytesIO(data)):
            file.seek(23)
            reader = recordfs.RecordReader(file)
            assert list(reader) == [b"a", b"b" * 300_000, b"c"]
            assert reader.tell().offset == len(data) - 23
            reader.close()
            assert not file.closed
            file.seek(23)
            assert read(file, start=17) == [b"b" * 300_000, b"c"]
    assert read(OnlyRead(stream_of(b"a", b"b" * 1000))) == [b"a", b"b" * 1000]
    assert read(OnlyRead(stream_of(b"a", b"b" * 1000)), start=17) == [b"b" * 1000]


def test_paths_that_can_read_and_files_that_know_their_path(folder):
    class PathThatReads(os.PathLike):
        """As py.path's."""

        def __fspath__(self) -> str:
            return str(folder / "a")

        def read(self) -> bytes:
            raise AssertionError("the path is to be opened")

        write = read

    class FileWithPath(io.BytesIO):
        """As fsspec's local files."""

        def __fspath__(self) -> str:
            raise AssertionError("the file is to be read from where it stands")

    assert read(PathThatReads()) == [b"a"]
    with recordfs.RecordWriter(PathThatReads()) as writer:
        writer.write(b"new")
    assert read(folder / "a") == [b"new"]
    file = FileWithPath()
    with recordfs.RecordWriter(file) as writer:
        writer.write(b"x")
    file.seek(0)
    assert read(file) == [b"x"]


def test_a_compressed_stream_is_read_from_a_pipe(folder):
    receiving, sending = os.pipe()
    data = gzip.compress(stream_of(b"a" * 500_000, b"b"))

    def send() -> None:
        with open(sending, "wb") as file:
            file.write(data)

    thread = threading.Thread(target=send)
    thread.start()
    with open(receiving, "rb", buffering=0) as file:
        assert read(file) == [b"a" * 500_000, b"b"]
    thread.join()


def test_a_non_blocking_file_can_be_tried_again():
    receiving, sending = os.pipe()
    os.set_blocking(receiving, False)
    with open(receiving, "rb", buffering=0) as file, open(sending, "wb", buffering=0) as sender:
        reader = recordfs.RecordReader(file)
        iterator = iter(reader)
        data = stream_of(b"abc")
        for index in range(len(data)):
            with pytest.raises(UnavailableError):
                next(iterator)
            sender.write(data[index : index + 1])
        assert next(iterator) == b"abc"


def test_text_files_are_refused(tmp_path):
    with pytest.raises(TypeError, match="binary mode"):
        recordfs.RecordReader(io.StringIO("text"))
    with (tmp_path / "text").open("w") as file, pytest.raises(TypeError, match="binary mode"):
        recordfs.RecordWriter(file)


class Interrupted:
    """A file that cannot seek and is interrupted once."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)
        self._interrupted = False

    def read(self, size: int) -> bytes:
        data = self._file.read(min(size, 20))
        if self._file.tell() > 30 and not self._interrupted:
            self._interrupted = True
            raise KeyboardInterrupt
        return data


def test_an_interrupted_read_of_what_cannot_seek_is_not_passed_over():
    reader = recordfs.RecordReader(Interrupted(stream_of(b"a" * 50, b"b")))
    iterator = iter(reader)
    with pytest.raises(KeyboardInterrupt):
        list(iterator)
    with pytest.raises(FailedPreconditionError, match="seek"):
        list(iterator)
    with pytest.raises(FailedPreconditionError, match="iterated over again"):
        iter(reader)


class Stuttering(io.RawIOBase):
    """Takes a few bytes at a time, and now and then none."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.calls = 0

    def writable(self) -> bool:
        return True

    def write(self, data) -> int | None:
        self.calls += 1
        if self.calls % 5 == 0:
            return None
        part = bytes(data[: 1000 + self.calls])
        self.data += part
        return len(part)


def test_a_writable_object_may_take_little_at_a_time_or_nothing():
    file = Stuttering()
    writer = recordfs.RecordWriter(file)
    records = [bytes([index]) * 3000 for index in range(200)] + [b"z" * 40_000]
    while writer.records_written < len(records):
        try:
            writer.write(records[writer.records_written])
        except UnavailableError:
            continue
    while not writer.closed:
        try:
            writer.close()
        except UnavailableError:
            continue
    assert read(io.BytesIO(bytes(file.data))) == records
    assert not file.closed


def test_a_writable_object_that_returns_none_has_taken_all():
    class Sink:
        data = b""

        def write(self, data) -> None:
            self.data += bytes(data)

    sink = Sink()
    with recordfs.RecordWriter(sink) as writer:
        writer.write(b"x")
    assert read(io.BytesIO(sink.data)) == [b"x"]


def test_file_objects_exclude_what_needs_a_path():
    for keywords in ({"append": True}, {"atomic": True}, {"index": True}):
        with pytest.raises(InvalidArgumentError):
            recordfs.RecordWriter(io.BytesIO(), **keywords)


def test_an_index_beside_a_file_object(tmp_path):
    with recordfs.RecordWriter(io.BytesIO(), index=tmp_path / "index") as writer:
        writer.write(b"abc")
    assert (tmp_path / "index").read_text() == "0 19\n"


def test_sync_reaches_the_disk_where_there_is_one(tmp_path):
    with (tmp_path / "records").open("wb") as file:
        writer = recordfs.RecordWriter(file)
        writer.write(b"x")
        writer.sync()
        assert (tmp_path / "records").stat().st_size == 17
        writer.close()
    with recordfs.RecordWriter(io.BytesIO()) as in_memory:
        in_memory.sync()


def test_threads_share_an_iterator(tmp_path):
    with recordfs.RecordWriter(tmp_path / "records") as writer:
        writer.write_batch([b"%d" % number + bytes(number % 2000) for number in range(20_000)])
    iterator = iter(recordfs.RecordReader(tmp_path / "records"))
    found: list[list[bytes]] = [[], [], [], []]

    def work(mine: list[bytes]) -> None:
        mine.extend(iterator)

    threads = [threading.Thread(target=work, args=(mine,)) for mine in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = sorted(int(record.rstrip(b"\0")) for mine in found for record in mine)
    assert numbers == list(range(20_000))


class ShowsAtClose(PosixFileSystem):
    """A local filesystem that says it could not do what it can."""

    def capabilities(self, path: str):
        return super().capabilities(path)._replace(flush_visibility="close")


def test_where_flush_shows_nothing_it_warns_or_is_refused(tmp_path):
    path = tmp_path / "records"
    with pytest.raises(UnimplementedError):
        recordfs.RecordWriter(path, require_flush=True, file_system=ShowsAtClose())
    with recordfs.RecordWriter(path, file_system=ShowsAtClose()) as writer:
        writer.write(b"x")
        with pytest.warns(RuntimeWarning, match="only when the writer is closed"):
            writer.flush()
        writer.flush()
    with recordfs.RecordWriter(path, require_flush=True) as writer:
        writer.flush()


@pytest.mark.parametrize("start", [2**63, 2**64, 2**70])
def test_a_start_beyond_every_file_is_refused(folder, start):
    for given in (start, (str(folder / "a"), start)):
        with pytest.raises(InvalidArgumentError, match="start has to be"):
            recordfs.RecordReader(folder / "a", start=given)
    with pytest.raises(OutOfRangeError):
        read(folder / "a", start=2**63 - 1)
