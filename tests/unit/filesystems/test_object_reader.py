"""Reading an object from a store that fails now and then, or tells size and version of two different moments."""

import os
import signal
import threading

import pytest

from recordfs.errors import AbortedError, UnavailableError
from recordfs.filesystems._object_store.objects import ObjectInfo
from recordfs.filesystems._object_store.reader import ObjectRandomAccessFile

MIB = 1 << 20


class Store:
    """One object, as a fetcher sees it."""

    can_stream = False

    def __init__(self, content):
        self.content = content
        self.tag = "v1"
        self.told_size = None
        self.failing = 0
        self.fetches = 0
        self.metadata = {}
        self.replaced_at = None
        self.successor = b""
        self.gate = None

    def describe(self, bucket, key):
        size = len(self.content) if self.told_size is None else self.told_size
        return ObjectInfo(key, size, 0, self.tag, self.metadata)

    def fetch(self, bucket, key, start, end, tag):
        if self.gate is not None:
            self.gate.wait(60)
        self.fetches += 1
        if self.fetches == self.replaced_at:
            self.content, self.tag = self.successor, "v2"
        if self.fetches == self.failing:
            raise UnavailableError("the store cannot be reached")
        if tag != self.tag:
            raise AbortedError("another version")
        return self.content[start:end]

    def fetch_chunks(self, *where):
        return [self.fetch(*where)]

    def fetch_into(self, bucket, key, start, view, tag):
        for done in range(0, len(view), MIB):
            end = min(done + MIB, len(view))
            view[done:end] = self.fetch(bucket, key, start + done, start + end, tag)

    def fetch_many(self, bucket, key, ranges, tag):
        return None


def filled(file, size):
    buffer = bytearray(size)
    return buffer[: file.read_range_into(0, buffer)]


def opened(store):
    return ObjectRandomAccessFile("s3://bucket/key", store, "bucket", store.describe("bucket", "key"))


def test_a_size_that_belongs_to_the_version_before_is_not_believed_for_ever():
    store = Store(b"a" * 100)
    with opened(store) as file:
        assert file.read(0, 1000) == b"a" * 100
        store.content, store.tag, store.told_size = b"a" * 150, "v2", 100
        assert file.read(100, 1000) == b""
        store.told_size = None
        assert file.read(100, 1000) == b"a" * 50
        assert file.size() == 150


def test_what_failed_to_come_ahead_is_asked_for_again():
    content = bytes(range(256)) * (10 * MIB // 256)
    store = Store(content)
    with opened(store) as file:
        assert file.read(0, MIB) == content[:MIB]
        store.failing = 3
        got, failures = bytearray(content[:MIB]), 0
        buffer = bytearray(MIB // 4)
        while len(got) < len(content):
            try:
                count = file.read_into(len(got), buffer)
            except UnavailableError:
                failures += 1
                continue
            got += buffer[:count]
    assert got == content
    assert failures == 1


@pytest.mark.parametrize("size", [50, 100])
def test_another_object_of_no_more_bytes_is_a_replacement(size):
    store = Store(b"a" * 100)
    with opened(store) as file:
        assert file.read(40, 1000) == b"a" * 60
        store.content, store.tag = b"b" * size, "v2"
        with pytest.raises(AbortedError, match="replaced"):
            file.read(100, 10)


@pytest.mark.parametrize("size", [24 * MIB, 25 * MIB], ids=["same-size", "larger"])
@pytest.mark.parametrize(
    "read",
    [
        lambda file, size: file.read(0, size),
        lambda file, size: b"".join(file.read_ranges([(at, MIB) for at in range(0, size, 2 * MIB)], max_gap=0)),
        lambda file, size: filled(file, size),
    ],
    ids=["read", "read_ranges", "read_range_into"],
)
def test_what_replaces_an_object_during_one_call_is_not_mixed_with_it(size, read):
    store = Store(b"a" * (24 * MIB))
    store.replaced_at, store.successor = 2, b"b" * size
    with opened(store) as file:
        try:
            got = read(file, 24 * MIB)
        except AbortedError:
            return
    assert set(got) == {ord("b")}


@pytest.mark.parametrize(("openings", "grew"), [(("x", "x"), True), (("x", "y"), False)])
def test_an_appender_that_puts_its_bytes_over_anothers_has_not_made_the_object_longer(openings, grew):
    store = Store(b"base" + b"a" * 100)
    store.metadata = {"recordfs-writer": "w", "recordfs-opening": openings[0]}
    with opened(store) as file:
        assert file.read(0, 1000) == store.content
        store.content, store.tag = b"base" + (b"a" if grew else b"b") * 200, "v2"
        store.metadata = {"recordfs-writer": "w", "recordfs-opening": openings[1]}
        if grew:
            assert file.read(104, 1000) == b"a" * 100
        else:
            with pytest.raises(AbortedError, match="replaced"):
                file.read(104, 1000)


def test_appending_anew_behind_the_bytes_that_were_read_is_growth():
    store = Store(b"a" * 100)
    store.metadata = {"recordfs-writer": "w", "recordfs-opening": "x"}
    with opened(store) as file:
        assert file.read(0, 1000) == store.content
        store.content, store.tag = b"a" * 100 + b"b" * 10, "v2"
        store.metadata = {"recordfs-writer": "w", "recordfs-opening": "y"}
        assert file.read(100, 1000) == b"b" * 10


def test_a_forked_child_does_not_wait_for_what_its_parent_asked_for():
    store = Store(bytes(20 * MIB))
    with opened(store) as file:
        store.gate = threading.Event()
        file.read_ahead(0, 20 * MIB)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                signal.alarm(30)  # a child that waits for ever is killed, and counted as failed
                store.gate = None
                status = int(file.read(0, 9 * MIB) != bytes(9 * MIB))
            finally:
                os._exit(status)
        store.gate.set()
        assert os.waitpid(child, 0)[1] == 0
