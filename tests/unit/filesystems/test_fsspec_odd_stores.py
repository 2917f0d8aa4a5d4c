"""Filesystems of fsspec that ignore what they are asked, or answer nonsense: what can be checked is."""

import io
import os
from typing import Any, ClassVar

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.spec import AbstractFileSystem
from tests.support.whole_files import read, write

from recordfs.errors import (
    ClosedFileError,
    DataLossError,
    FailedPreconditionError,
    InternalError,
    UnavailableError,
    UnknownError,
)
from recordfs.filesystem import Capabilities
from recordfs.filesystems.fsspec import FsspecFileSystem

pytestmark = pytest.mark.filterwarnings("ignore:.*shows a file to readers when it is closed:UserWarning")


class Lying(MemoryFileSystem):
    """Says of everything that it did it, as clients do that look at no answer: webhdfs in some of it."""

    protocol = "lying"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    cachable = False

    def __init__(self, *does_not):
        super().__init__()
        self.does_not = does_not
        self.store.clear()
        self.pseudo_dirs[:] = [""]

    def mv(self, path1, path2, **keywords):
        if "replace" in self.does_not and self.exists(path2):
            return
        if "mv" not in self.does_not:
            super().mv(path1, path2, **keywords)

    def cp_file(self, path1, path2, **keywords):
        if "cp" not in self.does_not:
            super().cp_file(path1, path2, **keywords)

    def rm_file(self, path):
        if "rm" not in self.does_not:
            super().rm_file(path)

    def rmdir(self, path):
        if "rmdir" not in self.does_not:
            super().rmdir(path)

    def mkdir(self, path, create_parents=True, **keywords):
        if "mkdir" not in self.does_not:
            super().mkdir(path, create_parents, **keywords)

    def _open(self, path, mode="rb", **keywords):
        file = super()._open(path, mode, **keywords)
        if "put" in self.does_not and mode != "rb":
            self.store.pop(self._strip_protocol(path), None)
            file.commit = lambda: None
        return file


def lying(*does_not, **capabilities):
    promised = Capabilities(directories="implicit", append=False, exclusive_create=False, flush_visibility="close")
    return FsspecFileSystem(Lying(*does_not), capabilities=promised._replace(**capabilities))


@pytest.fixture
def two_files():
    def put(file_system):
        for name in ("source", "target"):
            with file_system.new_writable_file(f"lying://d/{name}") as file:
                file.append(name.encode())
        return file_system

    return put


def test_a_move_onto_a_file_that_a_store_ignores_is_done_by_other_moves(two_files):
    file_system = two_files(lying("replace", atomic_rename=False))
    file_system.rename_file("lying://d/source", "lying://d/target")
    assert read(file_system, "lying://d/target") == b"source"
    assert file_system.get_children("lying://d") == ["target"]


@pytest.mark.parametrize(("does_not", "promises"), [("mv", {}), ("replace", {"atomic_rename": True})])
def test_a_move_that_cannot_be_done_is_an_error_and_changes_nothing(two_files, does_not, promises):
    file_system = two_files(lying(does_not, **{"atomic_rename": False, **promises}))
    with pytest.raises(UnknownError, match="has not moved it"):
        file_system.rename_file("lying://d/source", "lying://d/target")
    assert read(file_system, "lying://d/target") == b"target"
    assert read(file_system, "lying://d/source") == b"source"
    assert sorted(file_system.get_children("lying://d")) == ["source", "target"]


@pytest.mark.parametrize("target", ["target", "new"])
def test_a_copy_that_a_store_ignores_goes_through_this_process(two_files, target):
    file_system = two_files(lying("cp"))
    file_system.copy_file("lying://d/source", f"lying://d/{target}")
    assert read(file_system, f"lying://d/{target}") == b"source"


def test_a_deletion_that_a_store_ignores_is_an_error(two_files):
    file_system = two_files(lying("rm"))
    with pytest.raises(UnknownError, match="has not deleted it"):
        file_system.delete_file("lying://d/source")


