"""Spools: whatever a store does, and whenever a process dies, each event arrives once."""

import contextlib
import fcntl
import json
import os
import threading

import pytest

from recordfs.errors import AbortedError, DeadlineExceededError, NotFoundError, RecordFSError, UnavailableError
from recordfs.events import EventFileWriter, SummaryWriter, columns, resume_spools
from recordfs.filesystems.wrapper import WrapperFileSystem
from support.event_files import add, steps_in
from support.gated import GateFileSystem

FIRST, LAST = "a" * 16, "b" * 16
"""What the files of two spools are called."""


def test_a_spooled_file_arrives_whole_and_leaves_no_spool(tmp_path, spools):
    with EventFileWriter(tmp_path / "run", policy="spool", max_file_bytes=20_000) as writer:
        add(writer, range(1000))
        writer.flush()
        assert steps_in(tmp_path / "run") == list(range(1000))
        add(writer, range(1000, 2000))
    assert steps_in(tmp_path / "run") == list(range(2000))
    assert list(spools.iterdir()) == []


def test_what_could_not_be_uploaded_stays_in_the_spool_until_it_is_resumed(tmp_path, spools):
    gated = GateFileSystem()
    writer = EventFileWriter(tmp_path / "run", policy="spool", file_system=gated, max_queue_bytes=10_000)
    add(writer, range(5000))
    with pytest.raises(DeadlineExceededError):
        writer.close(timeout=0.5)
    assert writer.dropped_events == 0
    assert resume_spools() == [], "its process lives"
    gated.gate.set()
    writer.close()
    assert steps_in(tmp_path / "run") == list(range(5000))


def test_a_spooled_file_that_takes_nothing_more_is_uploaded_anew(tmp_path, spools, faulty):
    writer = EventFileWriter(tmp_path / "run", policy="spool", file_system=faulty)
    add(writer, range(100))
    writer.flush()
    faulty.fail("flush", error=AbortedError("the object was replaced"))
    add(writer, range(100, 200))
    with contextlib.suppress(AbortedError):  # an attempt that had begun before may have met it
        writer.flush()
    writer.close()
    assert steps_in(tmp_path / "run") == list(range(200))
    assert [str(path) for path in (tmp_path / "run").iterdir()] == [writer.paths[-1]]
    assert list(spools.iterdir()) == []


@pytest.mark.parametrize("operation", ["flush", "close"])
def test_a_long_spooled_file_that_takes_nothing_more_is_uploaded_anew_to_its_end(tmp_path, spools, faulty, operation):
    writer = EventFileWriter(tmp_path / "run", policy="spool", file_system=faulty)
    add(writer, range(60_000))  # several reads of the image
    writer.flush()
    faulty.fail(operation, error=AbortedError("the object was replaced"))
    add(writer, [60_000])
    with contextlib.suppress(AbortedError):
        writer.close()
    writer.close()
    assert steps_in(tmp_path / "run") == list(range(60_001))
    assert list(spools.iterdir()) == []


def test_a_spooled_file_that_was_replaced_by_somebody_stays(tmp_path, spools, faulty):
    writer = EventFileWriter(tmp_path / "run", policy="spool", file_system=faulty)
    add(writer, range(100))
    writer.flush()
    (first,) = (tmp_path / "run").iterdir()
    faulty.fail("flush", error=AbortedError("the object was replaced"))
    first.write_bytes(b"somebody else's")
    add(writer, range(100, 200))
    with contextlib.suppress(AbortedError):
        writer.flush()
    writer.close()
    assert first.read_bytes() == b"somebody else's"
    (second,) = set((tmp_path / "run").iterdir()) - {first}
    assert columns(second)["a"].step.tolist() == list(range(200))


