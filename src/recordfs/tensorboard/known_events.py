"""What is known of one event file at a moment: a value, so that who reads it needs no lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from recordfs._core import EventScanner
from recordfs.errors import DataLossError, NotFoundError
from recordfs.events.file_columns import entries_of
from recordfs.events.points import Points, Start
from recordfs.events.tag_sets import DescribedTag, TagSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from recordfs._core import _ScannedTag
    from recordfs.events.index import TagEntry
    from recordfs.events.tag_sets import TagKey
    from recordfs.filesystem import FileStatistics
    from recordfs.tensorboard.parts import Part, Piece
    from recordfs.tensorboard.sections import Section

__all__ = ["KnownEvents", "SectionFailedError", "TagTable"]


class SectionFailedError(Exception):
    """A section could not be read.

    Args:
        section: The section.
        cause: Why.
    """

    def __init__(self, section: Section, cause: DataLossError | NotFoundError) -> None:
        super().__init__(str(cause))
        self.section = section
        self.cause = cause


class TagTable(NamedTuple):
    """What is known of each series of a file.

    Attributes:
        tag_set: The series. Those without points are to be left out.
        largest: Returns the largest step and the latest time of each, in that order.
        entry_of: Returns what is known of one; None where nothing is.
    """

    tag_set: TagSet
    largest: Callable[[], list[tuple[int, float]]]
    entry_of: Callable[[TagKey], TagEntry | None]


class KnownEvents(NamedTuple):
    """What is known of a file. It is replaced, never changed.

    Attributes:
        statistics: The version that it is about; None before the first look.
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
    def is_partial(self) -> bool:
        """Whether some events have not been looked at."""
        return self.statistics is None or self.scanned_to < self.statistics.length

    @property
    def parts(self) -> list[Part]:
        """What is not in sections, in the order of the file."""
        return [self.live, *(piece.part for piece in self.pieces if piece.begin >= self.scanned_to)]

    @property
    def live_order(self) -> int:
        """The order of what comes after the sections."""
        return self.sections[-1].next_order if self.sections else 0

    @property
    def covered(self) -> int:
        """Where the sections end."""
        return self.sections[-1].end if self.sections else 0

    @property
    def first_wall_time(self) -> float | None:
        """The time of the first event, in seconds since 1970."""
        if self.sections:
            return self.sections[0].event_index.first_wall_time
        return next((part.first_wall_time for part in self.parts if part.first_wall_time is not None), None)

    def tag_table(self) -> TagTable:
        """Return what is known of each series."""
        parts = [part for part in self.parts if part.has_points]
        if len(self.sections) == 1 and not parts:  # nearly all files of a bucket
            index = self.sections[0].event_index
            return TagTable(
                index.tag_set, index.largest, lambda key: index.entry_of(key[1], scalars=key[0] == "scalar")
            )
        scanned = EventScanner.tags_of_all([part.scanner for part in parts])
        if not self.sections:
            return _table_of(scanned)
        merged: dict[TagKey, TagEntry] = {}
        for section in self.sections:
            _merge(merged, (entry for entry in section.event_index.tags if entry.point_count))
        _merge(merged, entries_of(scanned))
        entries = list(merged.values())
        tags = tuple(map(_described, entries))
        return TagTable(
            TagSet.shared(tags, lambda: tags),
            lambda: [(entry.max_step, entry.max_wall_time) for entry in entries],
            merged.get,
        )

    def points(self, keys: Sequence[TagKey]) -> tuple[dict[TagKey, Points], list[Start]]:
        """Return the points of some series, and where the job started; one ranged read a section gets them all.

        Raises:
            SectionFailedError: An index is damaged or gone.
            Otherwise as reading does.
        """
        found: dict[TagKey, list[Points]] = {}
        starts: list[Start] = []
        for section in self.sections:
            try:
                read = section.points(keys)
            except (DataLossError, NotFoundError) as error:
                raise SectionFailedError(section, error) from error
            starts += section.starts()
            for key, points in read.items():
                found.setdefault(key, []).append(points)
        # The live part's order has the sections in it; pieces come after it one by one.
        for number, part in enumerate(self.parts):
            order = 0 if number == 0 else self.live_order + (number << 32)
            for key in keys:
                held = part.points(key)
                if held is not None:
                    found.setdefault(key, []).append(held.moved(order))
            starts += [start._replace(order=start.order + order) for start in part.starts]
        return {key: _joined(parts, key) for key, parts in found.items()}, starts

    def points_in_memory(self, keys: Sequence[TagKey], table: TagTable) -> dict[TagKey, Points]:
        """Return the points of some series that are in memory; of a scalar the newest at least. Reads nothing."""
        found = {}
        for key in keys:
            held = [points for part in self.parts if (points := part.points(key)) is not None]
            if held:
                found[key] = _joined([points.moved(number << 32) for number, points in enumerate(held)], key)
                continue
            entry = table.entry_of(key) if key[0] == "scalar" else None
            if entry is not None and entry.point_count:
                found[key] = Points.of_one(entry.last_step, entry.last_wall_time, entry.last_value)
        return found


def _table_of(scanned: list[_ScannedTag]) -> TagTable:
    """Return what scanners tell of their series; entries are made when they are asked for."""
    signature = tuple((name, kind, metadata, value_kind) for name, kind, metadata, _, _, _, value_kind in scanned)
    tag_set = TagSet.shared(signature, lambda: map(_described, entries_of(scanned)))

    def entry_of(key: TagKey) -> TagEntry | None:
        number = tag_set.numbers.get(key)
        return None if number is None else entries_of([scanned[number]])[0]

    return TagTable(tag_set, lambda: [largest for _, _, _, _, _, largest, _ in scanned], entry_of)


def _described(entry: TagEntry) -> DescribedTag:
    return DescribedTag(entry.tag, entry.kind, entry.metadata, entry.value_kind, entry.point_count > 0)


def _joined(parts: Sequence[Points], key: TagKey) -> Points:
    return Points.joined(parts, "float32" if key[0] == "scalar" else key[0])


def _merge(into: dict[TagKey, TagEntry], entries: Iterable[TagEntry]) -> None:
    """Add what was written later to what is known of each series."""
    for entry in entries:
        key = entry.key
        before = into.get(key)
        if before is not None:
            entry = entry._replace(
                metadata=before.metadata or entry.metadata,
                value_kind=before.value_kind or entry.value_kind,
                point_count=before.point_count + entry.point_count,
                max_step=max(before.max_step, entry.max_step),
                max_wall_time=max(before.max_wall_time, entry.max_wall_time),
            )
        into[key] = entry
