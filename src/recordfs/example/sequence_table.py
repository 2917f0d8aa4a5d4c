"""SequenceExamples as tables of nested columns and back, by pyarrow.

A context feature is a column as it is for an Example: a value, or a list of values. A feature list is a column of lists
of lists: steps, and the values of each. A context feature without values is a null.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordfs.errors import InvalidArgumentError, InvalidContentError
from recordfs.example.bad_record import BadRecordError
from recordfs.example.columns import Array, RaggedColumn
from recordfs.example.encode import encode_sequence_example
from recordfs.example.features import VarLenFeature
from recordfs.example.numpy_module import np
from recordfs.example.parse import parse_sequence_example
from recordfs.example.plain import EmptyList

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from recordfs.example.doubles import Doubles
    from recordfs.example.schema import InferredFeatures

__all__ = ["SequenceTable", "sequence_records"]


class SequenceTable:
    """What the records of files become: made once from what was inferred, then given batch after batch.

    Args:
        pyarrow: The module.
        inferred: The features; a record that does not fit them is an error.

    Raises:
        InvalidContentError: A feature of several kinds; a name that is a context feature's and a feature list's.
    """

    def __init__(self, pyarrow: Any, inferred: InferredFeatures) -> None:
        both = inferred.keys() & inferred.sequence_features.keys()
        if both:
            raise InvalidContentError(
                f"{min(both)!r} is a context feature and a feature list, and a table has one column of a name: "
                "export to jsonl"
            )
        self._pyarrow = pyarrow
        self._seen = inferred.records
        self._context = {name: VarLenFeature(feature.dtype) for name, feature in inferred.items()}
        self._lists = {name: VarLenFeature(feature.dtype) for name, feature in inferred.sequence_features.items()}
        self._single = {summary.name for summary in inferred.summaries if summary.min_length == summary.max_length == 1}
        fields = [
            (name, self._type(feature) if name in self._single else pyarrow.large_list(self._type(feature)))
            for name, feature in self._context.items()
        ]
        fields += [
            (name, pyarrow.large_list(pyarrow.large_list(self._type(feature)))) for name, feature in self._lists.items()
        ]
        self.schema = pyarrow.schema(fields)

    def batch(self, records: Sequence[bytes], first: int) -> Any:
        """The records as a ``pyarrow.RecordBatch``.

        Args:
            records: Serialized SequenceExamples.
            first: How many there were before them, for the message of an error.

        Raises:
            BadRecordError: A record that does not fit, or that holds more than was inferred.
        """
        try:
            context, lists, _ = parse_sequence_example(records, self._context, self._lists, complete=True)
            columns = [self._context_column(name, column) for name, column in context.items()]
        except BadRecordError as error:
            error.message += (
                f" (the batch begins with record {first} of what was read); the features were inferred from "
                f"{self._seen} records: sample=None (--sample 0) infers them from all"
            )
            raise
        columns += [self._list(column) for column in lists.values() if isinstance(column, RaggedColumn)]
        return self._pyarrow.record_batch(columns, schema=self.schema)

    def _type(self, feature: VarLenFeature) -> Any:
        return self._pyarrow.large_binary() if feature.dtype is bytes else self._pyarrow.from_numpy_dtype(feature.dtype)

    def _context_column(self, name: str, column: Any) -> Any:
        lengths = column.lengths
        if name not in self._single:
            return self._list(column, lengths == 0)
        if lengths.max(initial=0) > 1:
            row = int(np.argmax(lengths > 1))
            raise BadRecordError(
                f"record {row} of the batch, feature {name!r}: expected 1 value, found {lengths[row]}", record=row
            )
        places = np.maximum(np.cumsum(lengths) - 1, 0)
        return self._values(column.flat_values).take(self._pyarrow.array(places, mask=lengths == 0))

    def _list(self, column: RaggedColumn, nulls: Array | None = None) -> Any:
        inner = column.values
        values = self._list(inner) if isinstance(inner, RaggedColumn) else self._values(inner)
        mask = None if nulls is None or not nulls.any() else self._pyarrow.array(nulls)
        return self._pyarrow.LargeListArray.from_arrays(column.row_splits, values, mask=mask)

    def _values(self, values: Array) -> Any:
        return self._pyarrow.array(values, self._pyarrow.large_binary() if values.dtype == object else None)


def sequence_records(pyarrow: Any, batch: Any, doubles: Doubles) -> Iterator[bytes]:
    """The rows of a record batch as SequenceExamples; columns of lists of lists are feature lists.

    Raises:
        InvalidArgumentError: A column or a value that a feature cannot hold.
    """
    kinds = {field.name: _depth_and_kind(pyarrow.types, field) for field in batch.schema}
    for row in batch.to_pylist():
        context, lists = {}, {}
        for name, value in row.items():
            depth, kind = kinds[name]
            if value is None:
                continue
            if depth == 2:
                lists[name] = [_step(step, kind) for step in value]
            else:
                context[name] = _step(value if depth else [value], kind)
        yield encode_sequence_example(context, lists, doubles=doubles)


def _step(values: list[Any] | None, kind: str) -> list[Any] | None:
    return EmptyList(kind) if values == [] else values


def _depth_and_kind(types: Any, field: Any) -> tuple[int, str]:
    depth, leaf = 0, field.type
    while types.is_list(leaf) or types.is_large_list(leaf) or types.is_fixed_size_list(leaf):
        depth, leaf = depth + 1, leaf.value_type
    if types.is_dictionary(leaf):
        leaf = leaf.value_type
    if types.is_integer(leaf) or types.is_boolean(leaf):
        kind = "int64"
    elif types.is_floating(leaf):
        kind = "float32"
    elif any(is_kind(leaf) for is_kind in (types.is_string, types.is_large_string, types.is_binary)) or any(
        is_kind(leaf) for is_kind in (types.is_large_binary, types.is_fixed_size_binary, types.is_null)
    ):
        kind = "bytes"
    else:
        raise InvalidArgumentError(f"column {field.name!r}: the Arrow type {leaf} cannot be a feature")
    if depth > 2:
        raise InvalidArgumentError(f"column {field.name!r}: a feature list has steps of values, found {field.type}")
    return depth, kind
