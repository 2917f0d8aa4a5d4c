"""Stretches of an event file that an index has the columns of: its own index, or one that is kept elsewhere.

Of a section only the directory of its index is in memory. A curve is read from where the index is, by ranges.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
import weakref
from typing import TYPE_CHECKING, NamedTuple

from recordfs.errors import DataLossError, NotFoundError, RecordFSError
from recordfs.events.cache import ColumnCache
from recordfs.events.index import EventIndex
from recordfs.events.stored_index import IndexInFile, stored_index_path
from recordfs.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from recordfs.events.points import Points, Start
    from recordfs.events.stored_index import StoredIndex
    from recordfs.events.tag_sets import TagKey
    from recordfs.filesystem import FileSystem, RandomAccessFile

__all__ = ["Section", "SectionStore", "read_own_index", "read_section_beside"]


class Section(NamedTuple):
    """Events that follow each other in a file, by an index of them.

    Attributes:
        begin: The offset in the file of the first.
        end: The offset after the last; of a file's own index, the end of its record.
        order: Added to the order of its points, so that sections are ordered.
        event_index: What the index says.
        open_index: Opens the file that the bytes of the index are in.
        place_of: Where in that file a byte of the index is, by its offset as if it stood in the event file.
        is_own: Whether that is the event file itself.
    """

    begin: int
    end: int
    order: int
    event_index: EventIndex
    open_index: Callable[[], RandomAccessFile]
    place_of: Callable[[int], int]
    is_own: bool = False

    @property
    def next_order(self) -> int:
        """The order of what comes after it."""
        return self.order + self.event_index.order_of(-1)

    def points(self, wanted: Iterable[TagKey]) -> dict[TagKey, Points]:
        """Return the points of some series, by one ranged read.

        Raises:
            DataLossError: The index is damaged.
            Otherwise as reading does.
        """
        index = self.event_index
        ranges = [(key, index.ranges(key[1], scalars=key[0] == "scalar")) for key in wanted]
        missing = index.missing_rows
        flat = [*missing, *(one for _, several in ranges for one in several)]
        if not flat:
            return {}
        with self.open_index() as file:
            blocks = file.read_ranges([(self.place_of(offset), length) for offset, length in flat])
        index.add_rows(missing, blocks[: len(missing)])
        rest = iter(blocks[len(missing) :])
        found = {}
        for key, several in ranges:
            points = index.points(key[1], [next(rest) for _ in several], scalars=key[0] == "scalar")
            if points is not None and several:
                found[key] = points.moved(self.order)
        return found

    def starts(self) -> list[Start]:
        """Return where the job started, as far as rows are known."""
        return [start._replace(order=start.order + self.order) for start in self.event_index.starts()]


def _section_in(found: IndexInFile, begin: int, order: int, open_index: Callable[[], RandomAccessFile]) -> Section:
    return Section(
        begin,
        found.covered,
        order,
        found.event_index,
        open_index,
        lambda offset: IndexInFile.place_of(found.covered, offset),
    )


def read_own_index(file: RandomAccessFile, tail: bytes, size: int) -> EventIndex | None:
    """Return the index inside an event file; None if there is none, or it lacks columns of events before it.

    Args:
        file: The file.
        tail: Its last bytes, up to ``TAIL_SIZE``.
        size: Its size.

    Raises:
        DataLossError: It is damaged.
        Otherwise as reading does.
    """
    found = EventIndex.from_tail(tail, size)
    if found is not None and not isinstance(found, EventIndex):
        [block] = file.read_ranges([(found.rows_offset, found.directory_end - found.rows_offset)])
        found = EventIndex(block, found)
    return None if found is None or found.unindexed else found


def read_section_beside(file_system: FileSystem, path: str) -> tuple[Section, int] | None:
    """Return the section that the index beside an event file gives, with its fingerprint; None if there is none.

    Raises:
        As reading does.
    """

    def open_index() -> RandomAccessFile:
        return file_system.new_random_access_file(stored_index_path(path))

    try:
        with open_index() as file:
            found = IndexInFile.read(file, file.size())
    except (NotFoundError, DataLossError):
        return None
    return _section_in(found, 0, 0, open_index), found.fingerprint


class SectionStore:
    """Keeps sections on the local disk, those of sound files for the next start too. Safe to use from many threads.

    Args:
        cache: Where sections of sound files go.
    """

    def __init__(self, cache: ColumnCache | None = None) -> None:
        self._cache = ColumnCache() if cache is None else cache
        self._scratch: ColumnCache | None = None
        self._lock = threading.Lock()

    def put(self, path: str, begin: int, order: int, stored: StoredIndex, *, is_sound: bool) -> Section | None:
        """Keep a section; return it, or None where that cannot be done.

        Args:
            path: The event file.
            begin: Where the section begins.
            order: As in Section.
            stored: Its index.
            is_sound: Whether every byte of it gave an event. What is wrong with a file is told at each start, so
                a section of a damaged one is kept until this process ends only.
        """
        index = stored.event_index()
        if index is None:
            return None
        caches = [self._cache] if is_sound else []
        for cache in (*caches, self._scratch_cache()):
            if cache is not None and cache.put_section(path, begin, stored):
                found = IndexInFile(stored.covered, stored.fingerprint, index)
                return _section_in(found, begin, order, _opener(cache.section_path(path, begin)))
        return None

    def find(self, path: str, begin: int, order: int) -> tuple[Section, int] | None:
        """Return the section of a file that begins at an offset, with its fingerprint; None if none is kept."""
        open_index = _opener(self._cache.section_path(path, begin))
        try:
            with open_index() as file:
                found = IndexInFile.read(file, file.size())
        except RecordFSError:
            return None
        return (_section_in(found, begin, order, open_index), found.fingerprint) if found.covered > begin else None

    def find_all(self, path: str, size: int) -> list[tuple[Section, int]]:
        """Return the sections that are kept of a file of a size, each with its fingerprint, from its beginning on."""
        kept: list[tuple[Section, int]] = []
        begin, order = 0, 0
        while (found := self.find(path, begin, order)) is not None and found[0].end <= size:
            kept.append(found)
            begin, order = found[0].end, found[0].next_order
        return kept

    def drop(self, path: str, begin: int) -> None:
        """Forget a section that could not be read."""
        for cache in filter(None, (self._cache, self._scratch)):
            with contextlib.suppress(OSError):
                os.unlink(cache.section_path(path, begin))

    def _scratch_cache(self) -> ColumnCache | None:
        with self._lock:
            if self._scratch is None:
                with contextlib.suppress(OSError):
                    directory = tempfile.mkdtemp(prefix="recordfs-tensorboard-")
                    weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
                    self._scratch = ColumnCache(directory, self._cache.max_bytes)
            return self._scratch


def _opener(path: str) -> Callable[[], RandomAccessFile]:
    file_system, name = resolve(path)
    return lambda: file_system.new_random_access_file(name)
