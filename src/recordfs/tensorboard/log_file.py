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
from typing import TYPE_CHECKING

from recordfs._core import crc32c
from recordfs.errors import AbortedError, DataLossError, RecordFSError
from recordfs.events.index import TAIL_SIZE
from recordfs.events.stored_index import FINGERPRINT_BYTES
from recordfs.redaction import redact
from recordfs.tensorboard.file_scan import FileScan
from recordfs.tensorboard.known_events import KnownEvents, SectionFailedError, TagTable
from recordfs.tensorboard.parts import HEAD_SIZE, NOTHING, read_piece, sample_places, scanners_that_know_all
from recordfs.tensorboard.sections import Section, read_own_index, read_section_beside

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from recordfs.events.index import EventIndex
    from recordfs.events.points import Points, Start
    from recordfs.events.run_files import EventFile
    from recordfs.events.tag_sets import TagKey
    from recordfs.filesystem import FileStatistics, FileSystem, RandomAccessFile
    from recordfs.tensorboard.sections import SectionStore

__all__ = ["LogFile"]

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
        self._known = KnownEvents(None, (), NOTHING, 0, (), False)
        self._table: tuple[KnownEvents, TagTable] | None = None
        self._index_damage: str | None = None
        self._losses: str | None = None
        self._uses_index = True
        self._scans_left = MOST_SCANS
        # One thread at a time reads the file for what is new in it. Nobody waits for it: who finds it taken goes on.
        # The scan is that thread's; it begins where the sections end.
        self._turn = threading.Lock()
        self._file_scan = FileScan()

    @property
    def damage(self) -> str | None:
        """What is wrong with it; None if nothing is, as far as it has been read."""
        return self._index_damage or self._losses

    @property
    def first_wall_time(self) -> float | None:
        """The time of its first event, in seconds since 1970."""
        return self._known.first_wall_time

    @property
    def is_partial(self) -> bool:
        """Whether some of its events have not been looked at."""
        return self._known.is_partial

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
        return self._file_scan.held_bytes

    def tag_table(self) -> TagTable:
        """Return what is known of each series."""
        known, table = self._known, self._table
        if table is None or table[0] is not known:
            table = self._table = (known, known.tag_table())
        return table[1]

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
                _log.warning(redact(f"{self.path}: no more than its head and its tail is known now: {error}"))
        wanted = list(keys)
        while True:
            known = self._known
            try:
                return known.points(wanted)
            except SectionFailedError as failed:
                if not self._lose(failed.section, known, failed.cause):
                    raise failed.cause from None

    def known_points(self, keys: Iterable[TagKey]) -> dict[TagKey, Points]:
        """Return the points of some series that are in memory; of a scalar the newest at least. Reads nothing."""
        return self._known.points_in_memory(list(keys), self.tag_table())

    def read(self, places: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the payloads of records, or their first bytes, by ``(offset of the record, length in bytes)``.

        Raises:
            AbortedError: The file was replaced.
        """
        with self._open_newest() as file:
            return file.read_ranges([(offset + 12, length) for offset, length in places])

    # What reads for more. Only the thread whose turn it is calls these.

    def _lose(self, section: Section, known: KnownEvents, error: Exception) -> bool:
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
        seen = scanners_that_know_all(known.live, pieces)
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
    ) -> KnownEvents:
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
        self._file_scan = FileScan(end, before)
        self._losses = None
        return KnownEvents(statistics, sections, NOTHING, end, (), False)

    def _kept_sections(
        self, file: RandomAccessFile, size: int, tail: tuple[int, bytes]
    ) -> tuple[tuple[Section, ...], bytes]:
        """Return the sections that are kept on this disk or beside the file, and the last bytes that they cover."""
        kept = self._store.find_all(self.path, size)
        begin = kept[-1][0].end if kept else 0
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
            return read_own_index(file, tail, size)
        except DataLossError as error:
            self._index_damage = f"its index is damaged ({error.message}); its events are read instead"
            return None

    def _scan(self, statistics: FileStatistics, *, until: int) -> bool:
        """Read on from where the events are known, to the end of the file or to a byte.

        The bytes before that are read once more: a file that was rewritten is not the old one made longer.

        Returns:
            False if it is another file, of which nothing is known then.
        """
        end = min(statistics.length, until)
        pieces = self._known.pieces
        if pieces and end > pieces[-1].begin:
            end = statistics.length  # what the newest piece tells is not to be missing for a moment
        with self._open_file(statistics) as file:
            return self._feed(self._known._replace(statistics=statistics), file, end, (0, b""))

    def _feed(self, known: KnownEvents, file: RandomAccessFile, end: int, known_bytes: tuple[int, bytes]) -> bool:
        """Feed the scanner up to an offset, with bytes that are known already or that are read; False as ``_scan``."""
        scan = self._file_scan
        if not scan.feed([section.event_index for section in known.sections], file, end, known_bytes):
            return False
        self._know(known._replace(live=scan.part(known.live_order), scanned_to=scan.position))
        self._losses = scan.losses() or self._losses
        if self.held_bytes >= SECTION_SIZE:
            self._settle()
        return True

    def _keep_what_ended(self) -> None:
        """Keep what was scanned for the next start, now that the end of the file was reached."""
        if not self.is_partial and self.held_bytes >= (SMALL if self._known.sections else WORTH_KEEPING):
            self._settle()

    def _settle(self) -> None:
        known, scan = self._known, self._file_scan
        stored = scan.index()
        if stored is None:
            return
        section = self._store.put(self.path, known.covered, known.live_order, stored, is_sound=scan.is_sound)
        if section is not None:
            self._file_scan = scan.after_index()
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
            seen = scanners_that_know_all(known.live, known.pieces)
            with self._open_file(known.statistics) as file:
                # One after another: many files are read at once, and a store's threads for parallel ranges are few.
                blocks = [file.read(offset, length) for offset, length in places]
            pieces = [read_piece(offset, data, indexes, seen) for (offset, _), data in zip(places, blocks, strict=True)]
            merged = sorted((*known.pieces, *pieces), key=lambda piece: piece.begin)
            self._know(known._replace(pieces=tuple(merged), has_samples=True))
        finally:
            self._turn.release()

    def _know(self, known: KnownEvents) -> None:
        self._known = known
        self.looks += 1
