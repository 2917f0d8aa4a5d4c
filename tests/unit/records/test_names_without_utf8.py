"""Record files whose names are no UTF-8, which Linux allows: reading, writing, and errors that name them."""

from __future__ import annotations

import os
import pickle

import pytest

from recordfs import RecordReader, RecordWriter
from recordfs.errors import ClosedFileError, CorruptRecordError, TruncatedRecordError
from recordfs.records.index import build_index, read_index
from recordfs.records.verify import verify_file


@pytest.fixture
def name(tmp_path) -> bytes:
    return os.fsencode(tmp_path) + b"/caf\xe9.tfrecord"


def write(name: bytes, *records: bytes, **keywords: object) -> None:
    with RecordWriter(name, **keywords) as writer:  # type: ignore[arg-type]
        writer.write_batch(records)


@pytest.mark.parametrize("keywords", [{}, {"atomic": True}, {"index": True}, {"compression": "GZIP"}])
def test_a_file_without_a_utf8_name_is_written_and_read(name, keywords):
    write(name, b"one", b"two", **keywords)
    assert list(RecordReader(name)) == [b"one", b"two"]
    assert list(RecordReader(os.fsdecode(name))) == [b"one", b"two"]
    assert list(RecordReader(os.fsdecode(os.path.dirname(name)) + "/caf*d")) == [b"one", b"two"]


def test_a_file_without_a_utf8_name_is_appended_to(name):
    write(name, b"one", index=True)
    write(name, b"two", append=True, index=True)
    assert list(RecordReader(name)) == [b"one", b"two"]
    assert list(read_index(name + b".idx")) == [(0, 19), (19, 19)]
    assert build_index(name, name + b"\xff") == 2
    assert verify_file(name).records == 2


def test_errors_name_a_file_without_a_utf8_name(name):
    write(name, b"one", b"two")
    with open(name, "r+b") as file:
        file.truncate(30)
    reader = RecordReader(name)
    with pytest.raises(TruncatedRecordError) as caught:
        list(reader)
    assert caught.value.path == os.fsdecode(name)
    assert pickle.loads(pickle.dumps(caught.value)).path == os.fsdecode(name)
    with open(name, "wb") as file:
        file.write(b"this is no record file")
    with pytest.raises(CorruptRecordError) as corrupt:
        list(RecordReader(name))
    assert corrupt.value.path == os.fsdecode(name)
    writer = RecordWriter(name)
    writer.close()
    with pytest.raises(ClosedFileError) as closed:
        writer.write(b"late")
    assert closed.value.path == os.fsdecode(name)
