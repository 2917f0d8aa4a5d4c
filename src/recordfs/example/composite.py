"""Columns that several features of a record make together: values cut into rows, and values at places.

TensorFlow puts these together for a whole batch at once and checks little: indices or lengths that do not fit their
record move the values of one record into another. Here every record is checked, and what does not fit is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from recordfs.example.bad_record import BadRecordError
from recordfs.example.columns import Array, RaggedColumn, SparseColumn, as_splits
from recordfs.example.features import (
    KeyedPartition,
    Partition,
    RowLengths,
    RowLimits,
    RowSplits,
    SparseFeature,
    UniformRowLength,
    ValueRowIds,
)
from recordfs.example.numpy_module import np

__all__ = ["Rows", "Where", "partitioned", "sparse_column"]

# Row ids may skip rows, which are empty then and take memory that no bytes of a record answer for. So many in a batch.
_MAX_SKIPPED_ROWS = 1 << 24


#: Says for a record's number which record and feature this is.
Where: TypeAlias = Callable[[int], str]


class Rows(NamedTuple):
    """Flat values, and where those of each record (or of each step of a feature list) begin, int64."""

    values: Array
    splits: Array

    @property
    def lengths(self) -> Array:
        """How many values each record has."""
        return np.diff(self.splits)


class _Cut(NamedTuple):
    """How records are cut into rows."""

    #: How many rows each record has.
    counts: Array
    #: How many values each row has.
    lengths: Array


def partitioned(
    where: Where, column: Rows, partitions: Sequence[tuple[Partition, Rows | None]], splits_dtype: type
) -> RaggedColumn:
    """The values of each record cut into rows, by several partitions into rows of rows.

    Args:
        where: For the message of an error.
        column: The values.
        partitions: From the outermost to the innermost, each with what its key holds.
        splits_dtype: ``numpy.int32`` or ``numpy.int64``.

    Raises:
        BadRecordError: A partition does not fit the values of a record.
    """
    values: Array | RaggedColumn = column.values
    records = column.splits
    for partition, cuts in reversed(partitions):
        lengths = np.diff(records)
        if isinstance(partition, UniformRowLength):
            size = partition.length
            _check(where, lengths % size == 0, lengths, f"rows of {size}")
            records = records // size
            if isinstance(values, RaggedColumn):
                values = RaggedColumn(values, np.arange(0, len(values) + 1, size, dtype=splits_dtype))
            else:
                values = values.reshape(-1, size, *values.shape[1:])
        else:
            assert cuts is not None, "only a uniform row length has no feature"
            counts, row_lengths = _cut(where, partition, cuts, lengths)
            values = RaggedColumn(values, _splits(row_lengths, splits_dtype))
            records = _splits(counts, np.int64)
    return RaggedColumn(values, as_splits(records, splits_dtype))


def _splits(lengths: Array, dtype: type) -> Array:
    splits = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=splits[1:])
    return as_splits(splits, dtype)


def _cut(where: Where, partition: KeyedPartition, cuts: Rows, lengths: Array) -> _Cut:
    """What a partition says, checked against the number of values of each record."""
    what = f"the {type(partition).__name__} of {partition[0]!r}"
    counts = cuts.lengths
    if isinstance(partition, ValueRowIds):
        return _cut_by_row_ids(where, what, cuts, lengths)
    # No number may be larger than its record's values, so no sum of them can overflow.
    of_record = np.repeat(lengths, counts)
    _check_rows(where, (cuts.values >= 0) & (cuts.values <= of_record), counts, lengths, what)
    there = counts > 0
    first, last = cuts.splits[:-1][there], cuts.splits[1:][there] - 1
    everywhere = np.ones(len(first), bool)
    if isinstance(partition, RowLengths):
        sums = np.zeros(len(lengths), np.int64)
        sums[there] = np.add.reduceat(cuts.values, first) if len(first) else 0
        _check(where, sums == lengths, lengths, what)
        return _Cut(counts, cuts.values)
    if isinstance(partition, RowSplits):
        rows = np.delete(np.diff(cuts.values, append=0), last)
        counts = np.maximum(counts - 1, 0)
        begins, ends = cuts.values[first] == 0, cuts.values[last] == lengths[there]
    elif isinstance(partition, RowLimits):
        rows = np.diff(cuts.values, prepend=0)
        rows[first] = cuts.values[first]
        begins, ends = everywhere, cuts.values[last] == lengths[there]
    else:
        rows = np.diff(cuts.values, append=0)
        rows[last] = lengths[there] - cuts.values[last]
        begins, ends = cuts.values[first] == 0, everywhere
    sound = lengths == 0  # of a record without rows
    sound[there] = begins & ends
    _check(where, sound, lengths, what)
    _check_rows(where, rows >= 0, counts, lengths, what)
    return _Cut(counts, rows)


def _cut_by_row_ids(where: Where, what: str, ids: Rows, lengths: Array) -> _Cut:
    counts = ids.lengths
    _check(where, counts == lengths, lengths, what)
    there = counts > 0
    ascends = np.diff(ids.values, prepend=0) >= 0
    ascends[ids.splits[:-1][there]] = True
    _check_rows(where, ascends & (ids.values >= 0), counts, lengths, what)
    rows = np.zeros(len(lengths), np.int64)
    rows[there] = ids.values[ids.splits[1:][there] - 1]
    allowed = len(ids.values) + _MAX_SKIPPED_ROWS
    if rows.max(initial=0) >= allowed or int(rows.sum()) >= allowed:
        record = int(np.argmax(rows))
        raise BadRecordError(f"{where(record)}: {what} leave more than {_MAX_SKIPPED_ROWS:,} rows empty", record=record)
    rows[there] += 1
    offsets = np.cumsum(rows) - rows
    return _Cut(rows, np.bincount(ids.values + np.repeat(offsets, counts), minlength=int(rows.sum())))


def _check_rows(where: Where, sound: Array, counts: Array, lengths: Array, what: str) -> None:
    """Check something of every row, and name the record of the first that is wrong."""
    if not sound.all():
        of_record = np.repeat(np.arange(len(counts)), counts)
        _check(where, np.arange(len(lengths)) != of_record[np.argmin(sound)], lengths, what)


def _check(where: Where, sound: Array, lengths: Array, what: str) -> None:
    """Check something of every record, and name the first that is wrong."""
    if not sound.all():
        record = int(np.argmin(sound))
        raise BadRecordError(f"{where(record)}: its {lengths[record]} values cannot be cut by {what}", record=record)


def sparse_column(where: Where, feature: SparseFeature, column: Rows, indices: Sequence[Rows]) -> SparseColumn:
    """The values at the places that the index features tell, sorted by record and place.

    Raises:
        BadRecordError: A record has another number of indices than of values, or an index beyond the size.
    """
    sizes = (feature.size,) if isinstance(feature.size, int) else feature.size
    keys = (feature.index_key,) if isinstance(feature.index_key, str) else feature.index_key
    counts = column.lengths
    records = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    for key, size, index in zip(keys, sizes, indices, strict=True):
        aligned = index.lengths == counts
        if not aligned.all():
            record = int(np.argmin(aligned))
            raise BadRecordError(
                f"{where(record)}: {counts[record]} values and {index.lengths[record]} indices in {key!r}",
                record=record,
            )
        inside = (index.values >= 0) & (index.values < size)
        if not inside.all():
            wrong = int(np.argmin(inside))
            record = int(records[wrong])
            raise BadRecordError(
                f"{where(record)}: the index {index.values[wrong]} in {key!r} is not in 0 to {size - 1}", record=record
            )
    places = np.stack([records, *(index.values for index in indices)], axis=1)
    values = column.values
    if not feature.already_sorted:
        order = np.lexsort(places.T[::-1])
        places, values = places[order], values[order]
    return SparseColumn(places, values, np.array([len(counts), *sizes], np.int64))
