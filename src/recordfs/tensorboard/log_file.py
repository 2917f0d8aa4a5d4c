"""One event file of a log directory, as far as it is known.

A file is known in three ways. What an index covers costs one read of the tail, and one ranged read a tag when a curve
is asked for. What stands after the index, or all of a file without one, is *scanned*: read from front to back, once,
and from then on only what is new. Until that has happened, the head and the tail of such a part give its tags, its
first and its newest values: the file is *coarse*.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from recordfs._core import EventScanner
from recordfs.errors import AbortedError, DataLossError
from recordfs.events.file_columns import scanned_tags
from recordfs.events.index import TAIL_SIZE, EventIndex
from recordfs.events.points import Points, Start, native_points

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from recordfs.events.index import TagEntry
    from recordfs.events.run_files import EventFile
    from recordfs.filesystem import FileStatistics, FileSystem, RandomAccessFile

__all__ = ["LogFile", "TagKey"]

TagKey: TypeAlias = tuple[str, str]
"""What tells the series of a file apart: ``"scalar"`` or the kind of its values, and the tag."""

CHUNK = 4 << 20
"""Bytes a read of a part that is scanned."""

HEAD_SIZE = 16 << 10
"""So many of the first bytes of a file hold each tag of a steady training loop, with its metadata."""


COMPARED = 4 << 10
"""So many of the bytes that were read last are compared when a file has grown."""


class _Part(NamedTuple):
    """Events that were read one by one: the series in them, and where the job started among them."""

    entries: dict[TagKey, TagEntry]
    points: dict[TagKey, Points]
    starts: list[Start]
    first_wall_time: float | None


class _Known(NamedTuple):
    """What is known of a file. It is replaced, never changed, so that readers need no lock.

    Attributes:
        statistics: The version that it is about.
        event_index: What the file's index says, if it has one.
        scanned_to: Every event before this byte is in the index or in ``part``.
        part: What the index does not cover.
    """

    statistics: FileStatistics | None
    event_index: EventIndex | None
    scanned_to: int
    part: _Part


_NOTHING = _Part({}, {}, [], None)


def key_of(entry: TagEntry) -> TagKey:
    """Return the key of a series."""
    return ("scalar" if entry.is_scalar else entry.kind, entry.tag)


class LogFile:
    """What is known of one event file. Safe to use from many threads.

    Args:
        file_system: Where it is.
        found: The file as the listing showed it.
        number: A number that no other file of the catalog has.

    Attributes:
        run: The run that it belongs to.
        path: Its full path.
        number: As given.
        damage: What is wrong with its index; None if nothing is. Its events are read instead.
        loss_count: How many places of what was scanned gave no event.
        looks: Grows by one whenever more is known of it.
    """

    def __init__(self, file_system: FileSystem, found: EventFile, number: int) -> None:
        self.run = found.run
        self.path = found.path
        self.number = number
        self._file_system = file_system
        self._known = _Known(None, None, 0, _NOTHING)
        # One thread at a time reads the file for what is new in it. Nobody waits for it: who finds it taken goes on.
        self._turn = threading.Lock()
        self._scanner: EventScanner | None = None
        # The last bytes before ``scanned_to``, as far as they are known.
        self._before = b""
        self.damage: str | None = None
        self._uses_index = True
        self.loss_count = 0
        self.looks = 0

    @property
    def first_wall_time(self) -> float | None:
        """The time of its first event, in seconds since 1970."""
        known = self._known
        return known.part.first_wall_time if known.event_index is None else known.event_index.first_wall_time

    @property
    def is_partial(self) -> bool:
        """Whether some of its events have not been looked at."""
        known = self._known
        return known.statistics is None or known.scanned_to < known.statistics.length

    def entries(self) -> list[TagEntry]:
        """Return what is known of each series, in the order in which they first appeared."""
        known = self._known
        merged = {key_of(entry): entry for entry in known.event_index.tags} if known.event_index is not None else {}
        for key, entry in known.part.entries.items():
            before = merged.get(key)
            if before is not None:
                entry = entry._replace(
                    metadata=before.metadata or entry.metadata,
                    point_count=before.point_count + entry.point_count,
                    max_step=max(before.max_step, entry.max_step),
                    max_wall_time=max(before.max_wall_time, entry.max_wall_time),
                )
            merged[key] = entry
        return list(merged.values())

    @property
    def can_be_scanned(self) -> bool:
        """Whether it has been looked at, and some of its events have not."""
        return self._known.statistics is not None and self.is_partial

    def statistics(self) -> FileStatistics:
        """Ask for its size and version."""
        return self._file_system.stat(self.path)

    def needs(self, statistics: FileStatistics) -> bool:
        """Tell whether a listing shows another version than the one that is known."""
        known = self._known.statistics
        return known is None or (known.length, known.version, known.mtime_nsec) != (
            statistics.length,
            statistics.version,
            statistics.mtime_nsec,
        )

    def look(self, statistics: FileStatistics) -> None:
        """Take note of a new version: by its tail, and head, or by the bytes that are new.

        Raises:
            Whatever reading raises; what was known stays.
        """
        if not self._turn.acquire(blocking=False):
            return
        try:
            known = self._known
            grew = known.statistics is not None and known.statistics.length <= statistics.length
            if grew and not self.is_partial and statistics.length - known.scanned_to <= CHUNK:
                if not self._scan(statistics, until=statistics.length):
                    self._open(statistics, goes_on=False)
            else:
                self._open(statistics, goes_on=grew)
        finally:
            self._turn.release()

    def scan(self) -> bool:
        """Read on in what has not been looked at, at most one chunk of it; return whether that was done."""
        known = self._known
        if known.statistics is None or not self.is_partial or not self._turn.acquire(blocking=False):
            return False
        try:
            if self._known is known and not self._scan(known.statistics, until=known.scanned_to + CHUNK):
                self._open(known.statistics, goes_on=False)
        finally:
            self._turn.release()
        return self._known is not known

    def points(self, keys: Iterable[TagKey]) -> tuple[dict[TagKey, Points], list[Start]]:
        """Return the points of some series, and where the job started; one ranged read gets them all.

        Raises:
            AbortedError: The file was replaced; the next listing says by what.
            DataLossError: The index is damaged.
            Otherwise as reading does.
        """
        known = self._known
        wanted = list(keys)
        found: dict[TagKey, list[Points]] = {}
        starts: list[Start] = []
        index = known.event_index
        if index is not None and known.statistics is not None:
            try:
                found = self._indexed_points(index, known.statistics, wanted)
            except DataLossError as error:
                if not self._distrust_index(known, error):
                    raise
                return self.points(wanted)
            starts += index.starts()
        for key in wanted:
            if key in known.part.points:
                found.setdefault(key, []).append(known.part.points[key])
        starts += known.part.starts
        return {key: Points.joined(parts, _kind(key)) for key, parts in found.items()}, starts

    def read(self, places: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the payloads of records by ``(offset of the record, length of the payload)``.

        Raises:
            AbortedError: The file was replaced.
        """
        statistics = self._known.statistics
        assert statistics is not None
        with self._open_file(statistics) as file:
            return file.read_ranges([(offset + 12, length) for offset, length in places])

    def _distrust_index(self, known: _Known, error: DataLossError) -> bool:
        """Go on without the index, of which a part is damaged; return whether that could be done now."""
        if known.statistics is None or not self._turn.acquire(blocking=False):
            return False
        try:
            self._uses_index = False
            self.damage = f"its index is damaged ({error.message}); its events are read instead"
            self._open(known.statistics, goes_on=False)
        finally:
            self._turn.release()
        return True

    def _indexed_points(
        self, index: EventIndex, statistics: FileStatistics, wanted: list[TagKey]
    ) -> dict[TagKey, list[Points]]:
        ranges = [index.ranges(tag, scalars=family == "scalar") for family, tag in wanted]
        missing = index.missing_rows
        flat = [*missing, *(one for several in ranges for one in several)]
        if not flat:
            return {}
        with self._open_file(statistics) as file:
            blocks = file.read_ranges(flat)
        index.add_rows(missing, blocks[: len(missing)])
        rest = iter(blocks[len(missing) :])
        found: dict[TagKey, list[Points]] = {}
        for key, several in zip(wanted, ranges, strict=True):
            points = index.points(key[1], [next(rest) for _ in several], scalars=key[0] == "scalar")
            if points is not None and several:
                found[key] = [points]
        return found

    def _open_file(self, statistics: FileStatistics) -> RandomAccessFile:
        """Open the version that is known; a file that grew since begins with the same bytes."""
        if statistics.version is not None and self._file_system.capabilities(self.path).detects_replacement:
            return self._file_system.new_pinned_random_access_file(self.path, statistics)
        return self._file_system.new_random_access_file(self.path)

    def _open(self, statistics: FileStatistics, *, goes_on: bool) -> None:
        """Read the tail, and of a file without an index the head.

        Args:
            statistics: The version to read.
            goes_on: Whether it is what is known made longer, so that what was scanned need not be scanned again.
        """
        size = statistics.length
        tail_offset = max(0, size - TAIL_SIZE)
        with self._open_file(statistics) as file:
            [tail] = file.read_ranges([(tail_offset, size - tail_offset)])
            if len(tail) < size - tail_offset:
                raise AbortedError("the file became shorter while it was looked at", path=self.path)
            index = self._read_index(file, tail, size) if self._uses_index else None
            begin = 0 if index is None else index.place.record_end
            head = b""
            if index is None and tail_offset:
                [head] = file.read_ranges([(0, min(HEAD_SIZE, tail_offset))])
        known = self._known
        if begin >= tail_offset:
            self._scanner = self._new_scanner(begin, index)
            self._scanner.feed(tail[begin - tail_offset :])
            self._before = tail[-COMPARED:]
            self._know(statistics, index, size, self._part_of(self._scanner, index, begin))
            return
        if not goes_on or known.scanned_to <= begin or begin != _end_of(known.event_index):
            self._scanner, self._before = self._new_scanner(begin, index), b""
        else:
            begin, index = known.scanned_to, known.event_index
        pieces = [(0, head)] if head else []
        pieces.append((tail_offset, tail))
        self._know(statistics, index, begin, self._coarse_part(pieces, index))

    def _read_index(self, file: RandomAccessFile, tail: bytes, size: int) -> EventIndex | None:
        """Return the index; None if there is none, or it is damaged: the events tell the same."""
        try:
            found = EventIndex.from_tail(tail, size)
            if found is None or isinstance(found, EventIndex):
                return self._only_whole(found)
            [block] = file.read_ranges([(found.rows_offset, found.directory_end - found.rows_offset)])
            return self._only_whole(EventIndex(block, found))
        except DataLossError as error:
            self.damage = f"its index is damaged ({error.message}); its events are read instead"
            return None

    def _only_whole(self, index: EventIndex | None) -> EventIndex | None:
        """Return an index that has columns of everything before it; another one is of no use here."""
        return None if index is None or index.unindexed else index

    def _scan(self, statistics: FileStatistics, *, until: int) -> bool:
        """Read on from where the events are known, to the end of the file or to a byte.

        The bytes before that are read once more: a file that was written anew is not the old one made longer.

        Returns:
            False if it is another file, of which nothing is known then.
        """
        known = self._known
        scanner = self._scanner
        if scanner is None:
            scanner = self._scanner = self._new_scanner(known.scanned_to, known.event_index)
        end = min(statistics.length, until)
        begin = known.scanned_to - len(self._before)
        with self._open_file(statistics) as file:
            [data] = file.read_ranges([(begin, end - begin)])
        if not data.startswith(self._before):
            return False
        data, self._before = data[len(self._before) :], data[-COMPARED:]
        scanner.feed(data)
        scanned_to = known.scanned_to + len(data)
        is_done = scanned_to >= statistics.length
        part = known.part
        if is_done:  # a coarse part is the better answer until then
            part = self._part_of(scanner, known.event_index, _end_of(known.event_index))
        self._know(statistics, known.event_index, scanned_to, part)
        return True

    def _new_scanner(self, offset: int, index: EventIndex | None) -> EventScanner:
        scanner = EventScanner(offset=offset)
        if index is not None:
            for number, entry in enumerate(index.tags):
                if entry.is_scalar or entry.kind == "summary":
                    scanner.introduce(entry.tag, entry.is_scalar, index.raw_metadata(number))
        return scanner

    def _part_of(self, scanner: EventScanner, index: EventIndex | None, begin: int) -> _Part:
        order = 0 if index is None else index.order_of(begin)
        entries, points = {}, {}
        for number, (entry, scalars) in enumerate(scanned_tags(scanner)):
            if not entry.point_count:
                continue
            key = key_of(entry)
            entries[key] = entry
            found = native_points(scanner.column(number), entry.kind, 0) if scalars is None else scalars
            points[key] = found.moved(order)
        starts = [Start(order + row, step) for row, step in scanner.starts()]
        self.loss_count = scanner.loss_count
        return _Part(entries, points, starts, scanner.first_wall)

    def _coarse_part(self, pieces: list[tuple[int, bytes]], index: EventIndex | None) -> _Part:
        """Return what the events in some pieces of the file tell; a record that is cut at either end is left out."""
        entries: dict[TagKey, TagEntry] = {}
        points: dict[TagKey, list[Points]] = {}
        starts: list[Start] = []
        first: float | None = None
        for number, (offset, data) in enumerate(pieces):
            scanner = self._new_scanner(offset, index)
            for key, entry in entries.items():
                if key[0] in ("scalar", "summary"):
                    scanner.introduce(entry.tag, entry.is_scalar, None)
            scanner.feed(data)
            part = self._part_of(scanner, None, 0)
            order = (number << 32) + (0 if index is None else index.order_of(index.place.record_end))
            for key, entry in part.entries.items():
                before = entries.get(key)
                entries[key] = entry if before is None else entry._replace(metadata=before.metadata or entry.metadata)
                points.setdefault(key, []).append(part.points[key].moved(order))
            starts += [start._replace(order=start.order + order) for start in part.starts]
            first = part.first_wall_time if first is None else first
        joined = {key: Points.joined(parts, _kind(key)) for key, parts in points.items()}
        self.loss_count = 0  # of pieces nobody knows
        return _Part(entries, joined, starts, first)

    def _know(self, statistics: FileStatistics, index: EventIndex | None, scanned_to: int, part: _Part) -> None:
        self._known = _Known(statistics, index, scanned_to, part)
        self.looks += 1


def _end_of(index: EventIndex | None) -> int:
    """Return where the events begin that an index does not cover."""
    return 0 if index is None else index.place.record_end


def _kind(key: TagKey) -> str:
    return "float32" if key[0] == "scalar" else key[0]
