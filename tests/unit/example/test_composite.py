"""Columns that several features make: SparseFeature, the partitions of RaggedFeature, and records that do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recordfs.errors import InvalidArgumentError
from recordfs.example import (
    FixedLenFeature,
    FixedLenSequenceFeature,
    RaggedColumn,
    RaggedFeature,
    SparseColumn,
    SparseFeature,
    VarLenFeature,
    encode_example,
    encode_sequence_example,
    export_examples,
    parse_example,
    parse_sequence_example,
    parse_single_example,
    to_arrow,
)
from recordfs.records.writer import RecordWriter

A = encode_example({"v": [3, 1, 4, 1, 5, 9], "s": [0, 2, 3, 3, 6], "n": [2, 1, 0, 3], "o": [0, 2, 3]})
B = encode_example({"v": [2, 7], "s": [0, 2], "n": [2], "o": [0, 1]})
NONE = encode_example({})


def test_a_number_is_a_shape() -> None:
    assert FixedLenFeature(2, np.float32).shape == (2,)
    assert FixedLenFeature(np.int64(2), np.float32) == FixedLenFeature([2], np.float32)
    assert FixedLenSequenceFeature(2, np.float32, allow_missing=True).shape == (2,)
    assert parse_example([encode_example({"x": [1, 2]})], {"x": FixedLenFeature(2, np.int64)})["x"].tolist() == [[1, 2]]


@pytest.mark.parametrize("splits", [np.int32, np.int64])
@pytest.mark.parametrize("partition", [RaggedFeature.RowSplits("s"), RaggedFeature.RowLengths("n")])
def test_partitions_cut_each_records_values_into_rows(partition: Any, splits: type) -> None:
    column = parse_example([A, NONE, B], {"x": RaggedFeature(np.int64, "v", [partition], splits)})["x"]
    assert isinstance(column, RaggedColumn)
    assert column.to_list() == [[[3, 1], [4], [], [1, 5, 9]], [], [[2, 7]]]
    assert isinstance(column.values, RaggedColumn)
    assert column.row_splits.dtype == column.values.row_splits.dtype == splits
    assert column[2].to_list() == [[2, 7]]
    assert column.dense_shape.tolist() == [3, 4, 3]
    assert column.indices.tolist()[-3:] == [[0, 3, 2], [2, 0, 0], [2, 0, 1]]


def test_partitions_nest_from_the_outermost_to_the_innermost() -> None:
    cuts = [RaggedFeature.RowSplits("o"), RaggedFeature.RowLengths("n")]
    record = encode_example({"v": [3, 1, 4], "n": [2, 0, 1], "o": [0, 1, 3]})
    column = parse_example([record, NONE], {"x": RaggedFeature(np.int64, "v", cuts)})["x"]
    assert column.to_list() == [[[[3, 1]], [[], [4]]], []]
    assert column[0].to_list() == [[[3, 1]], [[], [4]]]
    assert column.dense_shape.tolist() == [2, 2, 2, 2]
    assert column.indices.tolist() == [[0, 0, 0, 0], [0, 0, 0, 1], [0, 1, 1, 0]]


def test_a_uniform_row_length_is_a_dimension_of_the_values() -> None:
    column = parse_example([A, NONE], {"x": RaggedFeature(np.int64, "v", [RaggedFeature.UniformRowLength(2)])})["x"]
    assert column.values.shape == (3, 2)
    assert [row.tolist() for row in column] == [[[3, 1], [4, 1], [5, 9]], []]
    single = parse_single_example(A, {"x": RaggedFeature(np.int64, "v", [RaggedFeature.UniformRowLength(3)])})["x"]
    assert single.tolist() == [[3, 1, 4], [1, 5, 9]]


def test_one_record_gives_its_rows() -> None:
    single = parse_single_example(A, {"x": RaggedFeature(np.int64, "v", [RaggedFeature.RowSplits("s")])})["x"]
    assert isinstance(single, RaggedColumn)
    assert single.to_list() == [[3, 1], [4], [], [1, 5, 9]]


WRONG: dict[str, tuple[Any, dict[str, list[int]]]] = {
    "splits that end too early": (RaggedFeature.RowSplits, {"c": [0, 2]}),
    "splits that end too late": (RaggedFeature.RowSplits, {"c": [0, 4]}),
    "splits that do not begin at 0": (RaggedFeature.RowSplits, {"c": [1, 3]}),
    "splits that descend": (RaggedFeature.RowSplits, {"c": [0, 2, 1, 3]}),
    "no splits": (RaggedFeature.RowSplits, {}),
    "lengths of too few": (RaggedFeature.RowLengths, {"c": [1, 1]}),
    "lengths of too many": (RaggedFeature.RowLengths, {"c": [2, 2]}),
    "negative lengths": (RaggedFeature.RowLengths, {"c": [4, -1]}),
    "enormous lengths": (RaggedFeature.RowLengths, {"c": [2**63 - 1, 2**63 - 1, 5]}),
    "starts that descend": (RaggedFeature.RowStarts, {"c": [0, 2, 1]}),
    "starts that begin late": (RaggedFeature.RowStarts, {"c": [1, 2]}),
    "limits that end early": (RaggedFeature.RowLimits, {"c": [1, 2]}),
    "negative limits": (RaggedFeature.RowLimits, {"c": [-1, 3]}),
    "too few row ids": (RaggedFeature.ValueRowIds, {"c": [0, 1]}),
    "row ids that descend": (RaggedFeature.ValueRowIds, {"c": [1, 0, 2]}),
    "negative row ids": (RaggedFeature.ValueRowIds, {"c": [-1, 0, 0]}),
    "enormous row ids": (RaggedFeature.ValueRowIds, {"c": [0, 0, 2**62]}),
    "the most negative row id": (RaggedFeature.ValueRowIds, {"c": [0, 2**63 - 1, -(2**63)]}),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_does_not_fit_its_record_is_an_error_that_names_it(wrong: str) -> None:
    partition, features = WRONG[wrong]
    sound = encode_example({"v": [1], "c": [0, 1] if partition is RaggedFeature.RowSplits else [1]})
    if partition in (RaggedFeature.ValueRowIds, RaggedFeature.RowStarts):
        sound = encode_example({"v": [1], "c": [0]})
    broken = encode_example({"v": [1, 2, 3], **features})
    feature = {"x": RaggedFeature(np.int64, "v", [partition("c")])}
    assert parse_example([sound, sound], feature)["x"].to_list() == [[[1]], [[1]]]
    with pytest.raises(InvalidArgumentError, match=r"record 1 of the batch, feature 'x': .*'c'"):
        parse_example([sound, broken, sound], feature)
    with pytest.raises(InvalidArgumentError, match=r"feature 'x'"):
        parse_single_example(broken, feature)


def test_lengths_that_fit_the_batch_but_not_the_record_are_an_error() -> None:
    records = [encode_example({"v": [1, 2, 3], "n": [4]}), encode_example({"v": [1, 2, 3], "n": [2]})]
    with pytest.raises(InvalidArgumentError, match=r"record 0 of the batch, feature '\{x\}'"):
        parse_example(records, {"{x}": RaggedFeature(np.int64, "v", [RaggedFeature.RowLengths("n")])})
    uniform = RaggedFeature(np.int64, "v", [RaggedFeature.UniformRowLength(2)])
    with pytest.raises(InvalidArgumentError, match="3 values cannot be cut by rows of 2"):
        parse_example(records, {"x": uniform})


def test_row_ids_that_skip_rows_leave_them_empty_within_bounds() -> None:
    feature = {"x": RaggedFeature(np.int64, "v", [RaggedFeature.ValueRowIds("c")])}
    assert parse_example([encode_example({"v": [1, 2], "c": [1, 3]})], feature)["x"].to_list() == [[[], [1], [], [2]]]
    with pytest.raises(InvalidArgumentError, match="rows empty"):
        parse_example([encode_example({"v": [1], "c": [1 << 25]})], feature)


def test_a_sparse_feature_puts_values_at_their_places() -> None:
    records = [encode_example({"i": [3, 1], "v": [1.0, 2.0]}), NONE, encode_example({"i": [0], "v": [5.0]})]
    column = parse_example(records, {"x": SparseFeature("i", "v", np.float32, 10)})["x"]
    assert isinstance(column, SparseColumn)
    assert column.indices.tolist() == [[0, 1], [0, 3], [2, 0]]
    assert column.values.tolist() == [2.0, 1.0, 5.0]
    assert column.values.dtype == np.float32
    assert column.dense_shape.tolist() == [3, 10]
    unsorted = parse_example(records, {"x": SparseFeature("i", "v", np.float32, 10, already_sorted=True)})["x"]
    assert unsorted.indices.tolist() == [[0, 3], [0, 1], [2, 0]]


def test_a_sparse_feature_of_several_dimensions_and_of_one_record() -> None:
    record = encode_example({"i": [1, 0], "j": [2, 3], "v": ["a", "b"]})
    feature = {"x": SparseFeature(["i", "j"], "v", bytes, [4, 5])}
    column = parse_example([NONE, record], feature)["x"]
    assert column.indices.tolist() == [[1, 0, 3], [1, 1, 2]]
    assert column.values.tolist() == [b"b", b"a"]
    assert column.dense_shape.tolist() == [2, 4, 5]
    single = parse_single_example(record, feature)["x"]
    assert (single.indices.tolist(), single.dense_shape.tolist()) == ([[0, 3], [1, 2]], [4, 5])


@pytest.mark.parametrize(
    ("features", "reason"),
    [
        ({"i": [1], "v": [1.0, 2.0]}, "2 values and 1 indices in 'i'"),
        ({"v": [1.0]}, "1 values and 0 indices in 'i'"),
        ({"i": [10], "v": [1.0]}, "the index 10 in 'i' is not in 0 to 9"),
        ({"i": [-1], "v": [1.0]}, "the index -1"),
    ],
)
def test_indices_that_do_not_fit_their_record_are_an_error(features: dict[str, Any], reason: str) -> None:
    records = [encode_example({"i": [1, 2], "v": [1.0, 2.0]}), encode_example(features)]
    with pytest.raises(InvalidArgumentError, match=f"record 1 of the batch, feature 'x': {reason}"):
        parse_example(records, {"x": SparseFeature("i", "v", np.float32, 10)})


def test_keys_are_shared_with_other_features() -> None:
    features = {
        "x": SparseFeature("i", "v", np.float32, 10),
        "i": VarLenFeature(np.int64),
        "v": RaggedFeature(np.float32, partitions=[RaggedFeature.UniformRowLength(1)]),
    }
    columns = parse_example([encode_example({"i": [3], "v": [1.0]})], features)
    assert list(columns) == ["x", "i", "v"]
    assert columns["i"].to_list() == [[3]]
    with pytest.raises(InvalidArgumentError, match="'i' is asked for in two different ways"):
        parse_example([], {"x": features["x"], "i": FixedLenFeature([], np.int64)})


@pytest.mark.parametrize(
    "make",
    [
        lambda: RaggedFeature(np.int64, partitions=5),
        lambda: RaggedFeature(np.int64, partitions=["s"]),
        lambda: RaggedFeature(np.int64, partitions=[("s",)]),
        lambda: RaggedFeature(np.int64, partitions=[RaggedFeature.RowSplits("")]),
        lambda: RaggedFeature(np.int64, partitions=[RaggedFeature.UniformRowLength(0)]),
        lambda: RaggedFeature(np.int64, partitions=[RaggedFeature.UniformRowLength("2")]),
        lambda: SparseFeature("", "v", np.int64, 3),
        lambda: SparseFeature("i", None, np.int64, 3),
        lambda: SparseFeature("i", "v", np.float64, 3),
        lambda: SparseFeature("i", "v", np.int64, [3]),
        lambda: SparseFeature(["i"], "v", np.int64, 3),
        lambda: SparseFeature(["i", "j"], "v", np.int64, [3]),
        lambda: SparseFeature([], "v", np.int64, []),
        lambda: SparseFeature("i", "v", np.int64, -1),
        lambda: parse_sequence_example([], {"x": SparseFeature("i", "v", np.int64, 3)}),
        lambda: parse_sequence_example([], None, {"x": SparseFeature("i", "v", np.int64, 3)}),
        lambda: to_arrow([NONE], {"x": SparseFeature("i", "v", np.int64, 3)}),
        lambda: to_arrow([NONE], {"x": RaggedFeature(np.int64, partitions=[RaggedFeature.RowSplits("s")])}),
    ],
)
def test_features_that_make_no_sense_are_refused(make: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        make()


def test_an_archive_refuses_rows_of_rows(tmp_path: Any) -> None:
    with RecordWriter(str(tmp_path / "a")) as writer:
        writer.write(A)
    feature = {"x": RaggedFeature(np.int64, "v", [RaggedFeature.RowSplits("s")])}
    with pytest.raises(InvalidArgumentError, match="'x' is not a flat column"):
        export_examples(str(tmp_path / "a"), str(tmp_path / "a.npz"), features=feature)


STEPS = [
    encode_sequence_example({"v": [1, 2, 3], "n": [1, 2]}, {"v": [[1, 2, 3], [4, 5]], "n": [[1, 2], [2]], "m": [[3]]}),
    encode_sequence_example({}, {"v": [[6]], "n": [[0, 1]], "m": [[1]]}),
]


def test_partitions_cut_every_step_of_a_feature_list_and_the_context() -> None:
    features = {"x": RaggedFeature(np.int64, "v", [RaggedFeature.RowLengths("n")])}
    context, lists, _ = parse_sequence_example(STEPS, features, features)
    assert context["x"].to_list() == [[[1], [2, 3]], []]
    assert lists["x"].to_list() == [[[[1], [2, 3]], [[4, 5]]], [[[], [6]]]]
    assert lists["x"].dense_shape.tolist() == [2, 2, 2, 2]


def test_steps_that_cannot_be_cut_are_named() -> None:
    misaligned = {"x": RaggedFeature(np.int64, "v", [RaggedFeature.RowLengths("m")])}
    with pytest.raises(InvalidArgumentError, match="different numbers of steps"):
        parse_sequence_example(STEPS, None, misaligned)
    uniform = {"x": RaggedFeature(np.int64, "v", [RaggedFeature.UniformRowLength(3)])}
    with pytest.raises(InvalidArgumentError, match="record 0 of the batch, feature 'x': step 1 of the feature list"):
        parse_sequence_example(STEPS, None, uniform)
    # A step is counted from the first of its own record.
    sound = encode_sequence_example({}, {"v": [[1, 2, 3], [4, 5, 6]]})
    with pytest.raises(InvalidArgumentError, match="record 1 of the batch, feature 'x': step 1 of the feature list"):
        parse_sequence_example([sound, STEPS[0]], None, uniform)


def test_a_missing_feature_list_is_told_what_helps_it() -> None:
    records = [encode_sequence_example({}, {"a": [[1]]}), encode_sequence_example({}, {})]
    with pytest.raises(InvalidArgumentError, match=r"record 1 .*'a'.*allow_missing=True") as caught:
        parse_sequence_example(records, None, {"a": FixedLenSequenceFeature([], np.int64)})
    assert "default_value" not in str(caught.value)
    _, _, lengths = parse_sequence_example(records, None, {"a": FixedLenSequenceFeature([], np.int64, True)})
    assert lengths["a"].tolist() == [1, 0]


def test_a_step_of_another_kind_is_no_damage() -> None:
    record = encode_sequence_example({}, {"a": [[1], [2.5]]})
    with pytest.raises(InvalidArgumentError, match="step 1 of the feature list: expected int64 values, found float32"):
        parse_sequence_example([record], None, {"a": VarLenFeature(np.int64)})
