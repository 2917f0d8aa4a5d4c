"""A filesystem of fsspec in several processes and threads, and at the end of one."""

import os
import pickle
import subprocess
import sys
import threading

import fsspec
import pytest
from tests.support.whole_files import read, write

from recordfs.errors import (
    FailedPreconditionError,
)
from recordfs.filesystem import Capabilities
from recordfs.filesystems.fsspec import FsspecFileSystem

pytestmark = pytest.mark.filterwarnings("ignore:.*shows a file to readers when it is closed:UserWarning")


def test_filesystems_are_pickled_with_what_they_wrap(memory):
    write(memory, "memory://f", b"x")
    for file_system in (
        FsspecFileSystem("memory", capabilities=Capabilities()),
        FsspecFileSystem(fsspec.filesystem("memory"), capabilities=Capabilities()),
    ):
        again = pickle.loads(pickle.dumps(file_system))
        assert read(again, "memory://f") == b"x"
        assert again.capabilities("memory://f") == Capabilities()


def test_a_writer_belongs_to_its_process(tmp_path):
    file = FsspecFileSystem("local").new_writable_file(f"local://{tmp_path}/file")
    child = os.fork()
    if child == 0:
        try:
            file.append(b"x")
        except FailedPreconditionError:
            os._exit(0)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    file.append(b"parent")
    file.close()
    assert (tmp_path / "file").read_bytes() == b"parent"


def test_an_unclosed_writer_is_closed_at_the_end_with_a_warning(tmp_path):
    program = f"""
from recordfs.filesystems.fsspec import FsspecFileSystem
FsspecFileSystem("local").new_writable_file("local://{tmp_path}/file").append(b"kept")
"""
    done = subprocess.run([sys.executable, "-W", "always", "-c", program], capture_output=True, text=True, check=True)
    assert (tmp_path / "file").read_bytes() == b"kept"
    assert "ResourceWarning: unclosed writer of local://" in done.stderr


def test_threads_share_no_instance_that_cannot_be_shared(memory):
    found = []

    def look():
        found.append(memory._clients.resolve("memory://x")[0])

    look()
    look()
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found[0] is found[1]
    assert found[0] is not found[2]


def test_an_open_file_is_read_in_a_forked_child_without_disturbing_the_parent(tmp_path):
    (tmp_path / "file").write_bytes(bytes(range(100)))
    with FsspecFileSystem("local").new_random_access_file(f"local://{tmp_path}/file") as file:
        assert file.read(10, 2) == b"\x0a\x0b"
        child = os.fork()
        if child == 0:
            os._exit(0 if file.read(50, 2) == b"23" else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert file.read(12, 2) == b"\x0c\x0d"
