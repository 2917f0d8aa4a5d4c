"""Reading an object from front to back by one request, and going on where that breaks off, is slow, or not wanted."""

import random
import threading
import time

import pytest

from recordfs.errors import AbortedError
from recordfs.filesystems._object_store import block_stream, read_ahead
from recordfs.filesystems._object_store.objects import ObjectInfo
from recordfs.filesystems._object_store.reader import ObjectRandomAccessFile

MIB = 1 << 20
CONTENT = random.Random(1).randbytes(MIB) * 96


class Body:
    """The bytes of one answer."""

    def __init__(self, store, content):
        self.store, self.content, self.position = store, content, 0
        self.closed = threading.Event()

    def read(self, n):
        self.store.streamed += n
        if self.store.streamed > self.store.breaks_at:
            raise OSError("the connection broke")
        self.position += n
        return self.content[self.position - n : self.position]

    def close(self):
        self.closed.set()


class Store:
    """One object, as a fetcher sees it that can stream."""

    can_stream = True

    def __init__(self, content=CONTENT):
        self.content, self.tag, self.metadata = content, "v1", {"recordfs-writer": "w"}
        self.fetched = self.streamed = 0
        self.breaks_at = 1 << 60
        self.bodies = []
        self.slow = 0

    def gives_up_slow_stream(self):
        self.slow += 1
        self.can_stream = False
        return True

    def describe(self, bucket, key):
        return ObjectInfo(key, len(self.content), 0, self.tag, self.metadata)

    def fetch(self, bucket, key, start, end, tag):
        if tag != self.tag:
            raise AbortedError("another version")
        self.fetched += end - start
        return self.content[start:end]

    def fetch_chunks(self, *where):
        return [self.fetch(*where)]

    def stream(self, bucket, key, start, end, tag):
        if tag != self.tag:
            raise AbortedError("another version")
        self.bodies.append(Body(self, self.content[start:end]))
        return self.bodies[-1]


@pytest.fixture(autouse=True)
def places():
    """All places for streams are free before and after a test."""
    assert not block_stream._open.get()
    yield
    assert not block_stream._open.get(), "a place for a stream was not given back"


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    """However loaded the machine is, a stream counts as fast."""
    monkeypatch.setattr(block_stream, "FAST_ENOUGH", 0)


def opened(store):
    return ObjectRandomAccessFile("s3://bucket/key", store, "bucket", store.describe("bucket", "key"))


def read_on(file, position=0, end=1 << 60, step=4 * MIB):
    pieces = []
    while position < end and (piece := file.read(position, min(step, end - position))):
        pieces.append(piece)
        position += len(piece)
    return b"".join(pieces)


