"""A filesystem over anything that keeps values under keys: five methods to write, the contract follows from them.

Most stores that people own (a table in a database, a cache, a service with GET and PUT) know no directories and no
open files, only whole values. ``KeyValueFileSystem`` makes a filesystem of them; what such a store can do better is
overridden like any other method of the contract.
"""

from __future__ import annotations

import abc
import contextlib
import operator
import tempfile
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

from recordfs.errors import (
    AbortedError,
    AlreadyExistsError,
    DataLossError,
    DirectoryNotEmptyError,
    InternalError,
    IsADirectoryError,
    NotADirectoryError,
    NotFoundError,
    RecordFSError,
    UnknownError,
    error_from_os_error,
)
from recordfs.filesystem.file_system import FileSystem
from recordfs.filesystem.files import RandomAccessFile, WritableFile
from recordfs.filesystem.types import LEAST_CAPABILITIES, Capabilities, DirectoryEntry, FileStatistics
from recordfs.filesystem.unclosed_writers import forget, keep_until_closed
from recordfs.paths import dirname, parse_path
from recordfs.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import IO, Self

    from typing_extensions import Buffer

__all__ = ["KeyValueFileSystem"]

_CAPABILITIES = LEAST_CAPABILITIES._replace(
    directories="implicit",
    atomic_write=True,  # a value is set as a whole
    modification_time=True,
)

_COMPARED = 65536
"""Bytes at the end of a value that are read back where nothing else tells an old value from the new one."""

_KEPT_IN_MEMORY = 8 << 20
"""What a writer holds beyond this many bytes goes to a temporary file."""


class _Value(NamedTuple):
    """What ``find_value`` tells."""

    length: int
    mtime_nsec: int


def _checked_value(told: object, method: str, path: str) -> _Value:
    """Return what a store tells of a value, unless it can be no value's: in a database it may be NULL."""
    try:
        value = _Value(*map(operator.index, told))  # type: ignore[call-overload]  # that is what is tried
    except TypeError:
        value = None
    if value is None or value.length < 0:
        raise InternalError(
            f"{method} told of {told!r}; expected the length, at least 0, and the time in nanoseconds, both as int",
            path=path,
        )
    return value


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
    taken by its errno, and anything else is an UnknownError.
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
        return _ValueReader(self, path, statistics.length)

    def new_writable_file(self, path: str, *, exclusive: bool = False, atomic: bool = False) -> WritableFile:
        """Collect a new file, which replaces an old one when it is closed."""
        if exclusive:
            raise self._unimplemented("promise that a new file has one maker (exclusive=True)", path)
        standing = self._find(path)
        if standing is None:
            if _key_of(path).endswith("/") or self.is_directory(path):
                raise IsADirectoryError("a directory cannot be written as a file", path=path)
            self._check_above(path)
        return _ValueWriter(self, path, standing, atomic=atomic)

    def stat(self, path: str) -> FileStatistics:
        """Return size, time and kind."""
        value = self._find(path)
        if value is not None:
            return FileStatistics(*value, False)
        if not _key_of(path) or self._has_keys_below(path):
            return FileStatistics(0, 0, True)
        self._check_above(path)
        raise NotFoundError("there is no such file or directory", path=path)

    def list_directory(self, path: str) -> Iterator[DirectoryEntry]:
        """Iterate over a directory's children; every key below it is looked at."""
        return iter([entry for entry in self._children(path) if not entry.only_in_trees])

    def tree_lister(self, top: str) -> Callable[[str], Iterable[DirectoryEntry]]:
        """Return what lists a tree with every key in it, whatever its name."""
        return self._children

    def _children(self, path: str) -> list[DirectoryEntry]:
        """Return what ``tree_lister`` shows of a directory."""
        if not self.stat(path).is_directory:
            raise NotADirectoryError("a file has no children", path=path)
        prefix = _prefix_of(path)
        files: dict[str, DirectoryEntry] = {}
        directories: set[str] = set()
        with _errors(path):
            for key, *told in self.list_values(prefix):
                _check_key(key, prefix, path)
                length, mtime_nsec = _checked_value(told, f"list_values, of the key {key!r},", path)
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
        with _errors(path), tempfile.SpooledTemporaryFile(max_size=1) as empty:
            self.write_value(_prefix_of(path), empty, 0)

    def delete_file(self, path: str) -> None:
        """Delete a file."""
        if self.stat(path).is_directory:
            raise IsADirectoryError("a directory cannot be deleted as a file", path=path)
        with _errors(path):
            self.delete_value(_key_of(path))

    def delete_dir(self, path: str) -> None:
        """Delete the value that stands for an empty directory."""
        for _ in self.list_directory(path):
            raise DirectoryNotEmptyError("the directory is not empty", path=path)
        if _key_of(path):
            with _errors(path):
                self.delete_value(_prefix_of(path))

    def rename_file(self, source: str, target: str, *, overwrite: bool = True) -> None:
        """Copy a file and delete it; both are there for a moment."""
        is_directory = self.stat(source).is_directory
        if not overwrite and self.file_exists(target):
            raise AlreadyExistsError("the target exists and overwrite is False", path=target)
        if _key_of(source) == _key_of(target):
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
        while _key_of(parent):
            if self._find(parent) is not None:
                raise NotADirectoryError(f"{parent} is a file", path=path)
            if self._has_keys_below(parent) or dirname(parent) == parent:
                return
            parent = dirname(parent)

    def _find(self, path: str) -> _Value | None:
        key = _key_of(path)
        if not key or key.endswith("/"):
            return None
        with _errors(path):
            found = self.find_value(key)
        return None if found is None else _checked_value(found, "find_value", path)

    def _has_keys_below(self, path: str) -> bool:
        with _errors(path):
            prefix = _prefix_of(path)
            for key, *_ in self.list_values(prefix):
                _check_key(key, prefix, path)
                return True
            return False


