"""Large records are read, inferred, exported and imported a few at a time: memory does not grow with their number."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

import recordfs.example.arrow as arrow
import recordfs.example.convert as convert
import recordfs.example.schema as schema
import recordfs.example.table_files as table_files
from recordfs import RecordReader, RecordWriter
from recordfs.example import encode_example, encode_sequence_example, export_examples, import_examples, infer_features
from recordfs.records import salvage_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIZE = 256 << 10
COUNT = 64
RECORDS = [encode_example({"number": number, "image": bytes([65 + number % 26]) * SIZE}) for number in range(COUNT)]


@pytest.fixture
def source(tmp_path: Path) -> str:
    path = str(tmp_path / "large.tfrecord")
    with RecordWriter(path) as writer:
        writer.write_batch(RECORDS)
    return path


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (arrow, convert, schema, table_files):
        monkeypatch.setattr(module, "MAX_BATCH_BYTES", 2 * SIZE)


def peak_of(call: Callable[[], object]) -> int:
    """How many records' sizes Python's memory grew to in a call."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1] // SIZE
    finally:
        tracemalloc.stop()


def test_batches_end_once_they_have_so_many_bytes(source: str) -> None:
    reader = RecordReader(source)
    batches = list(reader.batches(1000, max_bytes=3 * SIZE))
    assert [len(batch) for batch in batches] == [3] * 21 + [1]
    assert [record for batch in batches for record in batch] == RECORDS
    assert [len(batch) for batch in reader.batches(2, max_bytes=1 << 40)] == [2] * 32
    assert [len(batch) for batch in reader.batches(1000, max_bytes=1)] == [1] * COUNT


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_exports_and_imports_hold_few_records_at_once(source: str, tmp_path: Path, form: str) -> None:
    table, back = str(tmp_path / f"table.{form}"), str(tmp_path / "back.tfrecord")
    written: list[int] = []
    assert peak_of(lambda: export_examples(source, table, progress=written.append)) < COUNT // 3
    assert (sum(written), max(written)) == (COUNT, 2)
    read: list[int] = []
    assert peak_of(lambda: import_examples(table, back, progress=read.append)) < COUNT // 3
    assert sum(read) == COUNT
    assert max(read) <= 2
    assert list(RecordReader(back)) == RECORDS


def test_a_table_of_one_large_row_group_is_read_a_few_rows_at_a_time(source: str, tmp_path: Path) -> None:
    table, back = str(tmp_path / "table.parquet"), str(tmp_path / "back.tfrecord")
    export_examples(source, table)
    pq.write_table(pq.read_table(table), table, row_group_size=COUNT)
    assert peak_of(lambda: import_examples(table, back)) < COUNT // 3
    assert list(RecordReader(back)) == RECORDS


def test_sequences_are_exported_a_few_at_a_time(tmp_path: Path) -> None:
    records = [encode_sequence_example({"number": 1}, {"image": [[bytes(SIZE)]]})] * 8
    with RecordWriter(str(tmp_path / "large.tfrecord")) as writer:
        writer.write_batch(records)
    written: list[int] = []
    export_examples(
        str(tmp_path / "large.tfrecord"), str(tmp_path / "t.parquet"), sequence=True, progress=written.append
    )
    assert written == [2, 2, 2, 2]


def test_features_are_inferred_from_a_few_records_at_once() -> None:
    inferred = []
    records = (encode_example({"image": bytes(SIZE)}) for _ in range(COUNT))
    assert peak_of(lambda: inferred.append(infer_features(records))) < COUNT // 3
    assert inferred[0].records == COUNT


def test_salvaging_holds_few_records_at_once(source: str, tmp_path: Path) -> None:
    assert peak_of(lambda: salvage_file(source, tmp_path / "sound.tfrecord")) < COUNT * 3 // 4
    assert list(RecordReader(str(tmp_path / "sound.tfrecord"))) == RECORDS
