"""fsspec's own filesystems that differ keep the contract through the bridge, as far as the bridge promises it."""

import gc
import itertools
import socket
import threading
import zipfile

import pytest
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.implementations.zip import ZipFileSystem

from recordfs.filesystems._fsspec_clients import FsspecClients
from recordfs.filesystems.fsspec import FsspecFileSystem
from recordfs.testing.conformance import FileSystemConformance
from support.ftp_server import serve_ftp
from support.sftp_server import serve_sftp

_numbers = itertools.count()

pytestmark = pytest.mark.filterwarnings("ignore:.*shows a file to readers when it is closed:UserWarning")


class TestFsspecDirectoryInMemory(FileSystemConformance):
    @pytest.fixture
    def file_system_and_root(self):
        number = next(_numbers)
        yield FsspecFileSystem(DirFileSystem(f"/stores-{number}", MemoryFileSystem())), "dir://inner/root"
        MemoryFileSystem.store.clear()
        MemoryFileSystem.pseudo_dirs[:] = [""]


class TestFsspecDirectoryOnDisk(FileSystemConformance):
    @pytest.fixture
    def file_system_and_root(self, tmp_path):
        return FsspecFileSystem(DirFileSystem(str(tmp_path), LocalFileSystem(auto_mkdir=True))), "dir://inner/root"


@pytest.fixture(scope="module")
def ftp_directory(tmp_path_factory):
    return tmp_path_factory.mktemp("ftp")


@pytest.fixture(scope="module")
def ftp_root(ftp_directory):
    with serve_ftp(str(ftp_directory)) as url:
        yield url


class TestFsspecFtp(FileSystemConformance):
    @pytest.fixture
    def file_system_and_root(self, ftp_root, ftp_directory):
        self.directory, self.url = ftp_directory, ftp_root
        with FsspecFileSystem("ftp") as file_system:
            yield file_system, f"{ftp_root}/place-{next(_numbers)}/root"

    def put_empty_files(self, file_system, paths):
        """FTP tells of a file by listing its directory, so that the thousandth costs a thousand times the first."""
        for path in paths:
            (self.directory / path.removeprefix(f"{self.url}/")).touch()

    @pytest.fixture
    def refused_path(self, ftp_root, tmp_path):
        with serve_ftp(str(tmp_path), writable=False) as url:
            yield FsspecFileSystem("ftp"), f"{url}/f"


@pytest.fixture(scope="module")
def sftp_directory(tmp_path_factory):
    return tmp_path_factory.mktemp("sftp")


@pytest.fixture(scope="module")
def sftp_root(sftp_directory):
    with serve_sftp(str(sftp_directory)) as url:
        yield url


class TestFsspecSftp(FileSystemConformance):
    @pytest.fixture
    def file_system_and_root(self, sftp_root, sftp_directory):
        self.directory, self.url = sftp_directory, sftp_root
        with FsspecFileSystem("sftp") as file_system:
            yield file_system, f"{sftp_root}/place-{next(_numbers)}/root"

    def put_empty_files(self, file_system, paths):
        """Each costs five round trips over SSH, which other scenarios make as well."""
        for path in paths:
            (self.directory / path.removeprefix(f"{self.url}/")).touch()


@pytest.mark.parametrize("how", ["closed", "dropped"])
def test_sftp_connection_ends_with_its_filesystem_and_the_last_open_file(sftp_root, how):
    before = set(threading.enumerate())
    file_system = FsspecFileSystem("sftp")
    file = file_system.new_writable_file(f"{sftp_root}/{how}")
    connections = set(threading.enumerate()) - before
    assert connections
    if how == "closed":
        file_system.close()
    else:
        del file_system
    gc.collect()
    with file:
        file.append(b"goes on")
    del file
    gc.collect()
    for connection in connections:
        connection.join(60)
        assert not connection.is_alive()


def test_sftp_filesystem_is_used_again_after_close(sftp_root):
    file_system = FsspecFileSystem("sftp")
    for _ in range(2):
        assert file_system.is_directory(sftp_root)
        file_system.close()
        file_system.close()


def test_sftp_sends_the_end_of_a_block_without_waiting_for_the_server(sftp_root):
    file_system, _ = FsspecClients("sftp", {}).resolve(f"{sftp_root}/f")
    used = file_system.client.get_transport().sock
    assert used.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


class TestFsspecZip(FileSystemConformance):
    """An archive that something else writes: it is opened anew when a scenario has put a file into it."""

    @pytest.fixture
    def file_system_and_root(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "archive.zip", "w") as written:
            written.writestr("root/", b"")
        self.archive = ZipFileSystem(str(tmp_path / "archive.zip"))
        yield FsspecFileSystem(self.archive), "zip://root"
        self.archive.close()

    def put_file(self, file_system, path, data):
        self._add({path: data})

    def put_empty_files(self, file_system, paths):
        self._add(dict.fromkeys(paths, b""))

    def _add(self, files):
        name = self.archive.fo.name
        with zipfile.ZipFile(name, "a") as written:
            for path, data in files.items():
                written.writestr(path.removeprefix("zip://"), data)
        self.archive.close()
        self.archive.__init__(name)