@pytest.mark.parametrize("step", [4 * MIB, 3 * MIB + 1, 16 * MIB, MIB // 2], ids=str)
def test_a_long_read_is_one_request_after_the_first_blocks(step):
    store = Store()
    with opened(store) as file:
        assert read_on(file, step=step) == CONTENT
    assert len(store.bodies) == 1
    assert store.fetched + store.streamed == len(CONTENT), "nothing came twice"
    assert store.bodies[0].closed.wait(60)


def test_a_long_first_read_of_a_long_object_is_part_of_the_one_request():
    store = Store()
    with opened(store) as file:
        assert read_on(file) == CONTENT
    assert (store.fetched, len(store.bodies)) == (0, 1)


@pytest.mark.parametrize(("offset", "n"), [(0, MIB), (8 * MIB, 4 * MIB)], ids=["short", "elsewhere"])
def test_a_first_read_that_is_short_or_elsewhere_fetches_what_it_asks_for(offset, n):
    store = Store()
    with opened(store) as file:
        assert file.read(offset, n) == CONTENT[offset : offset + n]
    assert (store.fetched, store.bodies) == (n, [])


def test_a_read_of_a_block_is_what_came_from_the_socket():
    with opened(Store()) as file:
        read_on(file, end=64 * MIB)
        piece = file.read(64 * MIB, 4 * MIB)
        view = file._own.get().blocks[0].fetched.result().chunks[0]
    assert piece is view


def test_short_objects_and_short_reads_are_not_streamed():
    store = Store(CONTENT[: 24 * MIB])
    with opened(store) as file:
        assert read_on(file) == store.content
    assert not store.bodies


def test_a_hint_begins_no_stream_and_reading_on_does():
    store = Store()
    with opened(store) as file:
        file.read_ahead(0, 32 * MIB)
        assert not store.bodies
        assert read_on(file) == CONTENT
    assert len(store.bodies) == 1


@pytest.mark.parametrize("after", [0, 1, 10 * MIB, 23 * MIB])
def test_a_stream_that_breaks_is_replaced_by_blocks(after):
    store = Store()
    store.breaks_at = after
    with opened(store) as file:
        assert read_on(file) == CONTENT
    assert len(store.bodies) == 1, "no second stream: it would break again"
    assert store.bodies[0].closed.wait(60)


def test_a_slow_stream_is_given_up_for_several_ranges_at_once(monkeypatch):
    monkeypatch.setattr(block_stream, "FAST_ENOUGH", 1 << 60)
    monkeypatch.setattr(block_stream, "JUDGED_BY", 16 * MIB)
    store = Store()
    with opened(store) as file:
        assert read_on(file) == CONTENT
    assert len(store.bodies) == 1
    assert block_stream.JUDGED_BY <= store.streamed < len(CONTENT)
    assert store.slow == 1
    assert store.bodies[0].closed.wait(60)


def test_reading_elsewhere_lets_the_request_go_and_reads_the_right_bytes():
    store = Store()
    with opened(store) as file:
        read_on(file, end=60 * MIB)
        assert file.read(5, 1000) == CONTENT[5:1005]
        assert file.read(1005, 3 * MIB) == CONTENT[1005 : 1005 + 3 * MIB]
        assert store.bodies[0].closed.wait(60)
        assert read_on(file, 0) == CONTENT
    assert len(store.bodies) == 2


def test_closing_lets_the_request_go():
    store = Store()
    with opened(store) as file:
        read_on(file, end=60 * MIB)
    assert store.bodies[0].closed.wait(60)


def test_a_reader_that_is_dropped_lets_the_request_go():
    file = opened(Store())
    read_on(file, end=60 * MIB)
    for block in file._own.get().blocks:
        block.fetched.result()
    del file, block
    deadline = time.monotonic() + 60
    while block_stream._open.get() and time.monotonic() < deadline:
        time.sleep(0.01)  # the thread that read the last block lets go of it


def test_an_object_that_grows_is_read_on():
    store = Store()
    with opened(store) as file:
        got = read_on(file, end=60 * MIB)
        store.content, store.tag = CONTENT + b"more", "v2"
        got += read_on(file, len(got))
    assert got == CONTENT + b"more"


def test_what_replaces_an_object_is_not_mixed_with_it():
    store = Store()
    with opened(store) as file:
        read_on(file, end=60 * MIB)
        store.content, store.tag, store.metadata = bytes(len(CONTENT) + 1), "v2", {}
        with pytest.raises(AbortedError, match="replaced"):
            file.size()


def test_more_readers_than_threads_and_places_all_go_on(monkeypatch):
    monkeypatch.setattr(read_ahead, "READ_AHEAD", MIB)
    monkeypatch.setattr(read_ahead, "STREAMED_FROM", 2 * MIB)
    stores = [Store(CONTENT[: 24 * MIB]) for _ in range(40)]
    files = [opened(store) for store in stores]
    for file in files:
        read_on(file, end=5 * MIB, step=MIB)
    assert sum(len(store.bodies) for store in stores) == block_stream.MOST_STREAMS
    for file in files:
        assert file.read(5 * MIB, MIB) == CONTENT[5 * MIB : 6 * MIB]
        file.close()