@pytest.mark.parametrize("name", ["old", "../made/old", ".."])
def test_a_resumed_spool_deletes_what_it_replaces_and_only_beside_its_target(tmp_path, spools, left_spool, name):
    target, content = left_spool
    for directory in (tmp_path / "made", tmp_path / "run"):
        (directory / "old").write_bytes(content[:100])
    note = {"format": 1, "target": str(target), "process": 1, "replaced": [name]}
    (spools / f"{LAST}.json").write_text(json.dumps(note))
    (spool,) = resume_spools()
    assert (tmp_path / "made" / "old").exists()
    assert (tmp_path / "run" / "old").exists() == (name != "old")
    assert (spool.error is None) == (name == "old")
    assert target.exists() == (name == "old")


@pytest.fixture
def left_spool(tmp_path, spools):
    """Return the target of a spool that a process has left, and its bytes."""
    with EventFileWriter(tmp_path / "made") as writer:
        add(writer, range(50))
    (made,) = (tmp_path / "made").iterdir()
    (tmp_path / "run").mkdir()
    target = tmp_path / "run" / made.name
    spools.mkdir()
    (spools / f"{LAST}.image").write_bytes(made.read_bytes())
    (spools / f"{LAST}.json").write_text(json.dumps({"format": 1, "target": str(target), "process": 1}))
    return target, made.read_bytes()


def test_a_spool_whose_event_file_is_empty_is_uploaded_into_it(tmp_path, left_spool):
    target, content = left_spool
    target.touch()
    (spool,) = resume_spools()
    assert (spool.error, spool.uploaded_bytes) == (None, len(content))
    assert target.read_bytes() == content
    assert list(target.parent.iterdir()) == [target]
    assert resume_spools() == []


@pytest.mark.parametrize("note", [b"\xff\xfe\x80", b"[" * 100_000, b"{}", None])
def test_a_note_that_cannot_be_read_keeps_no_other_spool_from_being_resumed(spools, left_spool, note):
    target, content = left_spool
    (spools / f"{FIRST}.image").touch()
    if note is None:
        (spools / f"{FIRST}.json").mkdir()
    else:
        (spools / f"{FIRST}.json").write_bytes(note)
    broken, whole = resume_spools()
    assert isinstance(broken.error, RecordFSError)
    assert f"{FIRST}.json" in str(broken.error)
    assert whole.error is None
    assert target.read_bytes() == content
    assert (spools / f"{FIRST}.image").exists()


def test_two_that_resume_a_spool_at_once_upload_it_once(tmp_path, left_spool, monkeypatch):
    """The second has found it before the first has uploaded it, and gets its lock after that."""
    target, content = left_spool
    target.write_bytes(b"somebody else's")
    flock, first = fcntl.flock, []

    def slow_flock(file, operation):
        monkeypatch.setattr("fcntl.flock", flock)
        first.extend(resume_spools())
        flock(file, operation)

    monkeypatch.setattr("fcntl.flock", slow_flock)
    assert resume_spools() == []
    assert [spool.error for spool in first] == [None]
    assert target.read_bytes() == b"somebody else's"
    (other,) = set(target.parent.iterdir()) - {target}
    assert (str(other), other.read_bytes()) == (first[0].target, content)


def test_a_spool_that_somebody_has_is_left_to_him(left_spool, spools):
    target, content = left_spool
    with open(spools / f"{LAST}.image", "rb") as image:
        fcntl.flock(image, fcntl.LOCK_EX)
        assert resume_spools() == []
        assert not target.exists()
    assert [spool.error for spool in resume_spools()] == [None]
    assert target.read_bytes() == content


class OnceWritten(WrapperFileSystem):
    """Files that take nothing after they were closed."""

    def capabilities(self, path):
        return super().capabilities(path)._replace(append=False)


