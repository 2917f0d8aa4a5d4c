"""Following a file whose store is not reached meanwhile, and what a look at one that does not change costs."""

from __future__ import annotations

import pytest
from tests.support.followers import Follower

import recordfs
from recordfs.errors import AbortedError, UnavailableError
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.filesystems.wrapper import WrapperFileSystem, WrapperRandomAccessFile
from recordfs.records import followed_file
from recordfs.testing.faulty import FaultyFileSystem

OLD = [b"old one", b"old two" * 20_000]


def test_a_store_that_calls_every_version_replaced_is_not_asked_all_the_time():
    class Restless(WrapperFileSystem):
        opened = 0

        def capabilities(self, path):
            return super().capabilities(path)._replace(detects_replacement=True)

        def new_random_access_file(self, path):
            self.opened += 1
            return super().new_random_access_file(path)

        def wrap_reader(self, file):
            return RestlessFile(file)

    class RestlessFile(WrapperRandomAccessFile):
        def _read_into(self, offset, view):
            raise AbortedError("another version again", path=self.name)

    with recordfs.RecordWriter("ram://restless/f") as writer:
        writer.write(b"a")
    store = Restless(MemoryFileSystem())
    reader = recordfs.RecordReader(
        "ram://restless/f", follow=True, follow_timeout=0.5, on_replaced="restart", file_system=store
    )
    assert list(reader) == []
    assert 1 < store.opened < 15
    assert reader.report.restarts < 15


class TestOutages:
    """The store cannot be reached for a while."""

    @pytest.fixture
    def faulty(self):
        inner = MemoryFileSystem()
        with recordfs.RecordWriter("ram://outages/f", file_system=inner) as writer:
            writer.write_batch(OLD)
        return FaultyFileSystem(inner)

    @pytest.mark.parametrize("operation", ["read_into", "stat", "new_random_access_file", "read"])
    def test_a_passing_outage_is_sat_out(self, faulty, operation, caplog):
        reader = recordfs.RecordReader("ram://outages/f", follow=True, file_system=faulty)
        follower = Follower(reader)
        follower.wait_for(2)
        faulty.fail(operation, times=3)
        with recordfs.RecordWriter("ram://outages/f", append=True) as writer:
            writer.write(b"three")
        follower.wait_for(3)
        reader.stop()
        follower.join()
        assert follower.items == [*OLD, b"three"]
        assert sum("still following" in message for message in caplog.messages) <= 1

    def test_an_outage_that_outlasts_the_timeout_is_raised(self, faulty):
        reader = recordfs.RecordReader("ram://outages/f", follow=True, follow_timeout=0.1, file_system=faulty)
        iterator = iter(reader)
        assert [next(iterator), next(iterator)] == OLD
        faulty.fail(times=10_000)
        with pytest.raises(UnavailableError):
            next(iterator)
        faulty.heal()
        with recordfs.RecordWriter("ram://outages/f", append=True) as writer:
            writer.write(b"three")
        assert list(iterator) == [b"three"]

    def test_stop_ends_it_during_an_outage(self, faulty):
        reader = recordfs.RecordReader("ram://outages/f", follow=True, file_system=faulty)
        follower = Follower(reader)
        follower.wait_for(2)
        faulty.fail(times=10_000)
        reader.stop()
        follower.join()
        assert follower.error is None


def test_an_idle_look_at_a_file_is_one_stat():
    faulty = FaultyFileSystem(MemoryFileSystem())
    with recordfs.RecordWriter("ram://idle/f", file_system=faulty) as writer:
        writer.write(b"a")
    file = followed_file.FollowedFile("ram://idle/f", faulty)
    buffer = bytearray(100)
    assert file.read_into(0, buffer) == 17
    assert file.read_into(17, buffer) == 0
    before = len(faulty.calls)
    for _ in range(10):
        assert file.read_into(17, buffer) == 0
    assert [operation for operation, _ in faulty.calls[before:]] == ["read_into", "stat"] * 10
