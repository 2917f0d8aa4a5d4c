"""Processes that end while they log: what the table in docs/events.md does not say."""

import os
import signal
import textwrap

import pytest

from recordfs.events import resume_spools
from support.event_programs import LOG_100, child_of, run_program, tag_steps


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a program; see run_program."""
    monkeypatch.setenv("RECORDFS_SPOOL_DIR", str(tmp_path / "spools"))
    return lambda program, policy="drop": run_program(tmp_path / "run", program, policy)


def test_a_process_that_is_killed_while_its_store_is_down_leaves_all_in_the_spool(run, tmp_path):
    program = """
        store = FaultyFileSystem(PosixFileSystem())
        writer = EventFileWriter(directory, policy=policy, file_system=store, max_queue_bytes=100_000)
        add(writer, range(10))
        writer.flush()
        store.fail("append", error=UnavailableError("down"), times=10**9)
        add(writer, range(10, 20_000))
        wait_for_image(writer)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    status, _, steps = run(program, "spool")
    assert status == -signal.SIGKILL
    assert steps["a"][:10] == list(range(10))
    (spool,) = resume_spools()
    assert spool.error is None
    assert spool.uploaded_bytes > 0
    assert tag_steps(tmp_path / "run") == {"a": list(range(20_000))}
    assert resume_spools() == []


def test_a_spool_whose_event_file_somebody_changed_goes_into_another(run, tmp_path):
    run(LOG_100 + "writer.flush()\nos._exit(0)", "spool")
    (path,) = (tmp_path / "run").iterdir()
    path.write_bytes(path.read_bytes()[:100] + b"somebody else's")
    (spool,) = resume_spools()
    assert spool.error is None
    assert len(list((tmp_path / "run").iterdir())) == 2


def test_a_handler_of_sigterm_that_was_there_is_called_after_the_events_are_written(run):
    program = """
        def handler(number, frame):
            print("handled", file=sys.stderr)
            sys.exit(7)
        signal.signal(signal.SIGTERM, handler)
        close_on_sigterm()
    """
    status, said, steps = run(
        textwrap.dedent(program) + LOG_100 + "os.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(30)"
    )
    assert (status, said) == (7, "handled\n")
    assert steps == {"a": list(range(100))}


def test_a_terminated_child_keeps_the_handler_and_the_status_that_it_had(run):
    program = """
        import multiprocessing
        fork = multiprocessing.get_context("fork")
        logged = fork.Event()
        def work(handler):
            if handler is not None:
                signal.signal(signal.SIGTERM, handler)
            add(writer, range(100))
            writer.flush()
            logged.set()
            time.sleep(30)
        writer = EventFileWriter(directory, policy=policy)
        for handler in (None, lambda number, frame: os._exit(7)):
            logged.clear()
            child = fork.Process(target=work, args=(handler,))
            child.start()
            logged.wait()
            child.terminate()
            child.join()
            print(child.exitcode, file=sys.stderr)
    """
    assert run(program) == (0, f"{-signal.SIGTERM}\n7\n", {"a": sorted([*range(100)] * 2)})


def test_a_forked_child_that_logs_nothing_closes_nothing(run, tmp_path):
    program = LOG_100 + textwrap.dedent("""
        child = os.fork()
        if child == 0:
            signal.alarm(30)
            writer.close()
            sys.exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=sys.stderr)
    """)
    assert run(program) == (0, "0\n", {"a": list(range(100))})
    assert len(os.listdir(tmp_path / "run")) == 1


def test_a_child_that_outlives_its_parent_keeps_nobody_from_the_parents_spool(run, tmp_path):
    program = """
        store = FaultyFileSystem(PosixFileSystem())
        writer = EventFileWriter(directory, policy=policy, file_system=store)
        writer.flush()
        store.fail("append", error=UnavailableError("down"), times=10**9)
        add(writer, range(100))
        wait_for_image(writer)
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
    child = child_of(said)
    try:
        assert status == -signal.SIGKILL
        (spool,) = resume_spools()
        assert spool.error is None
        assert tag_steps(tmp_path / "run") == {"a": list(range(100))}
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_function_of_atexit_that_makes_the_first_writer_loses_nothing(run):
    assert run('import atexit\natexit.register(lambda: exec("""' + LOG_100 + '"""))') == (
        0,
        "",
        {"a": list(range(100))},
    )


def test_an_object_that_logs_when_the_interpreter_deletes_it_ends(run):
    program = """
        from recordfs.events import SummaryWriter

        class Model:
            def __init__(self):
                self.writer = SummaryWriter(directory)

            def __del__(self):
                try:
                    self.writer.add_scalar("a", 1.0, 1)
                finally:
                    self.writer.close()

        model = Model()
        model.writer.add_scalar("a", 1.0, 0)
    """
    status, said, steps = run(program)
    assert (status, steps) == (0, {"a": [0]})
    assert "Exception ignored in" in said


def test_ctrl_c_again_and_again_while_the_process_ends_loses_nothing_that_the_store_takes(run):
    program = """
        class SlowFile(WrapperWritableFile):
            def append(self, data):
                for _ in range(5):
                    time.sleep(0.02)
                    os.kill(os.getpid(), signal.SIGINT)
                super().append(data)

        class SlowStore(WrapperFileSystem):
            def new_writable_file(self, path, **keywords):
                return SlowFile(super().new_writable_file(path, **keywords))

        writer = EventFileWriter(directory, policy=policy, file_system=SlowStore(PosixFileSystem()))
        add(writer, range(100))
        raise KeyboardInterrupt
    """
    status, said, steps = run(program)
    assert status == -signal.SIGINT
    assert steps == {"a": list(range(100))}
    assert "recordfs:" not in said


@pytest.mark.parametrize("threads", ["", "threading.Thread(target=threading.Event().wait).start()"])
def test_ctrl_c_while_the_process_ends_ends_the_wait_for_a_store_that_hangs(run, threads):
    program = """
        is_ending = threading.Event()

        class Ending(EventFileWriter):
            def flush(self, timeout=None):
                is_ending.set()
                super().flush(timeout)

            def close(self, timeout=None):
                is_ending.set()
                super().close(timeout)

        class HangingFile(WrapperWritableFile):
            def append(self, data):
                is_ending.wait()
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(100)

        class HangingStore(WrapperFileSystem):
            def new_writable_file(self, path, **keywords):
                return HangingFile(super().new_writable_file(path, **keywords))

        at_exit.INTERRUPTED_SECONDS = 0.2
        writer = Ending(directory, policy=policy, file_system=HangingStore(PosixFileSystem()))
        add(writer, range(100))
    """
    _, said, _ = run(textwrap.dedent(program) + threads)
    assert "could not be written at exit" in said
