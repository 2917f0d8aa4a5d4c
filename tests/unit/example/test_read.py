"""Columns straight from record files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from recordfs.errors import InvalidArgumentError, TruncatedRecordError
from recordfs.example import FixedLenFeature, encode_example, read_examples
from recordfs.records.reader import RecordReader
from recordfs.records.writer import RecordWriter

if TYPE_CHECKING:
    from pathlib import Path

FEATURES = {"id": FixedLenFeature([], np.int64)}


@pytest.fixture
def files(tmp_path: Path) -> str:
    for part in range(3):
        with RecordWriter(str(tmp_path / f"part-{part}"), compression="GZIP" if part else None) as writer:
            writer.write_batch([encode_example({"id": part * 10 + i}) for i in range(10)])
    return str(tmp_path / "part-*")


@pytest.mark.parametrize(("drop_remainder", "last"), [(False, [28, 29]), (True, [24, 25, 26, 27])])
def test_batches_run_across_files(files: str, drop_remainder: bool, last: list[int]) -> None:
    batches = list(read_examples(files, FEATURES, batch_size=4, drop_remainder=drop_remainder, threads=2))
    assert batches[-1]["id"].tolist() == last
    assert [i for batch in batches for i in batch["id"].tolist()] == list(range(last[-1] + 1))


def test_a_reader_is_read_from_its_start(files: str) -> None:
    record = len(encode_example({"id": 1})) + 16
    with RecordReader(files, start=len(encode_example({"id": 0})) + 16) as reader:
        first = next(read_examples(reader, FEATURES, batch_size=5))
        assert first["id"].tolist() == [1, 2, 3, 4, 5]
        assert reader.tell().offset == len(encode_example({"id": 0})) + 16 + 5 * record
        with pytest.raises(InvalidArgumentError, match="open reader"):
            read_examples(reader, FEATURES, batch_size=5, compression="GZIP")


def test_errors_say_where(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    with RecordWriter(path) as writer:
        writer.write_batch([encode_example({"id": i}) for i in range(7)] + [encode_example({"id": "x"})])
    batches = read_examples(path, FEATURES, batch_size=5)
    assert len(next(batches)["id"]) == 5
    with pytest.raises(InvalidArgumentError, match=r"record 2 of the batch, feature 'id'.*begins with record 5"):
        next(batches)
    with pytest.raises(InvalidArgumentError, match="batch_size"):
        read_examples(path, FEATURES, batch_size=0)


def test_a_cut_file_gives_its_whole_batches_and_then_the_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with RecordWriter(str(path)) as writer:
        writer.write_batch([encode_example({"id": i}) for i in range(10)])
    path.write_bytes(path.read_bytes()[:-1])
    batches = read_examples(str(path), FEATURES, batch_size=3)
    assert [next(batches)["id"].tolist() for _ in range(3)] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    with pytest.raises(TruncatedRecordError):
        next(batches)
