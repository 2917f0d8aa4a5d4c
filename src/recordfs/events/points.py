"""The points of one tag as NumPy arrays, as they were written, and where a job started among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from recordfs.events.optional import require_numpy

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Self

    import numpy as np
    from numpy.typing import NDArray

    from recordfs._core import ColumnBuffer

__all__ = ["Points", "Start", "native_points"]


class Start(NamedTuple):
    """A place at which a job started, or started again.

    Attributes:
        order: Points of a smaller order were written before it.
        step: The step that the job went on from.
    """

    order: int
    step: int


class Points(NamedTuple):
    """The points of a tag: arrays of one length.

    Attributes:
        order: int64: orders points of all tags, and starts, as they were written. Events that followed each other at
            one step share it.
        step: int64.
        wall_time: float64, seconds since 1970.
        value: float32 or float64 for scalars; for other values int64, the offset in the file of the record that holds
            the value.
        length: For values that are not scalars int64, the length of that record's payload in bytes; else None.
    """

    order: NDArray[np.int64]
    step: NDArray[np.int64]
    wall_time: NDArray[np.float64]
    value: NDArray[Any]
    length: NDArray[np.int64] | None = None

    def take(self, chosen: NDArray[Any] | slice) -> Self:
        """Return the points that a mask, an array of indexes or a slice names; those of a slice share memory."""
        return type(self)(
            self.order[chosen],
            self.step[chosen],
            self.wall_time[chosen],
            self.value[chosen],
            None if self.length is None else self.length[chosen],
        )

    def first(self, count: int) -> Self:
        """Return the first points; they share memory with these."""
        return self if count >= len(self.step) else self.take(slice(count))

    def at_places(self, offsets: Collection[int]) -> Self:
        """Return the points whose records are at some offsets; of values that are not scalars only."""
        np = require_numpy("columns of event files")
        return self.take(np.isin(self.value, list(offsets)))

    def moved(self, order: int) -> Self:
        """Return the points with ``order`` added to each order."""
        return self._replace(order=self.order + order) if order else self

    @classmethod
    def of_one(cls, step: int, wall_time: float, value: float) -> Self:
        """Return one point of a scalar."""
        np = require_numpy("columns of event files")
        return cls(np.zeros(1, "int64"), np.array([step]), np.array([wall_time]), np.array([value]))

    @classmethod
    def joined(cls, parts: Sequence[Points], kind: str) -> Self:
        """Return the points of several parts one after the other; with no part, no points of this kind."""
        np = require_numpy("columns of event files")
        if not parts:
            dtype = kind if kind.startswith("float") else "int64"
            length = None if kind.startswith("float") else np.empty(0, "int64")
            return cls(np.empty(0, "int64"), np.empty(0, "int64"), np.empty(0), np.empty(0, dtype), length)
        if len(parts) == 1:
            return cls(*parts[0])
        lengths = [part.length for part in parts]
        return cls(
            np.concatenate([part.order for part in parts]),
            np.concatenate([part.step for part in parts]),
            np.concatenate([part.wall_time for part in parts]),
            np.concatenate([part.value for part in parts]),
            None if lengths[0] is None else np.concatenate(lengths),
        )


def native_points(
    column: tuple[ColumnBuffer, ColumnBuffer, ColumnBuffer, ColumnBuffer, ColumnBuffer | None], kind: str, order: int
) -> Points:
    """Return a native column as arrays, which share its memory."""
    np = require_numpy("columns of event files")
    rows, steps, walls, values, lengths = column
    count = len(steps) // 8
    if lengths is not None:
        dtype = "int64"
    else:
        # A segment before the first value of 64 bits has values of 32.
        dtype = "float64" if count and len(values) // count == 8 else "float32" if count else kind
    points = Points(
        np.frombuffer(rows, "int64"),
        np.frombuffer(steps, "int64"),
        np.frombuffer(walls, "float64"),
        np.frombuffer(values, dtype),
        None if lengths is None else np.frombuffer(lengths, "int64"),
    )
    return points.moved(order)
