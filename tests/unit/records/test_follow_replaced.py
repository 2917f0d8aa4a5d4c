"""Following a file that is replaced, deleted, cut short or rewritten."""

from __future__ import annotations

import os
import threading
import uuid

import pytest
from tests.support.followers import Follower
from tests.support.interrupts import assert_interrupt_ends
from tests.support.record_files import stream_of
from tests.unit.filesystems.test_key_value import DictFileSystem

import recordfs
from recordfs.errors import AbortedError, InvalidArgumentError, NotFoundError
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.filesystems.posix import PosixFileSystem
from recordfs.records import followed_file

OLD = [b"old one", b"old two" * 20_000]
NEW = [b"new one", b"new two" * 30_000, b"new three"]


class Place:
    """A path on a filesystem, and what others do to it."""

    def __init__(self, file_system, path):
        self.file_system = file_system
        self.path = path

    def put(self, data):
        """Replace the file in one step."""
        with self.file_system.new_writable_file(self.path + ".new") as file:
            file.append(data)
        self.file_system.rename_file(self.path + ".new", self.path)

    def delete(self):
        self.file_system.delete_file(self.path)

    def follow(self, **options):
        return recordfs.RecordReader(self.path, follow=True, file_system=self.file_system, **options)


@pytest.fixture(params=["local", "ram", "fsspec", "key_value"])
def place(request, tmp_path):
    name = uuid.uuid4().hex
    if request.param == "local":
        return Place(PosixFileSystem(), str(tmp_path / name))
    if request.param == "ram":
        return Place(MemoryFileSystem(), f"ram://{name}/f")
    if request.param == "key_value":
        return Place(DictFileSystem(), f"x://{name}/f")
    pytest.importorskip("fsspec")
    from recordfs.filesystems.fsspec import FsspecFileSystem

    return Place(FsspecFileSystem("memory"), f"memory://{name}/f")


@pytest.fixture
def impatient(monkeypatch):
    """Give a file that is gone, or too short, less time to come back."""
    monkeypatch.setattr(followed_file, "PATIENCE", 0.05)


def test_growth_is_read_on(place):
    place.put(stream_of(OLD))
    follower = Follower(reader := place.follow())
    follower.wait_for(2)
    # As those write who know no appending: all of it again, and more.
    place.put(stream_of([*OLD, b"three"]))
    follower.wait_for(3)
    place.put(stream_of([*OLD, b"three", b"four" * 100_000]))
    follower.wait_for(4)
    reader.stop()
    follower.join()
    assert follower.items == [*OLD, b"three", b"four" * 100_000]
    assert reader.report.restarts == 0


def test_another_file_is_refused(place):
    place.put(stream_of(OLD))
    reader = place.follow()
    iterator = iter(reader)
    follower = Follower(iterator)
    follower.wait_for(2)
    place.put(stream_of(NEW))
    follower.join()
    assert follower.items == OLD
    assert isinstance(follower.error, AbortedError)
    assert follower.error.path == place.path
    assert "replaced" in str(follower.error)
    assert 'on_replaced="restart"' in str(follower.error)
    assert reader.tell().offset == len(stream_of(OLD))
    with pytest.raises(AbortedError):
        next(iterator)


def test_another_file_is_begun_with(place):
    place.put(stream_of(OLD))
    follower = Follower(reader := place.follow(on_replaced="restart"))
    follower.wait_for(2)
    place.put(stream_of(NEW))
    follower.wait_for(5)
    place.put(stream_of([*NEW, b"new four"]))
    follower.wait_for(6)
    reader.stop()
    follower.join()
    assert follower.items == [*OLD, *NEW, b"new four"]
    assert reader.report.restarts == 1
    assert reader.report.losses == ()
    assert reader.tell() == (place.path, len(stream_of([*NEW, b"new four"])))


def test_a_shorter_file_is_another(place, impatient):
    place.put(stream_of(OLD))
    follower = Follower(reader := place.follow(on_replaced="restart"))
    follower.wait_for(2)
    place.put(stream_of([b"short"]))
    follower.wait_for(3)
    reader.stop()
    follower.join()
    assert follower.items == [*OLD, b"short"]
    assert reader.report.restarts == 1


