"""One event file of a log directory, as far as it is known.

What an index covers is a *section*: it costs one read of the tail, and one ranged read a tag when a curve is asked for.
What no index covers is *scanned*: read from front to back, once, and from then on only what is new. What was scanned
becomes a section too, whose index is kept on the local disk, so that memory stays bounded and the next start finds it.
Until a file has been scanned to its end it is *partial*: *pieces* of it, at the head and the tail at first, and between
them when a curve is asked for, give its tags, its newest values and coarse curves.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, NamedTuple

from recordfs._core import crc32c
from recordfs.errors import AbortedError, DataLossError, NotFoundError, RecordFSError
from recordfs.events.index import TAIL_SIZE, EventIndex
from recordfs.events.points import Points, Start
from recordfs.events.stored_index import FINGERPRINT_BYTES, StoredIndex
from recordfs.tensorboard.parts import (
    HEAD_SIZE,
    NOTHING,
    Part,
    Piece,
    TagKey,
    key_of,
    kind_of,
    merge_entries,
    new_scanner,
    part_of,
    read_piece,
    sample_places,
)
from recordfs.tensorboard.sections import Section, read_section_beside

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from recordfs._core import EventScanner
    from recordfs.events.index import TagEntry
    from recordfs.events.run_files import EventFile
    from recordfs.filesystem import FileStatistics, FileSystem, RandomAccessFile
    from recordfs.tensorboard.sections import SectionStore

__all__ = ["LogFile", "TagKey"]

_log = logging.getLogger("recordfs")

CHUNK = 4 << 20
"""Bytes a read of what is scanned."""

SMALL = 64 << 10
"""A file without an index that has at most so many bytes is read whole when it is looked at."""

SECTION_SIZE = 32 << 20
"""Bytes of events that are scanned become a section when they are so many; in memory they take about as much."""

WORTH_KEEPING = 256 << 10
"""Bytes of events that are kept on the disk as soon as a scan reaches the end of the file."""

MOST_PIECES = 12
"""Pieces of a file that is partial; each look at one that grows adds its new tail."""

MOST_SCANS = 3
"""So often a file is scanned again whose sections were removed from the disk. It is shown by pieces then."""


class _Known(NamedTuple):
    """What is known of a file. It is replaced, never changed, so that readers need no lock.

    Attributes:
        statistics: The version that it is about.
        sections: What indexes cover, from the beginning of the file on.
        live: The events after the sections that were scanned.
        scanned_to: Every byte before this one is in a section or was scanned.
        pieces: What else is known, of bytes from ``scanned_to`` on.
        has_samples: Whether pieces between head and tail have been read.
    """

    statistics: FileStatistics | None
    sections: tuple[Section, ...]
    live: Part
    scanned_to: int
    pieces: tuple[Piece, ...]
    has_samples: bool

    @property
    def parts(self) -> list[Part]:
        """What is not in sections, in the order of the file."""
        return [self.live, *(piece.part for piece in self.pieces if piece.begin >= self.scanned_to)]

    @property
    def live_order(self) -> int:
        """The order of what comes after the sections."""
        return self.sections[-1].next_order if self.sections else 0


class LogFile:
    """What is known of one event file. Safe to use from many threads.

    Args:
        file_system: Where it is.
        found: The file as the listing showed it.
        number: A number that no other file of the catalog has.
        sections: Where sections of it are kept that were scanned.

    Attributes:
        run: The run that it belongs to.
        path: Its full path.
        number: As given.
        has_stored_index: Whether the listing shows an index beside it.
        looks: Grows by one whenever more is known of it.
    """

    def __init__(self, file_system: FileSystem, found: EventFile, number: int, sections: SectionStore) -> None:
        self.run = found.run
        self.path = found.path
        self.number = number
        self.has_stored_index = found.has_stored_index
        self.looks = 0
        self._file_system = file_system
        self._store = sections
        self._known = _Known(None, (), NOTHING, 0, (), False)
        self._entries: tuple[_Known | None, list[TagEntry]] = (None, [])
        self._index_damage: str | None = None
        self._losses: str | None = None
        self._uses_index = True
        self._scans_left = MOST_SCANS
        # One thread at a time reads the file for what is new in it. Nobody waits for it: who finds it taken goes on.
        # The rest is that thread's. The scanner has been fed the bytes from the end of the sections to ``_fed_to``;
        # ``_before`` are the last bytes before ``_boundary``, where the first record stands that it has not whole.
        self._turn = threading.Lock()
        self._scanner: EventScanner | None = None
        self._fed_to = 0
        self._boundary = 0
        self._before = b""

    @property
    def damage(self) -> str | None:
        """What is wrong with it; None if nothing is, as far as it has been read."""
        return self._index_damage or self._losses

    @property
    def first_wall_time(self) -> float | None:
        """The time of its first event, in seconds since 1970."""
        known = self._known
        if known.sections:
            return known.sections[0].event_index.first_wall_time
        return next((part.first_wall_time for part in known.parts if part.first_wall_time is not None), None)

    @property
    def is_partial(self) -> bool:
        """Whether some of its events have not been looked at."""
        known = self._known
        return known.statistics is None or known.scanned_to < known.statistics.length

    @property
    def can_be_scanned(self) -> bool:
        """Whether it has been looked at, and some of its events have not."""
        return self._known.statistics is not None and self.is_partial and self._scans_left > 0

    @property
    def was_scanned_before(self) -> bool:
        """Whether what was read of it was removed from the disk: it is read again if somebody looks at it."""
        return self._scans_left < MOST_SCANS

    @property
    def held_bytes(self) -> int:
        """How many bytes of events it holds in memory as columns; about as much memory."""
        known = self._known
        if self._scanner is None:
            return 0
        return max(0, self._boundary - (known.sections[-1].end if known.sections else 0))

    def entries(self) -> list[TagEntry]:
        """Return what is known of each series, in the order in which they first appeared."""
        known = self._known
        if self._entries[0] is known:
            return self._entries[1]
        if len(known.sections) == 1 and not any(part.entries for part in known.parts):
            # Nearly all files of a bucket; of 1,000 with 200 tags each a merge would be a good part of a list.
            entries = [entry for entry in known.sections[0].event_index.tags if entry.point_count]
            self._entries = (known, entries)
            return entries
        merged: dict[TagKey, TagEntry] = {}
        for section in known.sections:
            merge_entries(merged, (found for found in section.entries() if found[1].point_count))
        for part in known.parts:
            merge_entries(merged, part.entries.items())
        entries = list(merged.values())
        self._entries = (known, entries)
        return entries

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
        statistics = known.statistics
        if statistics is None or not self.is_partial or not self._turn.acquire(blocking=False):
            return False
        try:
            if self._known is known and not self._scan(statistics, until=known.scanned_to + CHUNK):
                self._open(statistics, goes_on=False)
            self._keep_what_ended()
        finally:
            self._turn.release()
        return self._known is not known

    def settle(self) -> None:
        """Move what was scanned from memory to the disk."""
        if self._turn.acquire(blocking=False):
            try:
                self._settle()
            finally:
                self._turn.release()

    def points(self, keys: Iterable[TagKey]) -> tuple[dict[TagKey, Points], list[Start]]:
        """Return the points of some series, and where the job started; one ranged read a section gets them all.

        Raises:
            AbortedError: The file was replaced; the next listing says by what.
            DataLossError: The index is damaged.
            Otherwise as reading does.
        """
        if self.is_partial and not self._known.has_samples:
            try:
                self._take_samples()
            except RecordFSError as error:
                _log.warning("%s: no more than its head and its tail is known now: %s", self.path, error)
        known = self._known
        wanted = list(keys)
        found: dict[TagKey, list[Points]] = {}
        starts: list[Start] = []
        for section in known.sections:
            try:
                read = section.points(wanted)
            except (DataLossError, NotFoundError) as error:
                if not self._lose(section, known, error):
                    raise
                return self.points(wanted)
            starts += section.starts()
            for key, points in read.items():
                found.setdefault(key, []).append(points)
        # The live part's order has the sections in it; pieces come after it one by one.
        for number, part in enumerate(known.parts):
            order = 0 if number == 0 else known.live_order + (number << 32)
            for key in wanted:
                if key in part.points:
                    found.setdefault(key, []).append(part.points[key].moved(order))
            starts += [start._replace(order=start.order + order) for start in part.starts]
        return {key: Points.joined(parts, kind_of(key)) for key, parts in found.items()}, starts

    def known_points(self, keys: Iterable[TagKey]) -> dict[TagKey, Points]:
        """Return the points of some series that are in memory; of a scalar the newest at least. Reads nothing."""
        known = self._known
        entries = {key_of(entry): entry for entry in self.entries()}
        found = {}
        for key in keys:
            parts = [part.points[key] for part in known.parts if key in part.points]
            if parts:
                moved = [part.moved(number << 32) for number, part in enumerate(parts)]
                found[key] = Points.joined(moved, kind_of(key))
            elif key in entries and entries[key].is_scalar:
                found[key] = Points.of_one(entries[key].last_step, entries[key].last_wall_time, entries[key].last_value)
        return found

    def read(self, places: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the payloads of records, or their first bytes, by ``(offset of the record, length in bytes)``.

        Raises:
            AbortedError: The file was replaced.
        """
        with self._open_newest() as file:
            return file.read_ranges([(offset + 12, length) for offset, length in places])

    # What reads for more. Only the thread whose turn it is calls these.

    def _lose(self, section: Section, known: _Known, error: Exception) -> bool:
        """Go on without a section whose index is damaged or gone; return whether that could be done now."""
        if known.statistics is None or not self._turn.acquire(blocking=False):
            return False
        try:
            if self._known is not known:
                return True
            if section.is_own:
                self._uses_index = False
                self._index_damage = f"its index is damaged ({error}); its events are read instead"
            else:
                self._store.drop(self.path, section.begin)
                self.has_stored_index = False
                self._scans_left -= 1
            self._open(known.statistics, goes_on=False)
        finally:
            self._turn.release()
        return True

    def _open_file(self, statistics: FileStatistics) -> RandomAccessFile:
        """Open the version that is known; a file that grew since begins with the same bytes."""
        if statistics.version is not None and self._file_system.capabilities(self.path).detects_replacement:
            return self._file_system.new_pinned_random_access_file(self.path, statistics)
        return self._file_system.new_random_access_file(self.path)

    def _open_newest(self) -> RandomAccessFile:
        statistics = self._known.statistics
        assert statistics is not None
        return self._open_file(statistics)

    def _open(self, statistics: FileStatistics, *, goes_on: bool) -> None:
        """Read the tail, and of a file without an index the head.

        Args:
            statistics: The version to read.
            goes_on: Whether it is what is known made longer, so that what was scanned need not be scanned again.
        """
        if goes_on and self._known.scanned_to > 0 and self._open_once(statistics, goes_on=True):
            return
        if self._uses_index:
            self._index_damage = None
        if not self._open_once(statistics, goes_on=False):
            raise AbortedError("the file was replaced while it was looked at", path=self.path)

    def _open_once(self, statistics: FileStatistics, *, goes_on: bool) -> bool:
        """Do what ``_open`` says; return False if what is known turns out to be of another file."""
        size = statistics.length
        tail_offset = max(0, size - TAIL_SIZE)
        with self._open_file(statistics) as file:
            [tail] = file.read_ranges([(tail_offset, size - tail_offset)])
            if len(tail) < size - tail_offset:
                raise AbortedError("the file became shorter while it was looked at", path=self.path)
            index = self._read_index(file, tail, size) if self._uses_index else None
            if goes_on and not self._has_index(index):
                return False
            if goes_on:
                known = self._known._replace(statistics=statistics)
            else:
                known = self._begin_anew(file, statistics, index, (tail_offset, tail))
                if known.scanned_to == size:
                    self._know(known)
                    return True
            pieces = [piece for piece in known.pieces if known.scanned_to <= piece.begin < piece.end <= tail_offset]
            if known.scanned_to >= tail_offset or (not pieces and tail_offset - known.scanned_to <= SMALL):
                return self._feed(known._replace(pieces=()), file, size, (tail_offset, tail))
            del pieces[MOST_PIECES - 2 :]
            indexes = [section.event_index for section in known.sections]
            if not known.scanned_to and not pieces:
                [head] = file.read_ranges([(0, HEAD_SIZE)])
                pieces.append(read_piece(0, head, indexes, ()))
        seen = [entry for part in (known.live, *(piece.part for piece in pieces)) for entry in part.entries.values()]
        pieces.append(read_piece(tail_offset, tail, indexes, seen))
        self._know(known._replace(pieces=tuple(pieces)))
        return True

    def _has_index(self, index: EventIndex | None) -> bool:
        """Tell whether an index that was found is the one that is known."""
        own = next((section for section in self._known.sections if section.is_own), None)
        if index is None or own is None:
            return index is None and own is None
        return index.place.record_end == own.end

    def _begin_anew(
        self, file: RandomAccessFile, statistics: FileStatistics, index: EventIndex | None, tail: tuple[int, bytes]
    ) -> _Known:
        """Begin with the sections that the file has or that are kept of it."""
        sections: tuple[Section, ...] = ()
        if index is not None:
            end = index.place.record_end
            own = Section(0, end, 0, index, self._open_newest, lambda offset: offset, is_own=True)
            sections = (own,)
            before = tail[1][max(0, end - tail[0] - FINGERPRINT_BYTES) : max(0, end - tail[0])]
        else:
            sections, before = self._kept_sections(file, statistics.length, tail)
        end = sections[-1].end if sections else 0
        self._scanner, self._fed_to, self._boundary, self._before = None, end, end, before
        self._losses = None
        return _Known(statistics, sections, NOTHING, end, (), False)

    def _kept_sections(
        self, file: RandomAccessFile, size: int, tail: tuple[int, bytes]
    ) -> tuple[tuple[Section, ...], bytes]:
        """Return the sections that are kept on this disk or beside the file, and the last bytes that they cover."""
        kept: list[tuple[Section, int]] = []
        begin, order = 0, 0
        while (found := self._store.find(self.path, begin, order)) is not None and found[0].end <= size:
            kept.append(found)
            begin, order = found[0].end, found[0].next_order
        candidates = [kept] if kept else []
        if self.has_stored_index and begin < size:
            beside = read_section_beside(self._file_system, self.path)
            if beside is not None and begin < beside[0].end <= size:
                candidates.insert(0, [beside])
        for sections in candidates:
            section, fingerprint = sections[-1]
            first = max(0, section.end - FINGERPRINT_BYTES)
            if first >= tail[0]:
                before = tail[1][first - tail[0] : section.end - tail[0]]
            else:
                [before] = file.read_ranges([(first, section.end - first)])
            if len(before) == section.end - first and crc32c(before) == fingerprint:
                return tuple(one for one, _ in sections), before
        return (), b""

    def _read_index(self, file: RandomAccessFile, tail: bytes, size: int) -> EventIndex | None:
        """Return the index; None if there is none, or it is damaged: the events tell the same."""
        try:
            found = EventIndex.from_tail(tail, size)
            if found is not None and not isinstance(found, EventIndex):
                [block] = file.read_ranges([(found.rows_offset, found.directory_end - found.rows_offset)])
                found = EventIndex(block, found)
        except DataLossError as error:
            self._index_damage = f"its index is damaged ({error.message}); its events are read instead"
            return None
        # One that has no columns of some events before it is of no use here.
        return None if found is None or found.unindexed else found

    def _scan(self, statistics: FileStatistics, *, until: int) -> bool:
        """Read on from where the events are known, to the end of the file or to a byte.

        The bytes before that are read once more: a file that was written anew is not the old one made longer.

        Returns:
            False if it is another file, of which nothing is known then.
        """
        end = min(statistics.length, until)
        pieces = self._known.pieces
        if pieces and end > pieces[-1].begin:
            end = statistics.length  # what the newest piece tells is not to be missing for a moment
        with self._open_file(statistics) as file:
            return self._feed(self._known._replace(statistics=statistics), file, end, (0, b""))

    def _feed(self, known: _Known, file: RandomAccessFile, end: int, known_bytes: tuple[int, bytes]) -> bool:
        """Feed the scanner up to an offset, with bytes that are known already or that are read; False as ``_scan``."""
        if self._scanner is None:
            self._scanner = new_scanner(self._boundary, [section.event_index for section in known.sections])
            self._fed_to = self._boundary
        begin = self._boundary - len(self._before)
        if begin >= known_bytes[0] and known_bytes[1]:
            data = known_bytes[1][begin - known_bytes[0] : end - known_bytes[0]]
        else:
            upto = known_bytes[0] if known_bytes[1] else end
            [data] = file.read_ranges([(begin, upto - begin)])
            data += known_bytes[1]
        if not data.startswith(self._before):
            return False
        self._scanner.feed(data[self._fed_to - begin :])
        self._fed_to = max(self._fed_to, begin + len(data))
        self._boundary = self._scanner.offset
        self._before = data[max(0, self._boundary - begin - FINGERPRINT_BYTES) : self._boundary - begin]
        self._know(known._replace(live=part_of(self._scanner, known.live_order), scanned_to=self._fed_to))
        if self._scanner.loss_count:
            self._losses = f"{self._scanner.loss_count} places from byte {self._scanner.losses[0][0]} on give no event"
        if self.held_bytes >= SECTION_SIZE:
            self._settle()
        return True

    def _keep_what_ended(self) -> None:
        """Keep what was scanned for the next start, now that the end of the file was reached."""
        if not self.is_partial and self.held_bytes >= (SMALL if self._known.sections else WORTH_KEEPING):
            self._settle()

    def _settle(self) -> None:
        known, scanner = self._known, self._scanner
        record = None if scanner is None else scanner.encode_index()
        if scanner is None or record is None:
            return
        begin = known.sections[-1].end if known.sections else 0
        stored = StoredIndex(self._boundary, crc32c(self._before), record)
        section = self._store.put(self.path, begin, known.live_order, stored, is_sound=not scanner.loss_count)
        if section is not None:
            self._scanner = None
            self._know(known._replace(sections=(*known.sections, section), live=NOTHING))

    def _take_samples(self) -> None:
        """Read pieces of what has not been scanned, for coarse curves; somebody else may be at work on better ones."""
        if not self._turn.acquire(blocking=False):
            return
        try:
            known = self._known
            if known.statistics is None or known.has_samples or not known.pieces:
                return
            begin = max(known.scanned_to, HEAD_SIZE)
            places = sample_places(begin, known.pieces[-1].begin, known.statistics.length)
            indexes = [section.event_index for section in known.sections]
            seen = [entry for part in known.parts for entry in part.entries.values()]
            with self._open_file(known.statistics) as file:
                blocks = file.read_ranges(places, max_gap=0) if places else []
            pieces = [read_piece(offset, data, indexes, seen) for (offset, _), data in zip(places, blocks, strict=True)]
            merged = sorted((*known.pieces, *pieces), key=lambda piece: piece.begin)
            self._know(known._replace(pieces=tuple(merged), has_samples=True))
        finally:
            self._turn.release()

    def _know(self, known: _Known) -> None:
        self._known = known
        self.looks += 1
