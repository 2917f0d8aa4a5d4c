"""What is inferred from a sample, and what it says it saw."""

from __future__ import annotations

import numpy as np
import pytest

from recordfs.errors import InvalidArgumentError
from recordfs.example import (
    FixedLenFeature,
    FixedLenSequenceFeature,
    VarLenFeature,
    encode_example,
    encode_sequence_example,
    infer_features,
    parse_example,
    parse_sequence_example,
)

RECORDS = [
    encode_example({"id": 1, "vector": np.zeros(3, np.float32), "tags": ["a", "b"], "maybe": 0.5}),
    encode_example({"id": 2, "vector": np.ones(3, np.float32), "tags": "c", "never": None}),
]


def test_features_follow_from_what_every_record_has() -> None:
    inferred = infer_features(RECORDS)
    assert dict(inferred) == {
        "id": FixedLenFeature([], np.int64),
        "vector": FixedLenFeature([3], np.float32),
        "tags": VarLenFeature(bytes),
        "maybe": VarLenFeature(np.float32),
    }
    columns = parse_example(RECORDS, inferred)
    assert columns["maybe"].to_list() == [[0.5], []]


def test_it_says_what_it_saw() -> None:
    inferred = infer_features(RECORDS)
    seen = {summary.name: summary for summary in inferred.summaries}
    assert seen["tags"].kinds == {"bytes": 2}
    assert (seen["tags"].min_length, seen["tags"].max_length) == (1, 2)
    assert seen["maybe"].missing_share == 0.5
    assert seen["never"].missing_share == 1.0
    assert "feature tags: bytes, 1 to 2 values" in str(inferred)
    assert "feature maybe: float32, 1 value, missing in 50.00%" in str(inferred)


def test_a_feature_of_two_kinds_is_reported_and_cannot_be_parsed_unasked() -> None:
    inferred = infer_features([encode_example({"x": 1}), encode_example({"x": 2.5})])
    assert inferred.summaries[0].kinds == {"float32": 1, "int64": 1}
    assert "float32 (1) and int64 (1)" in str(inferred)
    with pytest.raises(InvalidArgumentError, match="'x' has values of several types"):
        inferred["x"]


def test_a_sample_is_no_more_than_was_asked_for() -> None:
    def endless():
        while True:
            yield RECORDS[0]

    assert infer_features(endless(), sample=300).records == 300


def test_feature_lists_are_inferred_too() -> None:
    records = [
        encode_sequence_example({"id": 1}, {"box": [[0.5, 1.5]] * 2, "words": ["a", ["b", "c"]]}),
        encode_sequence_example({"id": 2}, {"box": [[2.5, 3.5]]}),
    ]
    inferred = infer_features(records)
    assert inferred.sequence_features == {
        "box": FixedLenSequenceFeature([2], np.float32, allow_missing=True),
        "words": VarLenFeature(bytes),
    }
    assert "feature list box: float32, 1 to 2 steps of 2 values" in str(inferred)
    context, lists, lengths = parse_sequence_example(records, inferred, inferred.sequence_features)
    assert context["id"].tolist() == [1, 2]
    assert lengths["box"].tolist() == [2, 1]
    assert lists["words"].to_list() == [[[b"a"], [b"b", b"c"]], []]


def test_no_records_and_no_examples_are_errors() -> None:
    with pytest.raises(InvalidArgumentError, match="no records"):
        infer_features([])
    with pytest.raises(InvalidArgumentError, match="record 300: not a serialized Example"):
        infer_features([RECORDS[0]] * 300 + [b"\xff"])


def test_endlessly_many_keys_are_refused() -> None:
    records = (encode_example({f"{i}-{j}": 1 for j in range(100)}) for i in range(1000))
    with pytest.raises(InvalidArgumentError, match=r"record 100: with this one .* more than 10000"):
        infer_features(records)
