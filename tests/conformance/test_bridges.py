"""Filesystems that stand on something else keep the contract too, as far as their capabilities promise."""

import contextlib
import itertools
import os
import sqlite3
import sys
import time

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from recordfs.filesystem import Capabilities
from recordfs.filesystems.fsspec import FsspecFileSystem
from recordfs.testing.conformance import FileSystemConformance

sys.path.append(os.path.join(os.path.dirname(__file__), "../../templates/recordfs-filesystem-template/src"))

from recordfs_sqlite import SqliteFileSystem

_numbers = itertools.count()

pytestmark = pytest.mark.filterwarnings("ignore:.*shows a file to readers when it is closed:UserWarning")


class TestKeyValue(FileSystemConformance):
    @pytest.fixture
    def file_system_and_root(self, tmp_path):
        self.database = tmp_path / "files.db"
        return SqliteFileSystem(database=self.database), "sqlite://place/root"

    def put_empty_files(self, file_system, paths):
        """All at once: each file of its own waits for the disk."""
        rows = [(path.removeprefix("sqlite://"), b"", time.time_ns()) for path in paths]
        with contextlib.closing(sqlite3.connect(self.database)) as connection, connection:
            connection.executemany("INSERT INTO files VALUES (?, ?, ?)", rows)

    @pytest.fixture
    def refused_path(self, tmp_path):
        file_system = SqliteFileSystem(database=tmp_path / "refusing.db")
        file_system.file_exists("sqlite://f")  # makes the table
        with contextlib.closing(sqlite3.connect(tmp_path / "refusing.db")) as connection:
            refuse = (
                "CREATE TRIGGER refuse BEFORE INSERT ON files BEGIN SELECT RAISE(FAIL, 'the quota is used up'); END"
            )
            connection.execute(refuse)
        return file_system, "sqlite://f"


class TestFsspecMemory(FileSystemConformance):
    @pytest.fixture
    def file_system_and_root(self):
        yield FsspecFileSystem("memory"), f"memory://conformance-{next(_numbers)}/root"
        MemoryFileSystem.store.clear()
        MemoryFileSystem.pseudo_dirs[:] = [""]


class TestFsspecLocal(FileSystemConformance):
    @pytest.fixture
    def file_system_and_root(self, tmp_path):
        return FsspecFileSystem("local"), f"local://{tmp_path}/root"


class TestFsspecLocalWithPromises(FileSystemConformance):
    """What a user promises for a store is done."""

    @pytest.fixture
    def file_system_and_root(self, tmp_path):
        promises = Capabilities(
            truncate=False, exclusive_create=False, growing_reads=False, memory_region=False, durable_sync=False
        )
        return FsspecFileSystem("local", capabilities=promises), f"local://{tmp_path}/root"
