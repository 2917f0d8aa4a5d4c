"""Stores of fsspec that list, tell or give something else than was asked for. All are in memory."""

import io
import posixpath

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from recordfs.errors import DataLossError, FailedPreconditionError, RecordFSError, UnknownError
from recordfs.filesystem import DirectoryEntry
from recordfs.filesystem_defaults.directories import delete_recursively
from recordfs.filesystems.fsspec import FsspecFileSystem
from recordfs.filesystems.wrapper import WrapperFileSystem


class ResolvingFileSystem(MemoryFileSystem):
    """A store that takes ``..`` for the directory above, as servers with a disk do; each instance has its own files."""

    cachable = False

    def __init__(self, **options):
        super().__init__(**options)
        self.store = {}
        self.pseudo_dirs = [""]
        self.listed = lambda path, rows: rows
        self.told = lambda info: info

    @classmethod
    def _strip_protocol(cls, path):
        stripped = posixpath.normpath(super()._strip_protocol(path) or "/")
        return "" if stripped == "/" else stripped

    def ls(self, path, detail=True, **options):
        return self.listed(self._strip_protocol(path), super().ls(path, detail=detail, **options))

    def info(self, path, **options):
        return self.told(super().info(path, **options))


@pytest.fixture
def resolving():
    inner = ResolvingFileSystem()
    for name in ("/t/d/a", "/t/d/e/b", "/t/precious", "/precious"):
        inner.pipe_file(name, b"0123456789")
    return inner


def row(name, kind="directory"):
    return {"name": name, "size": 0, "type": kind}


WAYS_OUT = {
    "the directory above": lambda path, rows: [*rows, row(f"{path}/..")],
    "itself": lambda path, rows: [*rows, row(f"{path}/."), row(path)],
    "another directory": lambda path, rows: [*rows, row("/t/../t")],
}


@pytest.mark.parametrize("listed", WAYS_OUT.values(), ids=WAYS_OUT.keys())
def test_a_deletion_never_leaves_its_tree_whatever_a_store_lists(resolving, listed):
    resolving.listed = listed
    file_system = FsspecFileSystem(resolving)
    try:
        file_system.delete_recursively("/t/d")
    except RecordFSError:
        assert listed is WAYS_OUT["another directory"]
    assert sorted(resolving.store) == ["/precious", "/t/precious"]


class ListsMore(WrapperFileSystem):
    """Lists a name more in every directory."""

    def __init__(self, inner, name):
        super().__init__(inner)
        self.name = name

    def capabilities(self, path):
        return super().capabilities(path)._replace(verbatim_names=False)

    def list_directory(self, path):
        yield from super().list_directory(path)
        yield DirectoryEntry(self.name, is_directory=True)

    def delete_recursively(self, path):
        delete_recursively(self, path)


@pytest.mark.parametrize("name", ["..", ".", "", "../precious", "/precious"])
def test_the_deletion_that_all_filesystems_share_follows_no_name_out_of_its_tree(resolving, name):
    file_system = ListsMore(FsspecFileSystem(resolving), name)
    with pytest.raises(FailedPreconditionError, match="leads out of the directory"):
        file_system.delete_recursively("/t/d")
    assert {"/precious", "/t/precious"} <= set(resolving.store)


LISTINGS = {
    "names only": lambda path, rows: [one["name"] for one in rows],
    "nothing": lambda path, rows: None,
    "by name": lambda path, rows: {one["name"]: one for one in rows},
    "no names": lambda path, rows: [{"type": "file", "size": 1} for _ in rows],
    "names that are none": lambda path, rows: [{**one, "name": None} for one in rows],
    "no kinds": lambda path, rows: [{"name": one["name"], "size": 1} for one in rows],
    "sizes in words": lambda path, rows: [{**one, "size": "x"} for one in rows],
}


@pytest.mark.parametrize("listed", LISTINGS.values(), ids=LISTINGS.keys())
def test_a_listing_of_another_shape_is_an_unknown_answer(resolving, listed):
    resolving.listed = listed
    with pytest.raises(UnknownError) as caught:
        FsspecFileSystem(resolving).get_children("/t/d/e")
    assert caught.value.path == "/t/d/e"


def test_a_name_that_is_listed_twice_is_one_child(resolving):
    resolving.listed = lambda path, rows: [*rows, *rows]
    assert sorted(FsspecFileSystem(resolving).get_children("/t/d")) == ["a", "e"]


@pytest.mark.parametrize("size", [-5, "10", "x", 10**30, 2.5, True])
def test_a_size_that_is_none_is_an_unknown_answer(resolving, size):
    resolving.told = lambda info: {**info, "size": size}
    file_system = FsspecFileSystem(resolving)
    for ask in (file_system.stat, file_system.new_random_access_file):
        with pytest.raises(UnknownError, match="size"):
            ask("/t/d/a")


@pytest.mark.parametrize("told", [None, [], {}, {"type": None}], ids=str)
def test_a_look_that_tells_nothing_is_an_unknown_answer(resolving, told):
    resolving.told = lambda info: told
    with pytest.raises(UnknownError):
        FsspecFileSystem(resolving).stat("/t/d/a")


@pytest.mark.parametrize("time", [float("nan"), float("inf"), 10**30, "x", []])
def test_a_time_that_is_none_is_not_told(resolving, time):
    resolving.told = lambda info: {"name": info["name"], "type": info["type"], "size": info["size"], "mtime": time}
    assert FsspecFileSystem(resolving).stat("/t/d/a").mtime_nsec == 0


READS = {
    "more": {"read": lambda self, n=-1: b"0123456789ZZ"},
    "a text": {"read": lambda self, n=-1: "x" * n},
    "a number": {"read": lambda self, n=-1: 7},
    "nothing at all": {"read": lambda self, n=-1: None},
    "from elsewhere": {"seek": lambda self, offset, whence=0: 0},
}


@pytest.mark.parametrize("lie", READS.values(), ids=READS.keys())
def test_what_was_not_asked_for_is_never_handed_out(resolving, lie):
    handle = type("Handle", (io.BytesIO,), lie)
    resolving.open = lambda path, mode="rb", **options: handle(b"0123456789")
    with FsspecFileSystem(resolving).new_random_access_file("/t/d/a") as file, pytest.raises(UnknownError):
        file.read(4, 3)


def test_a_file_that_never_ends_is_not_the_one_that_was_written(resolving):
    """Told to be as it was before, to every sign, it is read; and no longer than it has to be."""
    info = resolving.info("/t/d/a")
    resolving.told = lambda _: info
    writer = FsspecFileSystem(resolving).new_writable_file("/t/d/a")
    writer.append(b"9876543210")
    resolving.open = lambda path, mode="rb", **options: type(
        "Endless", (io.BytesIO,), {"read": lambda _, n=-1: b"x" * n}
    )()
    with pytest.raises(DataLossError, match="still has the old one"):
        writer.close()
