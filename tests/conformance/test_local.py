"""The filesystems of this machine keep the whole contract, directly and through a wrapper."""

import itertools

import pytest

from recordfs.filesystem import Capabilities
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.filesystems.posix import PosixFileSystem
from recordfs.filesystems.wrapper import WrapperFileSystem, WrapperRandomAccessFile, WrapperWritableFile
from recordfs.testing.conformance import FileSystemConformance
from recordfs.testing.faulty import FaultyFileSystem

_numbers = itertools.count()


class FilesToo(WrapperFileSystem):
    """A wrapper that wraps the files as well."""

    def wrap_reader(self, file):
        return WrapperRandomAccessFile(file)

    def wrap_writer(self, file):
        return WrapperWritableFile(file)


class TestPosix(FileSystemConformance):
    """On a disk; the others that write files do it where pytest does, which may be memory."""

    @pytest.fixture
    def file_system_and_root(self, disk_path):
        return PosixFileSystem(), f"{disk_path}/root"


class TestFileScheme(FileSystemConformance):
    @pytest.fixture
    def file_system_and_root(self, tmp_path):
        return PosixFileSystem(), f"file://localhost{tmp_path}/root"


class TestRelativePaths(FileSystemConformance):
    @pytest.fixture
    def file_system_and_root(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        return PosixFileSystem(), "some/root"


class TestMemory(FileSystemConformance):
    @pytest.fixture
    def file_system_and_root(self):
        file_system, root = MemoryFileSystem(), f"ram://conformance-{next(_numbers)}/root"
        yield file_system, root
        file_system.delete_recursively(root)


class TestWrappedPosix(FileSystemConformance):
    @pytest.fixture
    def file_system_and_root(self, tmp_path):
        return FilesToo(PosixFileSystem()), f"{tmp_path}/root"


class TestWrappedMemory(FileSystemConformance):
    @pytest.fixture
    def file_system_and_root(self):
        file_system, root = FilesToo(MemoryFileSystem()), f"RAM://conformance-{next(_numbers)}/root"
        yield file_system, root
        file_system.delete_recursively(root)


class TestFaultyWithoutFaults(FileSystemConformance):
    @pytest.fixture
    def file_system_and_root(self, tmp_path):
        return FaultyFileSystem(PosixFileSystem()), f"{tmp_path}/root"


class TestFaultyWithShortReads(FileSystemConformance):
    @pytest.fixture
    def file_system_and_root(self):
        file_system, root = FaultyFileSystem(MemoryFileSystem()), f"ram://conformance-{next(_numbers)}/root"
        file_system.shorten_reads(3)
        yield file_system, root
        file_system.delete_recursively(root)


class ReadOnlyFileSystem(WrapperFileSystem):
    """Can only be read, and says so."""

    def capabilities(self, path):
        return Capabilities(write=False)

    def refuse(self, path, *arguments, **keywords):
        raise self._unimplemented("change anything", path)

    new_writable_file = new_appendable_file = create_dir = delete_file = delete_dir = rename_file = refuse
    truncate_file = copy_file = delete_recursively = recursively_create_dir = new_update_file = refuse


class TestReadOnly(FileSystemConformance):
    """What declares little is asked only for that."""

    @pytest.fixture
    def file_system_and_root(self, tmp_path):
        (tmp_path / "root").mkdir()
        return ReadOnlyFileSystem(PosixFileSystem()), f"{tmp_path}/root"

    def put_file(self, file_system, path, data):
        file_system.inner.recursively_create_dir(path.rpartition("/")[0])
        super().put_file(file_system.inner, path, data)
