"""The index inside an event file, read by pure functions over bytes that the caller fetches.

One read of a file's tail and one ranged read a tag give the whole curve of that tag::

    tail = read(max(0, size - TAIL_SIZE), TAIL_SIZE)
    place = locate_index(tail, size)                   # None: the file has none
    begin, end = place.rows_offset, place.directory_end
    index = EventIndex(read(begin, end - begin), place)   # mostly in `tail` already: see EventIndex.from_tail
    index.add_rows(index.missing_rows, ...)            # only files of several segments miss any
    points = index.points("loss", [read(offset, length) for offset, length in index.ranges("loss")])

What the index does not cover is told too: ``unindexed`` names the byte ranges whose events have to be read, the events
after the index among them. The format: ``docs/formats/event-index.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from recordfs._core import EventDirectory, EventIndexPlace, EventRows, decode_event_record, encode_message
from recordfs._core import locate_event_index as locate_index
from recordfs.errors import DataLossError, FailedPreconditionError
from recordfs.events.event import SummaryMetadata
from recordfs.events.points import Points, Start, native_points
from recordfs.events.tag_sets import SCALARS, DescribedTag, TagSet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from recordfs._core import EventScanner, _IndexedTag
    from recordfs.events.tag_sets import TagKey

__all__ = ["TAIL_SIZE", "EventIndex", "EventIndexPlace", "TagEntry", "locate_index", "parse_metadata"]

TAIL_SIZE = 16 << 10
"""So many of a file's last bytes show its index, or a pointer to it, if it has one."""


class TagEntry(NamedTuple):
    """A tag as an index or a scan tells it, before any of its points is read.

    Attributes:
        tag: The tag; for events that are not summaries the name of their field in Event, such as ``"graph_def"``.
        kind: ``"float32"`` or ``"float64"`` for scalars, ``"summary"`` for other values, else as ``tag``.
        metadata: What its first value said about it; None where it said nothing.
        point_count: How many points it has.
        last_step: The step of the point that was written last.
        last_wall_time: Its time, in seconds since 1970.
        last_value: Its value; NaN for what is not a scalar.
        max_step: The largest step.
        max_wall_time: The latest time.
        value_kind: Of values that are not scalars the name of the field that the first was in, as ``SummaryValue.kind``
            has it; None where the index does not know.
    """

    tag: str
    kind: str
    metadata: SummaryMetadata | None
    point_count: int
    last_step: int
    last_wall_time: float
    last_value: float
    max_step: int
    max_wall_time: float
    value_kind: str | None = None

    @property
    def is_scalar(self) -> bool:
        """Whether its values are numbers."""
        return self.kind in SCALARS

    @property
    def key(self) -> TagKey:
        """What tells it from the other series of a file."""
        return ("scalar" if self.is_scalar else self.kind, self.tag)


class _Segment(NamedTuple):
    begin: int
    end: int
    record_end: int
    has_columns: bool
    rows_offset: int
    rows_length: int


def parse_metadata(message: bytes | None) -> SummaryMetadata | None:
    """Read a serialized SummaryMetadata.

    Raises:
        DataLossError: It is not a SummaryMetadata.
    """
    if message is None:
        return None
    value = encode_message([(9, "b", message)])
    event = encode_message([(5, "b", encode_message([(1, "b", value)]))])
    try:
        metadata = decode_event_record(event)[3][0][3]
    except ValueError as error:
        raise DataLossError(str(error)) from None
    return SummaryMetadata(*metadata)


