"""Columns of features whose number of values differs by record: ``RaggedColumn`` and ``SparseColumn``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from recordfs.errors import InvalidArgumentError
from recordfs.example.numpy_module import np

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Array", "Column", "RaggedColumn", "SparseColumn", "as_splits", "object_array"]

Array = np.ndarray[Any, Any]


class RaggedColumn:
    """Rows of different lengths: row ``i`` is ``values[row_splits[i]:row_splits[i + 1]]``.

    The fields are those of ``tf.RaggedTensor``. Rows are views, not copies. In the feature lists of SequenceExamples,
    and where a ``RaggedFeature`` has partitions, the values are a ``RaggedColumn`` again: rows of steps of values.
    Threads may share it as they may share its arrays.

    Args:
        values: All values, one row after another: an array whose first dimension is cut into rows, or a column.
        row_splits: Where each row begins, and the end of the last: one more than rows, ascending, starting at 0.
    """

    __slots__ = ("row_splits", "values")

    def __init__(self, values: Array | RaggedColumn, row_splits: Array) -> None:
        self.values = values
        self.row_splits = row_splits

    def __len__(self) -> int:
        return len(self.row_splits) - 1

    def __getitem__(self, index: int) -> Array | RaggedColumn:
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        index %= len(self)
        return self._values_between(int(self.row_splits[index]), int(self.row_splits[index + 1]))

    def _values_between(self, start: int, end: int) -> Array | RaggedColumn:
        if not isinstance(self.values, RaggedColumn):
            return self.values[start:end]
        splits = self.values.row_splits[start : end + 1]
        return RaggedColumn(self.values._values_between(int(splits[0]), int(splits[-1])), splits - splits[0])

    def __iter__(self) -> Iterator[Array | RaggedColumn]:
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
        """Where each value stands, as in ``tf.SparseTensor``: int64 of shape ``(values, 2)``, more for more levels."""
        rows, places = _rows_and_places(self.row_splits)
        if not isinstance(self.values, RaggedColumn):
            return np.stack([rows, places], axis=1)
        inner = self.values.indices
        return np.concatenate([rows[inner[:, 0], None], places[inner[:, 0], None], inner[:, 1:]], axis=1)

    @property
    def dense_shape(self) -> Array:
        """Rows and the longest row, as in ``tf.SparseTensor``: int64 of shape ``(2,)``, one more for each level."""
        shape = [len(self), self.lengths.max(initial=0)]
        if isinstance(self.values, RaggedColumn):
            shape += self.values.dense_shape[1:].tolist()
        return np.array(shape, dtype=np.int64)

    def to_list(self) -> list[Any]:
        """Rows as lists of Python values."""
        return [row.to_list() if isinstance(row, RaggedColumn) else row.tolist() for row in self]


class SparseColumn(NamedTuple):
    """Values at places of an array that is empty elsewhere; the fields are those of ``tf.SparseTensor``."""

    #: Where each value stands: int64 of shape ``(values, dimensions)``, of which the first counts records.
    indices: Array
    #: int64, float32 or an object array of bytes, of shape ``(values,)``.
    values: Array
    #: The array's shape: int64 of shape ``(dimensions,)``.
    dense_shape: Array


Column = Array | RaggedColumn | SparseColumn


def _rows_and_places(splits: Array) -> tuple[Array, Array]:
    """For each value its row and its place in the row."""
    lengths = np.diff(splits).astype(np.int64)
    rows = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
    return rows, np.arange(len(rows), dtype=np.int64) - splits[:-1].astype(np.int64)[rows]


def object_array(values: list[bytes]) -> Array:
    """A one-dimensional array of the bytes objects themselves."""
    # Assigning a list to an array looks into each value first, which takes three times as long.
    return np.fromiter(values, dtype=object, count=len(values))


def as_splits(splits: Array, dtype: type) -> Array:
    """Row splits in the type that a feature asks for.

    Raises:
        InvalidArgumentError: An int32 cannot count so many values.
    """
    if dtype is np.int32 and splits[-1] > np.iinfo(np.int32).max:
        raise InvalidArgumentError("more values than int32 row splits can count: use row_splits_dtype=numpy.int64")
    return splits.astype(dtype, copy=False)
