"""fsspec's own filesystems that differ keep the contract through the bridge, as far as the bridge promises it."""

import importlib.util
import itertools

import pytest
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from recordfs.filesystems.fsspec import FsspecFileSystem
from recordfs.testing.conformance import FileSystemConformance
from support.ftp_server import serve_ftp

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
def ftp_root(tmp_path_factory):
    if importlib.util.find_spec("pyftpdlib") is None:
        pytest.skip("pyftpdlib, an FTP server, is not installed")
    with serve_ftp(str(tmp_path_factory.mktemp("ftp"))) as url:
        yield url


class TestFsspecFtp(FileSystemConformance):
    @pytest.fixture
    def file_system_and_root(self, ftp_root):
        return FsspecFileSystem("ftp"), f"{ftp_root}/place-{next(_numbers)}/root"

    @pytest.fixture
    def refused_path(self, ftp_root, tmp_path):
        with serve_ftp(str(tmp_path), writable=False) as url:
            yield FsspecFileSystem("ftp"), f"{url}/f"
