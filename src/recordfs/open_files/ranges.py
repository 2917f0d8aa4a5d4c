"""Ranges of a file, merged into the blocks that are fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.errors import InvalidArgumentError
from recordfs.whole_numbers import whole_number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import Buffer

__all__ = ["coalesce", "cut_out", "fill", "whole_ranges"]


def coalesce(ranges: Sequence[tuple[int, int]], max_gap: int, path: str) -> list[tuple[int, int, list[int]]]:
    """Merge ranges into blocks.

    Returns:
        ``(start, end, members)`` for each block in ascending order, where ``members`` are indexes into ``ranges``.
        Empty ranges are in no block.

    Raises:
        InvalidArgumentError: A number is negative.
    """
    for offset, length in ranges:
        if offset < 0 or length < 0:
            raise InvalidArgumentError(
                f"a range needs an offset and a length of at least 0, found ({offset}, {length})", path=path
            )
    if max_gap < 0:
        raise InvalidArgumentError(f"max_gap has to be at least 0, found {max_gap}", path=path)
    blocks: list[tuple[int, int, list[int]]] = []
    for index in sorted((i for i, (_, length) in enumerate(ranges) if length), key=lambda i: ranges[i][0]):
        offset, length = ranges[index]
        if blocks and offset - blocks[-1][1] <= max_gap:
            start, end, members = blocks[-1]
            members.append(index)
            blocks[-1] = (start, max(end, offset + length), members)
        else:
            blocks.append((offset, offset + length, [index]))
    return blocks


def whole_ranges(ranges: Sequence[tuple[int, int]], path: str) -> list[tuple[int, int]]:
    """Return ranges as Python's numbers: those of NumPy overflow."""
    return [
        (offset, length)
        if type(offset) is int and type(length) is int
        else (whole_number(offset, "an offset", path=path), whole_number(length, "a length", path=path))
        for offset, length in ranges
    ]


def cut_out(
    ranges: Sequence[tuple[int, int]], blocks: list[tuple[int, int, list[int]]], contents: Sequence[Buffer]
) -> list[bytes]:
    """Return the bytes of each range out of those of the blocks that ``coalesce`` merged them into."""
    results: list[bytes] = [b""] * len(ranges)
    for (start, _, members), content in zip(blocks, contents, strict=True):
        # Slicing all of a bytes object gives the object itself; of other buffers each range is copied once.
        source: bytes | memoryview = content if type(content) is bytes else memoryview(content)
        for index in members:
            offset, length = ranges[index]
            results[index] = bytes(source[offset - start : offset - start + length])
    return results


def fill(read_into: Callable[[int, memoryview], int], offset: int, view: memoryview) -> int:
    """Fill a view by reads that may give less, as far as the file goes, and return how many bytes came."""
    done = 0
    while done < len(view):
        with view[done:] as rest:
            count = read_into(offset + done, rest)
        if not count:
            break
        done += count
    return done
