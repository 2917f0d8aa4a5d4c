"""The lines of index files: two numbers each, parsed with nothing taken on trust."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from recordfs.errors import DataLossError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recordfs.filesystem import RandomAccessFile

__all__ = [
    "LONGEST_LINE",
    "blocks_of_lines",
    "entry_of",
    "last_entry_of",
    "numbers_of",
    "sample_numbers",
    "sampled_entries",
]

LONGEST_LINE = 42
"""Two numbers below 2^64, a space and a line end, in bytes."""

_READ_SIZE = 1 << 20

_WHOLE_SIZE = 64 << 10
"""An index of so many bytes or fewer, some thousand records, is sampled line by line where reading costs little."""

_SAMPLES = 1024
_FAR_SAMPLES = 16
"""Of longer ones so many lines are, spread over the file; fewer where each costs a request."""


def blocks_of_lines(file: RandomAccessFile) -> Iterator[tuple[int, bytes]]:
    """Yield a file as blocks of whole lines, each with its offset; the last line may lack its end."""
    offset = 0
    rest = b""
    while chunk := file.read(offset + len(rest), _READ_SIZE):
        block = rest + chunk
        cut = block.rfind(b"\n") + 1
        if not cut and len(block) > LONGEST_LINE:
            raise DataLossError(
                "this is not an index file: one of its lines is too long", path=file.name, offset=offset
            )
        if cut:
            yield offset, block[:cut]
        offset += cut
        rest = block[cut:]
    if rest:
        yield offset, rest


def numbers_of(block: bytes, path: str, offset: int) -> array[int]:
    """Parse lines of two numbers each."""
    lines = block.count(b"\n") + (not block.endswith(b"\n"))
    try:
        numbers = array("Q", map(int, block.split()))
    except (ValueError, OverflowError) as error:
        raise DataLossError(f"an index holds lines of two numbers, found: {error}", path=path, offset=offset) from None
    if len(numbers) != 2 * lines:
        raise DataLossError(
            f"an index holds two numbers a line, found {len(numbers)} in {lines} lines", path=path, offset=offset
        )
    return numbers


def last_entry_of(file: RandomAccessFile) -> tuple[int, int] | None:
    """Return the last ``(offset, size)`` of an index; None if it is empty or its last line is not an entry."""
    tail = file.read(max(0, file.size() - 2 * LONGEST_LINE), 2 * LONGEST_LINE)
    lines = tail.splitlines()
    # A line without its end may have been cut off inside a number.
    if not lines or not tail.endswith(b"\n"):
        return None
    return entry_of(lines[-1])


def sampled_entries(file: RandomAccessFile, *, many: bool) -> list[tuple[int, int]] | None:
    """Return entries from all over an index, the first among them; None if it is malformed there."""
    size = file.size()
    if many and size <= _WHOLE_SIZE:
        lines = file.read(0, size).splitlines()
    else:
        starts = sample_numbers(max(1, size - 2 * LONGEST_LINE), many=many)
        blocks = file.read_ranges([(start, 2 * LONGEST_LINE) for start in starts])
        lines = []
        for start, block in zip(starts, blocks, strict=True):
            first, _, rest = block.partition(b"\n")
            # The first line of a block began somewhere before it, but for that of the first block.
            lines.append(rest.partition(b"\n")[0] if start else first)
    entries = [entry_of(line) for line in lines]
    return None if None in entries else [entry for entry in entries if entry is not None]


def entry_of(line: bytes) -> tuple[int, int] | None:
    """Return the ``(offset, size)`` that a line gives; None if it is none."""
    fields = line.split()
    if len(fields) != 2 or not all(field.isdigit() for field in fields):
        return None
    return int(fields[0]), int(fields[1])


def sample_numbers(count: int, *, many: bool) -> list[int]:
    """Return some of the numbers below ``count``, the first and the last among them, at even distances."""
    samples = _SAMPLES if many else _FAR_SAMPLES
    if count <= samples:
        return list(range(count))
    return [number * (count - 1) // (samples - 1) for number in range(samples)]
