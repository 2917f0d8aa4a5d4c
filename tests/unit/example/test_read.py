"""Columns straight from record files."""

from __future__ import annotations

import gc
import inspect
import pickle
import weakref
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pytest

from recordfs.errors import InvalidArgumentError, TruncatedRecordError
from recordfs.example import (
    BadRecordError,
    FixedLenFeature,
    FixedLenSequenceFeature,
    VarLenFeature,
    encode_example,
    export_examples,
    import_examples,
    read_arrow,
    read_examples,
    read_table,
    write_table,
)
from recordfs.example.keywords import ReaderKeywords, WriterKeywords
from recordfs.records.reader import RecordReader
from recordfs.records.writer import RecordWriter

if TYPE_CHECKING:
    from collections.abc import Callable
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
        first = next(iter(read_examples(reader, FEATURES, batch_size=5)))
        assert first["id"].tolist() == [1, 2, 3, 4, 5]
        assert reader.tell().offset == len(encode_example({"id": 0})) + 16 + 5 * record
        with pytest.raises(InvalidArgumentError, match="open reader"):
            read_examples(reader, FEATURES, batch_size=5, compression="GZIP")


def test_errors_say_where(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    with RecordWriter(path) as writer:
        writer.write_batch([encode_example({"id": i}) for i in range(7)] + [encode_example({"id": "x"})])
    batches = iter(read_examples(path, FEATURES, batch_size=5))
    assert len(next(batches)["id"]) == 5
    with pytest.raises(BadRecordError, match=r"record 2 of the batch, feature 'id'.*begins with record 5") as caught:
        next(batches)
    assert caught.value.record == 7
    assert (caught.value.path, caught.value.offset) == (path, 7 * (len(encode_example({"id": 1})) + 16))
    with pytest.raises(InvalidArgumentError, match="batch_size"):
        read_examples(path, FEATURES, batch_size=0)


def test_a_cut_file_gives_its_whole_batches_and_then_the_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with RecordWriter(str(path)) as writer:
        writer.write_batch([encode_example({"id": i}) for i in range(10)])
    path.write_bytes(path.read_bytes()[:-1])
    batches = iter(read_examples(str(path), FEATURES, batch_size=3))
    assert [next(batches)["id"].tolist() for _ in range(3)] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    with pytest.raises(TruncatedRecordError):
        next(batches)


def test_iterating_again_begins_again_and_tell_says_where_to_resume(files: str) -> None:
    reader = read_examples(files, FEATURES, batch_size=4)
    for _ in range(3):
        assert sum(len(batch["id"]) for batch in reader) == 30
    batches = iter(reader)
    seen = [*next(batches)["id"].tolist(), *next(batches)["id"].tolist(), *next(batches)["id"].tolist()]
    place = reader.tell()
    assert reader.report.records == 12
    rest = read_examples(files, FEATURES, batch_size=7, start=place)
    assert seen + [i for batch in rest for i in batch["id"].tolist()] == list(range(30))


def test_it_can_be_pickled_as_a_reader_of_paths_can(files: str) -> None:
    reader = read_examples(files, FEATURES, batch_size=4, drop_remainder=True, threads=2, shard=(0, 3))
    next(iter(reader))
    again = pickle.loads(pickle.dumps(reader))
    assert [batch["id"].tolist() for batch in again] == [[0, 1, 2, 3], [4, 5, 6, 7]]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_cycle_through_batches_that_were_left_is_collected(threads: int) -> None:
    class File(BytesIO):
        """A file that knows who reads it."""

        iterator: object = None

    written = BytesIO()
    with RecordWriter(written) as writer:
        writer.write_batch([encode_example({"id": number}) for number in range(3)])
    file = File(written.getvalue())
    file.iterator = iter(read_examples(file, FEATURES, batch_size=2, threads=threads))
    assert next(file.iterator)["id"].tolist() == [0, 1]  # type: ignore[call-overload]
    gone = weakref.ref(file)
    del file
    gc.collect()
    assert gone() is None


def test_a_with_block_closes_the_files(files: str) -> None:
    with read_examples(files, FEATURES, batch_size=4) as reader:
        next(iter(reader))
    with pytest.raises(ValueError, match="closed"):
        next(iter(reader))


@pytest.mark.parametrize("shift", [0, 1])
def test_a_bad_record_is_found_across_files(tmp_path: Path, shift: int) -> None:
    for part in range(3):
        with RecordWriter(str(tmp_path / f"part-{part}"), compression="ZLIB") as writer:
            writer.write_batch([encode_example({"id": 1})] * 5)
            if part == 2:
                writer.write_batch([encode_example({"id": 1})] * shift)
                writer.write(encode_example({"id": "x"}))
    with pytest.raises(BadRecordError) as caught:
        list(read_examples(str(tmp_path / "part-*"), FEATURES, batch_size=7))
    assert caught.value.record == 15 + shift
    offset = (5 + shift) * (len(encode_example({"id": 1})) + 16)
    assert (caught.value.path, caught.value.offset) == (str(tmp_path / "part-2"), offset)


@pytest.mark.parametrize("shard", [None, (1, 2)])
@pytest.mark.parametrize("padded", [False, True])
def test_a_bad_record_is_found_in_the_middle_file_of_a_batch(
    tmp_path: Path, shard: tuple[int, int] | None, padded: bool
) -> None:
    good, bad = encode_example({"id": [1]}), encode_example({"id": ["text"]})
    for part in range(3 if shard is None else 1):
        records = [good] * 4 + ([bad] if part == 1 or shard else []) + [good] * 5
        with RecordWriter(str(tmp_path / f"part-{part}")) as writer:
            writer.write_batch(records)
    with (tmp_path / "part-0").open("r+b") as file:
        file.seek(len(good) + 20)  # the second record is lost, so that the others do not follow each other
        file.write(b"????")
    feature = FixedLenSequenceFeature([], np.int64, allow_missing=True) if padded else VarLenFeature(np.int64)
    examples = read_examples(
        str(tmp_path / "part-*"), {"id": feature}, batch_size=100, on_error="skip", shard=shard or (0, 1)
    )
    with pytest.raises(BadRecordError) as caught:
        list(examples)
    expected = "part-1" if shard is None else "part-0"
    assert (caught.value.path, caught.value.offset) == (str(tmp_path / expected), 4 * (len(good) + 16))


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("read_examples", lambda: read_examples("x", FEATURES, batch_size=1, compresion="GZIP")),
        ("read_arrow", lambda: read_arrow("x", compresion="GZIP")),
        ("read_table", lambda: read_table("x", compresion="GZIP")),
        ("export_examples", lambda: export_examples("x", "x.npz", compresion="GZIP")),
        ("import_examples", lambda: import_examples("x.npz", "x", compresion="GZIP")),
        ("write_table", lambda: write_table(None, "x", compresion="GZIP")),
    ],
)
def test_an_unknown_keyword_is_refused_in_the_name_of_the_function_that_was_called(
    name: str, call: Callable[[], object]
) -> None:
    with pytest.raises(TypeError, match=rf"^{name}\(\) got an unexpected keyword argument 'compresion'"):
        call()


def test_the_keywords_are_those_of_reader_and_writer() -> None:
    of_reader = inspect.signature(RecordReader).parameters.keys() - {"source"}
    of_writer = inspect.signature(RecordWriter).parameters.keys() - {"path"}
    assert ReaderKeywords.__annotations__.keys() == of_reader
    assert WriterKeywords.__annotations__.keys() == of_writer
