"""Any fsspec filesystem as a recordfs one."""

import os
import pickle
import subprocess
import sys
import threading
import warnings
import zipfile
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.asyn import AsyncFileSystem
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.spec import AbstractFileSystem

import recordfs
from recordfs.errors import (
    AlreadyExistsError,
    ClosedFileError,
    DataLossError,
    DirectoryNotEmptyError,
    FailedPreconditionError,
    InternalError,
    InvalidArgumentError,
    IsADirectoryError,
    MissingDependencyError,
    NotADirectoryError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
    UnimplementedError,
    UnknownError,
    UnknownSchemeError,
)
from recordfs.filesystem import Capabilities
from recordfs.filesystems.fsspec import FsspecFileSystem
from recordfs.registry import registration_of

pytestmark = pytest.mark.filterwarnings("ignore:.*shows a file to readers when it is closed:UserWarning")


@pytest.fixture
def memory():
    """`memory://`, empty, as the registry finds it."""
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    yield recordfs.get_file_system("memory://")
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


def write(file_system, path, data):
    with file_system.new_writable_file(path) as file:
        file.append(data)


def read(file_system, path):
    with file_system.new_random_access_file(path) as file:
        return file.read(0, file.size())


# Finding it


def test_a_scheme_that_only_fsspec_knows_is_served_through_fsspec(memory):
    assert isinstance(memory, FsspecFileSystem)
    assert memory is recordfs.get_file_system("memory://elsewhere/x")
    assert registration_of("memory") == ("recordfs.filesystems.fsspec:FsspecFileSystem", "fsspec")
    assert "memory" not in recordfs.get_registered_schemes()


def test_what_nobody_knows_is_an_unknown_scheme_that_names_the_extras_that_are_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(UnknownSchemeError, match=r"nobody://.*ram://.*recordfs\[s3\]") as caught:
        recordfs.get_file_system("nobody://x")
    assert "recordfs[fsspec]" not in str(caught.value), "it is installed here"
    with pytest.raises(UnknownSchemeError):
        FsspecFileSystem("nobody")


def test_a_protocol_whose_package_is_missing_says_so():
    with pytest.raises(MissingDependencyError, match="adlfs"):
        recordfs.get_file_system("abfs://x/y").stat("abfs://x/y")


def test_without_fsspec_its_schemes_are_unknown_and_http_says_what_to_install():
    program = """
import sys
sys.modules["fsspec"] = None
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "fsspec" else found(name, package)
import recordfs
for path in ("memory://x", "https://x/y"):
    try:
        recordfs.get_file_system(path)
    except Exception as error:
        print(type(error).__name__, error)
"""
    unknown, missing = subprocess.check_output([sys.executable, "-c", program], text=True).splitlines()
    assert unknown.startswith("UnknownSchemeError")
    assert 'pip install "recordfs[fsspec]"' in unknown
    assert missing.startswith("MissingDependencyError")
    assert 'pip install "recordfs[http]"' in missing


def test_recordfs_is_never_served_through_fsspec():
    for path in ("recordfs://recordfs://x", "recordfs+ram://x"):
        with pytest.raises(InvalidArgumentError, match="is for fsspec"):
            recordfs.get_file_system(path)


def test_options_of_a_scheme_and_of_a_call_reach_fsspec(tmp_path):
    archive = str(tmp_path / "a.zip")
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("dir/hello.txt", "hello")
    file_system = recordfs.get_file_system("zip://", options={"fo": archive})
    assert read(file_system, "zip://dir/hello.txt") == b"hello"
    assert file_system.get_children("zip://dir") == ["hello.txt"]
    assert file_system.get_matching_paths("zip://*/h*") == ["zip://dir/hello.txt"]


def test_an_instance_is_registered_under_any_scheme(tmp_path):
    recordfs.register_file_system("mystore", FsspecFileSystem(DirFileSystem(str(tmp_path), LocalFileSystem())))
    try:
        (tmp_path / "bucket").mkdir()
        file_system = recordfs.get_file_system("mystore://bucket/file")
        write(file_system, "mystore://bucket/file", b"data")
        assert (tmp_path / "bucket/file").read_bytes() == b"data"
        assert file_system.get_matching_paths("mystore://*/f*") == ["mystore://bucket/file"]
    finally:
        recordfs.unregister_file_system("mystore")
    with pytest.raises(InvalidArgumentError, match="colour"):
        FsspecFileSystem(LocalFileSystem(), colour="red")


# The contract


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


def test_writing_and_reading(store):
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


def test_directories_and_listings(store):
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


def test_missing_paths(store):
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


def test_renames_and_copies(store):
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


# Failures


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


# Processes and threads


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
