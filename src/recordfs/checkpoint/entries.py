"""What a checkpoint tells about one tensor without its data."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from recordfs.checkpoint.tensor_types import type_numbered

if TYPE_CHECKING:
    from recordfs.checkpoint.tensor_types import TensorType

__all__ = ["StoredSlice", "TensorEntry"]


class StoredSlice(NamedTuple):
    """A rectangle of a tensor, or the whole of it, as it lies in a data file.

    Attributes:
        starts: Where it begins in the tensor, for each dimension.
        shape: Its own shape.
        shard: The number of the data file.
        offset: Where in that file it begins, in bytes.
        size: Its size there in bytes.
        crc: The masked CRC-32C of these bytes.
    """

    starts: tuple[int, ...]
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc: int

    @property
    def elements(self) -> int:
        """How many elements it has."""
        return math.prod(self.shape)


class TensorEntry(NamedTuple):
    """A tensor in a checkpoint.

    Attributes:
        name: Its name.
        type: The type of its elements.
        shape: Its dimensions.
        slices: Where its bytes lie: one for a plain tensor, several for a partitioned one.
    """

    name: str
    type: TensorType
    shape: tuple[int, ...]
    slices: tuple[StoredSlice, ...]

    @property
    def dtype(self) -> str:
        """TensorFlow's name of the elements' type, such as ``"float32"``."""
        return self.type.name

    @property
    def elements(self) -> int:
        """How many elements it has."""
        return math.prod(self.shape)

    @property
    def size(self) -> int:
        """How many bytes it takes in data files."""
        return sum(stored.size for stored in self.slices)

    @property
    def is_partitioned(self) -> bool:
        """Whether it is stored in several slices."""
        return len(self.slices) != 1 or self.slices[0].shape != self.shape


def plain_entry(name: str, found: tuple[int, tuple[int, ...], int, int, int, int, bool]) -> TensorEntry:
    """Return the entry of a tensor that is stored as a whole, from what the native index tells."""
    number, shape, shard, offset, size, crc, _ = found
    stored = StoredSlice((0,) * len(shape), shape, shard, offset, size, crc)
    return TensorEntry(name, type_numbered(number), shape, (stored,))