def assert_deletion_is_told(place):
    place.put(stream_of(OLD))
    follower = Follower(place.follow())
    follower.wait_for(2)
    place.delete()
    follower.join()
    assert isinstance(follower.error, AbortedError)
    assert "deleted" in str(follower.error)


def test_a_deleted_file_is_an_error(place, impatient):
    assert_deletion_is_told(place)


def test_a_deletion_that_only_reading_finds_out_is_told_as_one(impatient):
    pytest.importorskip("fsspec")
    from recordfs.filesystems.fsspec import FsspecFileSystem

    class Late(FsspecFileSystem):
        """Says of a deleted file that it has grown. To open one asks for nothing."""

        def stat(self, path):
            try:
                self.known = super().stat(path)
            except NotFoundError:
                self.known = self.known._replace(length=self.known.length + 1)
            return self.known

    place = Place(Late("memory"), f"memory://{uuid.uuid4().hex}/f")
    assert_deletion_is_told(place)


def test_the_end_of_patience_does_not_hide_that_a_file_was_deleted(place):
    place.put(stream_of(OLD))
    reader = place.follow(follow_timeout=0.2)
    follower = Follower(reader)
    follower.wait_for(2)
    place.delete()
    follower.join()
    assert isinstance(follower.error, AbortedError)


def test_a_deleted_file_is_waited_for(place, impatient):
    place.put(stream_of(OLD))
    follower = Follower(reader := place.follow(on_replaced="restart"))
    follower.wait_for(2)
    place.delete()
    while reader.report.restarts == 0:
        follower.thread.join(0.01)
    place.put(stream_of(NEW))
    follower.wait_for(5)
    reader.stop()
    follower.join()
    assert follower.items == [*OLD, *NEW]


def test_a_deleted_file_that_stays_away_ends_with_the_timeout(place, impatient):
    place.put(stream_of(OLD))
    follower = Follower(reader := place.follow(on_replaced="restart", follow_timeout=0.5))
    follower.wait_for(2)
    place.delete()
    follower.join()
    assert follower.error is None
    assert reader.report.restarts == 1
    assert not reader.report.truncated_tail


@pytest.mark.parametrize("replacement", [[b"new"], [], None], ids=["shorter", "empty", "deleted"])
def test_what_stands_at_the_path_when_the_time_is_over_is_read(place, monkeypatch, replacement):
    monkeypatch.setattr(followed_file, "PATIENCE", 60)
    place.put(stream_of(OLD))
    follower = Follower(reader := place.follow(on_replaced="restart", follow_timeout=0.2))
    follower.wait_for(2)
    if replacement is None:
        place.delete()
    else:
        place.put(stream_of(replacement))
    follower.join()
    assert follower.error is None
    assert follower.items == [*OLD, *(replacement or [])]
    assert reader.report.restarts == 1


@pytest.mark.parametrize("compression", ["GZIP", "ZLIB", None])
def test_the_new_file_may_be_compressed_otherwise(place, compression):
    place.put(stream_of([*OLD], compression="GZIP"))
    follower = Follower(reader := place.follow(on_replaced="restart"))
    follower.wait_for(2)
    place.put(stream_of([*NEW, os.urandom(300_000)], compression=compression))
    follower.wait_for(6)
    reader.stop()
    follower.join()
    assert follower.items[:5] == [*OLD, *NEW]


def test_a_file_may_be_missing_only_later(place):
    with pytest.raises(NotFoundError):
        place.follow(on_replaced="restart")


def followed_position(reader) -> int:
    """Where the next read of the followed file begins."""
    return reader._readings[reader._native]._opener.followed._position


