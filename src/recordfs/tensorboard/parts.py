"""Events of a file that were read one by one: all from an offset on, or pieces of it that show what it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from recordfs._core import EventScanner
from recordfs.events.index import TAIL_SIZE
from recordfs.events.points import Points, Start, native_points

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from recordfs.events.index import EventIndex
    from recordfs.events.tag_sets import TagKey

__all__ = [
    "HEAD_SIZE",
    "NOTHING",
    "Part",
    "Piece",
    "new_scanner",
    "read_piece",
    "sample_places",
    "scanners_that_know_all",
]

HEAD_SIZE = 16 << 10
"""So many of the first bytes of a file hold each tag of a steady training loop, with its metadata."""

SAMPLE_SIZE = 16 << 10

MOST_SAMPLES = 6

MOST_OF_A_FILE = 0.015
"""Head, tail and samples of a file take at most this share of its bytes."""


class Part:
    """The series in some events, as they were when this was made: what its scanner is fed later is not in it.

    Args:
        scanner: What read them.
        order: Added to the order of its points.

    Attributes:
        scanner: As given.
        starts: Where the job started.
        first_wall_time: The time of the first event; None without one.
    """

    def __init__(self, scanner: EventScanner, order: int = 0) -> None:
        self.scanner = scanner
        self.starts = [Start(order + row, step) for row, step in scanner.starts()]
        self.first_wall_time = scanner.first_wall
        self._order = order
        self._counts = scanner.counts()

    @property
    def has_points(self) -> bool:
        """Whether some series has points."""
        return any(self._counts)

    def points(self, key: TagKey) -> Points | None:
        """Return the points of a series; None where it has none."""
        number = self._number_of(*key)
        if number is None or number >= len(self._counts) or not self._counts[number]:
            return None
        points = native_points(self.scanner.column(number), key[0], 0)
        return points.first(self._counts[number]).moved(self._order)

    def _number_of(self, family: str, tag: str) -> int | None:
        if family in ("scalar", "summary"):
            return self.scanner.number_of(tag, family == "scalar")
        return next((number for number, found in enumerate(self.scanner.tags()) if found[1] == family), None)


NOTHING = Part(EventScanner())


class Piece(NamedTuple):
    """The events in some bytes of a file: ``[begin, end)``."""

    begin: int
    end: int
    part: Part


def new_scanner(offset: int, indexes: Iterable[EventIndex], before: Iterable[EventScanner] = ()) -> EventScanner:
    """Return a scanner of a file from an offset on, which knows the tags that indexes and other scanners know."""
    scanner = EventScanner(offset=offset)
    for index in indexes:
        index.introduce_tags_to(scanner)
    for other in before:
        scanner.introduce_tags_of(other)
    return scanner


def read_piece(begin: int, data: bytes, indexes: Sequence[EventIndex], before: Iterable[EventScanner]) -> Piece:
    """Return what some bytes of a file tell; a record that is cut at either end is left out."""
    scanner = new_scanner(begin, indexes, before)
    scanner.feed(data)
    return Piece(begin, begin + len(data), Part(scanner))


def scanners_that_know_all(live: Part, pieces: Sequence[Piece]) -> list[EventScanner]:
    """Return scanners that know all tags before the next piece: the newest piece was told of those in earlier ones."""
    return [live.scanner, *(piece.part.scanner for piece in pieces[-1:])]


def sample_places(begin: int, end: int, size: int) -> list[tuple[int, int]]:
    """Return which byte ranges ``(offset, length)`` between two offsets of a file give a coarse curve."""
    budget = int(size * MOST_OF_A_FILE) - HEAD_SIZE - TAIL_SIZE
    count = min(MOST_SAMPLES, budget // SAMPLE_SIZE, (end - begin) // (2 * SAMPLE_SIZE))
    step = (end - begin) / (count + 1) if count > 0 else 0.0
    return [(begin + int(step * (number + 1)) - SAMPLE_SIZE // 2, SAMPLE_SIZE) for number in range(count)]
