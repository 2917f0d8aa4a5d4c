"""Examples as Arrow tables and back, with pyarrow looking on. Other consumers: tests/interop/test_example_arrow.py."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from recordfs.errors import InvalidArgumentError, NotFoundError
from recordfs.example import (
    FixedLenFeature,
    FixedLenSequenceFeature,
    RaggedFeature,
    VarLenFeature,
    decode_example,
    encode_example,
    from_arrow,
    read_arrow,
    read_table,
    to_arrow,
    write_table,
)
from recordfs.example.arrow import arrow_batches
from recordfs.records.reader import RecordReader
from recordfs.records.writer import RecordWriter

if TYPE_CHECKING:
    from pathlib import Path


def record(i: int) -> bytes:
    features: dict[str, Any] = {
        "id": i,
        "vector": np.arange(3, dtype=np.float32) * i,
        "image": bytes([i % 256]) * (i % 7),
    }
    if i % 3:
        features["tags"] = [f"tag{j}" for j in range(i % 3)]
    if i % 4:
        features["weight"] = i / 2
    return encode_example(features)


RECORDS = [record(i) for i in range(3000)]


def test_a_table_has_the_types_and_values_of_the_features() -> None:
    table = to_arrow(RECORDS).to_pyarrow()
    table.validate(full=True)
    assert {field.name: str(field.type) for field in table.schema} == {
        "id": "int64",
        "image": "large_binary",
        "tags": "large_list<item: large_binary not null>",
        "vector": "fixed_size_list<item: float not null>[3]",
        "weight": "float",
    }
    assert table.slice(4, 2).to_pylist() == [
        {"id": 4, "image": b"\4" * 4, "tags": [b"tag0"], "vector": [0, 4, 8], "weight": None},
        {"id": 5, "image": b"\5" * 5, "tags": [b"tag0", b"tag1"], "vector": [0, 5, 10], "weight": 2.5},
    ]
    assert table["weight"].null_count == 750
    assert table["tags"].null_count == 1000


def test_given_features_decide() -> None:
    features = {
        "id": FixedLenFeature([], np.int64),
        "vector": FixedLenFeature([1, 3], np.float32),
        "weight": FixedLenFeature([], np.float32, -1),
        "t": RaggedFeature(bytes, value_key="tags"),
    }
    table = pa.table(to_arrow(RECORDS, features, threads=2))
    assert table.column_names == list(features)
    assert str(table.schema.field("vector").type).startswith("fixed_size_list<item: fixed_size_list<item: float")
    assert table["vector"][2].as_py() == [[0, 2, 4]]
    assert table["weight"].slice(3, 2).to_pylist() == [1.5, -1]
    assert table["weight"].null_count == 0


def test_records_go_to_arrow_and_back_unchanged() -> None:
    examples = to_arrow(RECORDS)
    assert list(from_arrow(examples)) == RECORDS
    table = examples.to_pyarrow()
    assert list(from_arrow(table)) == RECORDS
    assert list(from_arrow(table.slice(1500, 7))) == RECORDS[1500:1507]
    assert list(from_arrow(table.to_reader(max_chunksize=13))) == RECORDS


def test_a_batch_can_be_exported_again_and_outlives_its_parser() -> None:
    batch = next(to_arrow(RECORDS).batches())
    first, second = pa.record_batch(batch), pa.record_batch(batch)
    assert len(batch) == 1024
    assert first.equals(second)
    del batch
    assert first["id"].to_pylist() == list(range(1024))


def test_capsules_that_nobody_reads_are_freed() -> None:
    examples = to_arrow(RECORDS)
    for _ in range(3):
        examples.__arrow_c_stream__()
        examples.__arrow_c_schema__()
        next(examples.batches()).__arrow_c_array__()


def test_a_stream_can_be_taken_only_once() -> None:
    class Once:
        def __init__(self) -> None:
            self.capsule = to_arrow(RECORDS).__arrow_c_stream__()

        def __arrow_c_stream__(self) -> object:
            return self.capsule

    once = Once()
    assert len(list(from_arrow(once))) == 3000
    with pytest.raises(InvalidArgumentError, match="read before"):
        from_arrow(once)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.array([1, None, 3], pa.int8()), [[1], None, [3]]),
        (pa.array([1, None, 2**63 - 1], pa.uint64()), [[1], None, [2**63 - 1]]),
        (pa.array([True, None, False]), [[1], None, [0]]),
        (pa.array([1.5, None, -0.25], pa.float64()), [[1.5], None, [-0.25]]),
        (pa.array([1.5, None, 6e-8], pa.float32()).cast(pa.float16()), [[1.5], None, [2.0**-24]]),
        (pa.array(["a", None, "längeres als zwölf"]), [[b"a"], None, ["längeres als zwölf".encode()]]),
        (pa.array(["a", None, "x" * 13], pa.string_view()), [[b"a"], None, [b"x" * 13]]),
        (pa.array([b"a", None, b""], pa.large_binary()), [[b"a"], None, [b""]]),
        (pa.array([b"ab", None, b"cd"], pa.binary(2)), [[b"ab"], None, [b"cd"]]),
        (pa.array(["u", None, "u"]).dictionary_encode(), [[b"u"], None, [b"u"]]),
        (pa.array([[1, 2], None, []]), [[1, 2], None, []]),
        (pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int16(), 2)), [[1, 2], None, [3, 4]]),
        (pa.array([[["a"], ["b"]], None, []], pa.list_(pa.list_(pa.string(), 1))), [[b"a", b"b"], None, []]),
        (pa.nulls(3), [None, None, None]),
    ],
)
def test_every_type_that_fits_is_taken(array: pa.Array, expected: list[Any]) -> None:
    table = pa.table({"pad": [0, 1, 2, 3, 4], "v": pa.concat_arrays([array[:1], array[:1], array])}).slice(2)
    assert [decode_example(one).get("v") for one in from_arrow(table)] == expected


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (pa.array([1e300]), "float32"),
        (pa.array([2**63], pa.uint64()), "int64"),
        (pa.array([[1, None]]), "null in a list"),
        (pa.array([[[1], [2, 3]]]), "outermost list"),
        (pa.array([{"a": 1}]), "cannot be a feature"),
        (pa.array([dt.date(2020, 1, 1)]), r"date32\[day\] .*cast it"),
        (pa.array([0], pa.timestamp("us")), r"timestamp\[us\] "),
        (pa.array([0], pa.timestamp("ns", "Europe/Berlin")), r"timestamp\[ns, tz=Europe/Berlin\] "),
        (pa.array([1], pa.decimal128(10, 2)), r"decimal128\(10, 2\) "),
    ],
)
def test_what_does_not_fit_is_refused_with_the_columns_name(array: pa.Array, reason: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"column 'v': .*{reason}"):
        list(from_arrow(pa.table({"v": array})))


def test_what_is_no_arrow_data_is_refused_at_once() -> None:
    with pytest.raises(InvalidArgumentError, match="__arrow_c_stream__"):
        from_arrow([1, 2])
    with pytest.raises(InvalidArgumentError, match="two columns are called 'a'"):
        list(from_arrow(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])))


def test_errors_of_records_come_out_of_the_reader() -> None:
    broken = [*RECORDS[:1500], encode_example({"id": "text"})]
    features = {"id": FixedLenFeature([], np.int64)}
    with pytest.raises(InvalidArgumentError, match=r"record 476 .* 'id': expected int64 .* begins with record 1024 "):
        to_arrow(broken, features).to_pyarrow()
    with pytest.raises(pa.ArrowInvalid, match="'id': expected int64"):
        pa.table(to_arrow(broken, features))
    with pytest.raises(InvalidArgumentError, match=r"the Arrow stream failed: .*'id': expected int64"):
        list(from_arrow(to_arrow(broken, features)))


def test_features_that_arrow_cannot_have_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="VarLenFeature"):
        to_arrow(RECORDS, {"id": FixedLenSequenceFeature([], np.int64, allow_missing=True)})
    with pytest.raises(InvalidArgumentError, match="one key"):
        to_arrow(RECORDS, {"tags": VarLenFeature(bytes), "again": RaggedFeature(bytes, "tags")})


def test_a_table_is_written_as_a_record_file_and_read_again(tmp_path: Path) -> None:
    table = to_arrow(RECORDS).to_pyarrow()
    path = str(tmp_path / "table.tfrecord.gz")
    assert write_table(table, path, compression="GZIP") == len(RECORDS)
    assert list(RecordReader(path)) == RECORDS
    assert read_table(path).equals(table)


def test_a_file_is_read_as_it_is_consumed_and_again_for_each_consumer(tmp_path: Path) -> None:
    for part in range(3):
        with RecordWriter(str(tmp_path / f"part-{part}")) as writer:
            writer.write_batch(RECORDS[part * 1000 : part * 1000 + 1000])
    examples = read_arrow(str(tmp_path / "part-*"), batch_size=700, threads=2)
    assert [len(batch) for batch in examples.batches()] == [700, 700, 700, 700, 200]
    assert pa.table(examples).equals(pa.table(examples))
    assert list(from_arrow(examples)) == RECORDS


def test_a_record_unlike_the_sample_is_an_error(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    with RecordWriter(path) as writer:
        writer.write_batch([encode_example({"a": [1, 2]})] * 10 + [encode_example({"a": [1, 2, 3]})])
    with pytest.raises(InvalidArgumentError, match="expected 2 values, found 3"):
        read_arrow(path, sample=10).to_pyarrow()
    assert read_table(path)["a"].to_pylist() == [[1, 2]] * 10 + [[1, 2, 3]]


def test_a_missing_file_is_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read_arrow(str(tmp_path / "missing"))


def test_a_large_batch_becomes_records_a_few_at_a_time() -> None:
    image = bytes(4 << 20)
    large = pa.table({"image": pa.array([image] * 40, pa.large_binary())})
    lists = [len(records) for records in arrow_batches(large, "round")]
    assert lists == [16, 7, 7, 7, 3]
    number = pa.table({"number": range(20_000)})
    lists = list(arrow_batches(number.slice(3), "round"))
    assert max(map(len, lists)) == 4096
    assert [decode_example(record)["number"] for records in lists for record in records] == [
        [number] for number in range(3, 20_000)
    ]
    chunks = pa.concat_tables([number.slice(0, 5), number.slice(7, 0), number.slice(7, 30)])
    found = [decode_example(record)["number"][0] for record in from_arrow(chunks)]
    assert found == [*range(5), *range(7, 37)]
