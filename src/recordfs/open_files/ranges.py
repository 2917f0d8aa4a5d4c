"""Ranges of a file, merged into the blocks that are fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["coalesce"]


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
