"""A writer dies inside a record, and another appends without looking: its records are not lost with the torn one."""

from __future__ import annotations

import gzip
import io
import random

import pytest

from recordfs import RecordReader
from recordfs.records.verify import verify_file
from support.framing import header, record, stream

BEFORE = [b"before %d" % number for number in range(20)]
AFTER = [b"after %d" % number for number in range(3000)]
SOUND = BEFORE + AFTER


def torn(length: int, present: int) -> bytes:
    return record(b"T" * length)[:present]


def file_with(tmp_path, content: bytes) -> str:
    path = tmp_path / "records"
    path.write_bytes(content)
    return str(path)


# The claimed length ends among the records after it: small ones are judged in the window, large ones piece by piece.
@pytest.mark.parametrize("length", [500, 60_000])
@pytest.mark.parametrize("present", [12, 400])
def test_skip_and_verify_find_records_inside_the_length_that_a_torn_one_claims(tmp_path, length, present):
    content = stream(BEFORE) + torn(length, present) + stream(AFTER)
    path = file_with(tmp_path, content)
    reader = RecordReader(path, on_error="skip")
    assert list(reader) == SOUND
    [loss] = reader.report.losses
    assert (loss.offset, loss.length) == (len(stream(BEFORE)), present)
    assert "torn" in loss.reason
    report = verify_file(path)
    assert report.records == len(SOUND)
    [lost] = report.lost
    assert (lost.offset, lost.end - lost.offset) == (loss.offset, loss.length)
    assert lost.error.message == loss.reason


def test_skip_finds_records_inside_the_length_of_a_large_torn_one(tmp_path):
    after = [random.Random(number).randbytes(20_000) for number in range(80)]
    content = stream(BEFORE) + torn(1_000_000, 300_000) + stream(after)
    path = file_with(tmp_path, content)
    for source in (path, io.BytesIO(content)):
        assert list(RecordReader(source, on_error="skip")) == BEFORE + after
    assert verify_file(path).records == len(BEFORE + after)


def test_skip_finds_records_after_a_torn_one_that_claims_more_than_the_file_has(tmp_path):
    content = stream(BEFORE) + torn(1_000_000, 200) + stream(AFTER)
    path = file_with(tmp_path, content)
    # A file object says nothing of its size, so that the record is read as a large one.
    for source in (path, io.BytesIO(content)):
        reader = RecordReader(source, on_error="skip")
        assert list(reader) == SOUND
        assert [loss.length for loss in reader.report.losses] == [200]
        assert not reader.report.truncated_tail


def test_skip_finds_records_inside_a_torn_one_of_a_compressed_file(tmp_path):
    path = file_with(tmp_path, gzip.compress(stream(BEFORE) + torn(60_000, 400) + stream(AFTER)))
    assert list(RecordReader(path, on_error="skip")) == SOUND


def test_views_and_batches_skip_in_the_same_way(tmp_path):
    path = file_with(tmp_path, stream(BEFORE) + torn(60_000, 400) + stream(AFTER))
    assert [bytes(view) for view in RecordReader(path, on_error="skip").views()] == SOUND
    batches = RecordReader(path, on_error="skip").batches(100)
    assert [one for batch in batches for one in batch] == SOUND


def test_several_torn_records_are_passed_over_one_after_the_other(tmp_path):
    content = torn(5000, 100) + stream(BEFORE) + torn(70_000, 1) + torn(3000, 50) + stream(AFTER)
    reader = RecordReader(file_with(tmp_path, content), on_error="skip")
    assert list(reader) == SOUND
    assert reader.report.lost_bytes == len(content) - len(stream(SOUND))


def test_records_in_a_damaged_record_file_that_is_a_record_do_not_surface(tmp_path):
    inner = stream(AFTER[:200])
    content = bytearray(stream(BEFORE) + record(inner) + stream([b"last"]))
    content[len(stream(BEFORE)) + 2000] ^= 1
    path = file_with(tmp_path, bytes(content))
    reader = RecordReader(path, on_error="skip")
    assert list(reader) == [*BEFORE, b"last"]
    [loss] = reader.report.losses
    assert loss.length == len(record(inner))
    assert "torn" not in loss.reason
    assert verify_file(path).records == len(BEFORE) + 1


def test_a_follower_that_skips_waits_for_the_record_that_leads_out_of_a_torn_one(tmp_path):
    content = stream(BEFORE) + torn(2000, 50)
    last = record(b"l" * 3000)
    path = file_with(tmp_path, content + stream(AFTER[:50]) + last[:1500])
    reader = RecordReader(path, on_error="skip", follow=True, follow_timeout=30)
    found = []
    for one in reader:
        found.append(one)
        if len(found) == len(BEFORE):
            with open(path, "ab") as file:
                file.write(last[1500:])
        if one == b"l" * 3000:
            break
    assert found == [*BEFORE, *AFTER[:50], b"l" * 3000]


# As above: the rest of a small record is in the window, that of a large one where the record was to be.
@pytest.mark.parametrize("length", [100_000, 1_000_000, 2**31 - 100])
def test_a_follower_that_skips_hands_out_what_was_written_after_a_torn_record_before_it_ends(tmp_path, length):
    path = file_with(tmp_path, stream(BEFORE) + header(length) + bytes(200) + stream(AFTER))
    reader = RecordReader(path, on_error="skip", follow=True, follow_timeout=0.05)
    assert list(reader) == SOUND
    assert [loss.length for loss in reader.report.losses] == [12 + 200]
    assert not reader.report.truncated_tail


def test_a_record_that_is_still_being_written_is_not_given_up_by_a_follower_that_skips(tmp_path):
    late = record(random.Random(1).randbytes(500_000))
    path = file_with(tmp_path, stream(BEFORE) + late[:300_000])
    reader = RecordReader(path, on_error="skip", follow=True, follow_timeout=0.05)
    iterator = iter(reader)
    assert list(iterator) == BEFORE
    assert reader.report.truncated_tail
    with open(path, "ab") as file:
        file.write(late[300_000:])
    assert list(iterator) == [late[12:-4]]
    assert not reader.report.losses
