"""What a RecordReader reads: paths, patterns and file objects, opened one after the other."""

from __future__ import annotations

import operator
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from recordfs.errors import AbortedError, InvalidArgumentError, NotFoundError
from recordfs.file_objects import BorrowedReader, FileObjectReader, SupportsReadInto, is_file_object, name_of
from recordfs.paths import has_wildcards, path_to_str
from recordfs.records.followed_file import FollowedFile
from recordfs.records.opening_ahead import FilesAhead
from recordfs.redaction import redact
from recordfs.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from recordfs.file_objects import SupportsRead
    from recordfs.filesystem import FileSystem, RandomAccessFile
    from recordfs.paths import PathInput

    OneSource = PathInput | RandomAccessFile | SupportsRead
    Source = OneSource | Iterable[OneSource]

__all__ = ["Position", "Sources", "expand_sources"]

MAX_OFFSET = 2**63 - 1
"""No file reaches further: sizes and offsets are signed 64-bit numbers everywhere."""


class Position(NamedTuple):
    """A place between two records, to resume at: ``RecordReader(source, start=position)``.

    Attributes:
        path: The file, as the reader names it.
        offset: Where a record begins in it, in bytes of the uncompressed stream.
    """

    path: str
    offset: int

    def __repr__(self) -> str:
        return f"Position(path={redact(self.path)!r}, offset={self.offset})"


class _Source(NamedTuple):
    """One file to read: on a filesystem, or an object that is open already."""

    path: str
    file_system: FileSystem | None
    file: RandomAccessFile | None


def expand_sources(
    source: Any, *, file_system: FileSystem | None = None, options: Mapping[str, Any] | None = None
) -> list[_Source]:
    """Return the files that a source stands for, in the order in which they are read.

    Raises:
        NotFoundError: A pattern matches nothing.
        InvalidArgumentError: There is no source at all.
        TypeError: It is neither a path nor readable nor an iterable of such.
    """
    if isinstance(source, SupportsReadInto):
        return [_Source(name_of(source), None, BorrowedReader(source))]
    if is_file_object(source, "readinto") or is_file_object(source, "read"):
        return [_Source(name_of(source), None, FileObjectReader(source))]
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
        follow: Whether the last source is waited for when it ends, and watched for being replaced.
        on_replaced: ``"raise"`` that, or ``"restart"`` with what stands at its path then.

    Raises:
        InvalidArgumentError: ``start`` is negative, beyond what a file can have, or names a path that is not among the
            sources; ``on_replaced`` is neither; or the last source is to be opened again and has no path.
    """

    def __init__(
        self,
        sources: list[_Source],
        compression: str,
        start: Position | int | None,
        *,
        follow: bool = False,
        on_replaced: str = "raise",
    ) -> None:
        if on_replaced not in ("raise", "restart"):
            raise InvalidArgumentError(f'on_replaced is "raise" or "restart", found {on_replaced!r}')
        if follow and on_replaced == "restart" and sources[-1].file_system is None:
            raise InvalidArgumentError(
                'on_replaced="restart" opens the last source again, so that has to be a path', path=sources[-1].path
            )
        self._sources = sources
        self._compression = compression
        self._next, self._start = self._find_start(start)
        self._opened: Any = None
        self._follow = follow
        self._on_replaced = on_replaced
        self._followed: FollowedFile | None = None
        self._files = FilesAhead(self._open_file, self._may_open_ahead, len(sources))

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
        if not 0 <= offset <= MAX_OFFSET:
            raise InvalidArgumentError(
                f"start has to be at least 0 and at most {MAX_OFFSET}, found {offset}", path=self.path_of(index)
            )
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

    def open_again(self) -> tuple[Any, str, str, int, int] | None:
        """Begin again with the last source after it was replaced; wait for it where it was deleted.

        Returns:
            As ``open_next``, or None if that is not wanted or it was not replaced.
        """
        if self._on_replaced != "restart" or self._followed is None or not self._followed.replaced:
            return None
        index = len(self._sources) - 1
        path, file_system, _ = self._sources[index]
        assert file_system is not None
        self._followed = FollowedFile(path, file_system, may_be_missing=True)
        return self._followed, path, self._compression, 0, index

    def check_ending(self) -> None:
        """Raise what leaves open whether a followed file has more, when the time to wait for it is over."""
        if self._followed is None:
            return
        try:
            self._followed.check_ending()
        except AbortedError:
            if self._on_replaced == "raise":
                raise

    def close(self) -> None:
        """Close what is open and was never asked for."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened[0].close()
        self._files.close()

    def _open(self) -> tuple[Any, str, str, int, int] | None:
        if self._next >= len(self._sources):
            return None
        index = self._next
        opened = self._files.open(index, self._start)
        start, self._start = self._start, 0
        self._next += 1
        return opened, self._sources[index].path, self._compression, start, index

    def _open_file(self, index: int) -> Any:
        path, file_system, file = self._sources[index]
        if file_system is None:
            return file
        if self._is_followed(index):
            self._followed = FollowedFile(path, file_system)
            return self._followed
        return file_system.new_random_access_file(path)

    def _is_followed(self, index: int) -> bool:
        return self._follow and index == len(self._sources) - 1

    def _may_open_ahead(self, index: int) -> bool:
        """Tell whether a source may be opened before its turn; what is open already is the caller's."""
        return self._sources[index].file_system is not None and not self._is_followed(index)
