"""Fetching a range into memory that is there, from a store whose SDK streams and breaks off now and then."""

import random

import pytest

from recordfs.errors import AbortedError, UnavailableError
from recordfs.filesystems._object_store.range_fetcher import RangeFetcher
from recordfs.filesystems._object_store.statistics import RequestCounter

MIB = 1 << 20
START, SIZE = 1000, 3 * MIB + 17
CONTENT = random.Random(1).randbytes(START + SIZE + 1000)


class Body:
    """The bytes of one answer, as far as they come."""

    def __init__(self, content, error):
        self.content, self.error, self.position, self.closed = content, error, 0, False

    def read(self, n):
        piece = self.content[self.position : self.position + n]
        self.position += len(piece)
        if self.error is not None and self.position == len(self.content):
            raise self.error
        return piece

    def close(self):
        self.closed = True


class Store:
    """What a fetcher asks of a store that obstore cannot reach."""

    streams_as = "GetObject"
    max_attempts = 1

    def __init__(self):
        self.tag, self.comes, self.error, self.refusal = "v1", SIZE, None, None
        self.bodies, self.ranges = [], []

    def open_range(self, bucket, key, start, end, tag):
        if self.refusal is not None:
            raise self.refusal
        self.bodies.append(Body(CONTENT[start : min(end, start + self.comes)], self.error))
        return self.bodies[-1]

    def get_range(self, bucket, key, start, end, tag):
        if tag != self.tag:
            raise AbortedError("another version")
        self.ranges.append((start, end))
        return CONTENT[start:end]


def fetched(store, size=SIZE, tag="v1"):
    buffer = bytearray(size)
    fetcher = RangeFetcher(store, lambda bucket: None, RequestCounter(), "s3")
    with memoryview(buffer) as view:
        fetcher.fetch_into("bucket", "key", START, view, tag)
    return buffer


@pytest.mark.parametrize("error", [None, OSError("the connection broke")], ids=["ends", "breaks"])
@pytest.mark.parametrize("comes", [0, 1, 512 << 10, 2 * MIB + 1, SIZE - 1], ids=str)
def test_what_a_stream_did_not_bring_is_fetched_by_another_request(comes, error):
    store = Store()
    store.comes, store.error = comes, error
    assert fetched(store) == CONTENT[START : START + SIZE]
    assert [body.closed for body in store.bodies] == [True]
    first = store.ranges[0][0]
    assert START <= first <= START + comes, "what came and was put in its place is kept"
    assert store.ranges[-1][1] == START + SIZE


def test_a_stream_that_brings_all_is_the_only_request():
    store = Store()
    assert fetched(store) == CONTENT[START : START + SIZE]
    assert ([body.closed for body in store.bodies], store.ranges) == ([True], [])


def test_a_short_range_takes_no_stream():
    store = Store()
    assert fetched(store, 1000) == CONTENT[START : START + 1000]
    assert (store.bodies, store.ranges) == ([], [(START, START + 1000)])


def test_a_refused_stream_is_told_as_the_other_request_tells_it():
    store = Store()
    store.refusal = UnavailableError("try again")
    assert fetched(store) == CONTENT[START : START + SIZE]
    store.tag = "v2"
    with pytest.raises(AbortedError, match="another version"):
        fetched(store)


def test_an_interrupt_leaves_a_stream_at_once_and_closes_it():
    store = Store()
    store.comes, store.error = MIB, KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        fetched(store)
    assert ([body.closed for body in store.bodies], store.ranges) == ([True], [])
