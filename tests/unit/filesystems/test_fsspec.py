"""Any fsspec filesystem as a recordfs one."""

import os
import warnings
import zipfile

import pytest
from fsspec.asyn import AsyncFileSystem
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from tests.support.whole_files import read, write

import recordfs
from recordfs.errors import (
    AlreadyExistsError,
    ClosedFileError,
    DirectoryNotEmptyError,
    FailedPreconditionError,
    InvalidArgumentError,
    IsADirectoryError,
    MissingDependencyError,
    NotADirectoryError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
    UnimplementedError,
    UnknownError,
)
from recordfs.filesystem import Capabilities
from recordfs.filesystems.fsspec import FsspecFileSystem

pytestmark = pytest.mark.filterwarnings("ignore:.*shows a file to readers when it is closed:UserWarning")


@pytest.fixture(params=["memory", "local", "async"])
def store(request, tmp_path, memory):
    """A filesystem and a directory in it."""
    if request.param == "memory":
        memory.create_dir("memory://root")
        return memory, "memory://root"
    if request.param == "local":
        return FsspecFileSystem("local"), f"local://{tmp_path}"
    return FsspecFileSystem(SlowStore(skip_instance_cache=True)), f"slow://{tmp_path}"


class SlowStore(AsyncFileSystem):
    """An asynchronous filesystem, over local files."""

    protocol = "slow"
    cachable = False

    @classmethod
    def _strip_protocol(cls, path):
        return path.removeprefix("slow://").rstrip("/")

    async def _info(self, path, **kwargs):
        return LocalFileSystem().info(path)

    async def _ls(self, path, detail=True, **kwargs):
        return LocalFileSystem().ls(path, detail)

    async def _cat_file(self, path, start=None, end=None, **kwargs):
        return LocalFileSystem().cat_file(path, start, end)

    async def _rm_file(self, path, **kwargs):
        LocalFileSystem().rm_file(path)

    async def _mkdir(self, path, create_parents=True, **kwargs):
        LocalFileSystem().mkdir(path, create_parents)

    async def _cp_file(self, path1, path2, **kwargs):
        LocalFileSystem().cp_file(path1, path2)

    def rmdir(self, path):
        LocalFileSystem().rmdir(path)

    def _open(self, path, mode="rb", **kwargs):
        return LocalFileSystem()._open(path, mode)


def test_what_was_written_is_read_at_any_offset(store):
    file_system, root = store
    path = f"{root}/file"
    data = bytes(range(256)) * 40_000
    with file_system.new_writable_file(path) as file:
        file.append(data[:5])
        file.append(memoryview(data)[5:])
        assert (file.tell(), file.name) == (len(data), path)
    assert file_system.stat(path)[::2] == (len(data), False)
    with file_system.new_random_access_file(path) as file:
        assert file.read(3, 10) == data[3:13]
        assert file.read(len(data) - 3, 10) == data[-3:]
        assert file.read(len(data), 1) == b""
        assert file.read_ranges([(100, 5), (0, 2), (len(data), 3)]) == [data[100:105], data[:2], b""]
        assert file.size() == len(data)
    with pytest.raises(ClosedFileError):
        file.read(0, 1)
    write(file_system, path, b"")
    assert read(file_system, path) == b""


def test_a_listing_tells_files_and_directories_whatever_their_names(store):
    file_system, root = store
    assert list(file_system.list_directory(root)) == []
    file_system.create_dir(f"{root}/dir")
    write(file_system, f"{root}/dir/[a]*", b"12345")
    write(file_system, f"{root}/dir/.hidden", b"")
    (entry,) = file_system.list_directory(root)
    assert entry[:2] == ("dir", True)
    entries = {entry.name: entry for entry in file_system.list_directory(f"{root}/dir")}
    assert set(entries) == {"[a]*", ".hidden"}
    assert entries["[a]*"][1:3] == (False, 5)
    assert file_system.get_matching_paths(f"{root}/*/.h*") == [f"{root}/dir/.hidden"]
    with pytest.raises(DirectoryNotEmptyError):
        file_system.delete_dir(f"{root}/dir")
    with pytest.raises(NotADirectoryError):
        list(file_system.list_directory(f"{root}/dir/.hidden"))
    with pytest.raises(AlreadyExistsError):
        file_system.create_dir(f"{root}/dir")
    with pytest.raises(IsADirectoryError):
        file_system.delete_file(f"{root}/dir")
    with pytest.raises(IsADirectoryError):
        file_system.new_writable_file(f"{root}/dir")
    with pytest.raises(IsADirectoryError):
        file_system.new_random_access_file(f"{root}/dir")
    file_system.delete_recursively(f"{root}/dir")
    assert not file_system.file_exists(f"{root}/dir")


