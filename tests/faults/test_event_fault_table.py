"""What is left of a run: a test for each line of the table in docs/events.md, for each column of it."""

import os
import pathlib
import signal
import textwrap
import threading
import time

import pytest

from recordfs.errors import UnavailableError
from recordfs.events import EventFileWriter, block, resume_spools
from recordfs.filesystems.posix import PosixFileSystem
from recordfs.testing.faulty import FaultyFileSystem
from support.event_files import add
from support.event_programs import LOG_100, run_program, tag_steps
from support.gated import GateFileSystem

DOCS = pathlib.Path(__file__).parents[2] / "docs" / "events.md"
ALL = {"a": list(range(100))}
LINES: dict[str, list[str]] = {}
"""The lines of the table, and the tests that hold them."""


def line(name):
    """Say which line of the table a test holds; it is called with each policy."""

    def mark(test):
        LINES.setdefault(name, []).append(test.__name__)
        return pytest.mark.parametrize("policy", ["block", "drop", "spool"])(test)

    return mark


@pytest.fixture(autouse=True)
def _spools(tmp_path, monkeypatch):
    monkeypatch.setenv("RECORDFS_SPOOL_DIR", str(tmp_path / "spools"))
    monkeypatch.setattr("recordfs.events.at_exit.EXIT_SECONDS", 1.0)


@pytest.fixture
def run(tmp_path):
    return lambda program, policy: run_program(tmp_path / "run", program, policy)


@pytest.fixture
def left(tmp_path):
    """Return what is left of the run after its spools, if it has any, were resumed."""

    def call():
        assert [spool.error for spool in resume_spools() if spool.error] == []
        assert resume_spools() == []
        return tag_steps(tmp_path / "run")

    return call


def policy_of(name):
    return block(5.0) if name == "block" else name


def test_each_line_of_the_table_has_a_test():
    table = DOCS.read_text().partition("\n| what happens |")[2].partition("\n\n")[0]
    assert [row.split("|")[1].strip() for row in table.splitlines()[2:]] == list(LINES)


@line("the store is down for five minutes")
def test_a_store_that_is_down_for_as_many_attempts_as_five_minutes_have(tmp_path, policy, monkeypatch):
    monkeypatch.setattr("recordfs.events.worker.FIRST_PAUSE", 0.001)
    monkeypatch.setattr("recordfs.events.worker.LONGEST_PAUSE", 0.01)
    faulty = FaultyFileSystem(PosixFileSystem())
    writer = EventFileWriter(tmp_path / "run", policy=policy_of(policy), file_system=faulty, flush_secs=0.01)
    add(writer, range(50))
    writer.flush()
    attempts = 15  # with pauses of 0.5 seconds, doubled up to 30
    for operation in ("append", "flush"):
        faulty.fail(operation, error=UnavailableError("down"), times=attempts)
    add(writer, range(50, 100))
    while sum(operation in ("append", "flush") for operation, _ in faulty.calls) < 2 * attempts:
        time.sleep(0.001)
    writer.close()
    assert writer.dropped_events == 0
    assert tag_steps(tmp_path / "run") == ALL


@line("each flush takes 3 seconds")
def test_a_store_that_takes_its_time_holds_up_no_logger(tmp_path, policy):
    store = GateFileSystem()
    writer = EventFileWriter(tmp_path / "run", policy=policy_of(policy), file_system=store, flush_secs=0.01)
    add(writer, range(100))  # would never return if it waited for the store
    store.gate.set()
    writer.close()
    assert tag_steps(tmp_path / "run") == ALL


@line("one write fails")
@pytest.mark.parametrize("operation", ["append", "flush", "close"])
def test_a_write_that_fails_once(tmp_path, policy, operation):
    faulty = FaultyFileSystem(PosixFileSystem())
    writer = EventFileWriter(tmp_path / "run", policy=policy_of(policy), file_system=faulty)
    faulty.fail(operation, error=UnavailableError("down"))
    add(writer, range(50))
    for act in (writer.flush, writer.close):
        try:
            act()
        except UnavailableError:
            act()
        if not writer.closed:
            add(writer, range(50, 100))
    assert tag_steps(tmp_path / "run") == ALL


