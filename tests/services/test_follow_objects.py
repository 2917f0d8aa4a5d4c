"""Following objects: only new bytes are asked for, growth is told from replacement, and outages are sat out."""

import io
import os
import re
import signal
import threading
import time

import pytest

import recordfs
from recordfs.errors import AbortedError, NotFoundError, UnavailableError
from recordfs.records.followed_file import FollowedFile
from support.followers import Follower

pytestmark = pytest.mark.service

KIB = 1 << 10


def stream(*records):
    file = io.BytesIO()
    with recordfs.RecordWriter(file) as writer:
        writer.write_batch(records)
    return file.getvalue()


OLD = [b"old one", b"old two" * 20_000]
NEW = [b"new one", b"new two" * 30_000, b"new three"]


class Place:
    """A path on a store, how another client writes there, and how its requests to look and to read are known."""

    def __init__(self, store):
        self.file_system = store.file_system
        self.proxy = store.proxy
        self.path = f"{store.root}/live"
        self.looks = "^GET /storage/v1/b/.*live" if self.path.startswith("gs://") else "^HEAD .*live"
        self.reads = "^GET (?!/storage/v1/b/).*live"
        self.looks_and_reads = f"{self.looks}|{self.reads}"
        self._put = store.put

    def put(self, data):
        """Make or replace the object through another client."""
        self._put(self.path, data)

    def follow(self, **options):
        return recordfs.RecordReader(self.path, follow=True, file_system=self.file_system, **options)

    def writer(self, **options):
        return recordfs.RecordWriter(self.path, file_system=self.file_system, **options)

    def cost(self):
        """Return how many requests for bytes there were, and how many bytes came."""
        ranges = self.file_system.statistics().get("GetRange", (0, 0, 0))
        return ranges[0], ranges[2]


@pytest.fixture
def place(object_place):
    return Place(object_place)


def test_growth_costs_the_new_bytes(place):
    records = [os.urandom(40 * KIB) for _ in range(20)]
    with place.writer() as writer:
        writer.write(records[0])
        writer.flush()
        follower = Follower(reader := place.follow())
        follower.wait_for(1)
        ranges, received = place.cost()
        for count, record in enumerate(records[1:], start=2):
            writer.write(record)
            writer.flush()
            follower.wait_for(count)
        ranges_then, received_then = place.cost()
    reader.stop()
    follower.join()
    assert follower.items == records
    new = sum(len(record) + 16 for record in records[1:])
    assert new <= received_then - received <= new * 1.01
    assert ranges_then - ranges <= 2 * len(records[1:])


def test_a_look_that_finds_nothing_is_one_request(place):
    data = stream(*OLD)
    place.put(data)
    file = FollowedFile(place.path, place.file_system)
    buffer = bytearray(1 << 20)
    assert file.read_into(0, buffer) == len(data)
    place.proxy.reset()
    for _ in range(10):
        assert file.read_into(len(data), buffer) == 0
    file.close()
    traffic = place.proxy.traffic()
    assert traffic.requests == 10
    assert all(re.search(place.looks, request) for request in traffic.by_request)


def test_growth_by_a_writer_that_uploads_all_again_is_read_on(place):
    records = [os.urandom(200 * KIB) for _ in range(5)]
    place.put(stream(records[0]))
    follower = Follower(reader := place.follow())
    follower.wait_for(1)
    received = place.cost()[1]
    for count in range(2, 6):
        place.put(stream(*records[:count]))
        place.put(stream(*records[:count]))  # a flush without anything new
        follower.wait_for(count)
    assert place.cost()[1] - received <= sum(map(len, records[1:])) + 4 * (3 * 64 + 1) * KIB
    reader.stop()
    follower.join()
    assert follower.items == records
    assert reader.report.restarts == 0


def test_growth_while_growth_is_looked_at_is_read_on(place):
    place.put(stream(b"one"))
    follower = Follower(reader := place.follow())
    follower.wait_for(1)
    slow = place.proxy.fail(place.reads, "delay", seconds=0.5)
    place.put(stream(b"one", b"two"))
    while not slow.hits:
        follower.thread.join(0.01)
    place.put(stream(b"one", b"two", b"three"))
    follower.wait_for(3)
    reader.stop()
    follower.join()
    assert follower.items == [b"one", b"two", b"three"]


@pytest.mark.parametrize("waits_for", ["a byte", "a look", "a read"])
def test_control_c_works_whatever_a_follower_waits_for(place, waits_for):
    place.put(stream(b"one"))
    iterator = iter(place.follow())
    assert next(iterator) == b"one"
    if waits_for == "a read":
        place.put(stream(b"one", b"two"))
    pattern = place.reads if waits_for == "a read" else place.looks
    fault = place.proxy.fail(pattern, "delay", seconds=0 if waits_for == "a byte" else 5)

    def interrupt():
        while not fault.hits:
            time.sleep(0.01)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)
        interrupted.append(time.monotonic())

    interrupted: list[float] = []
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        next(iterator)
    thread.join()
    assert time.monotonic() - interrupted[0] < 3  # far less than the delay
    place.put(stream(b"one", b"two"))
    assert next(iterator) == b"two"


def test_a_writer_that_appends_later_is_followed(place):
    with place.writer() as writer:
        writer.write(b"one")
    follower = Follower(reader := place.follow())
    follower.wait_for(1)
    with place.writer(append=True) as writer:
        writer.write(b"two")
    follower.wait_for(2)
    reader.stop()
    follower.join()
    assert follower.items == [b"one", b"two"]