def _key_of(path: str) -> str:
    """Return what stands after ``scheme://``."""
    parsed = parse_path(path)
    return parsed.authority + parsed.path


def _prefix_of(path: str) -> str:
    """Return what the keys in a directory begin with: nothing in the root."""
    key = _key_of(path)
    return key if not key or key.endswith("/") else key + "/"


@contextlib.contextmanager
def _errors(path: str) -> Iterator[None]:
    """Turn what a store raises into errors of the contract."""
    try:
        yield
    except RecordFSError:
        raise
    except LookupError as error:
        raise NotFoundError("there is no such file any more", path=path) from error
    except OSError as error:
        raise error_from_os_error(error, path) from error
    except Exception as error:
        raise UnknownError(f"{type(error).__name__}: {error}", path=path) from error


class _LentFile:
    """A file that is lent to a store's client, which may close it: the writer needs it to try again."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave it open."""


class _ValueReader(RandomAccessFile):
    """A value open for reading."""

    def __init__(self, file_system: KeyValueFileSystem, name: str, size: int) -> None:
        super().__init__(name)
        self._file_system = file_system
        self._length = size

    def _read(self, offset: int, n: int) -> bytes:
        length = min(n, self._length - offset)
        if length <= 0:
            return b""
        with _errors(self._name), memoryview(self._read_value(offset, length)) as view:
            found = view.nbytes
            if found == length:
                return view.tobytes()
        told = f"read_value returned {found} of {length} bytes at {offset}"
        if found > length:
            raise InternalError(f"{told}: it is asked for a part of the value", path=self._name)
        raise AbortedError(f"{told}: the value was replaced or deleted since it was opened", path=self._name)

    def _read_value(self, offset: int, length: int) -> Buffer:
        return self._file_system.read_value(_key_of(self._name), offset, length)

    def _size(self) -> int:
        return self._length


class _ValueWriter(WritableFile):
    """A value being collected, in memory or in a temporary file."""

    def __init__(self, file_system: KeyValueFileSystem, name: str, standing: _Value | None, *, atomic: bool) -> None:
        self._file_system = file_system
        self._standing = standing
        self._was_tried = False
        self._collected = tempfile.SpooledTemporaryFile(max_size=_KEPT_IN_MEMORY)  # noqa: SIM115 (closed by _end)
        self._length = 0
        self._warned = atomic or file_system.capabilities(name).flush_visibility == "flush"
        super().__init__(name, atomic=atomic)
        keep_until_closed(self)

    def _append(self, data: memoryview) -> None:
        with _errors(self._name):
            # What an earlier failure or Ctrl-C left past the end is written over, or cut off by `close`.
            self._collected.seek(self._length)
            self._collected.write(data)
            self._length += len(data)

    def _flush(self) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"{redact(self._name)}: this filesystem shows a file to readers when it is closed; flush does nothing",
                UserWarning,
                stacklevel=3,
            )

    def _tell(self) -> int:
        return self._length

    def _close(self) -> None:
        with _errors(self._name):
            self._collected.truncate(self._length)
            self._collected.seek(0)
            key = _key_of(self._name)
            if self._was_tried:
                self._check_not_overtaken()
            self._was_tried = True
            self._file_system.write_value(key, _LentFile(self._collected), self._length)  # type: ignore[arg-type]
            self._check_stored(key)

    def _check_not_overtaken(self) -> None:
        """Raise if somebody has stored something else since a ``close`` that failed: it is newer than what is here."""
        found = self._file_system._find(self._name)
        if found is None or found == self._standing or found.length == self._length:
            return
        self._end()
        raise AbortedError(
            f"another writer has stored {found.length} bytes since this one could not be closed; its own "
            f"{self._length} are given up",
            path=self._name,
        )

    def _check_stored(self, key: str) -> None:
        """Raise if the store has not what it was given: many a client looks at no answer, and takes a refusal for done.

        One look at the key; and if that is the same as before by length and time, at the end of the value.
        """
        found = self._file_system._find(self._name)
        if found is None or found.length != self._length:
            raise DataLossError(
                f"{self._length} bytes were stored without an error, and the store has "
                f"{'nothing' if found is None else f'{found.length} bytes'} under the key: does write_value look at "
                "the answer?",
                path=self._name,
            )
        if self._length and self._standing == found:
            start = max(0, self._length - _COMPARED)
            self._collected.seek(start)
            if self._file_system.read_value(key, start, self._length - start) != self._collected.read():
                raise DataLossError("the file was stored without an error, and the old one is there", path=self._name)

    def _discard(self) -> None:
        """What was collected goes with the file."""

    def _end(self) -> None:
        super()._end()
        forget(self)
        self._collected.close()
