"""The files that the real tools wrote: read by us as what they hold, and made anew by those tools to the same bytes."""

import os
import subprocess

import pytest

from golden.contents import line_records, mixed_records
from recordfs import RecordReader
from support.peers import require_peer

GOLDEN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "golden")
DIFFERS_AT_EACH_MAKING = {os.path.join("events", "tf_summary.tfevents")}


def golden(name):
    return os.path.join(GOLDEN, name)


@pytest.mark.parametrize("suffix", ["", ".gz", ".zlib"])
@pytest.mark.parametrize(("stem", "records"), [("empty", []), ("mixed", mixed_records())])
def test_records_by_tensorflow_are_read_back(stem, records, suffix):
    with RecordReader(golden(f"records/{stem}.tfrecord{suffix}")) as reader:
        assert list(reader) == records


def test_all_members_of_a_gzip_file_are_read():
    with RecordReader(golden("records/members.tfrecord.gz")) as reader:
        assert list(reader) == line_records(0, 20)


@pytest.mark.parametrize("suffix", ["gz", "zlib"])
def test_what_tensorflow_flushed_is_read_and_reported_as_unfinished(suffix):
    with RecordReader(golden(f"records/unfinished.tfrecord.{suffix}")) as reader:
        assert list(reader) == line_records(0, 10)
        assert reader.report.unfinished_stream


@pytest.mark.parametrize("name", ["tensorboard", "tf_summary", "tensorboardx"])
def test_event_files_are_record_files(name):
    with RecordReader(golden(f"events/{name}.tfevents")) as reader:
        records = list(reader)
    assert b"brain.Event:2" in records[0]
    assert sum(b"loss" in record for record in records) == 5


@pytest.mark.peer
def test_the_tools_still_write_the_same_bytes(tmp_path):
    for peer in ("tensorflow", "tfrecord", "tensorboardx"):
        script = golden(f"make_with_{peer}.py")
        subprocess.run([require_peer(peer), script, str(tmp_path)], check=True, capture_output=True, timeout=120)
    made = {
        os.path.relpath(os.path.join(directory, name), tmp_path)
        for directory, _, names in os.walk(tmp_path)
        for name in names
    }
    assert made >= DIFFERS_AT_EACH_MAKING
    different = []
    for name in sorted(made - DIFFERS_AT_EACH_MAKING):
        with open(golden(name), "rb") as kept, open(tmp_path / name, "rb") as new:
            if kept.read() != new.read():
                different.append(name)
    assert not different