def test_a_missing_path_is_named_by_every_call(store):
    file_system, root = store
    for call in (
        file_system.stat,
        file_system.new_random_access_file,
        file_system.delete_file,
        file_system.delete_dir,
        lambda path: list(file_system.list_directory(path)),
        lambda path: file_system.rename_file(path, f"{root}/x"),
        lambda path: file_system.copy_file(path, f"{root}/x"),
    ):
        with pytest.raises(NotFoundError) as caught:
            call(f"{root}/missing")
        assert caught.value.path == f"{root}/missing"
    assert not file_system.file_exists(f"{root}/x")


def test_a_rename_and_a_copy_touch_no_other_file(store):
    file_system, root = store
    source, target = f"{root}/a[1]", f"{root}/b*"
    write(file_system, source, b"one")
    write(file_system, f"{root}/a1", b"bystander")
    file_system.rename_file(source, target)
    assert sorted(file_system.get_children(root)) == ["a1", "b*"]
    file_system.copy_file(target, source)
    file_system.copy_file(target, target)
    file_system.rename_file(target, target)
    assert read(file_system, source) == read(file_system, target) == b"one"
    write(file_system, source, b"two")
    for call in (file_system.rename_file, file_system.copy_file):
        with pytest.raises(AlreadyExistsError):
            call(source, target, overwrite=False)
    file_system.rename_file(source, target)
    assert read(file_system, target) == b"two"
    file_system.create_dir(f"{root}/dir")
    for call in (file_system.rename_file, file_system.copy_file):
        with pytest.raises(IsADirectoryError):
            call(target, f"{root}/dir")
    with pytest.raises(UnimplementedError, match="FsspecFileSystem cannot rename directories"):
        file_system.rename_file(f"{root}/dir", f"{root}/other")


def test_what_cannot_be_promised_is_refused_by_name(store):
    file_system, root = store
    capabilities = file_system.capabilities(root)
    assert (capabilities.flush_visibility, capabilities.append, capabilities.atomic_write) == ("close", False, False)
    for call in (
        lambda path: file_system.new_writable_file(path, exclusive=True),
        lambda path: file_system.new_writable_file(path, atomic=True),
        file_system.new_appendable_file,
        lambda path: file_system.truncate_file(path, 0),
    ):
        with pytest.raises(UnimplementedError, match="FsspecFileSystem cannot"):
            call(f"{root}/x")
    assert not file_system.file_exists(f"{root}/x")


def test_what_is_promised_is_done(tmp_path):
    file_system = FsspecFileSystem("local", capabilities=Capabilities(truncate=False))
    path = f"local://{tmp_path}/file"
    file = file_system.new_writable_file(path, atomic=True)
    file.append(b"lost")
    file.discard()
    assert os.listdir(tmp_path) == []
    with file_system.new_writable_file(path, atomic=True) as file:
        file.append(b"one")
        assert not file_system.file_exists(path)
    with pytest.raises(AlreadyExistsError):
        file_system.new_writable_file(path, exclusive=True)
    with pytest.raises(UnimplementedError, match="exclusive and atomic"):
        file_system.new_writable_file(f"{path}2", exclusive=True, atomic=True)
    with file_system.new_appendable_file(path) as file:
        assert file.tell() == 3
        file.append(b"two")
        file.flush()
        assert read(file_system, path) == b"onetwo"
    file_system.create_dir(f"local://{tmp_path}/dir")
    file_system.rename_file(f"local://{tmp_path}/dir", f"local://{tmp_path}/moved")
    assert sorted(os.listdir(tmp_path)) == ["file", "moved"]


def test_below_a_file_is_not_a_directory_where_directories_are_explicit(tmp_path):
    file_system = FsspecFileSystem("local")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        file_system.stat(f"local://{tmp_path}/file/below/it")


