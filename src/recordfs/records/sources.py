"""What a RecordReader reads: paths, patterns and file objects, opened one after the other."""

from __future__ import annotations

import operator
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from recordfs.errors import InvalidArgumentError, NotFoundError
from recordfs.paths import has_wildcards, path_to_str
from recordfs.records.raw_file import BorrowedFile, ReadableFile, is_file_object, name_of
from recordfs.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from recordfs.filesystem import FileSystem, RandomAccessFile
    from recordfs.paths import PathInput
    from recordfs.records.raw_file import SupportsRead

    OneSource = PathInput | RandomAccessFile | SupportsRead
    Source = OneSource | Iterable[OneSource]

__all__ = ["Position", "Sources", "expand_sources"]


class Position(NamedTuple):
    """A place between two records, to resume at: ``RecordReader(source, start=position)``.

    Attributes:
        path: The file, as the reader names it.
        offset: Where a record begins in it, in bytes of the uncompressed stream.
    """

    path: str
    offset: int


class _Source(NamedTuple):
    """One file to read: on a filesystem, or an object that is open already."""

    path: str
    file_system: FileSystem | None
    file: RandomAccessFile | BorrowedFile | ReadableFile | None


def expand_sources(
    source: Any, *, file_system: FileSystem | None = None, options: Mapping[str, Any] | None = None
) -> list[_Source]:
    """Return the files that a source stands for, in the order in which they are read.

    Raises:
        NotFoundError: A pattern matches nothing.
        InvalidArgumentError: There is no source at all.
        TypeError: It is neither a path nor readable nor an iterable of such.
    """
    if hasattr(source, "read_into"):
        return [_Source(name_of(source), None, BorrowedFile(source))]
    if is_file_object(source, "readinto") or is_file_object(source, "read"):
        return [_Source(name_of(source), None, ReadableFile(source))]
    if isinstance(source, (str, bytes, os.PathLike)):
        return _expand_path(source, file_system, options)
    try:
        items: Iterable[Any] = iter(source)
    except TypeError:
        raise TypeError(
            f"a source is a path, a pattern, a readable file object or a list of these, found {type(source).__name__}"
        ) from None
    found = [one for item in items for one in expand_sources(item, file_system=file_system, options=options)]
    if not found:
        raise InvalidArgumentError("the list of sources is empty; reading nothing is perhaps not what was meant")
    return found


def _expand_path(
    path: str | bytes | os.PathLike[Any], file_system: FileSystem | None, options: Mapping[str, Any] | None
) -> list[_Source]:
    store, name = resolve(path, file_system=file_system, options=options)
    # PathLike and bytes name a file exactly; a str may be a pattern, unless something has that very name.
    if isinstance(path, str) and has_wildcards(name) and not store.file_exists(name):
        matches = store.get_matching_paths(name)
        if not matches:
            raise NotFoundError("no file matches this pattern", path=name)
        return [_Source(match, store, None) for match in sorted(matches)]
    return [_Source(name, store, None)]


class Sources:
    """Opens sources one after the other for the native reader, which closes them.

    Args:
        sources: What ``expand_sources`` returned.
        compression: A name that the native reader knows, or ``"auto"``.
        start: Where to start: in the first source, or in the one that a Position names.

    Raises:
        InvalidArgumentError: ``start`` is negative or names a path that is not among the sources.
    """

    def __init__(self, sources: list[_Source], compression: str, start: Position | int | None) -> None:
        self._sources = sources
        self._compression = compression
        self._next, self._start = self._find_start(start)
        self._opened: Any = None

    def _find_start(self, start: Position | int | None) -> tuple[int, int]:
        if start is None:
            return 0, 0
        if not isinstance(start, tuple):
            index, offset = 0, operator.index(start)
        else:
            path, offset = path_to_str(start[0]), operator.index(start[1])
            matching = [index for index, source in enumerate(self._sources) if source.path == path]
            if not matching:
                raise InvalidArgumentError("the position to start at is in none of the sources", path=path)
            index = matching[0]
        if offset < 0:
            raise InvalidArgumentError(f"start has to be at least 0, found {offset}", path=self.path_of(index))
        return index, offset

    def path_of(self, index: int) -> str:
        """Return the name of a source."""
        return self._sources[min(index, len(self._sources) - 1)].path

    @property
    def start(self) -> tuple[int, int]:
        """The source that is opened next, and the offset to start at in it."""
        return self._next, self._start

    def open_first(self) -> None:
        """Open the first source already, so that whoever makes the reader gets the error if it is missing."""
        self._opened = self._open()

    def is_last(self) -> bool:
        """Tell whether ``open_next`` would return None."""
        return self._opened is None and self._next >= len(self._sources)

    def open_next(self) -> tuple[Any, str, str, int, int] | None:
        """Open the next source.

        Returns:
            ``(file, path, compression, start, index)``, or None after the last one.

        Raises:
            As ``FileSystem.new_random_access_file``. The next call tries the same source again.
        """
        opened, self._opened = self._opened, None
        return opened if opened is not None else self._open()

    def close(self) -> None:
        """Close a source that is open and was never asked for."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened[0].close()

    def _open(self) -> tuple[Any, str, str, int, int] | None:
        if self._next >= len(self._sources):
            return None
        index = self._next
        path, file_system, file = self._sources[index]
        opened = file if file_system is None else file_system.new_random_access_file(path)
        start, self._start = self._start, 0
        self._next += 1
        return opened, path, self._compression, start, index