class EventIndex:
    """What the index of one event file says. It reads nothing: the caller fetches what it names.

    Safe to use from many threads.

    Args:
        block: The bytes from ``place.rows_offset`` to ``place.directory_end``.
        place: What ``locate_index`` returned.

    Attributes:
        place: Where it is.
        tag_set: Every tag of the events before ``place.record_offset``. Scalars and other values of one tag are two.
        has_file_version: Whether the file says which version of the format it has.
        first_wall_time: The time of the file's first event, which is the run's in TensorBoard.

    Raises:
        DataLossError: It is not what it says; the events of the file can be read all the same.
    """

    def __init__(self, block: bytes, place: EventIndexPlace) -> None:
        self.place = place
        self._directory = EventDirectory(block[place.directory_offset - place.rows_offset :], place)
        self.has_file_version = self._directory.has_file_version
        self.first_wall_time = self._directory.first_wall
        self._segments = [_Segment(*segment) for segment in self._directory.segments()]
        # Most who open a file never ask for all entries.
        self._tags: list[TagEntry] | None = None
        self.tag_set = TagSet.shared(self._directory.signature(), self._described_tags)
        self._rows: dict[int, EventRows] = {}
        rows = self._segments[-1].rows_length if self._segments else 0
        if rows and self._segments[-1].has_columns:
            self._rows[len(self._segments) - 1] = self._directory.rows(len(self._segments) - 1, block[:rows])

    @classmethod
    def from_tail(cls, tail: bytes, file_size: int) -> EventIndex | EventIndexPlace | None:
        """Read the index from a file's last bytes.

        Returns:
            The index if the tail holds it; its place if the tail only says where it is, so that the bytes from
            ``rows_offset`` to ``directory_end`` have to be fetched; None if there is none.

        Raises:
            DataLossError: It is damaged.
        """
        place = locate_index(tail, file_size)
        tail_offset = file_size - len(tail)
        if place is None or place.rows_offset < tail_offset:
            return place
        return cls(tail[place.rows_offset - tail_offset : place.directory_end - tail_offset], place)

    @property
    def unindexed(self) -> list[tuple[int, int]]:
        """The byte ranges ``(begin, end)`` before the index whose events it has no columns of; as a rule none.

        The events from ``place.record_end`` on are not in the index either.
        """
        return [(segment.begin, segment.end) for segment in self._segments if not segment.has_columns]

    @property
    def tags(self) -> list[TagEntry]:
        """The entries of ``tag_set``, in its order."""
        if self._tags is None:
            self._tags = [_entry_of(tag) for tag in self._directory.tags()]
        return self._tags

    def entry_of(self, tag: str, *, scalars: bool | None = None) -> TagEntry | None:
        """Return what the index tells of a tag; None if the tag is not in it.

        Args:
            tag: The tag; for events that are not summaries the name of their kind.
            scalars: Whether its scalars are wanted, or its other values; None is what came first.
        """
        number = self._number_of(tag, scalars)
        return None if number is None else _entry_of(self._directory.tag(number))

    def largest(self) -> list[tuple[int, float]]:
        """Return the largest step and the latest time of each tag, in the order of ``tag_set``."""
        return self._directory.largest()

    def introduce_tags_to(self, scanner: EventScanner) -> None:
        """Tell a scanner of what comes after the index of the tags that the index knows."""
        scanner.introduce_tags_of_index(self._directory)

    @property
    def missing_rows(self) -> list[tuple[int, int]]:
        """The byte ranges ``(offset, length)`` of rows that the index does not know yet: fetch them for ``add_rows``.

        None in a file of one segment, whose rows stand before the directory.
        """
        return [
            (segment.rows_offset, segment.rows_length)
            for number, segment in enumerate(self._segments)
            if segment.has_columns and number not in self._rows
        ]

    def add_rows(self, ranges: Sequence[tuple[int, int]], blocks: Sequence[bytes]) -> None:
        """Take the bytes of ``missing_rows``; rows that are known already are left as they are.

        Raises:
            DataLossError: The bytes are not what the index says.
        """
        numbers = {segment.rows_offset: number for number, segment in enumerate(self._segments)}
        for (offset, _), block in zip(ranges, blocks, strict=True):
            number = numbers[offset]
            if number not in self._rows:
                self._rows[number] = self._directory.rows(number, block)

    def ranges(self, tag: str, *, scalars: bool = True) -> list[tuple[int, int]]:
        """Return the byte ranges ``(offset, length)`` that hold the points of a tag; none for an unknown tag.

        Args:
            tag: The tag; for events that are not summaries the name of their kind, with ``scalars=False``.
            scalars: Whether its scalars are wanted, or its other values.
        """
        number = self._number_of(tag, scalars)
        return [] if number is None else [place for _, _, place in self._places(number)]

    def points(self, tag: str, blocks: Sequence[bytes], *, scalars: bool = True) -> Points | None:
        """Return the points of a tag from the bytes of its ``ranges``, in the same order; None for an unknown tag.

        Raises:
            FailedPreconditionError: ``missing_rows`` are to be added first.
            DataLossError: The bytes are not what the index says.
        """
        number = self._number_of(tag, scalars)
        if number is None:
            return None
        kind = self.tag_set.tags[number].kind
        parts = []
        for (column, segment, _), block in zip(self._places(number), blocks, strict=True):
            rows = self._rows.get(segment)
            if rows is None:
                raise FailedPreconditionError("fetch missing_rows and add_rows first: the points refer to them")
            parts.append(native_points(self._directory.column(number, column, block, rows), kind, _order(segment, 0)))
        return Points.joined(parts, kind)

    def starts(self) -> list[Start]:
        """Return where the job started, or started again, as far as rows are known."""
        found = []
        for number, rows in sorted(self._rows.items()):
            found += [Start(_order(number, row), step) for row, step in rows.starts()]
        return found

    def order_of(self, begin: int) -> int:
        """Return what to add to the order of points that were read from bytes of the file that begin at ``begin``."""
        numbers = (number for number, segment in enumerate(self._segments) if segment.begin == begin)
        return _order(next(numbers, len(self._segments)), 0)

    def _described_tags(self) -> Iterator[DescribedTag]:
        for entry in map(_entry_of, self._directory.tags()):
            yield DescribedTag(entry.tag, entry.kind, entry.metadata, entry.value_kind, entry.point_count > 0)

    def _number_of(self, tag: str, scalars: bool | None) -> int | None:
        numbers = self.tag_set.numbers
        found = [] if scalars is False else [numbers.get(("scalar", tag))]
        if scalars is not True:
            found += [numbers.get(("summary", tag)), numbers.get((tag, tag))]
        return min((number for number in found if number is not None), default=None)

    def _places(self, number: int) -> list[tuple[int, int, tuple[int, int]]]:
        """Return the columns of a tag that the index has: the column's number, its segment, and its range."""
        return [
            (column, segment, (offset, length))
            for column, (segment, _, offset, length) in enumerate(self._directory.columns(number))
            if self._segments[segment].has_columns
        ]


def _entry_of(tag: _IndexedTag) -> TagEntry:
    name, kind, metadata, count, last, largest, _, value_kind = tag
    name = name if kind in SCALARS or kind == "summary" else kind
    return TagEntry(name, kind, parse_metadata(metadata), count, *last, *largest, value_kind)


def _order(segment: int, row: int) -> int:
    """Return a number that orders rows of several segments as they were written."""
    return (segment << 32) + row
