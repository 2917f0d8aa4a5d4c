"""``ram://``: files in the memory of this process, shared by everything in it that names them.

The tree of ``ram://``, which is there as long as the process; the part after the scheme up to the next slash is a
directory like any other. Parents are made with the files in them and go with the last one (``directories="implicit"``),
as in object stores; only ``create_dir`` makes a directory that stays.
"""

from __future__ import annotations

import itertools
import operator
import os
import threading
import time
from typing import TYPE_CHECKING

from recordfs.errors import (
    AlreadyExistsError,
    DirectoryNotEmptyError,
    FailedPreconditionError,
    InvalidArgumentError,
    IsADirectoryError,
    NotADirectoryError,
    NotFoundError,
)
from recordfs.filesystem import Capabilities, DirectoryEntry, FileStatistics, FileSystem, RandomAccessFile
from recordfs.filesystems._buffered_writer import BufferedWritableFile
from recordfs.open_files.buffers import byte_view
from recordfs.paths import clean_path, scheme_of
from recordfs.whole_numbers import whole_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from typing_extensions import Buffer

    from recordfs.filesystem import WritableFile

__all__ = ["MemoryFileSystem"]

_CAPABILITIES = Capabilities(
    directories="implicit", durable_sync=False, memory_region=False, server_side_copy=True, versions=True
)


_versions = itertools.count(1)


class _File:
    """The bytes of one file, which live on for who has it open when its name is gone."""

    __slots__ = ("data", "mtime_nsec", "version")

    def __init__(self) -> None:
        self.data = bytearray()
        self.changed()

    def changed(self) -> None:
        """Take note of other bytes. Needs the lock, but for a file that nobody else knows yet."""
        self.mtime_nsec = time.time_ns()
        self.version = str(next(_versions))


class _Directory:
    """Children by name; ``kept`` if ``create_dir`` made it, so that it stays when they are gone."""

    __slots__ = ("children", "kept", "mtime_nsec")

    def __init__(self, *, kept: bool) -> None:
        self.children: dict[str, _File | _Directory] = {}
        self.kept = kept
        self.mtime_nsec = time.time_ns()


_root = _Directory(kept=True)

# One lock for the tree and all bytes: it guards copying memory, which the interpreter does one at a time anyway.
_lock = threading.RLock()

# A fork waits until no thread is in the middle of a change, so the child gets a whole tree and a free lock.
os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


