"""Reading an object from a store that fails now and then, or tells size and version of two different moments."""

import pytest

from recordfs.errors import AbortedError, UnavailableError
from recordfs.filesystems._object_store.reader import ObjectRandomAccessFile
from recordfs.filesystems._object_store.store import ObjectInfo

MIB = 1 << 20


class Store:
    """One object, as a fetcher sees it."""

    def __init__(self, content):
        self.content = content
        self.tag = "v1"
        self.told_size = None
        self.failing = 0
        self.fetches = 0

    def describe(self, bucket, key):
        size = len(self.content) if self.told_size is None else self.told_size
        return ObjectInfo(key, size, 0, self.tag, {})

    def fetch(self, bucket, key, start, end, tag):
        self.fetches += 1
        if self.fetches == self.failing:
            raise UnavailableError("the store cannot be reached")
        if tag != self.tag:
            raise AbortedError("another version")
        return self.content[start:end]

    def fetch_many(self, bucket, key, ranges, tag):
        return None


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