def test_flush_warns_once_that_readers_have_to_wait(memory):
    with memory.new_writable_file("memory://f") as file, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        file.append(b"x")
        file.flush()
        file.flush()
        file.sync()
    assert len([w for w in caught if "shows a file to readers when it is closed" in str(w.message)]) == 1


class FailingHandle:
    """An fsspec file that stops taking bytes."""

    def __init__(self, *, room):
        self.room = room
        self.taken = b""
        self.closed = False

    def write(self, data):
        if len(data) > self.room:
            raise OSError(28, "No space left on device")
        self.room -= len(data)
        self.taken += data
        return len(data)

    def flush(self):
        pass

    def close(self):
        self.closed = True


def test_a_failed_write_is_final_and_what_came_before_is_published(memory, monkeypatch):
    handle = FailingHandle(room=3)
    monkeypatch.setattr(MemoryFileSystem, "_open", lambda *arguments, **keywords: handle)
    file = memory.new_writable_file("memory://f")
    file.append(b"abc")
    with pytest.raises(recordfs.errors.ResourceExhaustedError):
        file.append(b"d")
    handle.room = 10
    for call in (lambda: file.append(b"e"), file.flush, file.sync, file.tell, file.close):
        with pytest.raises(FailedPreconditionError, match="No space left"):
            call()
    assert (handle.taken, handle.closed) == (b"abc", True)
    file.close()


def test_an_interrupted_write_is_final_too(memory, monkeypatch):
    class Interrupted(FailingHandle):
        def write(self, data):
            raise KeyboardInterrupt

    monkeypatch.setattr(MemoryFileSystem, "_open", lambda *arguments, **keywords: Interrupted(room=9))
    file = memory.new_writable_file("memory://f")
    with pytest.raises(KeyboardInterrupt):
        file.append(b"d")
    with pytest.raises(FailedPreconditionError, match="interrupted"):
        file.append(b"d")
    with pytest.raises(FailedPreconditionError):
        file.close()


class StatusError(Exception):
    status = 403


class ClientConnectionError(Exception):
    pass


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (FileNotFoundError("x"), NotFoundError),
        (FileExistsError("x"), AlreadyExistsError),
        (PermissionError("x"), PermissionDeniedError),
        (NotImplementedError(), UnimplementedError),
        (TimeoutError(), recordfs.errors.DeadlineExceededError),
        (ConnectionResetError(104, "reset"), UnavailableError),
        (OSError("odd"), UnknownError),
        (ValueError("odd"), InvalidArgumentError),
        (ImportError("install it"), MissingDependencyError),
        (StatusError(), PermissionDeniedError),
        (ClientConnectionError(), UnavailableError),
        (LookupError("odd"), UnknownError),
    ],
)
def test_what_a_store_raises_becomes_an_error_of_the_contract(memory, monkeypatch, raised, expected):
    def info(self, path, **keywords):
        raise raised

    monkeypatch.setattr(MemoryFileSystem, "info", info)
    with pytest.raises(expected) as caught:
        memory.stat("memory://f")
    assert caught.value.path == "memory://f"
    assert caught.value.__cause__ is raised or isinstance(caught.value, NotFoundError)


def test_archives_are_read_and_whatever_would_write_them_is_refused(tmp_path):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("d/f", b"data")
    before = archive.read_bytes()
    file_system = FsspecFileSystem("zip", fo=str(archive))
    assert not file_system.capabilities("zip://").write
    with file_system.new_random_access_file("zip://d/f") as file:
        assert file.read(1, 2) == b"at"
    for refused in (
        lambda: file_system.new_writable_file("zip://d/f"),
        lambda: file_system.create_dir("zip://e"),
        lambda: file_system.delete_file("zip://d/f"),
        lambda: file_system.delete_dir("zip://d"),
        lambda: file_system.rename_file("zip://d/f", "zip://d/g"),
        lambda: file_system.copy_file("zip://d/f", "zip://d/g"),
    ):
        with pytest.raises(UnimplementedError, match="cannot"):
            refused()
    with pytest.raises(InvalidArgumentError, match="only read"):
        FsspecFileSystem("zip", fo=str(archive), mode="w")
    assert archive.read_bytes() == before
