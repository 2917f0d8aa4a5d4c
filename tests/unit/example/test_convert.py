"""Record files to Parquet, JSON lines and npz, and back, on any filesystem."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from recordfs import get_file_system
from recordfs.errors import InvalidArgumentError, InvalidContentError, NotFoundError
from recordfs.example import (
    FixedLenFeature,
    decode_example,
    encode_example,
    encode_sequence_example,
    export_examples,
    import_examples,
    parse_example,
)
from recordfs.example.jsonl import line_to_features, record_to_line
from recordfs.records.reader import RecordReader
from recordfs.records.writer import RecordWriter

if TYPE_CHECKING:
    from pathlib import Path


def record(i: int) -> bytes:
    features: dict[str, Any] = {"id": i, "vector": np.arange(3, dtype=np.float32) * i, "image": bytes([i % 256]) * 3}
    if i % 3:
        features["tags"] = [f"tag{j}" for j in range(i % 3)]
        features["more"] = np.arange(i % 5 + 1)
    return encode_example(features)


RECORDS = [record(i) for i in range(5000)]


@pytest.fixture
def source(tmp_path: Path) -> str:
    with RecordWriter(str(tmp_path / "a.tfrecord")) as writer:
        writer.write_batch(RECORDS[:3000])
    with RecordWriter(str(tmp_path / "b.tfrecord"), compression="ZLIB") as writer:
        writer.write_batch(RECORDS[3000:])
    return str(tmp_path / "*.tfrecord")


@pytest.mark.parametrize("form", ["parquet", "jsonl", "npz"])
@pytest.mark.parametrize("scheme", ["local", "ram"])
def test_records_go_out_and_come_back_unchanged(source: str, tmp_path: Path, form: str, scheme: str) -> None:
    target = f"ram://convert-{form}/table.{form}" if scheme == "ram" else str(tmp_path / f"table.{form}")
    back = str(tmp_path / "back")
    if scheme == "ram":
        get_file_system(target).recursively_create_dir(f"ram://convert-{form}")
    done: list[int] = []
    assert export_examples(source, target, progress=done.append) == 5000
    assert sum(done) == 5000
    assert import_examples(target, back, compression="GZIP") == 5000
    assert list(RecordReader(back)) == RECORDS


def test_parquet_is_what_others_read(source: str, tmp_path: Path) -> None:
    target = tmp_path / "table.parquet"
    export_examples(source, target)
    table = pq.read_table(target)
    assert table.num_rows == 5000
    assert table["tags"][:3].to_pylist() == [None, [b"tag0"], [b"tag0", b"tag1"]]
    assert table["vector"][2].as_py() == [0, 2, 4]


def test_npz_is_what_numpy_reads(source: str, tmp_path: Path) -> None:
    target = str(tmp_path / "columns")
    export_examples(source, target, target_format="npz", features={"id": FixedLenFeature([], np.int64)})
    with np.load(target) as archive:
        assert archive.files == ["id"]
        assert archive["id"].tolist() == list(range(5000))


def test_plain_arrays_of_others_are_columns(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.arange(6, dtype=np.uint8).reshape(3, 2), b=np.array(["x", "y", "z"]))
    assert import_examples(tmp_path / "x.npz", tmp_path / "records") == 3
    assert [decode_example(one) for one in RecordReader(str(tmp_path / "records"))] == [
        {"a": [0, 1], "b": [b"x"]},
        {"a": [2, 3], "b": [b"y"]},
        {"a": [4, 5], "b": [b"z"]},
    ]


@pytest.mark.parametrize(
    "features",
    [
        {},
        {"none": None},
        {"i": [1, -5], "f": [1.0, 0.1, 1e30], "s": ["text", "grün\n"]},
        {"b": [b"\xff\0", b"both"]},
        {"f": [float("inf"), float("-inf"), 0.5]},
        {"i": np.array([], np.int64), "f": np.array([], np.float32), "b": np.array([], "S1")},
    ],
)
def test_a_line_of_json_loses_nothing(features: dict[str, Any]) -> None:
    record = encode_example(features)
    line = record_to_line(record)
    json.loads(line, parse_constant=pytest.fail)
    assert line.count(b"\n") == 1
    assert encode_example(line_to_features(line).context) == record


def test_a_nan_survives_json() -> None:
    line = record_to_line(encode_example({"f": float("nan")}))
    assert str(decode_example(encode_example(line_to_features(line).context))["f"]) == "[nan]"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[1]",
        "{",
        '{"a": {"b": 1}}',
        '{"a": [null]}',
        '{"a": [{"base64": "!"}]}',
        '{"a": {"empty": "x"}}',
        '{"a": [{"float": "x"}]}',
    ],
)
def test_what_is_no_line_of_features_is_refused(line: str) -> None:
    with pytest.raises(InvalidArgumentError):
        line_to_features(line)


def test_single_values_in_json_are_taken() -> None:
    assert decode_example(encode_example(line_to_features('{"a": 1, "b": "x", "c": 2.5}').context)) == {
        "a": [1],
        "b": [b"x"],
        "c": [2.5],
    }


def test_a_byte_order_mark_before_the_first_line_is_passed_over(tmp_path: Path) -> None:
    lines = tmp_path / "from-windows.jsonl"
    lines.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n{"a": 2}\r\n')
    assert import_examples(lines, tmp_path / "records") == 2
    assert [decode_example(record) for record in RecordReader(tmp_path / "records")] == [{"a": [1]}, {"a": [2]}]


def test_errors_say_which_line_or_record(tmp_path: Path, source: str) -> None:
    (tmp_path / "x.jsonl").write_text('{"a": 1}\n\n{"a": [1, "x"]}\n')
    with pytest.raises(InvalidArgumentError, match="line 3: feature 'a'"):
        import_examples(tmp_path / "x.jsonl", tmp_path / "records")
    with RecordWriter(str(tmp_path / "bad")) as writer:
        writer.write_batch([RECORDS[0], b"\xff"])
    for form in ("jsonl", "parquet", "npz"):
        with pytest.raises(InvalidArgumentError, match="record 1: not a serialized Example") as caught:
            export_examples(str(tmp_path / "bad"), tmp_path / f"bad.{form}")
        assert (caught.value.path, caught.value.offset) == (str(tmp_path / "bad"), len(RECORDS[0]) + 16)
        assert not (tmp_path / f"bad.{form}").exists()


@pytest.mark.parametrize("form", ["parquet", "npz"])
@pytest.mark.parametrize("content", [b"", b"PK\3\4 nonsense", b"nonsense"])
def test_files_that_are_no_tables_are_refused(tmp_path: Path, form: str, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(InvalidArgumentError, match="not a"):
        import_examples(tmp_path / "x", tmp_path / "records", source_format=form)


@pytest.mark.parametrize("form", ["parquet", "npz"])
def test_a_broken_table_is_an_error_that_names_it_wherever_it_is_broken(source: str, tmp_path: Path, form: str) -> None:
    whole, broken, back = tmp_path / f"whole.{form}", tmp_path / f"broken.{form}", tmp_path / "back"
    few = RecordReader(source, shard=(0, 1)).batches(50)
    with RecordWriter(str(tmp_path / "few")) as writer:
        writer.write_batch(next(few))
    export_examples(str(tmp_path / "few"), whole)
    if form == "npz":
        np.savez_compressed(whole, **np.load(whole))
    import_examples(whole, back)
    records, content = list(RecordReader(str(back))), whole.read_bytes()
    for place in range(0, len(content), 29):
        broken.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        try:
            import_examples(broken, back)
        except InvalidContentError as error:
            assert error.path == str(broken)  # noqa: PT017 (where nothing is raised, the records are the same)
        else:
            assert len(list(RecordReader(str(back)))) == len(records)


def test_a_flipped_bit_in_a_value_of_parquet_is_an_error(tmp_path: Path) -> None:
    with RecordWriter(str(tmp_path / "a.tfrecord")) as writer:
        writer.write(encode_example({"name": b"a needle that is easily found" * 10}))
    export_examples(str(tmp_path / "a.tfrecord"), tmp_path / "a.parquet")
    content = bytearray((tmp_path / "a.parquet").read_bytes())
    content[content.index(b"needle")] ^= 1
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(InvalidContentError, match="CRC"):
        import_examples(tmp_path / "a.parquet", tmp_path / "back")


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.array([b"x", {}], object))
    with pytest.raises(InvalidArgumentError, match="plain arrays"):
        import_examples(tmp_path / "x.npz", tmp_path / "records")


def test_names_that_tell_no_format_and_missing_files_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="cannot be told from the name"):
        export_examples(str(tmp_path / "x"), "table.csv")
    with pytest.raises(InvalidArgumentError, match="unknown format"):
        import_examples("x", "y", source_format="csv")
    with pytest.raises(NotFoundError):
        import_examples(tmp_path / "missing.jsonl", tmp_path / "records")


def test_npz_columns_parse_as_they_were(source: str, tmp_path: Path) -> None:
    export_examples(source, tmp_path / "x.npz")
    import_examples(tmp_path / "x.npz", tmp_path / "back")
    columns = parse_example(list(RecordReader(str(tmp_path / "back"))), {"vector": FixedLenFeature([3], np.float32)})
    assert columns["vector"][7].tolist() == [0, 7, 14]


@pytest.mark.parametrize("name", ["file", "allow_pickle", "offsets", "a/row_splits", "a.npy", "a\0b", "more/values"])
def test_npz_refuses_names_that_would_be_lost(tmp_path: Path, name: str) -> None:
    with RecordWriter(tmp_path / "records") as writer:
        writer.write_batch([encode_example({name: 1, "more": [2, 3]}), encode_example({name: 1, "more": [4]})])
    with pytest.raises(InvalidArgumentError, match="npz"):
        export_examples(tmp_path / "records", tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("form", "name"), [("npz", "x" * 65532), ("parquet", "a\0b"), ("npz", "a\0b"), ("parquet", "a\0b (sequence)")]
)
def test_a_name_that_a_format_cannot_hold_is_an_error_that_names_the_file(tmp_path: Path, form: str, name: str) -> None:
    path, sequence = str(tmp_path / "a.tfrecord"), name.endswith("(sequence)")
    with RecordWriter(path) as writer:
        writer.write(encode_sequence_example({}, {name: [[1]]}) if sequence else encode_example({name: 1}))
    with pytest.raises(InvalidContentError, match="name") as caught:
        export_examples(path, tmp_path / f"a.{form}", sequence=sequence)
    assert caught.value.path == path
    assert export_examples(path, tmp_path / "a.jsonl", sequence=sequence) == 1
    assert import_examples(tmp_path / "a.jsonl", tmp_path / "back", sequence=sequence) == 1
    assert list(RecordReader(tmp_path / "back")) == list(RecordReader(path))


def test_npz_refuses_a_name_that_would_be_read_as_anothers_values(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "records") as writer:
        writer.write_batch(
            [encode_example({"x": [b"a", b"b"], "x/values": 1}), encode_example({"x": [b"c"], "x/values": 2})]
        )
    with pytest.raises(InvalidArgumentError, match="'x/values' cannot be told apart from the values of 'x'"):
        export_examples(tmp_path / "records", tmp_path / "x.npz")


@pytest.mark.parametrize(
    "line",
    [
        '{"x": ' + "[" * 100_000,
        '{"x": {"empty": []}}',
        '{"x": {"base64": "AA==", "more": 1}}',
        '{"x": {"float": "nan", "more": 1}}',
        '{"x": {"float": "1e400"}}',
    ],
)
def test_lines_of_strange_shape_are_refused_clearly(line: str) -> None:
    with pytest.raises(InvalidArgumentError):
        line_to_features(line)