class MemoryFileSystem(FileSystem):
    """Files in this process's memory. All instances share them; another process has its own, a forked one a copy.

    Takes no options. Open files see what others flush; who has a file open that is deleted or replaced keeps the bytes.
    ``.``, ``..`` and empty components of a path are cleaned away.
    """

    def capabilities(self, path: str) -> Capabilities:
        """Return that all works, nothing survives the process, and parents need not be made."""
        return _CAPABILITIES

    def describe(self) -> dict[str, str]:
        """Return that there are no credentials."""
        return {"credentials": "none needed: this process's memory"}

    def new_random_access_file(self, path: str) -> RandomAccessFile:
        """Open a file for reading."""
        with _lock:
            return _MemoryRandomAccessFile(path, _file_at(path))

    def new_writable_file(self, path: str, *, exclusive: bool = False, atomic: bool = False) -> WritableFile:
        """Make or replace a file; one who has the old one open goes on reading the old bytes."""
        with _lock:
            _check_can_write(path, exclusive=exclusive)
            file = _File()
            if not atomic:
                _put(path, file)
            return _MemoryWritableFile(path, file, exclusive=exclusive, atomic=atomic)

    def new_appendable_file(self, path: str) -> WritableFile:
        """Open a file for writing at its end; make it if it is missing."""
        with _lock:
            _check_can_write(path, exclusive=False)
            file = _find(_components(path), path)
            if not isinstance(file, _File):
                file = _File()
                _put(path, file)
            return _MemoryWritableFile(path, file)

    def stat(self, path: str) -> FileStatistics:
        """Return size, time and kind."""
        with _lock:
            node = _existing(path)
            if isinstance(node, _Directory):
                return FileStatistics(0, node.mtime_nsec, True)
            return FileStatistics(len(node.data), node.mtime_nsec, False, node.version)

    def list_directory(self, path: str) -> Iterator[DirectoryEntry]:
        """Iterate over a directory's children as they were at the first step."""
        with _lock:
            entries = [
                DirectoryEntry(name, True, None, child.mtime_nsec)
                if isinstance(child, _Directory)
                else DirectoryEntry(name, False, len(child.data), child.mtime_nsec, False, child.version)
                for name, child in _directory_at(path).children.items()
            ]
        yield from entries

    def create_dir(self, path: str) -> None:
        """Make one directory that stays when its last child goes."""
        with _lock:
            if _find(_components(path), path) is not None:
                raise AlreadyExistsError("a file or directory is there already", path=path)
            _put(path, _Directory(kept=True))

    def delete_file(self, path: str) -> None:
        """Delete one file; who has it open keeps the bytes."""
        with _lock:
            _file_at(path)
            _take(_components(path))

    def delete_dir(self, path: str) -> None:
        """Delete one empty directory."""
        components = _components(path)
        with _lock:
            if _directory_at(path).children:
                raise DirectoryNotEmptyError("the directory is not empty", path=path)
            if not components:
                raise FailedPreconditionError("the root cannot be deleted", path=path)
            _take(components)

    def rename_file(self, source: str, target: str, *, overwrite: bool = True) -> None:
        """Move a file or a tree in one step."""
        old, new = _components(source), _components(target)
        with _lock:
            standing = _find(new, target)
            if standing is not None and not overwrite:
                raise AlreadyExistsError("the target exists and overwrite is False", path=target)
            moved = _existing(source)
            if moved is standing:
                return
            if new[: len(old)] == old:
                raise InvalidArgumentError(f"a directory cannot be moved into itself ({target})", path=source)
            if isinstance(standing, _Directory):
                if isinstance(moved, _File):
                    raise IsADirectoryError("a file cannot replace a directory", path=target)
                if standing.children:
                    raise DirectoryNotEmptyError("the target is a directory with children", path=target)
            elif isinstance(standing, _File) and isinstance(moved, _Directory):
                raise NotADirectoryError("a directory cannot replace a file", path=target)
            # First the new name, so that an implicit parent of both does not go meanwhile.
            _put(target, moved)
            _take(old)

    def truncate_file(self, path: str, length: int) -> None:
        """Cut a file down to its first ``length`` bytes."""
        length = whole_number(length, "a length", path=path)
        with _lock:
            file = _file_at(path)
            if not 0 <= length <= len(file.data):
                raise InvalidArgumentError(f"cannot truncate {len(file.data)} bytes to {length}", path=path)
            del file.data[length:]
            file.changed()

    def copy_file(self, source: str, target: str, *, overwrite: bool = True) -> None:
        """Copy one file in one step."""
        with _lock:
            if not overwrite and _find(_components(target), target) is not None:
                raise AlreadyExistsError("the target of a copy exists and overwrite is False", path=target)
            file = _file_at(source)
            _check_can_write(target, exclusive=False)
            if _components(source) != _components(target):
                copied = _File()
                copied.data[:] = file.data
                _put(target, copied)

    def translate_name(self, path: str) -> str:
        """Return the cleaned path after the scheme, with a slash in front."""
        return "/" + "/".join(_components(path)) if path else ""

    def canonical_path(self, path: str) -> str:
        """Return the cleaned path after the scheme."""
        return "/" + "/".join(_components(path))


class _MemoryRandomAccessFile(RandomAccessFile):
    """A file in memory open for reading; sees it grow."""

    def __init__(self, name: str, file: _File) -> None:
        super().__init__(name)
        self._file: _File | None = file

    def _open_file(self) -> _File:
        """Return the file; another thread may close this reader at any moment."""
        file = self._file
        if file is None:
            self._check_open()
        assert file is not None
        return file

    def _read(self, offset: int, n: int) -> bytes:
        file = self._open_file()
        with _lock, memoryview(file.data) as whole, whole[offset : offset + n] as view:
            return bytes(view)

    def _read_into(self, offset: int, view: memoryview) -> int:
        # Every view is released under the lock: a bytearray that somebody looks at cannot grow.
        file = self._open_file()
        with _lock, memoryview(file.data) as whole, whole[offset : offset + len(view)] as found:
            view[: len(found)] = found
            return len(found)

    def _size(self) -> int:
        return len(self._open_file().data)

    def _close(self) -> None:
        self._file = None  # the bytes of a deleted file go with its last reader


