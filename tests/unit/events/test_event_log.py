"""EventFileReader and EventLog: events one by one, runs, and indexes that are kept elsewhere."""

import os
import threading

import pytest

from recordfs import RecordWriter
from recordfs.errors import AbortedError, ClosedFileError, InvalidArgumentError, NotFoundError, UnavailableError
from recordfs.events import ColumnCache, EventFileReader, EventFileWriter, EventLog, EventsWriter, columns
from recordfs.events.file_columns import make_stored_index
from recordfs.events.stored import MIN_STORED
from recordfs.events.stored_index import stored_index_path
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.operations import walk
from recordfs.registry import get_file_system
from recordfs.testing.faulty import FaultyFileSystem
from support.event_files import scalar, training_events, write_events


def test_events_come_one_by_one_without_the_index(tmp_path):
    path = write_events(tmp_path, training_events())
    with EventFileReader(path) as reader:
        events = list(reader)
    assert [event.kind for event in events] == ["file_version"] + ["summary"] * 2000
    assert reader.report == (2001, (), 0, False)


def test_damage_and_what_is_no_event_are_told_and_passed_over(tmp_path):
    path = str(tmp_path / "events.out.tfevents.1")
    with RecordWriter(path) as writer:
        writer.write(scalar("a", 1.0, 1))
        begin = writer.tell()
        writer.write(b"\xff\xff no Event")
        end = writer.tell()
        writer.write(scalar("a", 2.0, 2))
        broken = writer.tell()
        writer.write(scalar("a", 3.0, 3))
        writer.write(scalar("a", 4.0, 4))
    with open(path, "r+b") as file:
        file.seek(broken + 20)
        file.write(b"\0")
    with EventFileReader(path) as reader:
        assert [event.step for event in reader] == [1, 2, 4]
        first, second = reader.report.losses
    assert (first.offset, first.length) == (begin, end - begin)
    assert "not a serialized Event" in first.reason
    assert second.offset == broken
    assert reader.report.loss_count == 2


def test_a_live_file_is_followed(tmp_path):
    with EventsWriter(f"{tmp_path}/events") as writer:
        writer.flush()
        found, came = [], threading.Event()

        def follow():
            for event in reader:
                found.append(event.step)
                came.set()

        reader = EventFileReader(writer.path, follow=True)
        thread = threading.Thread(target=follow)
        thread.start()
        for step in range(1, 4):
            assert came.wait(30)
            came.clear()
            writer.write_event(scalar("a", 1.0, step))
            writer.flush()
        while len(found) < 4:
            came.wait(1)
        reader.stop()
        thread.join(30)
        reader.close()
    assert found == [0, 1, 2, 3]


def test_iterating_again_goes_on_in_a_file_that_has_grown(tmp_path):
    path = write_events(tmp_path, [scalar("a", 1.0, step) for step in range(10)], index=False)
    with open(path, "rb") as file:
        data = file.read()
    os.truncate(path, len(data) - 10)
    with EventFileReader(path) as reader:
        assert [event.step for event in reader if event.summary] == list(range(9))
        assert reader.report.truncated_tail
        with open(path, "r+b") as file:
            file.write(data)
        assert [event.step for event in reader] == [9]
        assert reader.report == (11, (), 0, False)
        assert list(reader) == []
    with pytest.raises(ClosedFileError):
        next(reader)


