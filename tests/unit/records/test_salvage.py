"""Salvaging copies every sound record of a broken file, says what was lost, and touches nothing else."""

from __future__ import annotations

import gzip

import pytest

import recordfs.records as records
from recordfs import RecordReader
from recordfs.errors import AlreadyExistsError, InvalidArgumentError, NotFoundError
from support.framing import record, stream

SOUND = [b"sound %d" % number for number in range(1000)]


def test_the_sound_records_of_a_broken_file_are_copied(tmp_path):
    broken = stream(SOUND[:300]) + b"garbage" + stream(SOUND[300:600]) + record(b"T" * 9000)[:20] + stream(SOUND[600:])
    (tmp_path / "broken").write_bytes(broken + record(b"cut off")[:-1])
    seen: list[int] = []
    report = records.salvage_file(tmp_path / "broken", tmp_path / "new", progress=seen.append)
    assert list(RecordReader(tmp_path / "new")) == SOUND
    assert (report.records, report.payload_bytes) == (1000, sum(map(len, SOUND)))
    assert [loss.length for loss in report.losses] == [7, 20, 22]
    assert (report.loss_count, report.lost_bytes) == (3, 49)
    assert (report.path, report.target) == (str(tmp_path / "broken"), str(tmp_path / "new"))
    assert seen == sorted(seen)
    assert (tmp_path / "broken").read_bytes()[: len(broken)] == broken


def test_a_compressed_file_is_salvaged_up_to_where_its_stream_breaks(tmp_path):
    whole = gzip.compress(stream(SOUND))
    (tmp_path / "broken").write_bytes(whole[: len(whole) // 2])
    report = records.salvage_file(tmp_path / "broken", tmp_path / "new", target_compression="GZIP")
    assert list(RecordReader(tmp_path / "new", compression="GZIP")) == SOUND[: report.records]
    assert report.records > 100
    assert report.loss_count or report.unfinished_stream


def test_nothing_is_overwritten_and_no_pattern_is_meant(tmp_path):
    (tmp_path / "a").write_bytes(stream([b"a"]))
    (tmp_path / "[a]").write_bytes(stream([b"literal"]))
    (tmp_path / "there").write_bytes(b"precious")
    with pytest.raises(AlreadyExistsError):
        records.salvage_file(tmp_path / "a", tmp_path / "there")
    assert (tmp_path / "there").read_bytes() == b"precious"
    with pytest.raises(InvalidArgumentError):
        records.salvage_file(tmp_path / "a", tmp_path / "a")
    with pytest.raises(NotFoundError):
        records.salvage_file(tmp_path / "missing", tmp_path / "new")
    records.salvage_file(str(tmp_path / "[a]"), tmp_path / "new")
    assert list(RecordReader(tmp_path / "new")) == [b"literal"]


def test_the_package_names_what_it_offers():
    for name in records.__all__:
        assert getattr(records, name).__name__ == name
    assert set(records.__all__) <= set(dir(records))
    with pytest.raises(AttributeError):
        records.nothing  # noqa: B018
