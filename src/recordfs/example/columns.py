"""``RaggedColumn``: values with row splits, for features that have another number of values in every record."""

from typing import TYPE_CHECKING, Any

from recordfs.example.numpy_module import np

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Array", "Column", "RaggedColumn", "object_array"]

Array = np.ndarray[Any, Any]


class RaggedColumn:
    """Rows of different lengths: row ``i`` is ``values[row_splits[i]:row_splits[i + 1]]``.

    The fields are those of ``tf.RaggedTensor``. Rows are views, not copies. In the feature lists of SequenceExamples
    the values are a ``RaggedColumn`` again: rows of steps of values.

    Args:
        values: All values, one row after another: an array whose first dimension is cut into rows, or a column.
        row_splits: Where each row begins, and the end of the last: one more than rows, ascending, starting at 0.
    """

    __slots__ = ("row_splits", "values")

    def __init__(self, values: "Array | RaggedColumn", row_splits: Array) -> None:
        self.values = values
        self.row_splits = row_splits

    def __len__(self) -> int:
        return len(self.row_splits) - 1

    def __getitem__(self, index: int) -> "Array | RaggedColumn":
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        index %= len(self)
        start, end = int(self.row_splits[index]), int(self.row_splits[index + 1])
        if isinstance(self.values, RaggedColumn):
            splits = self.values.row_splits[start : end + 1]
            return RaggedColumn(self.values.values[int(splits[0]) : int(splits[-1])], splits - splits[0])  # type: ignore[index]  # a SequenceExample has two levels
        return self.values[start:end]

    def __iter__(self) -> "Iterator[Array | RaggedColumn]":
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        return f"<RaggedColumn of {len(self)} rows, {len(self.values)} values>"

    @property
    def flat_values(self) -> Array:
        """The values of the innermost level."""
        return self.values.flat_values if isinstance(self.values, RaggedColumn) else self.values

    @property
    def lengths(self) -> Array:
        """The number of values of each row."""
        return np.diff(self.row_splits)

    @property
    def indices(self) -> Array:
        """Where each value stands, as in ``tf.SparseTensor``: int64 of shape ``(values, 2)``, or 3 for two levels."""
        rows, places = _rows_and_places(self.row_splits)
        if not isinstance(self.values, RaggedColumn):
            return np.stack([rows, places], axis=1)
        steps, inner_places = _rows_and_places(self.values.row_splits)
        return np.stack([rows[steps], places[steps], inner_places], axis=1)

    @property
    def dense_shape(self) -> Array:
        """Rows and the longest row, as in ``tf.SparseTensor``: int64 of shape ``(2,)``, or 3 for two levels."""
        longest = [len(self), self.lengths.max(initial=0)]
        if isinstance(self.values, RaggedColumn):
            longest.append(self.values.lengths.max(initial=0))
        return np.array(longest, dtype=np.int64)

    def to_list(self) -> list[Any]:
        """Rows as lists of Python values."""
        return [row.to_list() if isinstance(row, RaggedColumn) else row.tolist() for row in self]


Column = Array | RaggedColumn


def _rows_and_places(splits: Array) -> tuple[Array, Array]:
    """For each value its row and its place in the row."""
    lengths = np.diff(splits).astype(np.int64)
    rows = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
    return rows, np.arange(len(rows), dtype=np.int64) - splits[:-1].astype(np.int64)[rows]


def object_array(values: list[bytes]) -> Array:
    """A one-dimensional array of the bytes objects themselves."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