@pytest.mark.parametrize("kind", ["local", "ram"])
def test_replaced_at_every_byte(tmp_path, kind):
    place = Place(
        *{"local": (PosixFileSystem(), str(tmp_path / "f")), "ram": (MemoryFileSystem(), "ram://every/f")}[kind]
    )
    old = stream_of([b"a", b"bc"])
    new = stream_of([b"d" * 50, b"e"])
    for cut in range(1, len(old) + 1):
        place.put(old[:cut])
        reader = place.follow(on_replaced="restart", follow_timeout=30)
        follower = Follower(reader)
        whole = [b"a", b"bc"][: (cut >= 17) + (cut >= len(old))]
        follower.wait_for(len(whole))
        # Until the reader waits, its next look might find the new file from its beginning.
        while followed_position(reader) < cut:
            follower.thread.join(0.001)
        place.put(new)
        follower.wait_for(len(whole) + 2)
        reader.stop()
        follower.join()
        assert follower.items == [*whole, b"d" * 50, b"e"], cut
        rest = cut - sum(16 + len(record) for record in whole)
        assert reader.report.lost_bytes == rest, cut
        assert reader.report.loss_count == bool(rest)


def test_what_is_left_of_a_large_record_is_reported_as_lost(place):
    old = stream_of([b"a", b"x" * 1_000_000])
    place.put(old[: 17 + 400_000])
    follower = Follower(reader := place.follow(on_replaced="restart"))
    follower.wait_for(1)
    while followed_position(reader) < 17 + 400_000:
        follower.thread.join(0.001)
    place.put(stream_of([b"y" * 2_000_000, b"z"]))
    follower.wait_for(3)
    reader.stop()
    follower.join()
    assert follower.items == [b"a", b"y" * 2_000_000, b"z"]
    (loss,) = reader.report.losses
    assert (loss.path, loss.offset, loss.length) == (place.path, 17, 400_000)
    assert "replaced" in loss.reason


def test_a_search_behind_a_broken_record_ends_with_its_file(place):
    place.put(stream_of([b"a"]) + bytes(1000))
    follower = Follower(reader := place.follow(on_replaced="restart", on_error="skip"))
    follower.wait_for(1)
    while followed_position(reader) < 1017:
        follower.thread.join(0.001)
    place.put(stream_of(NEW))
    follower.wait_for(4)
    reader.stop()
    follower.join()
    assert follower.items == [b"a", *NEW]
    (loss,) = reader.report.losses
    assert (loss.offset, loss.length) == (17, 1000)


def test_batches_begin_again_too(place):
    place.put(stream_of(OLD))
    reader = place.follow(on_replaced="restart")
    follower = Follower(reader.batches(10))
    follower.wait_for(1)
    place.put(stream_of(NEW))
    follower.wait_for(2)
    reader.stop()
    follower.join()
    assert follower.items == [OLD, NEW]


class TestLocal:
    """What only happens to files that are changed in place."""

    @pytest.fixture
    def path(self, tmp_path):
        path = tmp_path / "f"
        path.write_bytes(stream_of(OLD))
        return path

    def test_written_anew_in_place(self, path):
        follower = Follower(reader := recordfs.RecordReader(path, follow=True, on_replaced="restart"))
        follower.wait_for(2)
        path.write_bytes(stream_of(NEW))
        follower.wait_for(5)
        reader.stop()
        follower.join()
        assert follower.items == [*OLD, *NEW]
        assert reader.report.restarts == 1

    def test_written_anew_with_as_many_bytes(self, path):
        follower = Follower(recordfs.RecordReader(path, follow=True))
        follower.wait_for(2)
        path.write_bytes(stream_of([*[record[::-1] for record in OLD]]))
        follower.join()
        assert isinstance(follower.error, AbortedError)

    def test_cut_short_for_a_moment_is_no_replacement(self, path):
        follower = Follower(reader := recordfs.RecordReader(path, follow=True))
        follower.wait_for(2)
        data = stream_of([*OLD, b"three"])
        with path.open("r+b") as file:
            file.truncate(100)
            # Long enough for the reader to look.
            follower.thread.join(0.2)
            file.seek(100)
            file.write(data[100:])
        follower.wait_for(3)
        reader.stop()
        follower.join()
        assert follower.error is None

    def test_cut_short_for_good(self, path, impatient):
        follower = Follower(recordfs.RecordReader(path, follow=True))
        follower.wait_for(2)
        os.truncate(path, 100)
        follower.join()
        assert isinstance(follower.error, AbortedError)
        assert "shorter" in str(follower.error)

    def test_a_file_that_was_moved_away_is_read_to_its_end(self, path, tmp_path):
        file = followed_file.FollowedFile(str(path), PosixFileSystem())
        buffer = bytearray(1 << 20)
        old = stream_of(OLD)
        assert file.read_into(0, buffer) == len(old)
        assert file.read_into(len(old), buffer) == 0
        with path.open("ab") as writer:
            path.rename(tmp_path / "rotated")
            path.write_bytes(stream_of(NEW))
            writer.write(stream_of([b"late"]))
        assert file.read_into(len(old), buffer) == len(stream_of([b"late"]))
        with pytest.raises(AbortedError):
            file.read_into(len(old) + len(stream_of([b"late"])), buffer)
        file.close()