@line("two writers in one directory in one second")
def test_two_writers_at_once(tmp_path, policy, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1_700_000_000.0)
    writers = [EventFileWriter(tmp_path / "run", policy=policy_of(policy)) for _ in range(2)]
    threads = [
        threading.Thread(target=add, args=(writer, range(100), tag)) for writer, tag in zip(writers, "ab", strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread, writer in zip(threads, writers, strict=True):
        thread.join()
        writer.close()
    assert tag_steps(tmp_path / "run") == {**ALL, "b": list(range(100))}


@line("close, and log again in the same second")
def test_a_writer_that_is_reopened_in_the_same_second_begins_another_file(tmp_path, policy, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1_700_000_000.0)
    writer = EventFileWriter(tmp_path / "run", policy=policy_of(policy))
    add(writer, range(50))
    writer.close()
    writer.reopen()
    add(writer, range(50, 100))
    writer.close()
    assert len(os.listdir(tmp_path / "run")) == 2
    assert tag_steps(tmp_path / "run") == ALL


@line("the program ends without `close`, or by an exception")
@pytest.mark.parametrize(("end", "expected"), [("", (0, "")), ("sys.exit(3)", (3, "")), ("1 / 0", (1, "ZeroDivision"))])
def test_a_program_that_closes_nothing(run, policy, end, expected):
    status, said, steps = run(LOG_100 + end, policy)
    assert (status, steps) == (expected[0], ALL)
    assert expected[1] in said
    assert bool(said) == bool(expected[1])


@line("threads or functions of `atexit` log on after the main thread has ended")
def test_threads_that_log_on_after_the_main_thread_ended_lose_nothing(run, policy):
    program = """
        from recordfs.events import SummaryWriter

        writer = EventFileWriter(directory, policy=policy)
        add(writer, range(10))
        other = SummaryWriter(directory, policy=policy)

        def log():
            threading.main_thread().join()
            add(writer, range(10, 100))
            for step in range(100):
                other.add_scalar("b", 1.0, step)

        threading.Thread(target=log).start()
    """
    assert run(program, policy) == (0, "", {"a": list(range(100)), "b": list(range(100))})


@line("threads or functions of `atexit` log on after the main thread has ended")
def test_functions_of_atexit_may_log_and_make_writers(run, policy):
    program = """
        import atexit
        from recordfs.events import SummaryWriter

        def log(step):
            writer.add_scalar("a", 1.0, step)
            with SummaryWriter(directory, policy=policy) as other:
                other.add_scalar("b", 1.0, step)

        atexit.register(log, 2)
        writer = SummaryWriter(directory, policy=policy)
        writer.add_scalar("a", 1.0, 0)
        atexit.register(log, 1)
    """
    assert run(program, policy) == (0, "", {"a": [0, 1, 2], "b": [1, 2]})


@line("daemon threads log until the process ends")
@pytest.mark.parametrize("call", ["add_scalar('a', 1.0, step)", "add_text('a', 'text', step)"])
def test_daemon_threads_that_log_while_the_process_ends_do_not_abort_it(run, policy, call):
    program = f"""
        from recordfs.events import SummaryWriter

        writer = SummaryWriter(directory, policy=policy)
        writer.add_scalar("b", 1.0, 0)
        logged = threading.Barrier(4)

        def log():
            for step in range(10**9):
                writer.{call}
                if step == 1000:
                    logged.wait()

        for _ in range(3):
            threading.Thread(target=log, daemon=True).start()
        logged.wait()
    """
    status, _, steps = run(program, policy)
    assert status == 0
    assert steps["b"] == [0]
    assert "text" in call or set(range(1000)) <= set(steps["a"])


@line("a child of `multiprocessing` ends without `close`")
def test_a_child_of_multiprocessing(run, policy):
    program = """
        import multiprocessing
        writer = EventFileWriter(directory, policy=policy)
        add(writer, range(100))
        process = multiprocessing.get_context("fork").Process(target=add, args=(writer, range(20), "child"))
        process.start()
        process.join(30)
        print(process.exitcode, file=sys.stderr)
    """
    assert run(program, policy) == (0, "0\n", {**ALL, "child": list(range(20))})


@line("a child of `multiprocessing` is terminated: a pool's worker, a daemon when its parent ends")
def test_a_pool_whose_block_is_left(run, policy):
    program = """
        import multiprocessing
        writer = EventFileWriter(directory, policy=policy)
        with multiprocessing.get_context("fork").Pool(2) as pool:
            pool.map(add_step, range(100), 1)
    """
    head = "def add_step(step):\n    add(writer, [step], 'child')\n"
    assert run(head + textwrap.dedent(program), policy) == (0, "", {"child": list(range(100))})


@line("a child of `multiprocessing` is terminated: a pool's worker, a daemon when its parent ends")
@pytest.mark.parametrize("asked", ["", "close_on_sigterm()\n"])
def test_a_daemon_whose_parent_ends(run, policy, asked):
    program = """
        import multiprocessing
        writer = EventFileWriter(directory, policy=policy)
        fork = multiprocessing.get_context("fork")
        logged = fork.Event()
        def work():
            add(writer, range(100))
            logged.set()
            time.sleep(30)
        fork.Process(target=work, daemon=True).start()
        logged.wait()
    """
    assert run(asked + textwrap.dedent(program), policy) == (0, "", ALL)


def log_then(end, *, policy):
    """A program that flushes 100 events, logs 10 more and ends; with a spool it waits for these to be in the image."""
    wait = "wait_for_image(writer)\n" if policy == "spool" else ""
    return LOG_100 + "writer.flush()\nadd(writer, range(100, 110))\n" + wait + end


@line("SIGTERM")
def test_sigterm_loses_what_was_not_flushed_unless_it_is_spooled(run, left, policy):
    end = "os.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(30)"
    status, _, _ = run(log_then(end, policy=policy), policy)
    assert status == -signal.SIGTERM
    if policy == "spool":
        assert left() == {"a": list(range(110))}
    else:
        assert left()["a"][:100] == ALL["a"]


@line("SIGTERM")
def test_sigterm_after_it_was_asked_for(run, left, policy):
    status, _, steps = run(
        "close_on_sigterm()\n" + LOG_100 + "os.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(30)", policy
    )
    assert (status, steps) == (-signal.SIGTERM, ALL)
    assert left() == ALL


@line("`os._exit`, SIGKILL")
@pytest.mark.parametrize("end", ["os._exit(3)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_process_that_ends_at_once(run, left, policy, end):
    status, _, _ = run(log_then(end, policy=policy), policy)
    assert status in (3, -signal.SIGKILL)
    if policy == "spool":
        assert left() == {"a": list(range(110))}
    else:
        assert left()["a"][:100] == ALL["a"]


@line("fork, and both sides log")
def test_both_sides_of_a_fork(run, left, policy):
    program = """
        writer = EventFileWriter(directory, policy=policy)
        add(writer, range(50))
        child = os.fork()
        if child == 0:
            signal.alarm(30)
            add(writer, range(50), "child")
            writer.flush()
            os._exit(5)
        add(writer, range(50, 100))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=sys.stderr)
        writer.close()
    """
    assert run(program, policy) == (0, "5\n", {**ALL, "child": list(range(50))})
    assert left() == {**ALL, "child": list(range(50))}


@line("the store hangs at exit")
def test_a_store_that_hangs_at_exit(run, left, policy):
    program = """
        at_exit.EXIT_SECONDS = 0.5
        class Hanging(WrapperFileSystem):
            def new_writable_file(self, path, **keywords):
                return HangingFile(super().new_writable_file(path, **keywords))
        class HangingFile(WrapperWritableFile):
            def append(self, data):
                threading.Event().wait()
        writer = EventFileWriter(directory, policy=policy, file_system=Hanging(PosixFileSystem()))
        add(writer, range(100))
    """
    status, said, _ = run(program, policy)
    assert status == 0
    assert "could not be written at exit: DeadlineExceededError" in said
    assert left() == (ALL if policy == "spool" else {})
