"""Appending: the end of what is there is checked, a torn tail is reported or cut off, and the index goes on."""

from __future__ import annotations

import gzip

import pytest

import recordfs
from recordfs.errors import (
    AbortedError,
    CorruptRecordError,
    DataLossError,
    FailedPreconditionError,
    InvalidArgumentError,
    TruncatedRecordError,
    UnimplementedError,
)

OLD = [b"one", b"", b"x" * 200]


def write(path, records, **keywords) -> None:
    with recordfs.RecordWriter(path, **keywords) as writer:
        writer.write_batch(records)


@pytest.mark.parametrize("compression", [None, "GZIP"])
def test_records_go_behind_those_that_are_there(tmp_path, compression):
    path = tmp_path / "new" / "records"
    expected = []
    for round_number in range(3):
        with recordfs.RecordWriter(path, compression=compression, append=True) as writer:
            assert writer.tell() == sum(len(record) + 16 for record in expected)
            writer.write_batch(OLD)
            assert writer.records_written == 3
        expected += OLD
        assert list(recordfs.RecordReader(path)) == expected, round_number
    if compression:
        assert len(gzip.decompress(path.read_bytes())) == sum(len(record) + 16 for record in expected)


@pytest.mark.parametrize("compression", [None, "GZIP"])
def test_appending_nothing_changes_nothing(tmp_path, compression):
    path = tmp_path / "records"
    write(path, OLD, compression=compression)
    before = path.read_bytes()
    write(path, [], compression=compression, append=True)
    assert path.read_bytes() == before


def test_an_empty_file_may_become_any_kind(tmp_path):
    for compression in (None, "GZIP"):
        path = tmp_path / f"records{compression}"
        path.touch()
        write(path, OLD, compression=compression, append=True)
        assert list(recordfs.RecordReader(path)) == OLD


def test_a_torn_tail_is_reported_or_cut_off_wherever_it_is_torn(tmp_path):
    path = tmp_path / "records"
    write(path, OLD)
    whole = path.read_bytes()
    begins = [0, 19, 35]
    for cut in range(1, len(whole)):
        path.write_bytes(whole[:cut])
        kept = sum(1 for begin in begins if begin < cut) - 1
        if cut in begins:
            write(path, [b"new"], append=True)
            kept += 1
        else:
            with pytest.raises(TruncatedRecordError) as caught:
                recordfs.RecordWriter(path, append=True)
            assert caught.value.path == str(path)
            assert caught.value.offset == begins[kept]
            assert path.read_bytes() == whole[:cut]
            write(path, [b"new"], append=True, repair_tail=True)
        assert list(recordfs.RecordReader(path)) == [*OLD[:kept], b"new"], cut


def test_damage_in_the_middle_is_no_torn_tail(tmp_path):
    path = tmp_path / "records"
    write(path, OLD * 3)
    data = bytearray(path.read_bytes())
    data[3] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptRecordError):
        recordfs.RecordWriter(path, append=True, repair_tail=True)
    assert path.read_bytes() == data


def test_zlib_cannot_be_appended_to(tmp_path):
    with pytest.raises(UnimplementedError, match="GZIP"):
        recordfs.RecordWriter(tmp_path / "records", compression="ZLIB", append=True)


@pytest.mark.parametrize(("there", "asked"), [(None, "GZIP"), ("GZIP", None), ("ZLIB", None)])
def test_the_compression_has_to_be_the_one_that_is_there(tmp_path, there, asked):
    path = tmp_path / "records"
    write(path, OLD, compression=there)
    with pytest.raises(InvalidArgumentError):
        recordfs.RecordWriter(path, compression=asked, append=True)


def test_a_gzip_file_without_trailer_is_not_appended_to(tmp_path):
    path = tmp_path / "records"
    write(path, OLD, compression="GZIP")
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(DataLossError):
        recordfs.RecordWriter(path, compression="GZIP", append=True)


def test_the_index_goes_on(tmp_path):
    path = tmp_path / "records"
    expected = ["0 19", "19 16", "35 216", "251 19", "270 16", "286 216"]
    write(path, OLD, index=True)
    write(path, OLD, index=True, append=True)
    assert (tmp_path / "records.idx").read_text().splitlines() == expected
    # A missing or stale index is made anew first.
    (tmp_path / "records.idx").unlink()
    write(path, [b""], index=True, append=True)
    assert (tmp_path / "records.idx").read_text().splitlines() == [*expected, "502 16"]
    write(path, [b""], append=True)
    write(path, [b""], index=True, append=True)
    assert (tmp_path / "records.idx").read_text().splitlines() == [*expected, "502 16", "518 16", "534 16"]


def test_somebody_else_writing_is_noticed(tmp_path, monkeypatch):
    path = tmp_path / "records"
    write(path, OLD)
    from recordfs.records import targets as module

    def check_then_grow(*arguments, **keywords):
        tail = check(*arguments, **keywords)
        with path.open("ab") as file:
            file.write(b"more")
        return tail

    check = module.check_tail
    monkeypatch.setattr(module, "check_tail", check_then_grow)
    with pytest.raises(AbortedError, match="somebody"):
        recordfs.RecordWriter(path, append=True)


def test_tell_of_writers_that_share_a_local_file_is_exact_after_a_flush(tmp_path):
    path = f"{tmp_path}/log"
    with recordfs.RecordWriter(path, append=True) as first, recordfs.RecordWriter(path, append=True) as second:
        first.write(b"first")
        first.flush()
        second.write(b"second")
        second.flush()
        begin = second.tell()
        second.write(b"third")
        second.flush()
    with recordfs.RecordReader(path, start=begin) as reader:
        assert list(reader) == [b"third"]
    with recordfs.RecordReader(path) as reader:
        assert list(reader) == [b"first", b"second", b"third"]


def test_an_index_that_another_writer_has_made_wrong_is_reported_by_flush(tmp_path):
    path = f"{tmp_path}/log"
    first = recordfs.RecordWriter(path, append=True, index=True)
    with recordfs.RecordWriter(path, append=True) as second:
        second.write(b"second")
    first.write(b"first")
    with pytest.raises(FailedPreconditionError, match=r"log\.idx gives wrong offsets"):
        first.flush()
    first.close()
    with recordfs.RecordReader(path) as reader:
        assert list(reader) == [b"second", b"first"]