def test_wrong_arguments_are_refused(tmp_path):
    (tmp_path / "f").write_bytes(stream_of(OLD))
    with pytest.raises(InvalidArgumentError, match="on_replaced"):
        recordfs.RecordReader(tmp_path / "f", follow=True, on_replaced="ignore")  # type: ignore[arg-type]  # the test
    with (tmp_path / "f").open("rb") as file, pytest.raises(InvalidArgumentError, match="path"):
        recordfs.RecordReader(file, follow=True, on_replaced="restart")


def test_ctrl_c_ends_the_wait_for_a_file_that_was_deleted(tmp_path, impatient):
    path = tmp_path / "f"
    path.write_bytes(stream_of([b"a"]))
    reader = recordfs.RecordReader(path, follow=True, on_replaced="restart")
    iterator = iter(reader)
    assert next(iterator) == b"a"
    path.unlink()
    assert_interrupt_ends(lambda: next(iterator))
    path.write_bytes(stream_of([b"b"]))
    assert next(iterator) == b"b"


def equal_records(tag: bytes, count: int) -> list[bytes]:
    return [b"%s%06d" % (tag, number) for number in range(count)]


# Told from the first bytes, or known beforehand: only then is the place to start at the first that is read.
@pytest.mark.parametrize("compression", ["auto", None])
@pytest.mark.parametrize("new_count", [10, 30_000])
def test_another_file_is_begun_with_although_nothing_was_read_of_the_old_one(
    place, impatient, monkeypatch, compression, new_count
):
    old, new = equal_records(b"old", 20_000), equal_records(b"new", new_count)
    place.put(stream_of(old))
    reader = place.follow(start=len(stream_of(old)), on_replaced="restart", compression=compression)
    at_end = threading.Event()
    read_into = followed_file.FollowedFile.read_into

    def read_and_tell(self, offset, buffer):
        count = read_into(self, offset, buffer)
        if not count:
            at_end.set()
        return count

    monkeypatch.setattr(followed_file.FollowedFile, "read_into", read_and_tell)
    follower = Follower(reader)
    assert at_end.wait(60)
    place.put(stream_of(new))
    follower.wait_for(new_count)
    reader.stop()
    follower.join()
    assert follower.items == new
    assert reader.report.restarts == 1


def test_a_file_shorter_than_the_place_to_start_at_was_cut_short(place, impatient):
    place.put(stream_of(NEW))
    reader = place.follow(start=len(stream_of(NEW)) + 19, compression=None)
    with pytest.raises(AbortedError, match="shorter than the"):
        list(reader)


def test_a_file_shorter_than_the_place_to_start_at_may_be_written_anew_meanwhile(place, monkeypatch):
    monkeypatch.setattr(followed_file, "PATIENCE", 60)
    place.put(stream_of(OLD))
    reader = place.follow(start=len(stream_of([*OLD, *NEW])), compression=None)
    follower = Follower(reader)
    place.put(stream_of([*OLD, *NEW, b"last"]))
    follower.wait_for(1)
    reader.stop()
    follower.join()
    assert follower.items == [b"last"]
