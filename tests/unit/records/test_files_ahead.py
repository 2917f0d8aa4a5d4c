"""Reading file after file from a store that takes its time: the next ones are opened before their turn."""

from __future__ import annotations

import io
import os
import threading

import pytest

import recordfs
from recordfs.errors import NotFoundError
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.filesystems.wrapper import WrapperFileSystem, WrapperRandomAccessFile

SECONDS = 20


class SlowFile(WrapperRandomAccessFile):
    """A file that gains by being asked early."""

    def __init__(self, store, inner):
        super().__init__(inner)
        self._store = store
        self._store.open_files += 1

    def _read_ahead(self, offset, n):
        return self.inner.size()

    def _size(self):
        self._store.sizes_asked.append(self.name)
        return super()._size()

    def close(self):
        super().close()
        self._store.open_files -= 1


class SlowStore(WrapperFileSystem):
    """A store that tells which files were opened, and lets one wait for that."""

    def __init__(self):
        super().__init__(MemoryFileSystem())
        self.opened = []
        self.open_files = 0
        self.sizes_asked = []
        self._changed = threading.Condition()

    def new_random_access_file(self, path):
        try:
            return SlowFile(self, super().new_random_access_file(path))
        finally:
            with self._changed:
                self.opened.append(path)
                self._changed.notify_all()

    def wait_for(self, count):
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.opened) >= count, SECONDS), self.opened


@pytest.fixture
def store():
    return SlowStore()


def put(store, name, *records):
    stream = io.BytesIO()
    with recordfs.RecordWriter(stream) as writer:
        writer.write_batch(records)
        writer.flush()
        with store.new_writable_file(name) as file:
            file.append(stream.getvalue())


def put_many(store, count):
    names = [f"ram://f{number}" for number in range(count)]
    for name in names:
        put(store, name, name.encode())
    return names


def test_the_next_three_are_opened_while_the_first_is_read_and_no_more(store):
    names = put_many(store, 9)
    with recordfs.RecordReader(names, file_system=store) as reader:
        iterator = iter(reader)
        assert next(iterator) == names[0].encode()
        store.wait_for(4)
        assert sorted(store.opened) == names[:4]
        assert list(iterator) == [name.encode() for name in names[1:]]
    assert sorted(store.opened) == names
    assert store.open_files == 0


def test_a_position_names_the_file_that_is_read_and_not_one_opened_ahead(store):
    names = put_many(store, 4)
    with recordfs.RecordReader(names, file_system=store) as reader:
        next(iter(reader))
        store.wait_for(4)
        assert reader.tell().path == names[0]


def test_what_was_opened_and_never_read_is_closed(store):
    names = put_many(store, 5)
    reader = recordfs.RecordReader(names, file_system=store)
    next(iter(reader))
    store.wait_for(4)
    reader.close()
    for thread in threading.enumerate():
        if thread.name.startswith("recordfs-open"):
            thread.join(SECONDS)
    assert store.open_files == 0


def test_a_missing_file_is_raised_at_its_turn_and_looked_for_again(store):
    names = put_many(store, 4)
    store.delete_file(names[2])
    reader = iter(recordfs.RecordReader(names, file_system=store))
    assert [next(reader), next(reader)] == [b"ram://f0", b"ram://f1"]
    with pytest.raises(NotFoundError, match="f2"):
        next(reader)
    put(store, names[2], b"here now")
    assert list(reader) == [b"here now", b"ram://f3"]


def test_only_the_end_of_the_last_file_is_asked_for_again(store):
    names = put_many(store, 3)
    reader = recordfs.RecordReader(names, file_system=store)
    iterator = iter(reader)
    assert len(list(iterator)) == 3
    assert names[1] not in store.sizes_asked
    with recordfs.RecordWriter(names[2], append=True, file_system=store) as writer:
        writer.write(b"more")
    assert list(iterator) == [b"more"]


def test_files_of_the_caller_are_left_alone_until_their_turn(store):
    names = put_many(store, 3)
    with store.new_random_access_file(names[1]) as mine:
        assert len(list(recordfs.RecordReader([names[0], mine, names[2]], file_system=store))) == 3
        assert mine.read(0, 1)


def test_a_forked_child_reads_on_without_its_parent_s_threads(store):
    names = put_many(store, 5)
    reader = recordfs.RecordReader(names, file_system=store)
    iterator = iter(reader)
    next(iterator)
    store.wait_for(4)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if list(iterator) == [name.encode() for name in names[1:]] else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert list(iterator) == [name.encode() for name in names[1:]]
