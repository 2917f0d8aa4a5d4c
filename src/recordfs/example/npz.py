"""Columns of Examples as an ``.npz`` archive and back.

A feature of which every record has the same number of values is one array ``NAME`` of shape ``(records, *shape)``. Any
other is two, ``NAME/values`` and ``NAME/row_splits``: record ``i`` has the values from ``row_splits[i]`` to
``row_splits[i + 1]``. Bytes are never pickled: ``NAME/bytes`` (uint8) holds all of them and ``NAME/offsets`` where each
begins, and ``NAME/row_splits`` tells which are whose. A record without the feature has
no values, and one without values comes back as one without the feature.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from recordfs.errors import InvalidArgumentError, InvalidContentError
from recordfs.example.columns import Array, Column, RaggedColumn, SparseColumn
from recordfs.example.numpy_module import np

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["arrays_of_column", "arrays_of_columns", "columns_of_arrays"]

# Names that numpy.savez takes for itself.
_RESERVED = ("file", "allow_pickle")

# A zip archive counts the bytes of a member's name in 16 bits.
_MAX_NAME_LENGTH = 65535

_INSTEAD = "export to parquet or jsonl, or say which features to export"


def arrays_of_columns(columns: Mapping[str, Column]) -> dict[str, Array]:
    """What the columns are in the archive.

    Raises:
        InvalidContentError: A feature whose name an archive cannot hold, or that would be read back as another's part.
    """
    arrays: dict[str, Array] = {}
    for name, column in columns.items():
        parts = arrays_of_column(name, column)
        for key in parts:
            plain = key == name
            taken_for_part = plain and key.rpartition("/")[2] in ("row_splits", "offsets")
            if taken_for_part or key in _RESERVED or key.endswith(".npy") or "\0" in key or key in arrays:
                raise InvalidContentError(f"feature {name!r} cannot be told apart in an npz archive; {_INSTEAD}")
            if len(f"{key}.npy".encode()) > _MAX_NAME_LENGTH:
                raise InvalidContentError(
                    f"feature {name[:80]!r}...: its name is too long for an npz archive; {_INSTEAD}"
                )
        arrays |= parts
    for name in columns:
        of, _, part = name.rpartition("/")
        if part == "values" and name in arrays and f"{of}/row_splits" in arrays:
            raise InvalidContentError(
                f"feature {name!r} cannot be told apart from the values of {of!r} in an npz archive; {_INSTEAD}"
            )
    return arrays


def arrays_of_column(name: str, column: Column) -> dict[str, Array]:
    """What a column is in the archive.

    Raises:
        InvalidArgumentError: It has rows of rows, or values at places.
    """
    if isinstance(column, SparseColumn) or (
        isinstance(column, RaggedColumn) and isinstance(column.values, RaggedColumn)
    ):
        raise InvalidArgumentError(f"feature {name!r} is not a flat column, and an npz archive holds only these")
    if isinstance(column, RaggedColumn):
        flat, splits = column.flat_values, column.row_splits.astype(np.int64)
    elif column.dtype != object:
        return {name: column}
    else:
        elements = column.size // len(column) if len(column) else 0
        flat, splits = column.reshape(-1), np.arange(len(column) + 1, dtype=np.int64) * elements
    if flat.dtype != object:
        return {f"{name}/values": flat, f"{name}/row_splits": splits}
    values: list[bytes] = flat.tolist()
    offsets = np.zeros(len(values) + 1, np.int64)
    np.cumsum([len(value) for value in values], out=offsets[1:])
    return {
        f"{name}/bytes": np.frombuffer(b"".join(values), np.uint8),
        f"{name}/offsets": offsets,
        f"{name}/row_splits": splits,
    }


def columns_of_arrays(archive: Any) -> dict[str, Any]:
    """The columns of an archive, for ``encode_examples``; plain arrays of other origin are columns too.

    Raises:
        InvalidContentError: Arrays of a column are missing or do not fit together.
    """
    columns: dict[str, Any] = {}
    for key in archive.files:
        name, _, part = key.rpartition("/")
        if part == "values" and f"{name}/row_splits" in archive:
            columns[name] = RaggedColumn(archive[key], archive[f"{name}/row_splits"])
        elif part == "bytes" and f"{name}/offsets" in archive and f"{name}/row_splits" in archive:
            values = _strings(name, archive[key], archive[f"{name}/offsets"])
            columns[name] = RaggedColumn(values, archive[f"{name}/row_splits"])
        elif part not in ("row_splits", "offsets"):
            columns[key] = archive[key]
    return columns


def _strings(name: str, data: Array, offsets: Array) -> Array:
    if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != len(data) or np.any(np.diff(offsets) < 0):
        raise InvalidContentError(f"column {name!r}: its offsets do not fit its bytes")
    whole = data.astype(np.uint8, copy=False).tobytes()
    values = np.empty(len(offsets) - 1, dtype=object)
    values[:] = [whole[start:end] for start, end in itertools.pairwise(offsets.tolist())]
    return values
