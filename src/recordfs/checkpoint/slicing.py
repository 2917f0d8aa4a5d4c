"""Parts of arrays: what NumPy's indexes mean, and where the part's bytes lie in a file."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from recordfs.errors import InvalidArgumentError, OutOfRangeError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import EllipsisType

    Index = slice | int | EllipsisType

__all__ = ["Box", "Selection", "byte_runs", "intersection", "parse_selection"]


class Box(NamedTuple):
    """A rectangle: for each dimension where it begins and how long it is."""

    starts: tuple[int, ...]
    lengths: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many elements it has."""
        return math.prod(self.lengths)

    def within(self, outer: Box) -> tuple[slice, ...]:
        """Return the index of this box in an array that holds just the outer one."""
        return tuple(
            slice(start - begin, start - begin + length)
            for start, length, begin in zip(self.starts, self.lengths, outer.starts, strict=True)
        )


class Selection(NamedTuple):
    """What an index means for one shape.

    Attributes:
        box: The smallest rectangle that holds all elements.
        inner: The index that gives the selected elements of an array that holds just the box.
    """

    box: Box
    inner: tuple[Any, ...]


def parse_selection(index: Index | tuple[Index, ...], shape: tuple[int, ...], name: str) -> Selection:
    """Return what an index of slices, whole numbers and at most one ``...`` selects.

    Raises:
        InvalidArgumentError: It has more dimensions than the tensor, or something else in it.
        OutOfRangeError: A whole number lies outside its dimension.
    """
    parts = list(index) if isinstance(index, tuple) else [index]
    ellipses = sum(part is Ellipsis for part in parts)
    if ellipses > 1 or len(parts) - ellipses > len(shape):
        raise InvalidArgumentError(f"tensor {name!r} has {len(shape)} dimensions, found the index {index!r}")
    if not ellipses:
        parts.append(Ellipsis)
    place = parts.index(Ellipsis)
    parts[place : place + 1] = [slice(None)] * (len(shape) - len(parts) + 1)
    starts, lengths, inner = [], [], []
    for part, dim in zip(parts, shape, strict=True):
        start, length, rest = _parse_part(part, dim, name)
        starts.append(start)
        lengths.append(length)
        inner.append(rest)
    return Selection(Box(tuple(starts), tuple(lengths)), tuple(inner))


def _parse_part(part: object, dim: int, name: str) -> tuple[int, int, slice | int]:
    """Return start and length of what has to be read of a dimension, and the index into that."""
    if isinstance(part, slice):
        selected = range(dim)[part]
        if not selected:
            return 0, 0, slice(None)
        first, last = min(selected[0], selected[-1]), max(selected[0], selected[-1])
        if selected.step > 0:
            return first, last - first + 1, slice(None, None, selected.step)
        return first, last - first + 1, slice(None, None, selected.step)
    if isinstance(part, bool) or not hasattr(part, "__index__"):
        raise InvalidArgumentError(
            f"tensor {name!r}: an index has to be a slice, a whole number or ..., found {part!r}"
        )
    number = part.__index__()
    if not -dim <= number < dim:
        raise OutOfRangeError(f"tensor {name!r}: {number} lies outside a dimension of {dim}")
    return number % dim, 1, 0


def intersection(first: Box, second: Box) -> Box | None:
    """Return what two boxes have in common, or None."""
    starts, lengths = [], []
    for a, n, b, m in zip(first.starts, first.lengths, second.starts, second.lengths, strict=True):
        start, end = max(a, b), min(a + n, b + m)
        if end <= start:
            return None
        starts.append(start)
        lengths.append(end - start)
    return Box(tuple(starts), tuple(lengths))


def byte_runs(box: Box, shape: tuple[int, ...], item_size: int) -> Iterator[tuple[int, int]]:
    """Yield offset and length in bytes of each contiguous run of a box in a row-major array of that shape.

    The runs come in the order of the box's own elements.
    """
    if box.size == 0:
        return
    strides = [item_size] * len(shape)
    for dim in range(len(shape) - 2, -1, -1):
        strides[dim] = strides[dim + 1] * shape[dim + 1]
    # Whole dimensions at the end are one run with the one before them.
    split = len(shape)
    while split and box.lengths[split - 1] == shape[split - 1]:
        split -= 1
    split = max(split - 1, 0)
    length = math.prod(box.lengths[split:]) * item_size
    base = sum(start * stride for start, stride in zip(box.starts, strides, strict=True))
    counters = [0] * split
    while True:
        yield base + sum(count * stride for count, stride in zip(counters, strides, strict=False)), length
        for dim in range(split - 1, -1, -1):
            counters[dim] += 1
            if counters[dim] < box.lengths[dim]:
                break
            counters[dim] = 0
        else:
            return
