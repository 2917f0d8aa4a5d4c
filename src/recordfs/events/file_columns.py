"""The columns of one event file: from its index where it has one, from its events where it has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from recordfs._core import EventScanner
from recordfs.errors import DataLossError, InternalError
from recordfs.events.index import TAIL_SIZE, EventIndex, TagEntry, parse_metadata
from recordfs.events.points import Points, Start, native_points
from recordfs.events.stored_index import StoredIndex, fingerprint_of
from recordfs.events.tag_sets import SCALARS
from recordfs.records.report import Loss

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from recordfs._core import _ScannedTag
    from recordfs.filesystem import RandomAccessFile

__all__ = ["FileColumns", "read_file_columns"]

CHUNK = 1 << 20
"""Bytes a read of a file that is scanned."""


class FileColumns(NamedTuple):
    """What one event file holds.

    Attributes:
        path: The file.
        tags: Its tags in the order in which they first appeared. Of events that had to be read without an index, only
            those that were asked for.
        points: The points of the scalars that were asked for.
        starts: Where the job started.
        first_wall_time: The time of the first event; None in a file without one.
        has_file_version: Whether the file says which version of the format it has.
        losses: Bytes that gave no event.
        loss_count: How many such places there are; the first thousand are in ``losses``.
        unfinished: How many bytes of a record stand at the end that is not whole: its writer is at work, or died.
        indexed_bytes: How many bytes of the file its index covers.
    """

    path: str
    tags: list[TagEntry]
    points: dict[str, Points]
    starts: list[Start]
    first_wall_time: float | None
    has_file_version: bool
    losses: list[Loss]
    loss_count: int
    unfinished: int
    indexed_bytes: int


class ReadOptions(NamedTuple):
    """How event files are read.

    Attributes:
        tags: The tags whose points are wanted; all scalars, if None. An empty list reads no points.
        verify_checksums: Whether to check the payloads of records that are scanned.
        use_index: Whether to look for the index at all.
    """

    tags: Sequence[str] | None = None
    verify_checksums: bool = True
    use_index: bool = True

    @property
    def reads_points(self) -> bool:
        """Whether the points of any tag are wanted."""
        return self.tags is None or bool(self.tags)


class _Collection:
    """Puts together what the index gives and what scans give."""

    def __init__(self, path: str, options: ReadOptions) -> None:
        self.path = path
        self.options = options
        self.tags: dict[tuple[str, str], TagEntry] = {}
        self.parts: dict[str, list[Points]] = {}
        self.starts: list[Start] = []
        self.first_wall_time: float | None = None
        self.has_file_version = False
        self.losses: list[Loss] = []
        self.loss_count = 0
        self.unfinished = 0
        self.indexed_bytes = 0

    def wants(self, tag: str) -> bool:
        return self.options.tags is None or tag in self.options.tags

    def add_tag(self, entry: TagEntry) -> None:
        """Take what is told of a tag; of one that is known, as what came later."""
        family = "scalar" if entry.is_scalar else entry.kind
        known = self.tags.get((family, entry.tag))
        if known is not None and entry.point_count:
            entry = entry._replace(
                metadata=known.metadata or entry.metadata,
                value_kind=known.value_kind or entry.value_kind,
                kind="float64" if "float64" in (known.kind, entry.kind) else known.kind,
                point_count=known.point_count + entry.point_count,
                max_step=max(known.max_step, entry.max_step),
                max_wall_time=max(known.max_wall_time, entry.max_wall_time),
            )
        elif known is not None:
            return
        self.tags[family, entry.tag] = entry

    def lose(self, offset: int, length: int | None, reason: str) -> None:
        self.loss_count += 1
        self.losses.append(Loss(self.path, offset, length, reason))

    def result(self) -> FileColumns:
        points = {}
        for tag, parts in self.parts.items():
            ordered = sorted(parts, key=lambda part: int(part.order[0]) if len(part.order) else 0)
            points[tag] = Points.joined(ordered, "float32")
        return FileColumns(
            self.path,
            list(self.tags.values()),
            points,
            sorted(self.starts),
            self.first_wall_time,
            self.has_file_version,
            self.losses,
            self.loss_count,
            self.unfinished,
            self.indexed_bytes,
        )


def read_file_columns(
    file: RandomAccessFile, options: ReadOptions, stored: Callable[[], StoredIndex | None] | None = None
) -> FileColumns:
    """Read the columns of an event file that is open.

    Damage never ends it: what cannot be read is reported, and what stands after it is read. An index that is damaged is
    reported, and the events are read instead.

    Args:
        file: The file.
        options: What is wanted, and how.
        stored: Asked for an index of the file that stands elsewhere, if the file has none, or one without columns.

    Raises:
        MissingDependencyError: NumPy is not installed.
        Whatever reading the file raises.
    """
    collection = _Collection(file.name, options)
    # Asked once: what is written meanwhile is for the next reader.
    size = file.size()
    if options.use_index:
        try:
            own = read_index(file, size)
            is_enough = own is not None and not (own.unindexed and options.reads_points)
            found = stored() if stored is not None and not is_enough else None
            elsewhere = None if found is None else found.event_index()
            if found is not None and elsewhere is not None and size - found.covered < _scanned_bytes(own, size):
                _read_by_index(file, collection, elsewhere, found.read_ranges, (found.covered, size))
                return collection.result()
            if own is not None:
                _read_by_index(file, collection, own, file.read_ranges, (own.place.record_end, size))
                return collection.result()
        except DataLossError as error:
            collection = _Collection(file.name, options)
            collection.lose(error.offset or 0, None, f"{error.message}; its events were read instead")
    _scan(file, collection, (0, size))
    return collection.result()


def _scanned_bytes(index: EventIndex | None, size: int) -> int:
    """Return how many bytes of a file have to be scanned with its own index."""
    if index is None:
        return size
    return size - index.place.record_end + sum(end - begin for begin, end in index.unindexed)


def _read_by_index(
    file: RandomAccessFile,
    collection: _Collection,
    index: EventIndex,
    read_ranges: Callable[[list[tuple[int, int]]], list[bytes]],
    rest: tuple[int, int],
) -> None:
    """Take what an index tells, and the events that it does not cover: those in ``rest`` among them."""
    collection.indexed_bytes = rest[0]
    collection.first_wall_time = index.first_wall_time
    collection.has_file_version = index.has_file_version
    if missing := index.missing_rows:
        index.add_rows(missing, read_ranges(missing))
    collection.starts += index.starts()
    for entry in index.tags:
        collection.add_tag(entry)
    wanted = [entry.tag for entry in index.tags if entry.is_scalar and collection.wants(entry.tag)]
    ranges = [index.ranges(tag) for tag in wanted]
    blocks = iter(read_ranges([one for several in ranges for one in several]))
    for tag, several in zip(wanted, ranges, strict=True):
        points = index.points(tag, [next(blocks) for _ in several])
        if points is not None and several:
            collection.parts.setdefault(tag, []).append(points)
    if wanted:
        for part in index.unindexed:
            _scan(file, collection, part, index, is_indexed=True)
    _scan(file, collection, rest, index)


def make_stored_index(
    file: RandomAccessFile, progress: Callable[[int], object] | None = None
) -> tuple[StoredIndex | None, EventScanner]:
    """Read a whole event file and make an index of it.

    Returns:
        The index, and what was read; no index where there is no event, or where bytes gave none: who uses an index does
        not see what is wrong with the file.
    """
    scanner = EventScanner()
    feed_scanner(file, scanner, 0, None, progress)
    record = scanner.encode_index() if scanner.loss_count == 0 else None
    fingerprint = fingerprint_of(file, scanner.offset)
    if record is None or fingerprint is None:
        return None, scanner
    return StoredIndex(scanner.offset, fingerprint, record), scanner


def read_index(file: RandomAccessFile, size: int) -> EventIndex | None:
    """Read the index of an event file of this size; None if it has none.

    Raises:
        DataLossError: It is damaged.
    """
    tail = file.read(max(0, size - TAIL_SIZE), min(size, TAIL_SIZE))
    found = EventIndex.from_tail(tail, max(0, size - TAIL_SIZE) + len(tail))
    if found is None or isinstance(found, EventIndex):
        return found
    length = found.directory_end - found.rows_offset
    block = file.read(found.rows_offset, length)
    if len(block) < length:
        raise DataLossError("the file became shorter while its index was read", path=file.name)
    return EventIndex(block, found)


def _scan(
    file: RandomAccessFile,
    collection: _Collection,
    part: tuple[int, int],
    index: EventIndex | None = None,
    *,
    is_indexed: bool = False,
) -> None:
    """Read the events between two places of a file; the tags of such as are indexed are known, and their points not."""
    begin, end = part
    scanner = EventScanner(
        tags=None if collection.options.tags is None else list(collection.options.tags),
        offset=begin,
        verify_checksums=collection.options.verify_checksums,
    )
    if index is not None:
        index.introduce_tags_to(scanner)
    unfinished = feed_scanner(file, scanner, begin, end)
    for offset, length, reason in scanner.losses:
        collection.losses.append(Loss(file.name, offset, length, reason))
    collection.loss_count += scanner.loss_count
    if not is_indexed:
        collection.unfinished = unfinished
    elif unfinished:
        collection.lose(end - unfinished, unfinished, "truncated record: it ends inside of an index")
    if collection.first_wall_time is None:
        collection.first_wall_time = scanner.first_wall
    collection.has_file_version |= scanner.has_file_version
    order = 0 if index is None else index.order_of(begin)
    collection.starts += [Start(order + row, step) for row, step in scanner.starts()]
    for number, entry in enumerate(entries_of(scanner.tags())):
        if entry.is_scalar and entry.point_count and collection.wants(entry.tag):
            points = native_points(scanner.column(number), entry.kind, 0)
            collection.parts.setdefault(entry.tag, []).append(points.moved(order))
        if not is_indexed and (index is None or entry.point_count):
            collection.add_tag(entry)


def feed_scanner(
    file: RandomAccessFile,
    scanner: EventScanner,
    begin: int,
    end: int | None,
    progress: Callable[[int], object] | None = None,
) -> int:
    """Feed a part of a file to a scanner; return how many bytes of a record stand at its end that is not whole."""
    buffer = bytearray(CHUNK)
    offset = begin
    with memoryview(buffer) as view:
        while end is None or offset < end:
            room = view if end is None else view[: min(CHUNK, end - offset)]
            count = file.read_into(offset, room)
            if not 0 <= count <= len(room):
                raise InternalError(f"read_into of {len(room)} bytes returned {count}", path=file.name, offset=offset)
            if count == 0:
                break
            scanner.feed(room[:count])
            offset += count
            if progress is not None:
                progress(offset)
    return scanner.finish()


def entries_of(tags: Iterable[_ScannedTag]) -> list[TagEntry]:
    """Return what a scanner tells of its tags, in the same order."""
    entries = []
    for name, kind, metadata, count, last, largest, value_kind in tags:
        name = name if kind in SCALARS or kind == "summary" else kind
        entries.append(TagEntry(name, kind, parse_metadata(metadata), count, *last, *largest, value_kind))
    return entries
