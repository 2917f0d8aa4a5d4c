"""Who may use a writer, and how it ends: threads, forks, signal handlers, collection, lent memory."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import subprocess
import sys
import threading
import weakref

import pytest
from tests.support.record_files import ScheduledReadableFile, ScheduledWritableFile

import recordfs
from recordfs.errors import ClosedFileError, FailedPreconditionError, UnimplementedError
from recordfs.records import writer_factory


def records_in(data: bytes) -> list[bytes]:
    return list(recordfs.RecordReader(io.BytesIO(bytes(data))))


def write_and_fail(path, record: bytes, **keywords) -> None:
    """Leave a writer's ``with`` block by an exception."""
    writer = recordfs.RecordWriter(path, **keywords)
    with contextlib.suppress(RuntimeError), writer:
        writer.write(record)
        raise RuntimeError
    assert writer.closed


@pytest.mark.parametrize("compression", [None, "GZIP"])
def test_threads_share_a_writer(tmp_path, compression):
    path = tmp_path / "records"
    writer = recordfs.RecordWriter(path, compression=compression)

    def work(number: int) -> None:
        for count in range(300):
            writer.write(b"%d %d " % (number, count) + bytes(count * 7 % 50_000))
        writer.write_batch([b"%d %d " % (number, 300 + count) for count in range(300)])
        writer.flush()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    found = [tuple(map(int, record.split(b" ")[:2])) for record in recordfs.RecordReader(path)]
    assert sorted(found) == [(number, count) for number in range(6) for count in range(600)]
    # Each thread's own records stay in their order.
    for number in range(6):
        assert [count for one, count in found if one == number] == list(range(600))


def test_a_forked_child_cannot_write_and_leaves_the_file_alone(tmp_path):
    path = tmp_path / "records"
    writer = recordfs.RecordWriter(path)
    writer.write(b"parent")
    child = os.fork()
    if child == 0:
        status = 0
        for call, arguments in ((writer.write, [b"child"]), (writer.flush, []), (writer.close, []), (writer.tell, [])):
            try:
                call(*arguments)
            except FailedPreconditionError:
                status += 1
        del writer
        gc.collect()
        os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4
    writer.close()
    assert list(recordfs.RecordReader(path)) == [b"parent"]


def test_a_lock_that_was_held_at_the_fork_does_not_hang_the_child(tmp_path):
    inside, go_on = threading.Event(), threading.Event()

    class SlowFile(ScheduledWritableFile):
        def flush(self) -> None:
            inside.set()
            go_on.wait(30)

    writer = recordfs.RecordWriter(SlowFile())
    thread = threading.Thread(target=writer.flush)
    thread.start()
    assert inside.wait(30)
    child = os.fork()
    if child == 0:
        try:
            writer.write(b"x")
        except FailedPreconditionError:
            os._exit(17)
        os._exit(1)
    go_on.set()
    thread.join()
    writer.close()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 17


def test_a_file_that_calls_its_writer_gets_an_error_not_a_deadlock():
    errors = []

    class Reentrant(ScheduledWritableFile):
        def flush(self) -> None:
            try:
                writer.write(b"from inside")
            except FailedPreconditionError as error:
                errors.append(error)

    file = Reentrant()
    writer = recordfs.RecordWriter(file)
    writer.write(b"x")
    writer.flush()
    assert len(errors) == 1
    writer.close()
    assert records_in(file.data) == [b"x"]


def test_memory_that_a_file_keeps_is_never_used_again():
    kept: list[memoryview] = []
    copies: list[bytes] = []

    class Hoarder(ScheduledWritableFile):
        def append_parts(self, parts) -> None:
            super().append_parts(parts)
            for part in parts:
                view = memoryview(part)
                kept.append(view[:100])
                copies.append(bytes(kept[-1]))

    file = Hoarder()
    writer = recordfs.RecordWriter(file)
    records = [bytes([index % 256]) * 5000 for index in range(400)] + [bytes(150_000)] * 10
    writer.write_batch(records)
    writer.close()
    del writer
    gc.collect()
    assert len(kept) > 10
    assert [bytes(view) for view in kept] == copies
    assert records_in(file.data) == records


def test_a_view_that_a_file_keeps_carelessly_is_released():
    kept: list[memoryview] = []

    class Careless(ScheduledWritableFile):
        def append(self, data) -> None:
            super().append(data)
            kept.append(data)

    writer = recordfs.RecordWriter(Careless())
    writer.write(b"x")
    writer.close()
    with pytest.raises(ValueError, match="released"):
        bytes(kept[0])


def test_a_forgotten_writer_closes_with_a_warning(tmp_path):
    writer = recordfs.RecordWriter(tmp_path / "records")
    writer.write(b"x")
    with pytest.warns(ResourceWarning, match="unclosed RecordWriter"):
        del writer
    assert list(recordfs.RecordReader(tmp_path / "records")) == [b"x"]


