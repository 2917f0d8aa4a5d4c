"""A filesystem over anything that keeps values under keys: five methods to write, the contract follows from them.

Most stores that people own (a table in a database, a cache, a service with GET and PUT) know no directories and no
open files, only whole values. ``KeyValueFileSystem`` makes a filesystem of them; what such a store can do better is
overridden like any other method of the contract.
"""

from __future__ import annotations

import abc
import io
from typing import TYPE_CHECKING

from recordfs.errors import (
    AlreadyExistsError,
    DirectoryNotEmptyError,
    InternalError,
    IsADirectoryError,
    NotADirectoryError,
    NotFoundError,
)
from recordfs.filesystem.file_system import FileSystem
from recordfs.filesystem.types import LEAST_CAPABILITIES, Capabilities, DirectoryEntry, FileStatistics
from recordfs.filesystems._key_value_files import (
    ValueReader,
    ValueWriter,
    checked_value,
    find,
    key_of,
    store_errors,
)
from recordfs.paths import dirname

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import IO

    from recordfs.filesystem.files import RandomAccessFile, WritableFile

__all__ = ["KeyValueFileSystem"]

_CAPABILITIES = LEAST_CAPABILITIES._replace(
    directories="implicit",
    atomic_write=True,  # a value is set as a whole
    modification_time=True,
)


def _check_key(key: object, prefix: str, path: str) -> None:
    """Raise unless a key is one that was asked for: others would make a directory of every path."""
    if not isinstance(key, str) or not key.startswith(prefix):
        raise InternalError(f"list_values gave the key {key!r}; asked for those of {prefix!r}", path=path)


