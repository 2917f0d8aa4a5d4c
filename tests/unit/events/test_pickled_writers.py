"""A writer that is pickled, as for a worker that is spawned, goes on elsewhere with files of its own."""

import pickle
from pathlib import Path

import pytest

from recordfs import RecordReader
from recordfs.errors import ClosedFileError
from recordfs.events import EventFileWriter, SummaryWriter, columns, decode_event
from recordfs.filesystems.posix import PosixFileSystem


def copy_of(writer):
    return pickle.loads(pickle.dumps(writer))


def kinds(path):
    with RecordReader(path) as reader:
        return [event.kind for event in map(decode_event, reader) if not event.is_index]


def test_a_pickled_writer_begins_a_file_with_its_first_event(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        copy_of(writer).close()
        with copy_of(writer) as other:
            assert len(list(tmp_path.iterdir())) == 1
            other.add_scalar("a", 0.5, 1)
            other.flush()
            (path,) = other.file_writer.paths
            assert Path(path).exists()
        assert [path, *writer.file_writer.paths] == sorted(map(str, tmp_path.iterdir()), reverse=True)


def test_a_pickled_writer_does_not_begin_the_job_again(tmp_path):
    with SummaryWriter(tmp_path, purge_step=5) as writer, copy_of(writer) as other:
        other.add_scalar("a", 0.5, 6)
        other.flush()
        assert kinds(other.file_writer.paths[0]) == ["file_version", "summary"]


def test_a_pickled_writer_logs_into_the_runs_below_and_another_kind_of_value(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        for each in (writer, copy_of(writer)):
            with each:
                each.add_scalars("group", {"one": 0.5}, 1)
                each.add_text("note", "hello", 1)
    assert len(columns(tmp_path / "group_one")["group"].step) == 2
    assert [kinds(path) for path in tmp_path.glob("events*")] == [["file_version", "summary"]] * 2


def test_a_pickled_writer_keeps_its_settings_and_its_filesystem(tmp_path):
    with EventFileWriter(
        tmp_path, filename_suffix=".mine", policy="drop", file_system=PosixFileSystem(), index=False
    ) as writer:
        with copy_of(writer) as other:
            other.add_summary(b"")
        assert other.paths[0].endswith(".mine")
        assert kinds(other.paths[0]) == ["file_version", "summary"]


def test_a_writer_that_was_pickled_after_its_close_is_closed(tmp_path):
    writer = EventFileWriter(tmp_path)
    writer.close()
    other = copy_of(writer)
    with pytest.raises(ClosedFileError, match="reopen"):
        other.add_summary(b"")
    other.reopen()
    other.add_summary(b"")
    other.close()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_copy_of_a_copy_writes_files_of_its_own(tmp_path):
    with SummaryWriter(tmp_path) as writer, copy_of(copy_of(writer)) as other:
        other.add_scalar("a", 0.5, 1)
    assert columns(tmp_path)["a"].step.tolist() == [1]
