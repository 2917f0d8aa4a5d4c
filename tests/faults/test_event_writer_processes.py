"""What is left of events when a process ends in every way that a process can end."""

import os
import re
import signal
import subprocess
import sys
import textwrap

import pytest

from recordfs.events import columns, resume_spools

HEAD = """
import os, signal, sys, time
from recordfs.events import EventFileWriter, close_on_sigterm
from recordfs._core import encode_scalar

def add(writer, steps, tag="a"):
    for step in steps:
        writer.add_event(encode_scalar(tag, 1.0, step, 1.7e9 + step))

directory, policy = sys.argv[1:]
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a program; return its exit status, what it said on standard error, and the steps of each tag that it left."""
    monkeypatch.setenv("RECORDFS_SPOOL_DIR", str(tmp_path / "spools"))

    def call(program, policy="drop"):
        directory = tmp_path / "run"
        source = HEAD + textwrap.dedent(program)
        done = subprocess.run(
            [sys.executable, "-c", source, str(directory), policy],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stderr, steps_in(directory)

    return call


def steps_in(directory):
    found = columns(directory)
    assert found.report.losses == ()
    return {tag: sorted(column.step.tolist()) for tag, column in found.items()}


MAKE = "writer = EventFileWriter(directory, policy=policy)\nadd(writer, range(100))\n"


def test_a_program_that_closes_nothing_keeps_all(run):
    assert run(MAKE) == (0, "", {"a": list(range(100))})


def test_a_program_that_ends_by_an_exception_keeps_all(run):
    status, said, steps = run(MAKE + "raise SystemError('x')")
    assert status == 1
    assert "SystemError: x" in said
    assert steps == {"a": list(range(100))}


@pytest.mark.parametrize("policy", ["drop", "spool"])
@pytest.mark.parametrize("end", ["os._exit(3)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_process_that_ends_at_once_keeps_what_was_flushed(run, end, policy):
    status, _, steps = run(MAKE + f"writer.flush()\n{end}", policy)
    assert status in (3, -signal.SIGKILL)
    assert steps == {"a": list(range(100))}


def test_a_process_that_is_killed_while_its_store_is_down_leaves_all_in_the_spool(run, tmp_path):
    program = """
        from recordfs.errors import UnavailableError
        from recordfs.filesystems.posix import PosixFileSystem
        from recordfs.testing.faulty import FaultyFileSystem
        store = FaultyFileSystem(PosixFileSystem())
        writer = EventFileWriter(directory, policy=policy, file_system=store, max_queue_bytes=100_000)
        add(writer, range(10))
        writer.flush()
        store.fail("append", error=UnavailableError("down"), times=10**9)
        add(writer, range(10, 20_000))
        while writer.queue.queued:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    status, _, steps = run(program, "spool")
    assert status == -signal.SIGKILL
    assert steps["a"][:10] == list(range(10))
    (spool,) = resume_spools()
    assert spool.error is None
    assert spool.uploaded_bytes > 0
    assert steps_in(tmp_path / "run") == {"a": list(range(20_000))}
    assert resume_spools() == []


def test_a_spool_whose_event_file_somebody_changed_goes_into_another(run, tmp_path):
    run(MAKE + "writer.flush()\nos._exit(0)", "spool")
    (path,) = (tmp_path / "run").iterdir()
    path.write_bytes(path.read_bytes()[:100] + b"somebody else's")
    (spool,) = resume_spools()
    assert spool.error is None
    assert len(list((tmp_path / "run").iterdir())) == 2


def test_sigterm_loses_nothing_if_that_was_asked_for(run):
    status, _, steps = run("close_on_sigterm()\n" + MAKE + "os.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(30)")
    assert status == -signal.SIGTERM
    assert steps == {"a": list(range(100))}


def test_a_handler_of_sigterm_that_was_there_is_called_after_the_events_are_written(run):
    program = """
        def handler(number, frame):
            print("handled", file=sys.stderr)
            sys.exit(7)
        signal.signal(signal.SIGTERM, handler)
        close_on_sigterm()
    """
    status, said, steps = run(textwrap.dedent(program) + MAKE + "os.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(30)")
    assert (status, said) == (7, "handled\n")
    assert steps == {"a": list(range(100))}


def test_both_sides_of_a_fork_log_on(run):
    program = MAKE + textwrap.dedent("""
        writer.flush()
        add(writer, range(100, 110))
        child = os.fork()
        if child == 0:
            signal.alarm(30)
            add(writer, range(50), "child")
            writer.flush()
            os._exit(5)
        add(writer, range(110, 120))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=sys.stderr)
        writer.close()
    """)
    assert run(program) == (0, "5\n", {"a": list(range(120)), "child": list(range(50))})


def test_a_forked_child_that_logs_nothing_closes_nothing(run, tmp_path):
    program = MAKE + textwrap.dedent("""
        child = os.fork()
        if child == 0:
            signal.alarm(30)
            writer.close()
            sys.exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=sys.stderr)
    """)
    assert run(program) == (0, "0\n", {"a": list(range(100))})
    assert len(os.listdir(tmp_path / "run")) == 1


def test_a_child_of_multiprocessing_keeps_what_it_did_not_flush(run):
    program = """
        import multiprocessing
        writer = EventFileWriter(directory, policy=policy)
        add(writer, range(5))
        def work():
            add(writer, range(20), "child")
        process = multiprocessing.get_context("fork").Process(target=work)
        process.start()
        process.join(30)
        print(process.exitcode, file=sys.stderr)
    """
    assert run(program) == (0, "0\n", {"a": list(range(5)), "child": list(range(20))})


def test_a_store_that_hangs_at_exit_hangs_nothing(run):
    program = """
        import threading
        from recordfs.events import at_exit
        from recordfs.filesystems.posix import PosixFileSystem
        from recordfs.filesystems.wrapper import WrapperFileSystem, WrapperWritableFile
        at_exit.EXIT_SECONDS = 0.5
        class Hanging(WrapperFileSystem):
            def new_writable_file(self, path, **keywords):
                return HangingFile(super().new_writable_file(path, **keywords))
        class HangingFile(WrapperWritableFile):
            def append(self, data):
                threading.Event().wait()
        writer = EventFileWriter(directory, policy=policy, file_system=Hanging(PosixFileSystem()))
        add(writer, range(5))
    """
    status, said, _ = run(program)
    assert status == 0
    assert "could not be written at exit: DeadlineExceededError" in said


def test_a_child_that_outlives_its_parent_keeps_nobody_from_the_parents_spool(run, tmp_path):
    program = """
        from recordfs.errors import UnavailableError
        from recordfs.filesystems.posix import PosixFileSystem
        from recordfs.testing.faulty import FaultyFileSystem
        store = FaultyFileSystem(PosixFileSystem())
        writer = EventFileWriter(directory, policy=policy, file_system=store)
        writer.flush()
        store.fail("append", error=UnavailableError("down"), times=10**9)
        add(writer, range(100))
        while writer.queue.queued:
            time.sleep(0.01)
        child = os.fork()
        if child == 0:
            os.close(1)
            os.close(2)
            signal.alarm(60)
            time.sleep(60)
            os._exit(0)
        print(f"child {child}.", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    status, said, _ = run(program, "spool")
    child = int(re.search(r"child ([0-9]+)\.", said)[1])
    try:
        assert status == -signal.SIGKILL
        (spool,) = resume_spools()
        assert spool.error is None
        assert steps_in(tmp_path / "run") == {"a": list(range(100))}
    finally:
        os.kill(child, signal.SIGKILL)
