"""Pools of worker processes, as data loaders make them, read through the filesystems that stand on something else.

The parent reads first: what it opened must not be in the way of a forked child. `http://` has its own such test.
"""

import multiprocessing
import os

import pytest

import recordfs
from recordfs import KeyValueFileSystem
from recordfs.filesystems._memmapped_package import PREFIX
from recordfs.filesystems.fsspec import FsspecFileSystem
from recordfs.filesystems.memmapped import MemmappedFileSystem, MemmappedPackageWriter

DATA = bytes(range(256)) * 100


class DirectoryOfValues(KeyValueFileSystem):
    """Values as files of one local directory."""

    def __init__(self, *, directory, **options):
        super().__init__(**options)
        self._directory = directory

    def find_value(self, key):
        path = os.path.join(self._directory, key)
        return (os.path.getsize(path), 0) if os.path.isfile(path) else None

    def read_value(self, key, offset, length):
        with open(os.path.join(self._directory, key), "rb") as file:
            file.seek(offset)
            return file.read(length)

    def write_value(self, key, data, length):
        raise NotImplementedError

    def delete_value(self, key):
        raise NotImplementedError

    def list_values(self, prefix):
        return [(name, 0, 0) for name in os.listdir(self._directory) if name.startswith(prefix)]


def make(kind, directory):
    """Return a filesystem of one kind, and the path of a file in it."""
    path = os.path.join(directory, "file")
    with open(path, "wb") as file:
        file.write(DATA)
    if kind == "fsspec":
        return FsspecFileSystem("local"), f"local://{path}"
    if kind == "key-value":
        return DirectoryOfValues(directory=directory), "values://file"
    package = os.path.join(directory, "package")
    with MemmappedPackageWriter(recordfs.get_file_system(package).new_writable_file(package)) as writer:
        writer.add_tensor(f"{PREFIX}file", DATA)
    return MemmappedFileSystem(package=package), f"{PREFIX}file"


def read_part(file_system, path, offset):
    with file_system.new_random_access_file(path) as file:
        return file.read(offset, 100)


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("kind", ["fsspec", "key-value", "memmapped"])
def test_workers_read_after_their_parent_did(kind, method, tmp_path):
    file_system, path = make(kind, str(tmp_path))
    assert read_part(file_system, path, 5) == DATA[5:105]
    calls = [(file_system, path, offset) for offset in range(0, 2000, 100)]
    with multiprocessing.get_context(method).Pool(2) as pool:
        found = pool.starmap_async(read_part, calls).get(60)
    assert found == [DATA[offset : offset + 100] for _, _, offset in calls]
