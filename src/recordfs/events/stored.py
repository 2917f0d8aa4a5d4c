"""Indexes beside event files: made once for files that have none, found by whoever reads these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from recordfs.errors import DataLossError, NotFoundError
from recordfs.events.cache import ColumnCache
from recordfs.events.file_columns import FileColumns, ReadOptions, make_stored_index, read_file_columns, read_index
from recordfs.events.stored_index import StoredIndex, stored_index_path
from recordfs.paths import scheme_of
from recordfs.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from recordfs.filesystem import FileSystem, RandomAccessFile
    from recordfs.paths import PathInput

__all__ = ["IndexedFile", "index_file", "read_event_file", "read_event_files", "read_stored_index"]

MIN_STORED = 1 << 20
"""A file that is shorter is read as quickly as an index of it."""


class IndexedFile(NamedTuple):
    """What ``index_file`` did.

    Attributes:
        outcome: ``"indexed"``; ``"has an index"``, in itself or beside it; ``"empty"``; or ``"damaged"``: no index was
            made, because it would hide the damage.
        index_bytes: The size of the index that was made.
        covered_bytes: How many bytes of the file it covers.
    """

    outcome: Literal["indexed", "has an index", "empty", "damaged"]
    index_bytes: int = 0
    covered_bytes: int = 0


def index_file(
    path: PathInput, *, file_system: FileSystem | None = None, options: Mapping[str, Any] | None = None
) -> IndexedFile:
    """Write an index beside an event file that has none.

    Raises:
        As reading the file and writing beside it.
    """
    file_system, name = resolve(path, file_system=file_system, options=options)
    with file_system.new_random_access_file(name) as file:
        size = file.size()
        try:
            own = read_index(file, size)
        except DataLossError:
            own = None
        stored = read_stored_index(file_system, file, name)
        if (own is not None and not own.unindexed) or (stored is not None and stored.covered == size):
            return IndexedFile("has an index")
        index, scanner = make_stored_index(file)
    if index is None:
        return IndexedFile("damaged" if scanner.loss_count else "empty")
    content = index.encode()
    with file_system.new_writable_file(
        stored_index_path(name), atomic=file_system.capabilities(name).atomic_write
    ) as target:
        target.append(content)
    return IndexedFile("indexed", len(content), index.covered)


def read_event_file(
    file_system: FileSystem, path: str, options: ReadOptions, cache: ColumnCache | Literal["remote"] | None
) -> FileColumns:
    """Read the columns of an event file; from an index that is kept elsewhere, if it has none.

    Raises:
        As ``recordfs.events.columns``.
    """
    kept = cache if isinstance(cache, ColumnCache) else ColumnCache() if cache and scheme_of(path) else None
    with file_system.new_random_access_file(path) as file:
        return read_file_columns(file, options, lambda: _stored_index(file_system, file, path, kept))


def read_event_files(
    file_system: FileSystem,
    paths: Iterable[str],
    options: ReadOptions,
    cache: ColumnCache | Literal["remote"] | None,
) -> tuple[list[FileColumns], list[str]]:
    """Read the columns of event files that a listing has shown.

    Returns:
        The columns of those that are there, and the paths of those that were deleted after they were listed.

    Raises:
        NotFoundError: All of them were deleted.
        Otherwise as ``read_event_file``.
    """
    read: list[FileColumns] = []
    deleted: list[str] = []
    missing: NotFoundError | None = None
    for path in paths:
        try:
            read.append(read_event_file(file_system, path, options, cache))
        except NotFoundError as error:
            if file_system.file_exists(path):
                raise
            missing = error
            deleted.append(path)
    if missing is not None and not read:
        raise missing
    return read, deleted


def _stored_index(
    file_system: FileSystem, file: RandomAccessFile, path: str, cache: ColumnCache | None
) -> StoredIndex | None:
    """Find the index of a file beside it or in the cache; make one for the cache, if the file is worth it."""
    statistics = file_system.stat(path)
    if statistics.length < MIN_STORED:
        return None
    if cache is not None and (index := cache.get(path, statistics)) is not None:
        return index
    if (index := read_stored_index(file_system, file, path)) is not None:
        return index
    if cache is not None:
        index, _ = make_stored_index(file)
        # A file that grew meanwhile is another by the time that it is asked for again.
        if index is not None and index.covered <= statistics.length:
            cache.put(path, statistics, index)
    return index


def read_stored_index(file_system: FileSystem, file: RandomAccessFile, path: str) -> StoredIndex | None:
    """Read the index that stands beside an event file; None if there is none, or if it is of other bytes."""
    try:
        with file_system.new_random_access_file(stored_index_path(path)) as stored:
            index = StoredIndex.decode(stored.read(0, stored.size()))
    except (NotFoundError, DataLossError):
        return None
    return index if index.is_of(file) else None