def test_a_cycle_through_a_file_is_collected():
    file = ScheduledWritableFile()
    writer = recordfs.RecordWriter(file)
    file.writer = writer
    reader_file = ScheduledReadableFile(b"")
    reader = recordfs.RecordReader(reader_file)
    reader_file.reader = reader
    list(reader)
    gone = [weakref.ref(file), weakref.ref(reader_file)]
    writer.close()
    del file, writer, reader_file, reader
    gc.collect()
    assert [one() for one in gone] == [None, None]


def test_a_forgotten_atomic_writer_publishes_nothing(tmp_path):
    writer = recordfs.RecordWriter(tmp_path / "records", atomic=True)
    writer.write(b"x")
    with pytest.warns(ResourceWarning, match="unclosed RecordWriter"):
        del writer
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_a_forgotten_writer_closes_is_not_lost(monkeypatch):
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", seen.append)
    writer = recordfs.RecordWriter(ScheduledWritableFile(0))
    writer.write(b"x")
    with pytest.warns(ResourceWarning):
        del writer
    assert [str(one.exc_value) for one in seen] == ["scheduled"]


def test_atomic_publishes_all_or_nothing(tmp_path):
    path = tmp_path / "records"
    with recordfs.RecordWriter(path) as writer:
        writer.write(b"old")
    with recordfs.RecordWriter(path, atomic=True, index=True) as writer:
        writer.write(b"new")
        writer.flush()
        assert list(recordfs.RecordReader(path)) == [b"old"]
        assert [one.name for one in tmp_path.iterdir() if not one.name.startswith(".")] == ["records"]
    assert list(recordfs.RecordReader(path)) == [b"new"]
    assert (tmp_path / "records.idx").read_text() == "0 19\n"
    write_and_fail(path, b"newer", atomic=True, index=True)
    assert list(recordfs.RecordReader(path)) == [b"new"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["records", "records.idx"]


def test_an_index_that_cannot_be_opened_publishes_nothing(tmp_path):
    (tmp_path / "index").mkdir()
    (tmp_path / "records").write_bytes(b"old")
    with pytest.raises(IsADirectoryError):
        recordfs.RecordWriter(tmp_path / "records", atomic=True, index=tmp_path / "index")
    assert (tmp_path / "records").read_bytes() == b"old"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["index", "records"]


def test_leaving_a_with_block_by_an_exception_keeps_the_records(tmp_path):
    write_and_fail(tmp_path / "records", b"kept")
    assert list(recordfs.RecordReader(tmp_path / "records")) == [b"kept"]


def test_a_close_that_fails_can_be_tried_again():
    file = ScheduledWritableFile(0)
    writer = recordfs.RecordWriter(file)
    writer.write(b"x")
    with pytest.raises(OSError, match="scheduled"):
        writer.close()
    assert not writer.closed
    writer.close()
    assert writer.closed
    assert records_in(file.data) == [b"x"]


class TestDiscard:
    """A writer that is given up keeps what was flushed, in whole records."""

    @pytest.mark.parametrize("path", ["{}/records", "ram://discard/records"])
    def test_what_was_flushed_stays(self, tmp_path, path):
        path = path.format(tmp_path)
        writer = recordfs.RecordWriter(path)
        writer.write(b"kept")
        writer.flush()
        for size in (10, 300_000, 70_000, 5):
            writer.write(bytes(size))
        writer.discard()
        assert writer.closed
        writer.discard()
        writer.close()
        records = list(recordfs.RecordReader(path))
        assert records[0] == b"kept"
        assert len(records) < 5
        with pytest.raises(ClosedFileError):
            writer.write(b"x")

    def test_of_an_atomic_writer_nothing_appears(self, tmp_path):
        writer = recordfs.RecordWriter(tmp_path / "records", atomic=True, index=True)
        writer.write(b"x")
        writer.flush()
        writer.discard()
        assert os.listdir(tmp_path) == []

    def test_a_file_object_stays_open(self):
        file = io.BytesIO()
        writer = recordfs.RecordWriter(file)
        writer.write(b"kept")
        writer.flush()
        writer.write(b"dropped")
        writer.discard()
        assert records_in(file.getvalue()) == [b"kept"]

    def test_what_a_factory_opened_can_only_be_closed(self, tmp_path, monkeypatch):
        class Factory:
            def open(self, path):
                return (tmp_path / "f").open("wb")

        monkeypatch.setitem(writer_factory._factories, "discarding", Factory())
        writer = recordfs.RecordWriter("discarding:f")
        writer.write(b"x")
        with pytest.raises(UnimplementedError):
            writer.discard()
        writer.close()
        assert records_in((tmp_path / "f").read_bytes()) == [b"x"]


@pytest.mark.parametrize(
    "what", ["RecordWriter(path)", "RecordWriter(path, compression='GZIP')", "GFile(path, 'w')", "file"]
)
def test_a_writer_that_something_holds_on_to_until_the_end_is_published_at_exit(tmp_path, what):
    """A hook outlives the modules that a writer needs: closed only when it is collected, it would lose its bytes."""
    path = tmp_path / "f"
    program = f"""
import sys, recordfs
from recordfs import RecordWriter
from recordfs.gfile import GFile
path = {str(path)!r}
writer = {what if what != "file" else "recordfs.get_file_system(path).new_writable_file(path)"}
{"writer.append" if what == "file" else "writer.write"}({"'text'" if "GFile" in what else "b'bytes'"})
sys.excepthook = lambda *_, writer=writer: None
"""
    done = subprocess.run([sys.executable, "-W", "default", "-c", program], capture_output=True, text=True, check=True)
    assert f"unclosed writer of {path} is published at exit" in done.stderr
    assert "Error" not in done.stderr
    if "Record" in what:
        assert list(recordfs.RecordReader(path)) == [b"bytes"]
    else:
        assert path.read_bytes() in (b"text", b"bytes")


def test_all_writers_are_published_at_exit_where_warnings_are_errors(tmp_path):
    program = f"""
import sys, recordfs
writers = [recordfs.RecordWriter({str(tmp_path)!r} + "/" + name) for name in "abc"]
for writer in writers:
    writer.write(b"bytes")
sys.excepthook = lambda *_, writers=writers: None
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True)
    assert "Traceback" not in done.stderr
    for name in "abc":
        assert f"unclosed writer of {tmp_path}/{name} is published at exit" in done.stderr
        assert list(recordfs.RecordReader(f"{tmp_path}/{name}")) == [b"bytes"]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_writer_that_a_child_of_multiprocessing_holds_on_to_is_published_at_its_end(tmp_path, method):
    program = tmp_path / "program.py"
    program.write_text(f"""
import multiprocessing, recordfs
from recordfs.gfile import GFile

kept = []

def leave(name):
    kept.append(recordfs.RecordWriter({str(tmp_path)!r} + "/" + name))
    kept[-1].write(name.encode())
    kept.append(GFile({str(tmp_path)!r} + "/text-" + name, "w"))
    kept[-1].write(name)

if __name__ == "__main__":
    parents = recordfs.RecordWriter({str(tmp_path)!r} + "/parents")
    parents.write(b"from the parent")
    for name in ("first", "second"):
        child = multiprocessing.get_context({method!r}).Process(target=leave, args=(name,))
        child.start()
        child.join()
        assert child.exitcode == 0
    parents.close()
""")
    done = subprocess.run([sys.executable, "-W", "default", program], capture_output=True, text=True, check=True)
    for name in ("first", "second"):
        assert f"unclosed writer of {tmp_path}/{name} is published at exit" in done.stderr
        assert list(recordfs.RecordReader(f"{tmp_path}/{name}")) == [name.encode()]
        assert (tmp_path / f"text-{name}").read_text() == name
    assert list(recordfs.RecordReader(f"{tmp_path}/parents")) == [b"from the parent"]


@pytest.mark.parametrize("closes", [False, True])
def test_a_writer_that_cannot_be_closed_says_so_once_when_the_interpreter_ends(closes):
    program = f"""
import sys, recordfs
writer = recordfs.RecordWriter("/dev/full")
writer.write(b"bytes")
if {closes}:
    try:
        writer.close()
    except OSError:
        pass
sys.excepthook = lambda *_, writer=writer: None
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    told = done.stderr.splitlines()
    assert all(line.startswith("recordfs: /dev/full could not be published at exit") for line in told), done.stderr
    assert 1 <= len(told) <= 2  # the records, and the file that has taken some of them
    assert len(set(told)) == len(told)


def test_an_atomic_writer_that_is_open_at_the_end_leaves_nothing(tmp_path):
    program = f"""
import sys, recordfs
writer = recordfs.RecordWriter({str(tmp_path / "f")!r}, atomic=True)
writer.write(b"bytes")
sys.excepthook = lambda *_, writer=writer: None
"""
    done = subprocess.run([sys.executable, "-W", "default", "-c", program], capture_output=True, text=True, check=True)
    assert "is discarded at exit" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["RecordWriter(path)", "recordfs.get_file_system(path).new_writable_file(path)"])
def test_a_write_that_is_stuck_in_a_daemon_thread_does_not_keep_the_process(tmp_path, what):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    program = f"""
import os, threading, recordfs
from recordfs import RecordWriter
path = {str(path)!r}
nobody_reads = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
writer = {what}
write = getattr(writer, "write", None) or writer.append
threading.Thread(target=write, args=(bytes(1_000_000),), daemon=True).start()
while not writer.is_in_use():
    pass
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert f"{path} is in use by another thread at exit" in done.stderr
