"""Events of a file that were read one by one: all from an offset on, or pieces of it that show what it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from recordfs._core import EventScanner
from recordfs.events.file_columns import scanned_tags
from recordfs.events.index import TAIL_SIZE
from recordfs.events.points import Points, Start, native_points

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from recordfs.events.index import EventIndex, TagEntry

__all__ = [
    "HEAD_SIZE",
    "NOTHING",
    "Part",
    "Piece",
    "TagKey",
    "key_of",
    "kind_of",
    "merge_entries",
    "new_scanner",
    "part_of",
    "read_piece",
    "sample_places",
]

TagKey: TypeAlias = tuple[str, str]
"""What tells the series of a file apart: ``"scalar"`` or the kind of its values, and the tag."""

HEAD_SIZE = 16 << 10
"""So many of the first bytes of a file hold each tag of a steady training loop, with its metadata."""

SAMPLE_SIZE = 16 << 10

MOST_SAMPLES = 6

MOST_OF_A_FILE = 0.015
"""Head, tail and samples of a file take at most this share of its bytes."""


class Part(NamedTuple):
    """The series in some events, and where the job started among them."""

    entries: dict[TagKey, TagEntry]
    points: dict[TagKey, Points]
    starts: list[Start]
    first_wall_time: float | None


NOTHING = Part({}, {}, [], None)


class Piece(NamedTuple):
    """The events in some bytes of a file: ``[begin, end)``."""

    begin: int
    end: int
    part: Part


def key_of(entry: TagEntry) -> TagKey:
    """Return the key of a series."""
    return ("scalar" if entry.is_scalar else entry.kind, entry.tag)


def kind_of(key: TagKey) -> str:
    """Return the kind of a series without points, as ``Points.joined`` takes it."""
    return "float32" if key[0] == "scalar" else key[0]


def merge_entries(into: dict[TagKey, TagEntry], entries: Iterable[tuple[TagKey, TagEntry]]) -> None:
    """Add what was written later to what is known of each series."""
    for key, entry in entries:
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


def new_scanner(offset: int, indexes: Sequence[EventIndex], entries: Iterable[TagEntry] = ()) -> EventScanner:
    """Return a scanner of a file from an offset on, which knows the tags before it."""
    scanner = EventScanner(offset=offset)
    for index in indexes:
        for number, entry in enumerate(index.tags):
            if entry.is_scalar or entry.kind == "summary":
                scanner.introduce(entry.tag, entry.is_scalar, index.raw_metadata(number))
    for entry in entries:
        if entry.is_scalar or entry.kind == "summary":
            scanner.introduce(entry.tag, entry.is_scalar, None)
    return scanner


def part_of(scanner: EventScanner, order: int) -> Part:
    """Return what a scanner has read; ``order`` is added to the order of its points."""
    entries, points = {}, {}
    for number, (entry, scalars) in enumerate(scanned_tags(scanner)):
        if not entry.point_count:
            continue
        key = key_of(entry)
        entries[key] = entry
        found = native_points(scanner.column(number), entry.kind, 0) if scalars is None else scalars
        points[key] = found.moved(order)
    starts = [Start(order + row, step) for row, step in scanner.starts()]
    return Part(entries, points, starts, scanner.first_wall)


def read_piece(begin: int, data: bytes, indexes: Sequence[EventIndex], known: Iterable[TagEntry]) -> Piece:
    """Return what some bytes of a file tell; a record that is cut at either end is left out."""
    scanner = new_scanner(begin, indexes, known)
    scanner.feed(data)
    return Piece(begin, begin + len(data), part_of(scanner, 0))


def sample_places(begin: int, end: int, size: int) -> list[tuple[int, int]]:
    """Return which byte ranges ``(offset, length)`` between two offsets of a file give a coarse curve."""
    budget = int(size * MOST_OF_A_FILE) - HEAD_SIZE - TAIL_SIZE
    count = min(MOST_SAMPLES, budget // SAMPLE_SIZE, (end - begin) // (2 * SAMPLE_SIZE))
    step = (end - begin) / (count + 1) if count > 0 else 0.0
    return [(begin + int(step * (number + 1)) - SAMPLE_SIZE // 2, SAMPLE_SIZE) for number in range(count)]
