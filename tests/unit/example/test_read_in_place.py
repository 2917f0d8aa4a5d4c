"""read_examples parses records where the reader has them, or with two threads lists of them; both say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from recordfs.errors import CorruptRecordError, TruncatedRecordError
from recordfs.example import (
    BadRecordError,
    FixedLenFeature,
    FixedLenSequenceFeature,
    RaggedColumn,
    RaggedFeature,
    SparseColumn,
    SparseFeature,
    VarLenFeature,
    encode_example,
    read_examples,
)
from recordfs.records.writer import RecordWriter

if TYPE_CHECKING:
    from pathlib import Path

FEATURES = {
    "id": FixedLenFeature([], np.int64),
    "vector": FixedLenFeature(3, np.float32, [0, 0, 0]),
    "image": FixedLenFeature([], bytes, b"none"),
    "tags": VarLenFeature(bytes),
    "values": RaggedFeature(np.float32),
    "cut": RaggedFeature(np.int64, "ids", [RaggedFeature.RowLengths("lengths")]),
    "sparse": SparseFeature("ids", "lengths", np.int64, 100),
}


def record(i: int, image_size: int = 100) -> bytes:
    features: dict[str, Any] = {"id": i, "values": np.arange(i % 7, dtype=np.float32)}
    if i % 3:
        features |= {"vector": [i, i / 2, 0.5], "image": bytes([i % 256]) * image_size, "ids": [i % 50, i % 50 + 1]}
        features |= {"lengths": [1, 1], "tags": [b"t" * (i % 4)] * (i % 5 + 1)}
    return encode_example(features)


def plain(value: Any) -> Any:
    if isinstance(value, SparseColumn):
        return [part.tolist() for part in value]
    if isinstance(value, RaggedColumn):
        return value.to_list()
    return value.tolist()


def outcome(source: Any, features: Any = FEATURES, **keywords: Any) -> tuple[list[Any], Any, Any, Any]:
    """The batches, then the error, the position after it, and the report."""
    reader = read_examples(source, features, **keywords)
    batches = []
    error: Any = None
    try:
        for columns in reader:
            batches.append({name: plain(column) for name, column in columns.items()})  # noqa: PERF401  # kept on errors
    except (BadRecordError, CorruptRecordError, TruncatedRecordError) as caught:
        record = getattr(caught, "record", None)
        error = [type(caught), caught.message, caught.path, caught.offset, record]
    if error and error[0] is BadRecordError:
        return batches, error, None, None  # how far it has read ahead is its own business
    return batches, error, reader.tell(), reader.report.records


def assert_both_ways_say_the_same(source: Any, **keywords: Any) -> tuple[list[Any], Any, Any, Any]:
    in_place = outcome(source, threads=1, **keywords)
    from_lists = outcome(source, threads=2, **keywords)
    assert in_place == from_lists
    return in_place


@pytest.fixture
def files(tmp_path: Path) -> str:
    for part in range(4):
        compression = "GZIP" if part == 2 else None
        with RecordWriter(str(tmp_path / f"part-{part}"), compression=compression) as writer:
            # Small records, one larger than the window, one that is read straight into its bytes.
            writer.write_batch([record(part * 3000 + i) for i in range(1500)])
            writer.write(record(part * 3000 + 1501, 200_000))
            writer.write(record(part * 3000 + 1502, 700_000))
            writer.write_batch([record(part * 3000 + i) for i in range(1503, 1600)])
    (tmp_path / "part-4").write_bytes(b"")
    return str(tmp_path / "part-*")


@pytest.mark.parametrize("batch_size", [1, 256, 1000, 100_000])
def test_batches_of_whole_files(files: str, batch_size: int) -> None:
    batches, error, position, records = assert_both_ways_say_the_same(files, batch_size=batch_size)
    assert error is None
    assert position.path.endswith("part-4")
    assert records == sum(len(batch["id"]) for batch in batches) == 4 * 1599


@pytest.mark.parametrize("keywords", [{"shard": (1, 3)}, {"shard": (2, 7)}, {"drop_remainder": True}, {"start": 0}])
def test_batches_of_shares_and_parts(files: str, keywords: Any) -> None:
    assert_both_ways_say_the_same(files, batch_size=300, **keywords)


@pytest.mark.parametrize("on_error", ["raise", "skip", "stop"])
@pytest.mark.parametrize("place", [5, 40_000, -3])
def test_batches_of_a_broken_file(tmp_path: Path, on_error: str, place: int) -> None:
    path = tmp_path / "file"
    with RecordWriter(str(path)) as writer:
        writer.write_batch([record(i) for i in range(800)])
    data = bytearray(path.read_bytes())
    data[place] ^= 0xFF
    path.write_bytes(data[:-1] if place < 0 else data)
    assert_both_ways_say_the_same(str(path), batch_size=90, on_error=on_error)


@pytest.mark.parametrize("place", [0, 255, 700, 1500, 1501])
def test_a_record_that_does_not_fit_is_named_with_its_place(tmp_path: Path, place: int) -> None:
    path = str(tmp_path / "file")
    records = [record(i) for i in range(1500)] + [record(1501, 300_000), record(1502)]
    records[place] = encode_example({"id": "x" * (200_000 if place == 1500 else 1)})
    with RecordWriter(path) as writer:
        writer.write_batch(records)
    batches, error, _, _ = assert_both_ways_say_the_same(path, batch_size=256)
    assert len(batches) == place // 256
    assert error[2:] == [path, sum(len(one) + 16 for one in records[:place]), place]


def test_values_of_several_keys_that_do_not_fit_are_named_with_their_record(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    with RecordWriter(path) as writer:
        writer.write_batch([record(i) for i in range(300)] + [encode_example({"id": 1, "ids": [1, 2], "lengths": [5]})])
    _, error, _, _ = outcome(path, batch_size=256)
    assert error[0] is BadRecordError
    assert error[4] == 300


def test_an_interrupted_file_loses_no_record(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with RecordWriter(str(path)) as writer:
        writer.write_batch([record(i) for i in range(100)])
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    reader = read_examples(str(path), FEATURES, batch_size=64)
    batches = iter(reader)
    seen = [*next(batches)["id"].tolist(), *next(batches)["id"].tolist()]
    assert seen == list(range(99))
    with pytest.raises(TruncatedRecordError):
        next(batches)
    path.write_bytes(whole)
    rest = read_examples(str(path), FEATURES, batch_size=64, start=reader.tell())
    assert [i for columns in rest for i in columns["id"].tolist()] == [99]


def test_padding_is_of_the_whole_batch(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    with RecordWriter(path) as writer:
        writer.write_batch([encode_example({"x": np.arange(i % 9)}) for i in range(50_000)])
    features = {"x": FixedLenSequenceFeature([], np.int64, allow_missing=True)}
    [columns] = read_examples(path, features, batch_size=50_000)
    assert columns["x"].shape == (50_000, 8)


def test_no_features_give_batches_without_columns(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    with RecordWriter(path) as writer:
        writer.write_batch([record(i) for i in range(10)])
    assert list(read_examples(path, {}, batch_size=4)) == [{}, {}, {}]


def test_columns_are_writable_and_own_their_memory(files: str) -> None:
    first, *rest = read_examples(files, {"id": FEATURES["id"], "image": FEATURES["image"]}, batch_size=500)
    kept = first["image"].tolist()
    first["id"][0] = 7
    del rest
    assert first["id"][0] == 7
    assert first["image"].tolist() == kept
