"""Plugins in a helper process: what its death does to the process that uses it, and to files that were open."""

import os
import signal
import subprocess
import sys
import threading

import pytest

import recordfs
from recordfs import errors
from support.plugin_libraries import EXAMPLE, compile_library, example_plugin
from support.servers import REPOSITORY

ODD = os.path.join(REPOSITORY, "tests", "support", "odd_plugin.c")


@pytest.fixture
def load(tmp_path):
    def build_and_load(*macros):
        defined = [f"-D{macro}" for macro in macros]
        library = compile_library(ODD, tmp_path / "odd.so", "-Wno-unused-function", f"-I{EXAMPLE}", *defined)
        recordfs.load_file_system_library(library, helper_process=True)
        return recordfs.get_file_system("odd://")

    yield build_and_load
    if "odd" in recordfs.get_registered_schemes():
        recordfs.unregister_file_system("odd")


@pytest.fixture
def memory(tmp_path):
    recordfs.load_file_system_library(
        example_plugin(tmp_path), helper_process=True, capabilities={"cmem": {"growing_reads": True}}
    )
    yield recordfs.get_file_system("cmem://")
    recordfs.unregister_file_system("cmem")


def test_a_plugin_that_kills_its_process_is_an_error_and_can_be_used_again(load):
    file_system = load("READ_DIES")
    file = file_system.new_random_access_file("odd://x/file")
    with pytest.raises(errors.UnavailableError, match=r"died .by signal SIGSEGV") as caught:
        file.read(0, 10)
    assert caught.value.path == "odd://x/file"
    with pytest.raises(errors.UnavailableError, match="Files that were open in it are lost"):
        file.read(0, 10)
    file.close()
    assert file_system.stat("odd://x/file").length == 10  # by another helper


def test_a_plugin_that_fails_to_start_in_a_helper_is_refused_as_without(load):
    with pytest.raises(errors.PermissionDeniedError, match="no key for the vault"):
        load("INIT_FAILS")


def test_a_helper_that_hangs_while_it_loads_can_be_interrupted_and_ends(load):
    before = _helpers()
    with pytest.raises(KeyboardInterrupt):
        load("INIT_INTERRUPTS")
    assert _helpers() == before


def test_a_writer_whose_helper_dies_is_lost_and_says_so(memory):
    file = memory.new_writable_file("cmem://h/f")
    file.append(b"bytes")
    _kill_helper()
    with pytest.raises(errors.UnavailableError):
        file.flush()
    with pytest.raises(errors.UnavailableError):
        file.close()
    assert file.closed
    assert not memory.file_exists("cmem://h/f")


def test_many_threads_share_a_helper(memory):
    data = bytes(range(256)) * 1000
    with memory.new_writable_file("cmem://h/f") as file:
        file.append(data)
    failures = []

    def read():
        try:
            with memory.new_random_access_file("cmem://h/f") as file:
                for offset in range(0, len(data), 10_000):
                    assert file.read(offset, 10_000) == data[offset : offset + 10_000]
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_the_helper_ends_with_its_process(tmp_path):
    program = f"""
import recordfs, subprocess, os
recordfs.load_file_system_library({example_plugin(tmp_path)!r}, helper_process=True)
file = recordfs.get_file_system("cmem://").new_writable_file("cmem://h/f")
file.append(b"x")
print(open(f"/proc/self/task/{{os.getpid()}}/children").read())
"""
    # Its standard output closes only when the helper, which has inherited it, has ended too.
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    assert len(done.stdout.split()) == 1
    assert "unclosed writer of cmem://h/f is published" in done.stderr
    assert "still running" not in done.stderr


def _kill_helper():
    for helper in _helpers():
        os.kill(helper, signal.SIGKILL)


def _helpers():
    found = []
    with open(f"/proc/self/task/{os.getpid()}/children") as children:
        for child in children.read().split():
            with open(f"/proc/{child}/cmdline", "rb") as command:
                if b"recordfs.plugins.helper_process" in command.read():
                    found.append(int(child))
    return found