class KeyValueFileSystem(FileSystem):
    """A filesystem whose files are values under keys. The key of ``scheme://a/b/c`` is ``a/b/c``.

    A path is a file if its key is there, else a directory if keys begin with it and a slash; ``create_dir`` writes an
    empty value under the path and a slash. The root is always there. A file is collected while it is written, and
    ``close`` stores it with one ``write_value``, so that readers see all of it or the old one.

    All methods may be called from several threads, and after a fork. What they raise reaches the user as an error of
    recordfs that names the path: a LookupError (KeyError, IndexError) says that the key is missing, an OSError is
    taken by its errno, and anything else is an UnknownError. A method without a "Raises" of its own raises as
    FileSystem's.
    """

    # What a store writes.

    @abc.abstractmethod
    def find_value(self, key: str) -> tuple[int, int] | None:
        """Return ``(length in bytes, time of modification in nanoseconds or 0)``, or None if the key is missing."""

    @abc.abstractmethod
    def read_value(self, key: str, offset: int, length: int) -> bytes:
        """Return ``length`` bytes from ``offset``, which the value has unless somebody replaced it meanwhile."""

    @abc.abstractmethod
    def write_value(self, key: str, data: IO[bytes], length: int) -> None:
        """Store ``length`` bytes, which ``data.read()`` gives, under a new or taken key: all of them or nothing."""

    @abc.abstractmethod
    def delete_value(self, key: str) -> None:
        """Delete a key; nothing happens if it is missing."""

    @abc.abstractmethod
    def list_values(self, prefix: str) -> Iterable[tuple[str, int, int]]:
        """Return ``(key, length, time)`` of every key that begins with ``prefix``, in any order.

        Whether a directory is there is asked by taking the first: an iterator need not fetch the rest.
        """

    # The contract.

    def capabilities(self, path: str) -> Capabilities:
        """Return what follows from the five methods; extend it with ``super().capabilities(path)._replace(...)``."""
        return _CAPABILITIES

    def new_random_access_file(self, path: str) -> RandomAccessFile:
        """Open a file for reading, with the size that it has now."""
        statistics = self.stat(path)
        if statistics.is_directory:
            raise IsADirectoryError("a directory cannot be read", path=path)
        return ValueReader(self, path, statistics.length)

    def new_writable_file(self, path: str, *, exclusive: bool = False, atomic: bool = False) -> WritableFile:
        """Collect a new file, which replaces an old one when it is closed."""
        if exclusive:
            raise self._unimplemented("promise that a new file has one maker (exclusive=True)", path)
        standing = find(self, path)
        if standing is None:
            if key_of(path).endswith("/") or self.is_directory(path):
                raise IsADirectoryError("a directory cannot be written as a file", path=path)
            self._check_above(path)
        return ValueWriter(self, path, standing, atomic=atomic)

    def stat(self, path: str) -> FileStatistics:
        """Return size, time and kind."""
        value = find(self, path)
        if value is not None:
            return FileStatistics(*value, False)
        if not key_of(path) or self._has_keys_below(path):
            return FileStatistics(0, 0, True)
        self._check_above(path)
        raise NotFoundError("there is no such file or directory", path=path)

    def list_directory(self, path: str) -> Iterator[DirectoryEntry]:
        """Iterate over a directory's children; every key below it is looked at."""
        return iter([entry for entry in self._children(path) if not entry.only_in_trees])

    def tree_lister(self, top: str) -> Callable[[str], Iterable[DirectoryEntry]]:
        """Return what lists a tree with every key in it, whatever its name."""
        return self._children

    def series_lister(self, directories: Sequence[str]) -> Callable[[str], Iterable[DirectoryEntry]]:
        """Return what lists directories with every key in them, whatever its name."""
        return self._children

    def _children(self, path: str) -> list[DirectoryEntry]:
        """Return what ``tree_lister`` shows of a directory."""
        if not self.stat(path).is_directory:
            raise NotADirectoryError("a file has no children", path=path)
        prefix = _prefix_of(path)
        files: dict[str, DirectoryEntry] = {}
        directories: set[str] = set()
        with store_errors(path):
            for key, *told in self.list_values(prefix):
                _check_key(key, prefix, path)
                length, mtime_nsec = checked_value(told, f"list_values, of the key {key!r},", path)
                name, slash, _ = key[len(prefix) :].partition("/")
                if slash:
                    directories.add(name)
                elif name or length:  # an empty value under the directory's own key only marks it
                    files[name] = DirectoryEntry(name, False, length, mtime_nsec)
        return [
            *files.values(),
            *(DirectoryEntry(f"{name}/" if name and name in files else name, True) for name in sorted(directories)),
        ]

    def create_dir(self, path: str) -> None:
        """Write an empty value that stands for a directory."""
        if self.file_exists(path):
            raise AlreadyExistsError("a file or directory is there already", path=path)
        self._check_above(path)
        with store_errors(path), io.BytesIO() as empty:
            self.write_value(_prefix_of(path), empty, 0)
        if not self._has_keys_below(path):
            raise InternalError(
                f"an empty value was stored without an error under {_prefix_of(path)!r}, and is not listed: does "
                "write_value look at the answer?",
                path=path,
            )

    def delete_file(self, path: str) -> None:
        """Delete a file."""
        standing = self.stat(path)
        if standing.is_directory:
            raise IsADirectoryError("a directory cannot be deleted as a file", path=path)
        with store_errors(path):
            self.delete_value(key_of(path))
        if find(self, path) == (standing.length, standing.mtime_nsec):  # a newer one is another writer's
            raise _still_there(path)

    def delete_dir(self, path: str) -> None:
        """Delete the value that stands for an empty directory."""
        for _ in self.list_directory(path):
            raise DirectoryNotEmptyError("the directory is not empty", path=path)
        marker = _prefix_of(path)
        if marker:
            with store_errors(path):
                self.delete_value(marker)
                if any(key == marker for key, *_ in self.list_values(marker)):
                    raise _still_there(path)

    def rename_file(self, source: str, target: str, *, overwrite: bool = True) -> None:
        """Copy a file and delete it; both are there for a moment."""
        is_directory = self.stat(source).is_directory
        if not overwrite and self.file_exists(target):
            raise AlreadyExistsError("the target exists and overwrite is False", path=target)
        if key_of(source) == key_of(target):
            return
        if is_directory:
            raise self._unimplemented("rename directories", source)
        if self.is_directory(target):
            raise IsADirectoryError("a file cannot replace a directory", path=target)
        self.copy_file(source, target)
        self.delete_file(source)

    def _check_above(self, path: str) -> None:
        """Raise NotADirectoryError if the nearest thing above a missing path is a file."""
        parent = dirname(path.rstrip("/"))
        while key_of(parent):
            if find(self, parent) is not None:
                raise NotADirectoryError(f"{parent} is a file", path=path)
            if self._has_keys_below(parent) or dirname(parent) == parent:
                return
            parent = dirname(parent)

    def _has_keys_below(self, path: str) -> bool:
        with store_errors(path):
            prefix = _prefix_of(path)
            for key, *_ in self.list_values(prefix):
                _check_key(key, prefix, path)
                return True
            return False


def _still_there(path: str) -> InternalError:
    """Return the error of a store that did not delete, as where a client looks at no answer."""
    return InternalError(
        "the value was deleted without an error, and is still there: does delete_value look at the answer?", path=path
    )


def _prefix_of(path: str) -> str:
    """Return what the keys in a directory begin with: nothing in the root."""
    key = key_of(path)
    return key if not key or key.endswith("/") else key + "/"
