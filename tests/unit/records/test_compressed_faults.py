"""Compressed record files with trailers, members and bytes that should not be there."""

from __future__ import annotations

import gzip
import io
import zlib

import pytest
from tests.support.record_files import ScheduledReadableFile, read_until_error, stream_of

import recordfs
from recordfs.errors import (
    CorruptRecordError,
    DataLossError,
)


def test_members_of_a_gzip_file_are_read_through():
    data = gzip.compress(stream_of([b"a", b"b"])) + gzip.compress(b"") + gzip.compress(stream_of([b"c"]))
    assert list(recordfs.RecordReader(io.BytesIO(data))) == [b"a", b"b", b"c"]


def test_a_record_may_cross_members():
    stream = stream_of([b"record" * 100])
    data = gzip.compress(stream[:77]) + gzip.compress(stream[77:])
    assert list(recordfs.RecordReader(io.BytesIO(data))) == [b"record" * 100]


@pytest.mark.parametrize(("compression", "trailer"), [("GZIP", 8), ("ZLIB", 4)])
def test_a_missing_trailer_is_told_and_a_partial_one_is_an_error(compression, trailer):
    data = stream_of([b"a", b"b"], compression)
    for missing in range(trailer + 1):
        file = ScheduledReadableFile(data[: len(data) - missing])
        reader = recordfs.RecordReader(file)
        iterator = iter(reader)
        got, error = read_until_error(iterator)
        assert got == [b"a", b"b"]
        assert reader.report.unfinished_stream == (missing == trailer)
        # A partial trailer is an error: nobody flushes there.
        assert type(error) is (DataLossError if 0 < missing < trailer else type(None))
        file.data = data
        assert list(iterator) == []
        assert not reader.report.unfinished_stream
    wrong = bytearray(data)
    wrong[-trailer] ^= 1
    got, error = read_until_error(recordfs.RecordReader(io.BytesIO(wrong)))
    assert got == [b"a", b"b"]
    assert type(error) is DataLossError
    assert "checksum" in str(error)


def test_a_trailer_that_is_cut_off_is_one_loss_however_often_it_is_met():
    for on_error in ("skip", "stop"):
        file = ScheduledReadableFile(stream_of([b"a"], "GZIP")[:-3])
        reader = recordfs.RecordReader(file, on_error=on_error)
        iterator = iter(reader)
        assert list(iterator) == [b"a"]
        assert list(iterator) == []
        assert [(loss.offset, loss.length) for loss in reader.report.losses] == [(17, None)]
        assert reader.report.loss_count == 1


def test_an_unfinished_stream_is_remembered_when_other_files_follow(tmp_path):
    (tmp_path / "1").write_bytes(stream_of([b"a"], "GZIP")[:-8])
    (tmp_path / "2").write_bytes(stream_of([b"b"], "GZIP"))
    reader = recordfs.RecordReader(str(tmp_path / "*"))
    assert list(reader) == [b"a", b"b"]
    assert reader.report.unfinished_stream


def test_bytes_behind_a_zlib_stream_are_an_error():
    reader = recordfs.RecordReader(io.BytesIO(stream_of([b"a"], "ZLIB") * 2))
    iterator = iter(reader)
    got, error = read_until_error(iterator)
    assert got == [b"a"]
    assert type(error) is CorruptRecordError
    assert list(iterator) == []


def test_a_plain_record_that_looks_compressed_is_plain():
    for length in (40_056, 559_903):
        data = stream_of([bytes(length)])
        assert data[:2] in (b"\x78\x9c", b"\x1f\x8b")
        assert list(recordfs.RecordReader(io.BytesIO(data))) == [bytes(length)]


def test_a_zlib_stream_of_anything_else_is_no_record_file():
    with pytest.raises(CorruptRecordError):
        list(recordfs.RecordReader(io.BytesIO(zlib.compress(b"no records in here, only text"))))