class _MemoryWritableFile(BufferedWritableFile):
    """A file in memory open for writing at its end."""

    def __init__(self, name: str, file: _File, *, exclusive: bool = False, atomic: bool = False) -> None:
        super().__init__(name, written=len(file.data), atomic=atomic)
        self._file = file
        self._exclusive = exclusive
        # Where the last write began.
        self._began = 0

    def _write(self, parts: Sequence[Buffer], total: int) -> int:
        joined = parts[0] if len(parts) == 1 else b"".join(parts)
        with _lock, byte_view(joined) as view:
            self._began = len(self._file.data)
            # One call from C notes the size that another has left: no signal handler runs between the two.
            self._landed.extend(map(len, map(operator.iadd, (self._file.data,), (view,))))
            self._file.changed()
            return self._began + total

    def _undo(self, attempted: int) -> None:
        if not self._landed:
            return
        with _lock:
            size = len(self._file.data)
            if size == self._began + attempted:
                del self._file.data[self._began :]
                self._file.changed()
            elif size > self._began:
                self._break("a write was interrupted, and another writer has appended to the file meanwhile")

    def _publish(self) -> None:
        if self.atomic:
            with _lock:
                if _find(_components(self._name), self._name) is self._file:
                    return  # an earlier call was interrupted after it had published
                _check_can_write(self._name, exclusive=self._exclusive)
                _put(self._name, self._file)

    def _release(self) -> None:
        """Hold nothing: an unpublished file goes with this object."""


# The tree. Every function below needs the lock.


def _components(path: str) -> list[str]:
    """Return the names on the way from the root."""
    scheme = scheme_of(path)
    cleaned = clean_path("/" + path[len(scheme) + 3 :] if scheme else path)
    return [part for part in cleaned.split("/") if part not in ("", ".", "..")]


def _find(components: list[str], path: str) -> _File | _Directory | None:
    """Return what stands at the end of a way, or None."""
    node: _File | _Directory = _root
    for name in components:
        if isinstance(node, _File):
            raise NotADirectoryError("a part above it is a file", path=path)
        child = node.children.get(name)
        if child is None:
            return None
        node = child
    return node


def _existing(path: str) -> _File | _Directory:
    node = _find(_components(path), path)
    if node is None:
        raise NotFoundError("there is no such file or directory in memory", path=path)
    return node


def _file_at(path: str) -> _File:
    node = _existing(path)
    if isinstance(node, _Directory):
        raise IsADirectoryError("a directory stands where a file is needed", path=path)
    return node


def _directory_at(path: str) -> _Directory:
    node = _existing(path)
    if isinstance(node, _File):
        raise NotADirectoryError("a file stands where a directory is needed", path=path)
    return node


def _check_can_write(path: str, *, exclusive: bool) -> None:
    """Raise unless a file may come to stand at a path."""
    node = _find(_components(path), path)
    if node is not None and exclusive:
        raise AlreadyExistsError("a file or directory is there already", path=path)
    if isinstance(node, _Directory):
        raise IsADirectoryError("a directory stands where a file is needed", path=path)


def _put(path: str, node: _File | _Directory) -> None:
    """Place a node, with the implicit directories above it that are missing."""
    components = _components(path)
    _find(components, path)  # raises where a file is in the way, before anything is made
    directory = _root
    for name in components[:-1]:
        child = directory.children.setdefault(name, _Directory(kept=False))
        assert isinstance(child, _Directory)
        directory = child
    directory.children[components[-1]] = node
    directory.mtime_nsec = time.time_ns()


def _take(components: list[str]) -> None:
    """Remove a node that exists, and the implicit directories above it that are then empty."""
    way = [_root]
    for name in components[:-1]:
        child = way[-1].children[name]
        assert isinstance(child, _Directory)
        way.append(child)
    for directory, name in zip(reversed(way), reversed(components), strict=True):
        del directory.children[name]
        directory.mtime_nsec = time.time_ns()
        if directory.children or directory.kept:
            break