@pytest.mark.parametrize("by", ["itself", "another client"])
def test_a_replaced_object_is_refused(place, by):
    with place.writer() as writer:
        writer.write_batch(OLD)
    follower = Follower(place.follow())
    follower.wait_for(2)
    if by == "itself":
        with place.writer() as writer:
            writer.write_batch(NEW)
    else:
        place.put(stream(*NEW))
    follower.join()
    assert follower.items == OLD
    assert isinstance(follower.error, AbortedError)
    assert follower.error.path == place.path
    assert 'on_replaced="restart"' in str(follower.error)


@pytest.mark.parametrize("old_by", ["recordfs", "another client"])
@pytest.mark.parametrize("new_by", ["recordfs", "another client"])
def test_a_replaced_object_is_begun_again(place, old_by, new_by):
    def write(records, by):
        if by == "recordfs":
            with place.writer() as writer:
                writer.write_batch(records)
        else:
            place.put(stream(*records))

    write(OLD, old_by)
    follower = Follower(reader := place.follow(on_replaced="restart"))
    follower.wait_for(2)
    write(NEW, new_by)
    follower.wait_for(5)
    write([b"short"], new_by)
    follower.wait_for(6)
    reader.stop()
    follower.join()
    assert follower.error is None
    assert follower.items == [*OLD, *NEW, b"short"]
    assert reader.report.restarts == 2


def test_a_deleted_object_is_an_error(place):
    place.put(stream(*OLD))
    follower = Follower(place.follow())
    follower.wait_for(2)
    place.file_system.delete_file(place.path)
    follower.join()
    assert isinstance(follower.error, AbortedError)
    assert "deleted" in str(follower.error)


def test_a_deleted_object_is_waited_for(place):
    place.put(stream(*OLD))
    follower = Follower(reader := place.follow(on_replaced="restart"))
    follower.wait_for(2)
    place.file_system.delete_file(place.path)
    while reader.report.restarts == 0:
        follower.thread.join(0.01)
    with place.writer() as writer:
        writer.write_batch(NEW)
        writer.flush()
        follower.wait_for(5)
        writer.write(b"more")
        writer.flush()
        follower.wait_for(6)
    reader.stop()
    follower.join()
    assert follower.items == [*OLD, *NEW, b"more"]
    assert reader.report.restarts == 1


def test_a_deleted_object_that_stays_away_ends_with_the_timeout(place):
    place.put(stream(*OLD))
    follower = Follower(reader := place.follow(on_replaced="restart", follow_timeout=1.5))
    follower.wait_for(2)
    place.file_system.delete_file(place.path)
    follower.join()
    assert follower.error is None
    assert reader.report.restarts == 1


def test_a_missing_object_is_an_error_at_once(place):
    with pytest.raises(NotFoundError):
        place.follow()


def test_a_torn_tail_is_waited_for(place):
    whole = stream(*OLD)
    place.put(whole[:-7])
    reader = place.follow(follow_timeout=0.5)
    iterator = iter(reader)
    assert list(iterator) == OLD[:1]
    assert reader.report.truncated_tail
    follower = Follower(iterator)
    place.put(whole)
    follower.wait_for(1)
    follower.join()
    assert follower.items == OLD[1:]
    assert not reader.report.truncated_tail


@pytest.mark.parametrize("compression", ["GZIP", "ZLIB"])
def test_compressed_records_come_as_they_are_flushed(place, compression):
    with place.writer(compression=compression) as writer:
        writer.write(b"one")
        writer.flush()
        follower = Follower(reader := place.follow())
        follower.wait_for(1)
        for count in range(2, 5):
            writer.write(os.urandom(1000))
            writer.flush()
            follower.wait_for(count)
    reader.stop()
    follower.join()
    assert follower.error is None


def test_an_outage_is_sat_out(place, caplog):
    with place.writer() as writer:
        writer.write(b"one")
        writer.flush()
        follower = Follower(reader := place.follow())
        follower.wait_for(1)
        outage = place.proxy.fail(place.looks_and_reads, "status", count=10_000)
        while not any("still following" in message for message in caplog.messages):
            follower.thread.join(0.05)
        outage.count = 0
        writer.write(b"two")
        writer.flush()
        follower.wait_for(2)
    reader.stop()
    follower.join()
    assert follower.items == [b"one", b"two"]
    assert sum("still following" in message for message in caplog.messages) == 1


@pytest.mark.parametrize("mode", ["short_response", "cut_response"])
def test_answers_that_break_off_hand_out_nothing_twice(place, mode):
    records = [b"%06d" % number for number in range(6000)]
    with place.writer() as writer:
        writer.write_batch(records[:5000])
        writer.flush()
        follower = Follower(reader := place.follow(on_replaced="restart"))
        follower.wait_for(5000)
        fault = place.proxy.fail(place.reads, mode, count=9)  # more than one read is tried
        writer.write_batch(records[5000:])
        writer.flush()
        follower.wait_for(6000)
    reader.stop()
    follower.join()
    assert follower.items == records
    assert reader.report.restarts == 0
    assert fault.hits


def test_an_outage_that_outlasts_the_timeout_is_raised(place):
    place.put(stream(b"one"))
    reader = place.follow(follow_timeout=0.5)
    iterator = iter(reader)
    assert next(iterator) == b"one"
    outage = place.proxy.fail(place.looks_and_reads, "status", count=10_000)
    with pytest.raises(UnavailableError):
        next(iterator)
    outage.count = 0
    place.put(stream(b"one", b"two"))
    assert list(iterator) == [b"two"]


def test_stop_ends_it_from_another_thread(place):
    place.put(stream(b"one"))
    follower = Follower(reader := place.follow())
    follower.wait_for(1)
    reader.stop()
    follower.join()
    assert follower.error is None
