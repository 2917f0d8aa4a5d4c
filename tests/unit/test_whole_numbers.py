"""Numbers that callers give: NumPy's are as good as Python's, and what only looks like a number is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from recordfs import RecordReader, RecordWriter, get_file_system, gfile
from recordfs.errors import InvalidArgumentError
from recordfs.example import FixedLenFeature, encode_example, read_examples
from recordfs.records import RecordFile, build_index, count_records, verify_file
from recordfs.whole_numbers import whole_number

RECORDS = [encode_example({"a": [number]}) for number in range(10)]
STRIDE = len(RECORDS[0]) + 16
FEATURES = {"a": FixedLenFeature([], np.int64)}


@pytest.fixture
def path(tmp_path) -> str:
    with RecordWriter(tmp_path / "records") as writer:
        writer.write_batch(RECORDS)
    return str(tmp_path / "records")


def first_example(path, **options):
    return next(iter(read_examples(path, FEATURES, **options)))["a"].tolist()


@pytest.mark.parametrize("kind", [int, np.int64, np.uint8, np.array])
def test_numbers_of_every_width_are_taken(path, kind):
    assert list(RecordReader(path, start=kind(STRIDE))) == RECORDS[1:]
    assert list(RecordReader(path, start=(path, kind(STRIDE)))) == RECORDS[1:]
    assert list(RecordReader(path, shard=(kind(1), kind(4)))) == RECORDS[1::4]
    assert next(RecordReader(path).batches(kind(3))) == RECORDS[:3]
    assert first_example(path, batch_size=kind(3), threads=kind(1), start=kind(STRIDE)) == [1, 2, 3]
    assert RecordFile(path)[kind(4)] == RECORDS[4]
    assert verify_file(path, max_record_size=kind(100)).records == 10


@pytest.mark.parametrize("kind", [float, np.float64, str, np.bool_, bool])
def test_what_only_looks_like_a_number_is_refused_by_name(path, kind):
    for call, what in [
        (lambda: RecordReader(path, start=kind(1)), "start"),
        (lambda: RecordReader(path, start=(path, kind(1))), "start"),
        (lambda: RecordReader(path).batches(kind(1)), "records in a batch"),
        (lambda: RecordReader(path, max_record_size=kind(1)), "max_record_size"),
        (lambda: verify_file(path, max_record_size=kind(1)), "max_record_size"),
        (lambda: count_records(path, max_record_size=kind(1)), "max_record_size"),
        (lambda: build_index(path, max_record_size=kind(1)), "max_record_size"),
        (lambda: read_examples(path, FEATURES, batch_size=kind(1)), "batch_size"),
        (lambda: read_examples(path, FEATURES, batch_size=1, threads=kind(1)), "threads"),
        (lambda: RecordWriter(path, compression="GZIP", compression_level=kind(1)), "compression level"),
    ]:
        with pytest.raises(TypeError, match=f"{what}.* whole number"):
            call()
    with pytest.raises(InvalidArgumentError, match="shard"):
        RecordReader(path, shard=(kind(0), kind(4)))
    assert list(RecordReader(path)) == RECORDS


@pytest.mark.parametrize("shard", [(-1, 4), (4, 4), (0,), (0, 1, 2), 3, "2", [None, 2], {0: 1}])
def test_a_share_that_is_none_is_refused(path, shard):
    with pytest.raises(InvalidArgumentError, match="shard is"):
        RecordReader(path, shard=shard)


def test_places_and_shares_that_json_kept_are_taken(path):
    reader = RecordReader(path)
    next(iter(reader))
    start, shard = json.loads(json.dumps([reader.tell(), (1, 3)]))
    assert list(RecordReader(path, start=start)) == RECORDS[1:]
    assert list(RecordReader(path, shard=shard)) == RECORDS[1::3]


def test_batches_larger_than_any_file_hold_all(path):
    assert list(RecordReader(path).batches(2**70)) == [RECORDS]
    assert len(first_example(path, batch_size=2**70)) == 10


def test_narrow_numbers_do_not_overflow_in_ranges(tmp_path):
    content = bytes(range(256)) * 4
    (tmp_path / "f").write_bytes(content)
    for path in (str(tmp_path / "f"), "ram://whole-numbers"):
        gfile.copy(str(tmp_path / "f"), path, overwrite=True)
        with get_file_system(path).new_random_access_file(path) as file:
            assert file.read(np.uint8(200), np.uint8(100)) == content[200:300]
            assert file.read_ranges([(np.uint8(200), np.uint8(100)), (np.int8(100), 120)]) == [
                content[200:300],
                content[100:220],
            ]
            assert file.read_ranges(np.array([[200, 100]], np.uint8)) == [content[200:300]]
            buffer = bytearray(100)
            assert file.read_into(np.uint8(200), buffer) == 100
            assert buffer == content[200:300]
    gfile.remove("ram://whole-numbers")


def test_gfile_takes_numpys_numbers_and_no_floats(tmp_path):
    content = bytes(range(256)) * 2
    (tmp_path / "f").write_bytes(content)
    with gfile.GFile(tmp_path / "f", "rb") as file:
        assert type(file.seek(np.uint8(200))) is int
        assert file.read(np.uint8(100)) == content[200:300]
        for call in (file.read, file.seek, file.readline):
            with pytest.raises(TypeError, match="number of bytes, found float"):
                call(1.0)
        assert file.tell() == 300


def test_whole_number_below_the_least_is_refused():
    assert whole_number(-1, "level", at_least=-1) == -1
    with pytest.raises(InvalidArgumentError, match="level has to be at least -1, found -2"):
        whole_number(-2, "level", at_least=-1)