def test_a_spool_that_goes_into_another_file_goes_on_with_that_after_a_failure(left_spool, faulty):
    target, content = left_spool
    target.write_bytes(content[:100])
    faulty.fail("append", error=UnavailableError("down"))
    (spool,) = resume_spools(file_system=OnceWritten(faulty))
    assert isinstance(spool.error, UnavailableError)
    (spool,) = resume_spools(file_system=OnceWritten(faulty))
    assert spool.error is None
    (only,) = target.parent.iterdir()
    assert (str(only), only.read_bytes()) == (spool.target, content), "the file that is replaced is gone"


def test_what_is_left_of_a_spool_that_is_complete_is_removed(spools, left_spool):
    (spools / f"{LAST}.image").unlink()
    (spools / f"{FIRST}.image").touch()  # its process died before it had a note
    assert resume_spools() == []
    assert list(spools.iterdir()) == []


def test_events_whose_note_is_gone_are_told_and_kept(spools, left_spool):
    _, content = left_spool
    (spools / f"{LAST}.json").unlink()
    (spool,) = resume_spools()
    assert isinstance(spool.error, NotFoundError)
    assert f"{LAST}.json" in str(spool.error)
    assert (spools / f"{LAST}.image").read_bytes() == content


def test_other_files_in_a_spool_directory_are_not_looked_at(spools, left_spool):
    names = {"package.json", "disk.image", f"{LAST}.json.new", f"x{LAST}.json"}
    for name in names:
        (spools / name).touch()
    (spool,) = resume_spools()
    assert spool.error is None
    assert {path.name for path in spools.iterdir()} == names


def test_a_local_run_is_resumed_in_its_place_from_every_directory(tmp_path, spools, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    gated = GateFileSystem()
    writer = EventFileWriter("run", policy="spool", file_system=gated)
    add(writer, range(100))
    with pytest.raises(DeadlineExceededError):
        writer.flush(timeout=0.1)
    (note,) = spools.glob("*.json")
    assert json.loads(note.read_text())["target"].startswith(f"{tmp_path}/work/run/events.out.tfevents.")
    gated.gate.set()
    writer.close()


@pytest.mark.parametrize("policy", ["drop", "spool"])
def test_a_program_that_changes_its_directory_goes_on_in_the_run(tmp_path, spools, monkeypatch, policy):
    for name in ("work", "elsewhere"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    writer = SummaryWriter("run", policy=policy)
    monkeypatch.chdir(tmp_path / "elsewhere")
    for step in range(3):
        writer.add_scalar("a", 1.0, step)
        writer.add_scalars("m", {"x": 1.0}, step)
        writer.close()
    assert writer.log_dir == "run"
    assert steps_in(tmp_path / "work" / "run") == [0, 1, 2]
    assert steps_in(tmp_path / "work" / "run" / "m_x", "m") == [0, 1, 2]
    assert os.listdir(tmp_path / "elsewhere") == []


def wait_for_spools():
    for thread in threading.enumerate():
        if thread.name == "recordfs-spools":
            thread.join()


@pytest.mark.parametrize("owns_store", [False, True])
def test_the_next_writer_that_spools_uploads_what_another_has_left(tmp_path, left_spool, spools, faulty, owns_store):
    target, content = left_spool
    store = faulty if owns_store else None
    with EventFileWriter(tmp_path / "next", policy="spool", file_system=store) as writer:
        add(writer, range(3))
        wait_for_spools()
        assert target.read_bytes() == content
    assert (("stat", str(target)) in faulty.calls) == owns_store
    assert list(spools.iterdir()) == []
    assert steps_in(tmp_path / "next") == [0, 1, 2]


def test_what_the_next_writer_cannot_upload_is_told_and_kept(tmp_path, left_spool, spools, caplog):
    _, content = left_spool
    (spools / f"{LAST}.json").write_text(json.dumps({"format": 1, "target": "nowhere://a/b", "process": 1}))
    with EventFileWriter(tmp_path / "next", policy="spool"):
        wait_for_spools()
    assert "a spool cannot be uploaded and is kept" in caplog.text
    assert "nowhere" in caplog.text
    assert (spools / f"{LAST}.image").read_bytes() == content
