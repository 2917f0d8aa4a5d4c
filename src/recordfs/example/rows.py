"""Columns to write, as native code takes them: flat values, where each record's begin, and which are there."""

from __future__ import annotations

import itertools
from typing import Any, TypeAlias

from recordfs.errors import InvalidArgumentError
from recordfs.example.columns import Array, RaggedColumn
from recordfs.example.numpy_module import np
from recordfs.example.values import as_plain, numeric_column, rounded

__all__ = ["NativeColumn", "native_column"]

# (name, kind, values, row splits), and one byte a record that tells whether the feature is there.
NativeColumn: TypeAlias = tuple[tuple[str, str, Any, Array], Array | None]


def native_column(name: str, column: Any, *, omit_empty: bool, exact: bool) -> tuple[NativeColumn, int]:
    """A column prepared for native code, and its number of records; see ``encode_examples``.

    Raises:
        InvalidArgumentError: Not a column, or values that do not fit.
    """
    if not isinstance(name, str):
        raise InvalidArgumentError("a feature's name has to be a str")
    prepared, present = _prepared(name, column, exact)
    splits = prepared[3]
    if omit_empty:
        present = (np.diff(splits) > 0).astype(np.uint8)  # an absent row is empty too
    return (prepared, present), len(splits) - 1


def _prepared(name: str, column: Any, exact: bool) -> NativeColumn:
    """A column in any of its forms."""
    if isinstance(column, RaggedColumn):
        if isinstance(column.values, RaggedColumn):
            raise InvalidArgumentError("a column of steps belongs in a SequenceExample: encode_sequence_example")
        values = np.asarray(column.values)
        stride = values[0].size if values.ndim > 1 and len(values) else 1
        return _with_splits(name, values, _checked_splits(column) * stride, exact)
    if isinstance(column, list | tuple):
        return _from_rows(name, column, exact)
    array = np.asarray(column)
    if array.ndim == 0:
        raise InvalidArgumentError("a column's first dimension counts records; this has none")
    stride = array.size // len(array) if len(array) else 0
    splits = np.arange(len(array) + 1, dtype=np.int64) * stride
    return _with_splits(name, array, splits, exact)


def _checked_splits(column: RaggedColumn) -> Array:
    splits = np.ascontiguousarray(column.row_splits, dtype=np.int64)
    if splits.ndim != 1 or len(splits) == 0 or splits[0] != 0 or splits[-1] != len(column.values):
        raise InvalidArgumentError("row_splits have to begin with 0 and end with the number of values")
    return splits


def _with_splits(name: str, values: Any, splits: Array, exact: bool, present: Array | None = None) -> NativeColumn:
    """Flat values; `splits` count them."""
    array = np.asarray(values)
    if array.dtype.kind in "OSU":
        return (name, "bytes", _bytes_list(array.ravel().tolist()), splits), present
    numbers = numeric_column(array, exact=exact)
    kind = "int64" if numbers.dtype == np.int64 else "float32"
    return (name, kind, numbers.reshape(-1), splits), present


def _bytes_list(values: list[Any]) -> list[bytes]:
    out = []
    for value in values:
        if isinstance(value, str):
            out.append(value.encode())
        elif isinstance(value, bytes):
            out.append(bytes(value))
        else:
            raise InvalidArgumentError(f"expected bytes or str, found {type(value).__name__}")
    return out


def _from_rows(name: str, rows: Any, exact: bool) -> NativeColumn:
    """A list with one value, list or array a record; None where there is none."""
    present = np.array([row is not None for row in rows], dtype=np.uint8)
    plain = [[] if row is None else _row_values(row, exact) for row in rows]
    splits = np.zeros(len(plain) + 1, dtype=np.int64)
    np.cumsum([len(row) for row in plain], out=splits[1:])
    flat = list(itertools.chain.from_iterable(plain))
    if not flat and present.any():
        raise InvalidArgumentError("rows that are all empty have no type; give an array or a RaggedColumn")
    return _with_splits(name, _flat_rows(flat, exact), splits, exact, None if present.all() else present)


def _row_values(row: Any, exact: bool) -> list[Any]:
    if isinstance(row, bytes | bytearray | memoryview):
        return [bytes(row)]
    if isinstance(row, str | int | float):
        return [row]
    if isinstance(row, list | tuple) and not row:
        return []  # the other rows tell the kind
    plain = as_plain(row)
    return plain if isinstance(plain, list) else numeric_column(plain, exact=exact).ravel().tolist()


def _flat_rows(flat: list[Any], exact: bool) -> Array:
    """Values of one kind as an array of it; integers among floats count as floats, and are never rounded."""
    if all(isinstance(value, bytes | bytearray | str) for value in flat):
        array = np.empty(len(flat), dtype=object)
        array[:] = [bytes(value) if isinstance(value, bytearray) else value for value in flat]
        return array
    try:
        if all(isinstance(value, int) for value in flat):
            return np.array(flat, dtype=np.int64)
        if all(isinstance(value, int | float) for value in flat):
            floats = rounded(np.array(flat, dtype=np.float64), exact=exact)
            for value, written in zip(flat, floats.tolist(), strict=True):
                if isinstance(value, int) and value != written:
                    raise InvalidArgumentError(
                        f"the integer {value} among floats does not fit into a float32 without loss"
                    )
            return floats
    except OverflowError:
        raise InvalidArgumentError("a number does not fit into an int64, which is what a feature holds") from None
    raise InvalidArgumentError("values of different kinds: a column holds bytes, floats or integers")