def test_a_followed_file_that_was_replaced_is_read_from_its_beginning_on_request(tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    old = write_events(tmp_path / "old", [scalar("a", 1.0, step) for step in range(1, 4)], index=False)
    new = write_events(tmp_path / "new", [scalar("a", 1.0, step) for step in range(10, 30)], index=False)
    refusing = EventFileReader(old, follow=True, follow_timeout=30)
    with refusing, EventFileReader(old, follow=True, follow_timeout=30, on_replaced="restart") as reader:
        for each in (reader, refusing):
            assert [next(each).step for _ in range(4)] == [0, 1, 2, 3]
        os.replace(new, old)
        assert [next(reader).step for _ in range(21)] == [0, *range(10, 30)]
        with pytest.raises(AbortedError, match="replaced"):
            next(refusing)


def test_a_reader_that_is_closed_at_a_torn_tail_stays_closed(tmp_path):
    path = write_events(tmp_path, [scalar("a", 1.0, 1)], index=False)
    os.truncate(path, os.path.getsize(path) - 1)
    reader = EventFileReader(path)
    assert len(list(reader)) == 1
    reader.close()
    with pytest.raises(ClosedFileError):
        next(reader)


def test_a_live_run_is_followed_into_the_files_that_its_writer_begins(tmp_path, monkeypatch):
    monkeypatch.setattr("recordfs.events.follow.LOOK_SECONDS", 0.05)
    writer = EventFileWriter(tmp_path, max_file_bytes=500)
    written = 0

    def write(count):
        nonlocal written
        for step in range(written, written + count):
            writer.add_event(scalar("a", 1.0, step))
            writer.flush()
        written += count

    write(3)
    found = []
    with EventLog(tmp_path).follow(".", timeout=30) as follower:
        for event in follower:
            if event.summary:
                found.append(event.step)
                if event.step == written - 1:
                    if written > 100:
                        break
                    write(50)
        reports = follower.reports
    writer.close()
    assert found == list(range(written))
    assert [path for path, _ in reports] == writer.paths[: len(reports)]
    assert len(reports) > 5
    assert sum(report.events for _, report in reports) == written + len(reports)


def test_following_a_run_survives_a_store_that_is_away(monkeypatch):
    monkeypatch.setattr("recordfs.events.follow.LOOK_SECONDS", 0.05)
    store = FaultyFileSystem(MemoryFileSystem())
    write_events("ram://run", [scalar("a", 1.0, 1)], file_system=store)
    with EventLog("ram://run", file_system=store).follow(".", timeout=0.5) as follower:
        events = iter(follower)
        assert [next(events).step, next(events).step] == [0, 1]
        store.fail("list_directory", error=UnavailableError("away"))
        write_events("ram://run", [scalar("a", 1.0, 2)], file_system=store)
        assert [event.step for event in events] == [0, 2]


def test_a_link_to_a_directory_is_a_run_and_one_that_leads_up_is_none(tmp_path):
    write_events(tmp_path / "elsewhere" / "deep", [scalar("a", 1.0, 1)])
    write_events(tmp_path / "other", [scalar("b", 1.0, 1)])
    logdir = tmp_path / "logs"
    write_events(logdir / "plain", [scalar("c", 1.0, 1)])
    for place, target in [
        ("linked", tmp_path / "elsewhere"),
        ("twin", logdir / "plain"),
        ("plain/self", logdir / "plain"),
        ("plain/up", tmp_path),
        ("linked/there", tmp_path / "other"),
        ("linked/there/back", tmp_path / "elsewhere"),
        ("linked/deep/nowhere", tmp_path / "missing"),
    ]:
        os.symlink(target, logdir / place)
    log = EventLog(logdir)
    assert log.runs == ["linked/deep", "linked/there", "plain", "twin"]
    assert log.columns("linked/deep")["a"].step.tolist() == [1]
    assert EventLog(os.path.relpath(logdir)).runs == log.runs
    assert EventLog(f"file://{logdir}").runs == log.runs


def test_runs_are_the_directories_that_hold_event_files(tmp_path):
    write_events(tmp_path, [scalar("a", 1.0, 1)])
    write_events(tmp_path / "x" / "y", [scalar("b", 2.0, 1), scalar("b", 3.0, 2)])
    (tmp_path / "empty").mkdir()
    (tmp_path / "x" / "notes.txt").write_text("no events")
    (tmp_path / "x" / "events.out.tfevents.1.profile-empty").write_text("")
    os.symlink(tmp_path, tmp_path / "x" / "up")
    log = EventLog(tmp_path)
    assert log.runs == [".", "x/y"]
    assert log.columns("x/y")["b"].value.tolist() == [2.0, 3.0]
    assert [event.step for event in log.events("x/y") if event.summary] == [1, 2]
    (tag,) = log.summary("x/y").tags
    assert (tag.tag, tag.point_count, tag.last_step, tag.last_value) == ("b", 2, 2, 3.0)
    with pytest.raises(NotFoundError, match=r"no run 'z'; there are: \., x/y"):
        log.columns("z")
    write_events(tmp_path / "z", [])
    log.refresh()
    assert log.runs == [".", "x/y", "z"]


def test_a_directory_that_is_not_there_is_not_an_empty_one(tmp_path):
    with pytest.raises(NotFoundError):
        EventLog(tmp_path / "no")
    assert EventLog(tmp_path).runs == []


def test_damage_in_one_run_is_that_runs(tmp_path):
    write_events(tmp_path / "good", [scalar("a", 1.0, 1)])
    path = write_events(tmp_path / "bad", [scalar("a", 1.0, 1), scalar("a", 2.0, 2)])
    with open(path, "r+b") as file:
        file.seek(5)
        file.write(b"\xff")
    log = EventLog(tmp_path)
    assert log.columns("good").report.losses == ()
    assert log.columns("bad").report.loss_count == 1
    assert log.columns("bad")["a"].step.tolist() == [1, 2]


@pytest.mark.parametrize("index", [True, False])
def test_a_summary_is_the_same_with_and_without_an_index(tmp_path, index):
    write_events(tmp_path, [*training_events(), scalar("late", 1.0, 500)], index=index)
    tags = EventLog(tmp_path).summary(".").tags
    assert len(tags) == 21
    assert [tag.point_count for tag in tags] == [100] * 20 + [1]
    assert tags[-1].last_step == 500


class CountingStore(MemoryFileSystem):
    """A filesystem that counts the bytes that are read of event files."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def new_random_access_file(self, path):
        store, file = self, super().new_random_access_file(path)

        class Counting(type(file)):
            def read_into(self, offset, buffer):
                count = super().read_into(offset, buffer)
                store.bytes += count
                return count

        if "tfevents" in path:
            file.__class__ = Counting
        return file


@pytest.fixture
def large():
    """A file of more than the smallest size that is worth an index elsewhere, on a store that is not local."""
    store = CountingStore()
    writer = EventsWriter("ram://logs/run/events", index=False, file_system=store)
    with writer:
        for event in training_events(50, 600):
            writer.write_event(event)
    assert writer.tell() > MIN_STORED
    return store, writer.path


def as_lists(found):
    return {tag: [part.tolist() for part in column] for tag, column in found.items()}


def test_a_file_without_an_index_is_read_whole_only_once(tmp_path, large):
    store, path = large
    cache = ColumnCache(str(tmp_path / "cache"))
    plain = as_lists(columns(path, cache=None, file_system=store))
    assert as_lists(columns(path, cache=cache, file_system=store)) == plain
    store.bytes = 0
    assert as_lists(columns(path, cache=cache, file_system=store)) == plain
    assert store.bytes == 0, "only its last 16 KiB are looked at, by another call"
    assert columns(path, "loss/layer_03", cache=cache, file_system=store)["loss/layer_03"].step.tolist() == [
        *range(600)
    ]


def test_what_is_written_on_is_not_taken_from_the_cache(tmp_path, large):
    store, path = large
    cache = ColumnCache(str(tmp_path / "cache"))
    columns(path, cache=cache, file_system=store)
    with RecordWriter(path, append=True, file_system=store) as writer:
        writer.write(scalar("loss/layer_00", 9.0, 600))
    assert columns(path, cache=cache, file_system=store)["loss/layer_00"].step.tolist() == list(range(601))


def test_the_cache_is_bounded_and_outlives_damage(tmp_path, large):
    store, path = large
    cache = ColumnCache(str(tmp_path / "cache"), max_bytes=300_000)
    for number in range(5):
        copy = f"ram://logs/run{number}/{path.rpartition('/')[2]}"
        store.copy_file(path, copy)
        columns(copy, cache=cache, file_system=store)
    entries = list((tmp_path / "cache").iterdir())
    assert 1 <= len(entries) < 5
    assert sum(entry.stat().st_size for entry in entries) <= 300_000
    whole = as_lists(columns(copy, cache=None, file_system=store))
    for entry in entries:
        entry.write_bytes(entry.read_bytes()[:-1] + b"x")
    assert as_lists(columns(copy, cache=cache, file_system=store)) == whole


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path, large, caplog):
    store, path = large
    (tmp_path / "file").write_text("")
    cache = ColumnCache(str(tmp_path / "file" / "cache"))
    assert columns(path, "loss/layer_03", cache=cache, file_system=store)["loss/layer_03"].step.size == 600
    assert "cannot be written" in caplog.text


def test_an_index_beside_a_file_is_used_as_long_as_it_is_of_that_file(large):
    store, path = large
    whole = as_lists(columns(path, cache=None, file_system=store))
    with store.new_random_access_file(path) as file:
        index, _ = make_stored_index(file)
    with store.new_writable_file(stored_index_path(path)) as file:
        file.append(index.encode())
    assert "tfevents" not in stored_index_path(path).rpartition("/")[2]
    store.bytes = 0
    assert as_lists(columns(path, cache=None, file_system=store)) == whole
    assert store.bytes == 0
    other = training_events(50, 601)
    store.delete_file(path)
    with RecordWriter(path, file_system=store) as writer:
        writer.write_batch(other)
    assert columns(path, cache=None, file_system=store)["loss/layer_00"].step.size == 601


def test_no_file_of_ours_beside_event_files_is_taken_for_one(tmp_path):
    path = write_events(tmp_path, [scalar("a", 1.0, 1)])
    (tmp_path / stored_index_path(path).rpartition("/")[2]).write_bytes(b"not an index")
    assert columns(tmp_path)["a"].step.tolist() == [1]
    assert [len(files) for _, _, files in walk(str(tmp_path))] == [2]
    assert get_file_system(path).file_exists(path)


def test_a_file_is_read_whatever_its_name_is(tmp_path):
    os.rename(write_events(tmp_path, [scalar("a", 1.0, 3)]), tmp_path / "copy.bin")
    assert columns(tmp_path / "copy.bin")["a"].step.tolist() == [3]
    memory = MemoryFileSystem()
    with memory.new_writable_file("ram://a/copy.bin") as file:
        file.append((tmp_path / "copy.bin").read_bytes())
    assert EventLog("ram://a/copy.bin", file_system=memory).columns(".")["a"].step.tolist() == [3]
    with pytest.raises(NotFoundError):
        EventLog("ram://a/nothing", file_system=memory)


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_a_timeout_that_cannot_be_is_refused(tmp_path, timeout):
    write_events(tmp_path, [scalar("a", 1.0, 3)])
    with pytest.raises(InvalidArgumentError, match="seconds, at least 0"):
        EventLog(tmp_path).follow(".", timeout)
