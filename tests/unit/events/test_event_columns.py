"""columns(): from the index and from the events alike, over damage, by three rules of what counts."""

import os
import pathlib

import numpy as np
import pytest

from recordfs.errors import InvalidArgumentError, NotFoundError
from recordfs.events import EventLog, EventsWriter, columns
from recordfs.events.file_columns import ReadOptions, read_file_columns
from recordfs.events.index import EventIndex, locate_index
from recordfs.events.stored import index_file, read_stored_index
from recordfs.filesystems.posix import PosixFileSystem
from recordfs.registry import get_file_system
from support.event_files import WALL, scalar, session_start, tensor_scalar, training_events, write_events

GOLDEN = os.path.join(os.path.dirname(__file__), "..", "..", "golden", "events")


class CountingFile:
    """A file that counts what is read of it."""

    def __init__(self, path):
        self._file = get_file_system(path).new_random_access_file(path)
        self.name = path
        self.reads = self.bytes = 0

    def _counted(self, data, reads=1):
        self.reads += reads
        self.bytes += len(data)
        return data

    def read(self, offset, n):
        return self._counted(self._file.read(offset, n))

    def read_into(self, offset, buffer):
        data = self.read(offset, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read_ranges(self, ranges, **keywords):
        blocks = self._file.read_ranges(ranges, **keywords)
        self._counted(b"".join(blocks), len(ranges))
        return blocks

    def size(self):
        return self._file.size()


def as_lists(found):
    return {tag: [part.tolist() for part in column] for tag, column in found.items()}


def read(path, **options):
    return read_file_columns(CountingFile(path), ReadOptions(**options))


@pytest.mark.parametrize("name", ["tensorboard", "tensorboardx"])
def test_scalars_of_other_writers_are_read(name):
    found = columns(f"{GOLDEN}/{name}.tfevents")
    assert list(found) == ["loss"]
    assert found["loss"].step.tolist() == [0, 1, 2, 3, 4]
    assert found["loss"].wall_time.tolist() == [1_700_000_001.5 + step for step in range(5)]
    assert found["loss"].value.tolist() == [np.float32(1 / (step + 1)) for step in range(5)]


def test_scalars_that_tensorflow_writes_as_tensors_are_read():
    found = columns(f"{GOLDEN}/tf_summary.tfevents")
    assert list(found) == ["loss"], "text and histograms are no scalars"
    assert found["loss"].value.tolist() == [np.float32(1 / (step + 1)) for step in range(5)]


def test_the_index_gives_what_the_events_give(tmp_path):
    path = write_events(tmp_path, [*training_events(), session_start(90), *training_events(3, 120)])
    indexed, scanned = read(path), read(path, use_index=False)
    assert indexed.indexed_bytes == os.path.getsize(path)
    assert scanned.indexed_bytes == 0
    assert {tag: points.step.tolist() for tag, points in indexed.points.items()} == {
        tag: points.step.tolist() for tag, points in scanned.points.items()
    }
    for tag, points in scanned.points.items():
        for ours, theirs in zip(indexed.points[tag][:4], points[:4], strict=True):
            assert ours.tobytes() == theirs.tobytes()
    assert repr(indexed.tags) == repr(scanned.tags), "NaN is not equal to itself"
    assert indexed.starts == scanned.starts
    assert indexed.first_wall_time == scanned.first_wall_time
    assert indexed.has_file_version
    assert scanned.has_file_version


def test_one_tag_of_a_large_file_takes_two_reads_and_few_bytes(tmp_path):
    path = write_events(tmp_path, training_events(100, 200))
    file = CountingFile(path)
    points = read_file_columns(file, ReadOptions(tags=["loss/layer_07"])).points
    assert points["loss/layer_07"].step.tolist() == list(range(200))
    assert file.reads <= 3
    assert file.bytes < os.path.getsize(path) / 40


def test_the_index_is_read_by_functions_over_bytes(tmp_path):
    path = write_events(tmp_path, training_events(50, 100))
    with open(path, "rb") as file:
        data = file.read()
    index = EventIndex.from_tail(data[-(16 << 10) :], len(data))
    assert index.missing_rows == []
    assert index.unindexed == []
    entry = index.entry_of("loss/layer_03")
    assert (entry.kind, entry.point_count, entry.last_step, entry.max_step) == ("float32", 100, 99, 99)
    assert entry.last_value == np.float32(1 / (1 + 99 + 3))
    blocks = [data[offset : offset + length] for offset, length in index.ranges("loss/layer_03")]
    assert index.points("loss/layer_03", blocks).step.tolist() == list(range(100))
    assert index.points("no such tag", []) is None
    assert locate_index(data[:-1], len(data) - 1) is None


def test_what_was_written_after_the_index_is_read_too(tmp_path):
    path = write_events(tmp_path, training_events())
    more = write_events(tmp_path / "more", [scalar("loss/layer_00", 5.0, 100), scalar("late", 6.0, 100)])
    with open(path, "ab") as file, open(more, "rb") as source:
        file.write(source.read())
    found = columns(path)
    assert found["loss/layer_00"].step.tolist() == list(range(101))
    assert found["late"].value.tolist() == [6.0]


def few_tags(count=30_000):
    """Events of one tag of which an index with columns would be more than a tenth: there is nothing to compress."""
    random = np.random.default_rng(13)
    values, times = random.random(count), WALL + np.cumsum(random.random(count))
    return [scalar("a", float(values[step]), step, float(times[step])) for step in range(count)]


def test_a_file_of_few_tags_keeps_its_budget_and_is_read_by_its_events(tmp_path):
    events = few_tags()
    indexed, plain = write_events(tmp_path / "with", events), write_events(tmp_path / "without", events, index=False)
    assert os.path.getsize(plain) < os.path.getsize(indexed) <= os.path.getsize(plain) * 1.1
    file = CountingFile(indexed)
    found = read_file_columns(file, ReadOptions())
    assert file.bytes > os.path.getsize(plain), "else this is no file without columns"
    assert as_lists(columns(indexed)) == as_lists(columns(plain))
    assert [tag.point_count for tag in found.tags] == [len(events)]
    assert EventLog(indexed).summary(".").tags == found.tags


def test_the_tags_of_a_file_without_columns_are_told_by_its_tail(tmp_path):
    path = write_events(tmp_path, few_tags())
    file = CountingFile(path)
    (entry,) = read_file_columns(file, ReadOptions(tags=[])).tags
    assert (entry.tag, entry.point_count, entry.last_step) == ("a", 30_000, 29_999)
    assert file.bytes <= 16 << 10


def test_a_file_without_columns_is_read_by_the_index_beside_it(tmp_path):
    path = write_events(tmp_path, few_tags())
    expected = as_lists(columns(path))
    assert index_file(path).outcome == "indexed"
    file = CountingFile(path)
    store = get_file_system(path)
    with store.new_random_access_file(path) as opened:
        beside = read_stored_index(store, opened, path)
    found = read_file_columns(file, ReadOptions(), lambda: beside)
    assert file.bytes <= 16 << 10
    assert found.points["a"].step.tolist() == expected["a"][0]
    assert columns(path).report.indexed_bytes == os.path.getsize(path)
    assert as_lists(columns(path)) == expected
    assert index_file(path).outcome == "has an index"


def test_a_damaged_index_is_told_and_the_events_are_read(tmp_path):
    path = write_events(tmp_path, training_events())
    whole = as_lists(columns(path))
    with open(path, "r+b") as file:
        file.seek(-60, os.SEEK_END)
        byte = file.read(1)
        file.seek(-60, os.SEEK_END)
        file.write(bytes([byte[0] ^ 1]))
    found = columns(path)
    assert as_lists(found) == whole
    assert any("index of this event file is damaged" in loss.reason for loss in found.report.losses)


def test_damaged_records_and_records_that_are_no_events_are_told_and_passed_over(tmp_path):
    from recordfs import RecordWriter

    path = str(tmp_path / "events.out.tfevents.1")
    with RecordWriter(path) as writer:
        writer.write(scalar("a", 1.0, 1))
        writer.write(b"\xff\xff\xff\xff\xff this is no Event")
        writer.write(scalar("a", 2.0, 2))
        writer.flush()
        broken = writer.tell()
        writer.write(scalar("a", 3.0, 3))
        writer.write(scalar("a", 4.0, 4))
        end = writer.tell()
    with open(path, "r+b") as file:
        file.seek(broken + 20)
        file.write(b"\x00")
        file.truncate(end + 5)
    found = columns(path)
    assert found["a"].step.tolist() == [1, 2, 4]
    assert found.report.loss_count == 2
    assert "not a serialized Event" in found.report.losses[0].reason
    assert found.report.losses[1].offset == broken
    assert found.report.truncated == (path,)


def test_a_tensor_is_a_scalar_only_if_its_tag_says_so(tmp_path):
    path = write_events(
        tmp_path,
        [
            tensor_scalar("yes", 0.1, 0, "scalars"),
            tensor_scalar("yes", 0.2, 1, None),
            tensor_scalar("no", 0.3, 0, None),
            tensor_scalar("text", 0.4, 0, "text"),
        ],
    )
    found = columns(path)
    assert {tag: column.value.tolist() for tag, column in found.items()} == {"yes": [0.1, 0.2]}
    assert found["yes"].value.dtype == np.float64


def test_a_run_is_the_files_of_its_directory_in_order(tmp_path):
    first = write_events(tmp_path, [scalar("a", 1.0, 1)])
    with EventsWriter(f"{tmp_path}/events", after=first) as writer:
        writer.write_event(scalar("a", 2.0, 2))
    write_events(tmp_path / "below", [scalar("a", 3.0, 3)])
    assert columns(tmp_path)["a"].step.tolist() == [1, 2]
    assert columns(tmp_path).report.files == 2
    with pytest.raises(NotFoundError, match="no event file"):
        columns(tmp_path.parent)


def test_points_that_a_restart_made_void_are_left_out_as_each_loader_does(tmp_path):
    events = [session_start(0), *(scalar("a", 1.0, step) for step in range(10))]
    events += [session_start(5), *(scalar("a", 2.0, step) for step in (5, 6, 6, 7))]
    path = write_events(tmp_path, events)
    assert columns(path)["a"].step.tolist() == [*range(10), 5, 6, 6, 7]
    assert columns(path, purge="tensorboard")["a"].step.tolist() == [0, 1, 2, 3, 4, 5, 6, 6, 7]
    assert columns(path, purge="fast")["a"].step.tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    with pytest.raises(InvalidArgumentError, match="purge"):
        columns(path, purge="all")


def test_columns_become_tables_of_arrow(tmp_path):
    table = columns(write_events(tmp_path, training_events(2, 3))).to_arrow()
    assert table.column_names == ["tag", "step", "wall_time", "value"]
    assert table["tag"].to_pylist() == ["loss/layer_00"] * 3 + ["loss/layer_01"] * 3
    assert columns(write_events(tmp_path / "none", [])).to_arrow().num_rows == 0


class DeletingFileSystem(PosixFileSystem):
    """Files whose names end with a suffix are deleted by somebody just before they are opened."""

    suffix = "nothing"

    def new_random_access_file(self, path):
        if path.endswith(self.suffix):
            pathlib.Path(path).unlink(missing_ok=True)
        return super().new_random_access_file(path)


@pytest.mark.parametrize("index", [True, False])
def test_a_file_that_is_deleted_after_it_was_listed_is_reported_and_the_others_are_read(tmp_path, index):
    first = write_events(tmp_path, [scalar("a", 1.0, 1)], filename_suffix=".first", index=index)
    write_events(tmp_path, [scalar("a", 2.0, 2)], filename_suffix=".second", index=index)
    store = DeletingFileSystem()
    log = EventLog(tmp_path, file_system=store)
    store.suffix = ".first"
    found = columns(tmp_path, file_system=store)
    assert found["a"].step.tolist() == [2]
    assert found.report.deleted == (first,)
    assert log.columns(".").report.deleted == (first,)
    summary = log.summary(".")
    assert [tag.point_count for tag in summary.tags] == [1]
    assert summary.report.deleted == (first,)
    with log.events(".") as events:
        assert [event.step for event in events if event.summary] == [2]
        assert events.deleted == [first]
        assert [report.events for _, report in events.reports] == [2]
    store.suffix = ".second"
    with pytest.raises(NotFoundError, match="second"):
        columns(tmp_path, file_system=store)
    with pytest.raises(NotFoundError, match="second"):
        list(log.events("."))


def test_a_file_that_is_there_and_cannot_be_found_is_an_error(tmp_path, faulty):
    paths = [write_events(tmp_path, [scalar("a", 1.0, step)]) for step in range(2)]
    faulty.fail("new_random_access_file", error=NotFoundError("gone", path=paths[0]))
    with pytest.raises(NotFoundError, match="gone"):
        columns(tmp_path, file_system=faulty)