def test_a_class_without_rmdir_removes_empty_directories_by_rm(tmp_path):
    class WithoutRmdir(LocalFileSystem):
        protocol = "withoutrmdir"
        rmdir = AbstractFileSystem.rmdir

        def rm(self, path, recursive=False, maxdepth=None):
            os.rmdir(path) if os.path.isdir(path) else os.unlink(path)

    (tmp_path / "top/empty").mkdir(parents=True)
    (tmp_path / "top/f").touch()
    capabilities = Capabilities(append=False, exclusive_create=False)
    file_system = FsspecFileSystem(WithoutRmdir(), capabilities=capabilities)
    file_system.delete_recursively(f"withoutrmdir://{tmp_path}/top")
    assert os.listdir(tmp_path) == []


def test_a_directory_that_a_store_has_not_made_is_an_error():
    with pytest.raises(UnknownError, match="has made no directory"):
        lying("mkdir", directories="explicit").create_dir("lying://d")


@pytest.mark.parametrize("atomic", [False, True])
def test_a_file_that_a_store_has_not_kept_is_an_error_of_close(atomic):
    file_system = lying("put")
    file = file_system.new_writable_file("lying://f", atomic=atomic)
    file.append(b"data")
    with pytest.raises(DataLossError, match="the store has no file"):
        file.close()
    with pytest.raises(ClosedFileError):
        file.append(b"more")


class OddWrites(MemoryFileSystem):
    """Its files answer a write as they were told."""

    protocol = "oddwrites"
    cachable = False
    answer: Any = None

    def _open(self, path, mode="rb", **keywords):
        file = super()._open(path, mode, **keywords)
        if mode != "rb":
            write = file.write
            answer = self.answer
            file.write = lambda data: (write(data), answer)[1]
        return file


@pytest.mark.parametrize(
    ("answer", "error"), [(0, InternalError), (-1, InternalError), (True, InternalError), ("all", InternalError)]
)
def test_a_write_that_returns_nonsense_is_an_error_and_does_not_hang(answer, error):
    store = OddWrites()
    store.answer = answer
    file = FsspecFileSystem(store).new_writable_file("oddwrites://f")
    with pytest.raises(error, match="write of this file object returned"):
        file.append(b"data")
    with pytest.raises(FailedPreconditionError):
        file.close()


@pytest.mark.parametrize("answer", [None, 4])
def test_a_write_that_took_all_is_taken_at_its_word_and_looked_after(answer):
    store = OddWrites()
    store.answer = answer
    with FsspecFileSystem(store).new_writable_file("oddwrites://f") as file:
        file.append(b"data")


def test_a_close_that_was_interrupted_is_never_taken_for_done(monkeypatch):
    file = FsspecFileSystem("memory").new_writable_file("memory://interrupted/f")
    file.append(b"data")

    def interrupted(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(file._handle, "close", interrupted)
        with pytest.raises(KeyboardInterrupt):
            file.close()
    with pytest.raises(FailedPreconditionError, match="interrupted"):
        file.close()


class ShortReads(MemoryFileSystem):
    """Gives half of what is read, so many times: what a client makes of a connection that broke off."""

    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    times = 0

    def _open(self, path, mode="rb", **keywords):
        file = super()._open(path, mode, **keywords)
        if mode != "rb":
            return file
        return ShortFile(self, file.getvalue())


class ShortFile(io.BytesIO):
    def __init__(self, store, content):
        super().__init__(content)
        self._store = store

    def read(self, n=-1):
        if self._store.times:
            self._store.times -= 1
            super().seek(0, io.SEEK_END)  # and nothing more, as at an end
            return b""
        return super().read(n)


def test_a_read_that_ends_too_early_is_repeated_and_then_an_outage():
    store = ShortReads(skip_instance_cache=True)
    file_system = FsspecFileSystem(store)
    write(file_system, "short://f", b"0123456789")
    with file_system.new_random_access_file("short://f") as file:
        store.times = 1
        assert file.read(2, 5) == b"23456"
        store.times = 4
        with pytest.raises(UnavailableError, match="0 of 5 bytes at 2, twice"):
            file.read(2, 5)
        assert file.read(8, 100) == b"89"


def test_a_file_that_became_shorter_is_read_as_far_as_it_goes(tmp_path):
    file_system, path = FsspecFileSystem(LocalFileSystem()), str(tmp_path / "f")
    write(file_system, path, b"0123456789")
    with file_system.new_random_access_file(path) as file:
        os.truncate(path, 4)
        assert file.read(2, 5) == b"23"
