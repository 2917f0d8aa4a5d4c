"""EventsWriter: names, exclusive files, and that nothing is lost when a write fails."""

import os
import re
import threading

import pytest

from recordfs import RecordReader
from recordfs.errors import ClosedFileError, InvalidArgumentError, ResourceExhaustedError
from recordfs.events import EventsWriter, columns, decode_event
from recordfs.filesystems.posix import PosixFileSystem
from recordfs.testing.faulty import FaultyFileSystem
from support.event_files import scalar, write_events


def events_of(path):
    with RecordReader(path) as reader:
        return [decode_event(record) for record in reader]


def test_a_file_begins_with_its_version_and_has_the_name_of_event_files(tmp_path):
    path = write_events(tmp_path / "new" / "run", [scalar("a", 1.5, 3)])
    assert re.fullmatch(r"events\.out\.tfevents\.\d{10}\..+\.\d+\.\d+\.[0-9a-f]{8}", os.path.basename(path))
    version, value = events_of(path)
    assert (version.kind, version.content, version.writer) == ("file_version", "brain.Event:2", "recordfs.events")
    assert (value.step, value.summary[0].tag, value.summary[0].content) == (3, "a", 1.5)


def test_writers_in_one_directory_never_share_a_file(tmp_path):
    paths, barrier = [], threading.Barrier(8)

    def write():
        barrier.wait()
        paths.append(write_events(tmp_path, [scalar("a", 1.0, 1)]))

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(paths)) == 8
    assert columns(tmp_path)["a"].step.tolist() == [1] * 8


def test_a_later_name_sorts_later_even_if_the_clock_went_back(tmp_path, monkeypatch):
    first = write_events(tmp_path, [])
    monkeypatch.setattr("time.time", lambda: 1_000_000_000.0)
    with EventsWriter(f"{tmp_path}/events", after=first) as writer:
        assert writer.path > first


def test_flush_shows_every_event(tmp_path):
    with EventsWriter(f"{tmp_path}/events") as writer:
        for step in range(10):
            writer.write_event(scalar("a", 1.0, step))
            assert writer.flush() is True
            assert columns(writer.path)["a"].step.tolist() == list(range(step + 1))


def test_what_is_no_event_is_refused_and_the_file_goes_on(tmp_path):
    with EventsWriter(f"{tmp_path}/events") as writer:
        with pytest.raises(InvalidArgumentError, match="not a serialized Event"):
            writer.write_event(b"\xff\xff\xff\xff")
        with pytest.raises(TypeError, match="SerializeToString"):
            writer.write_event("text")
        writer.write_event(decode_event(scalar("a", 1.0, 1)))
    assert columns(writer.path)["a"].step.tolist() == [1]
    with pytest.raises(ClosedFileError):
        writer.write_event(scalar("a", 1.0, 2))
    assert writer.close() is True


@pytest.mark.parametrize("operation", ["append", "flush"])
def test_events_of_a_failed_write_are_written_by_the_next(tmp_path, operation):
    faulty = FaultyFileSystem(PosixFileSystem())
    with EventsWriter(f"{tmp_path}/events", file_system=faulty) as writer:
        writer.write_event(scalar("a", 1.0, 1))
        faulty.fail(operation, error=ResourceExhaustedError("no space left"))
        with pytest.raises(ResourceExhaustedError):
            writer.flush()
        writer.write_event(scalar("a", 1.0, 2))
        writer.flush()
        assert columns(writer.path)["a"].step.tolist() == [1, 2]
