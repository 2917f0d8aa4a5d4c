"""The threads that wait for a store: what is queued is called, and the end of a process waits for no call."""

import subprocess
import sys
import textwrap
import threading
from concurrent.futures import CancelledError, wait

import pytest

from recordfs.tensorboard.request_threads import RequestThreads


def test_calls_run_at_once_on_as_many_threads_as_were_given():
    threads = RequestThreads(3, "few")
    meeting = threading.Barrier(3)
    futures = [threads.submit(meeting.wait, 60) for _ in range(6)]
    wait(futures, 60)
    assert sorted(future.result() for future in futures) == [0, 0, 1, 1, 2, 2]
    threads.close(60)


def test_call_that_raises_gives_its_error_and_its_thread_goes_on():
    threads = RequestThreads(1, "one")
    failed = threads.submit(int, "no number")
    with pytest.raises(ValueError, match="no number"):
        failed.result(60)
    assert threads.submit(int, "7").result(60) == 7
    threads.close(60)


def test_close_cancels_what_has_not_begun_and_leaves_what_hangs():
    threads = RequestThreads(1, "one")
    begun, release = threading.Event(), threading.Event()
    hanging = threads.submit(lambda: (begun.set(), release.wait(60)))
    waiting = threads.submit(int, "7")
    assert begun.wait(60)
    threads.close()
    late = threads.submit(int, "8")
    release.set()
    hanging.result(60)
    for future in (waiting, late):
        with pytest.raises(CancelledError):
            future.result(60)


def test_process_ends_while_a_store_hangs_and_thousands_of_looks_are_queued(tmp_path):
    program = """
        import sys, threading
        import recordfs
        from recordfs.filesystems.memory import MemoryFileSystem
        from recordfs.tensorboard.catalog import CatalogOptions, LogCatalog, LogDirectory

        asked = threading.Event()

        class Hanging(MemoryFileSystem):
            hangs = False

            def new_random_access_file(self, path):
                if not self.hangs:
                    return super().new_random_access_file(path)
                asked.set()
                threading.Event().wait()

        recordfs.register_file_system("hangs", Hanging())
        for run in range(1000):
            with recordfs.RecordWriter(f"hangs://logs/run{run}/events.out.tfevents.1.h") as writer:
                writer.write(b"x" * 100)
        Hanging.hangs = True
        LogCatalog([LogDirectory("hangs://logs")], CatalogOptions(requests=4)).start()
        asked.wait()
        sys.exit(7)
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], timeout=120, check=False, cwd=tmp_path)
    assert ended.returncode == 7
