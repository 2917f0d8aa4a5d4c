"""Columns from records: shapes, types, ownership and errors. What TensorFlow says of the same is in tests/interop."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from recordfs.errors import InvalidArgumentError
from recordfs.example import (
    ExampleParser,
    FixedLenFeature,
    FixedLenSequenceFeature,
    RaggedColumn,
    RaggedFeature,
    VarLenFeature,
    encode_example,
    encode_sequence_example,
    parse_example,
    parse_sequence_example,
    parse_single_example,
)
from support.hostile_examples import SEQUENCE_NAMED, delimited, entry, example, varint


def record(label: int, values: list[float], image: bytes = b"pixels") -> bytes:
    return encode_example({"label": label, "values": np.array(values, np.float32), "image": image})


RECORDS = [record(0, [1, 2]), record(1, []), record(2, [3, 4, 5, 6], b"\0\xff")]


def test_columns_have_the_shapes_and_types_of_their_features() -> None:
    columns = parse_example(
        RECORDS,
        {
            "label": FixedLenFeature([], np.int64),
            "image": FixedLenFeature((1, 1), bytes),
            "values": FixedLenSequenceFeature([2], np.float32, allow_missing=True, default_value=-1),
        },
    )
    assert columns["label"].dtype == np.int64
    assert columns["label"].tolist() == [0, 1, 2]
    assert columns["image"].shape == (3, 1, 1)
    assert columns["image"][2, 0, 0] == b"\0\xff"
    assert columns["values"].dtype == np.float32
    assert columns["values"].tolist() == [[[1, 2], [-1, -1]], [[-1, -1], [-1, -1]], [[3, 4], [5, 6]]]


@pytest.mark.parametrize("splits", [np.int32, np.int64])
def test_ragged_columns_are_values_with_row_splits(splits: type) -> None:
    column = parse_example(RECORDS, {"v": RaggedFeature(np.float32, "values", row_splits_dtype=splits)})["v"]
    assert isinstance(column, RaggedColumn)
    assert column.row_splits.dtype == splits
    assert column.row_splits.tolist() == [0, 2, 2, 6]
    assert column.to_list() == [[1, 2], [], [3, 4, 5, 6]]
    assert column.lengths.tolist() == [2, 0, 4]
    assert column[-1].tolist() == [3, 4, 5, 6]
    with pytest.raises(IndexError):
        column[3]


def test_columns_own_their_memory_and_can_be_written_to() -> None:
    columns = parse_example(RECORDS, {"label": FixedLenFeature([], np.int64), "values": VarLenFeature(np.float32)})
    columns["label"][0] = 7
    columns["values"].values[:] = 0
    again = parse_example(RECORDS, {"label": FixedLenFeature([], np.int64)})
    assert (columns["label"][0], again["label"][0]) == (7, 0)


def test_a_single_record_gives_scalars_and_vectors() -> None:
    values = parse_single_example(
        RECORDS[2],
        {
            "label": FixedLenFeature([], np.int64),
            "image": FixedLenFeature([], bytes),
            "values": RaggedFeature(np.float32),
            "none": FixedLenSequenceFeature([], np.int64, allow_missing=True),
        },
    )
    assert values["label"] == 2
    assert values["image"] == b"\0\xff"
    assert values["values"].tolist() == [3, 4, 5, 6]
    assert values["none"].shape == (0,)


def test_an_empty_batch_gives_empty_columns() -> None:
    columns = parse_example(
        [],
        {
            "a": FixedLenFeature([2, 3], np.int64),
            "b": VarLenFeature(bytes),
            "c": FixedLenSequenceFeature([2], np.float32, allow_missing=True),
        },
    )
    assert columns["a"].shape == (0, 2, 3)
    assert len(columns["b"]) == 0
    assert columns["b"].dense_shape.tolist() == [0, 0]
    assert columns["c"].shape == (0, 0, 2)


def test_records_may_be_any_bytes_like_object_or_iterable() -> None:
    features = {"label": FixedLenFeature([], np.int64)}
    backing = b"".join(RECORDS)
    view = memoryview(backing)[len(RECORDS[0]) : len(RECORDS[0]) + len(RECORDS[1])]
    given = (item for item in [RECORDS[0], view, bytearray(RECORDS[2]), np.frombuffer(RECORDS[0], np.uint8)])
    assert parse_example(given, features)["label"].tolist() == [0, 1, 2, 0]
    empty = parse_example([bytearray(), memoryview(b"")], {"label": FixedLenFeature([], np.int64, 5)})
    assert empty["label"].tolist() == [5, 5]


@pytest.mark.parametrize("given", [RECORDS[0], "text", [1], [None], [np.zeros(3)]])
def test_what_is_no_list_of_records_is_refused(given: object) -> None:
    with pytest.raises(InvalidArgumentError):
        parse_example(given, {})


def test_errors_name_the_record_and_the_feature() -> None:
    broken = encode_example({"label": "text", "values": np.zeros(3, np.float32)})
    features = {"label": FixedLenFeature([], np.int64), "values": FixedLenFeature([2], np.float32, [0, 0])}
    with pytest.raises(InvalidArgumentError, match=r"record 1 .*, feature 'label': expected int64 .* found bytes"):
        parse_example([RECORDS[0], broken], features)
    with pytest.raises(InvalidArgumentError, match=r"record 1 .*, feature 'values': expected 2 values, found 0"):
        parse_example([RECORDS[0], RECORDS[1]], features)
    with pytest.raises(InvalidArgumentError, match=r"feature 'other': required .* default_value"):
        parse_example(RECORDS, {"other": FixedLenFeature([], np.int64)})
    with pytest.raises(InvalidArgumentError, match=r"record 2 of the batch: not a serialized message .* byte"):
        parse_example([RECORDS[0], RECORDS[2], b"\xff"], {"label": features["label"]})


def test_the_first_broken_record_is_reported_whatever_the_threads() -> None:
    records = [RECORDS[0]] * 500
    records[123] = records[400] = b"\xff"
    for threads in (1, 2, 7):
        with pytest.raises(InvalidArgumentError, match="record 123 of"):
            parse_example(records, {"label": FixedLenFeature([], np.int64)}, threads=threads)


def test_threads_do_not_change_the_columns() -> None:
    records = [record(i, [i] * (i % 5), str(i).encode()) for i in range(1000)]
    features = {
        "label": FixedLenFeature([], np.int64),
        "image": FixedLenFeature([], bytes),
        "values": VarLenFeature(np.float32),
    }
    one, many = (parse_example(records, features, threads=threads) for threads in (1, 5))
    assert one["label"].tolist() == many["label"].tolist() == list(range(1000))
    assert one["image"].tolist() == many["image"].tolist()
    assert one["values"].to_list() == many["values"].to_list()


def test_one_parser_serves_many_threads_at_once() -> None:
    parser = ExampleParser({"label": FixedLenFeature([], np.int64), "image": FixedLenFeature([], bytes)})
    batches = [[record(i * 100 + j, [], b"x" * j) for j in range(100)] for i in range(8)]
    results: list[object] = [None] * len(batches)

    def work(index: int) -> None:
        for _ in range(20):
            results[index] = parser.parse(batches[index], threads=2)["label"].tolist()

    workers = [threading.Thread(target=work, args=[index]) for index in range(len(batches))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert results == [list(range(i * 100, i * 100 + 100)) for i in range(8)]


@pytest.mark.parametrize(
    "make",
    [
        lambda: FixedLenFeature([2], np.float64),
        lambda: FixedLenFeature([-1], np.int64),
        lambda: FixedLenFeature([None], np.int64),
        lambda: FixedLenFeature(3.0, np.int64),
        lambda: FixedLenFeature(None, np.int64),
        lambda: FixedLenFeature([1 << 20, 1 << 20], np.int64),
        lambda: FixedLenFeature([2], np.int64, 7),
        lambda: FixedLenFeature([], np.int64, 1.5),
        lambda: FixedLenFeature([], np.int64, "x"),
        lambda: FixedLenFeature([], bytes, 3),
        lambda: FixedLenSequenceFeature([0], np.int64),
        lambda: FixedLenSequenceFeature([2], np.int64, default_value=[1, 2]),
        lambda: RaggedFeature(str),
        lambda: RaggedFeature(bytes, value_key=""),
        lambda: RaggedFeature(bytes, row_splits_dtype=np.int16),
        lambda: ExampleParser({"a": np.int64}),
        lambda: ExampleParser({1: VarLenFeature(bytes)}),
        lambda: ExampleParser({"a": FixedLenSequenceFeature([], np.int64)}),
        lambda: ExampleParser({"a": FixedLenFeature([], np.int64), "b": RaggedFeature(np.int64, "a")}),
        lambda: parse_example([], {}, threads=0),
        lambda: FixedLenFeature(["3"], np.int64),
        lambda: FixedLenFeature("12", np.int64),
        lambda: FixedLenFeature([1.5], np.int64),
        lambda: FixedLenFeature([2], "i8,i8"),
        lambda: FixedLenFeature([2], "no type"),
        lambda: FixedLenFeature([3], np.float32, [[1.0], [2.0, 3.0]]),
        lambda: FixedLenFeature([3], bytes, [[b"x"], [b"y", b"z"]]),
        lambda: FixedLenFeature([], np.int64, float("nan")),
        lambda: RaggedFeature(np.int64, 5),
        lambda: RaggedFeature(np.int64, row_splits_dtype="no type"),
        lambda: RaggedFeature(np.int64, row_splits_dtype=np.uint8),
        lambda: parse_example([], None),
        lambda: parse_example([], 5),
        lambda: parse_example([], {5: VarLenFeature(np.int64)}),
        lambda: parse_example([], {"\udcff": VarLenFeature(np.int64)}),
        lambda: parse_example([], {"a": VarLenFeature}),
        lambda: parse_example([], {"a": np.int64}),
        lambda: parse_sequence_example([], 5),
        lambda: parse_sequence_example([], {}, {5: VarLenFeature(np.int64)}),
        lambda: parse_sequence_example([], {"a": FixedLenSequenceFeature([], np.int64)}),
        lambda: parse_sequence_example([], {}, {"a": FixedLenFeature([], np.int64)}),
        lambda: parse_sequence_example([], {}, {"a": FixedLenSequenceFeature([], np.int64, True, 5)}),
    ],
)
def test_features_that_make_no_sense_are_refused_at_once(make: object) -> None:
    with pytest.raises(InvalidArgumentError):
        make()


def test_two_columns_may_read_one_key() -> None:
    columns = parse_example(RECORDS, {"x": RaggedFeature(np.float32, "values"), "values": VarLenFeature(np.float32)})
    assert columns["x"].to_list() == columns["values"].to_list()


def test_defaults_fill_only_the_records_without_the_feature() -> None:
    records = [RECORDS[0], encode_example({}), encode_example({"label": None})]
    features = {
        "label": FixedLenFeature([], np.int64, -1),
        "image": FixedLenFeature([2], bytes, ["a", b"b"]),
        "values": FixedLenFeature([1, 2], np.float32, np.array([[0.5, 1.5]])),
    }
    columns = parse_example([*records[1:], encode_example({"label": 9})], features)
    assert columns["label"].tolist() == [-1, -1, 9]
    assert columns["image"].tolist() == [[b"a", b"b"]] * 3
    assert columns["values"].tolist() == [[[0.5, 1.5]]] * 3


def test_sequences_give_context_steps_and_lengths() -> None:
    records = [
        encode_sequence_example({"id": 1}, {"frame": [b"x", b"y"], "box": [np.zeros(2, np.float32)] * 3}),
        encode_sequence_example({"id": 2}, {"frame": []}),
    ]
    context, lists, lengths = parse_sequence_example(
        records,
        {"id": FixedLenFeature([], np.int64)},
        {
            "frame": FixedLenSequenceFeature([], bytes),
            "box": RaggedFeature(np.float32),
        },
    )
    assert context["id"].tolist() == [1, 2]
    assert lists["frame"].tolist() == [[b"x", b"y"], [b"", b""]]
    assert lengths["frame"].tolist() == [2, 0]
    assert lists["box"].to_list() == [[[0, 0]] * 3, []]
    assert lists["box"][0].to_list() == [[0, 0]] * 3
    with pytest.raises(InvalidArgumentError, match=r"record 1 of the batch, feature 'box': required"):
        parse_sequence_example(records, {}, {"box": FixedLenSequenceFeature([2], np.float32)})
    with pytest.raises(InvalidArgumentError, match=r"step 0 of the feature list: expected 3 values, found 2"):
        parse_sequence_example(records, {}, {"box": FixedLenSequenceFeature([3], np.float32, allow_missing=True)})


@pytest.mark.parametrize(
    ("feature", "asked"),
    [
        (delimited(1, b"\x0a" + varint(2**31 + 5) + b"xx"), VarLenFeature(bytes)),
        (delimited(2, b"\x0a" + varint(2**32 - 4) + b"xxxx"), VarLenFeature(np.float32)),
        (delimited(2, b"\x0d\0\0\0\0" * 1000), FixedLenFeature([1], np.float32)),
    ],
)
def test_records_that_kill_tensorflow_are_refused(feature: bytes, asked: object) -> None:
    """TensorFlow 2.21 ends by SIGSEGV or SIGABRT."""
    with pytest.raises(InvalidArgumentError, match="feature 'x'"):
        parse_example([example(entry(b"x", feature))], {"x": asked})


def test_a_string_longer_than_its_list_is_refused_in_sequences() -> None:
    """TensorFlow 2.21 writes beyond its memory here."""
    record = SEQUENCE_NAMED["value that lies"]
    for feature_list in (RaggedFeature(bytes), FixedLenSequenceFeature([], bytes)):
        with pytest.raises(InvalidArgumentError, match="step 0"):
            parse_sequence_example([record], {}, {"x": feature_list})


def test_defaults_of_both_zeros_are_kept_apart() -> None:
    for zero in (0.0, -0.0):
        column = parse_example([encode_example({})], {"x": FixedLenFeature([], np.float32, zero)})["x"]
        assert np.signbit(column[0]) == np.signbit(zero)
