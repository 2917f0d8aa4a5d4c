"""A large local file whose reads by another thread go wrong: nothing is lost, nothing hangs, and Ctrl-C is heard."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from recordfs.example import encode_example
from recordfs.records.writer import RecordWriter
from support.plugin_libraries import compile_library
from support.servers import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

RECORDS = 6000
SIZE = 4000
"""24 MB: reading ahead begins after 1 MiB where 8 MiB are left."""

PROGRAM = """
import ctypes, os, signal, sys
import numpy as np
from recordfs.errors import RecordFSError
from recordfs.example import FixedLenFeature, read_examples

path = sys.argv[1]
windows_read = ctypes.CDLL(None).windows_read if "LD_PRELOAD" in os.environ else None
features = {"id": FixedLenFeature([], np.int64)}
seen = []

def read(batch_size=64):
    global reader
    reader = read_examples(path, features, batch_size=batch_size)
    for columns in reader:
        seen.extend(columns["id"].tolist())
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "file"
    with RecordWriter(path) as writer:
        writer.write_batch([encode_example({"id": number, "image": bytes(SIZE)}) for number in range(RECORDS)])
    return path


def run(program: str, path: Path, directory: Path, *macros: str) -> str:
    """Run a program that reads the file, in which reads go wrong as macros say, and return what it prints."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    if macros:
        source = os.path.join(REPOSITORY, "tests", "support", "faulty_pread.c")
        environment["LD_PRELOAD"] = compile_library(
            source, directory / "libfaulty.so", *(f"-D{macro}" for macro in macros)
        )
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + textwrap.dedent(program), str(path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("fault", ["FAILS", "IS_SHORT"])
def test_a_read_ahead_that_goes_wrong_is_repeated_in_the_usual_way(path: Path, tmp_path: Path, fault: str) -> None:
    program = """
        read()
        print(seen == list(range(6000)), windows_read())
    """
    whole, windows = run(program, path, tmp_path, fault, "FAULTY=5").split()
    assert whole == "True"
    assert 5 <= int(windows) <= 7


def test_a_file_that_cannot_be_read_on_raises_where_it_cannot_and_loses_nothing(path: Path, tmp_path: Path) -> None:
    program = """
        try:
            read()
        except RecordFSError as error:
            print(error.path == path)
        print(seen == list(range(len(seen))), reader.tell().offset, len(seen), reader.report.records)
    """
    dead_from = 12 << 20
    named, whole, offset, count, reported = run(program, path, tmp_path, f"DEAD_FROM={dead_from}").split()
    assert (named, whole) == ("True", "True")
    assert count == reported
    # At most a batch is kept back, and at most a window is read past the place by a read that begins before it.
    assert dead_from - 65 * (SIZE + 50) < int(offset) <= dead_from + (256 << 10)


def test_ctrl_c_is_heard_in_the_middle_of_a_batch_that_is_read_ahead(path: Path, tmp_path: Path) -> None:
    program = """
        try:
            read(10**6)
        except KeyboardInterrupt:
            print(windows_read())
    """
    # Two windows are on their way when the signal comes.
    assert int(run(program, path, tmp_path, "INTERRUPTS", "FAULTY=5")) <= 8


@pytest.mark.parametrize("then", ["del reader, batches", "reader.close()", "pass"], ids=["dropped", "closed", "left"])
def test_ctrl_c_ends_the_wait_for_a_read_ahead_that_hangs_and_the_process_ends_after_it(
    path: Path, tmp_path: Path, then: str
) -> None:
    program = f"""
        hangs = ctypes.CDLL(None).hangs

        def interrupt(*_):
            if hangs():
                raise KeyboardInterrupt

        signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
        reader = read_examples(path, features, batch_size=64)
        batches = iter(reader)
        try:
            for _ in range(20):
                next(batches)
            while True:  # the thread has not had its turn yet
                signal.pause()
        except KeyboardInterrupt:
            print("interrupted")
        try:
            {then}
        except KeyboardInterrupt:
            pass
        signal.setitimer(signal.ITIMER_REAL, 0)
        print("over")
    """
    assert run(program, path, tmp_path, "HANGS") == "interrupted\nover\n"


def test_a_signal_that_the_program_blocks_does_not_come_by_way_of_the_thread(path: Path, tmp_path: Path) -> None:
    program = """
        came = []
        signal.signal(signal.SIGUSR1, lambda *_: came.append(True))
        batches = iter(read_examples(path, features, batch_size=64))
        for _ in range(30):
            next(batches)
        threads = [open(f"/proc/self/task/{task}/comm").read().strip() for task in os.listdir("/proc/self/task")]
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        os.kill(os.getpid(), signal.SIGUSR1)
        print(len(threads), signal.SIGUSR1 in signal.sigpending(), came)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
        print(came)
    """
    assert run(program, path, tmp_path) == "2 True []\n[True]\n"
