"""The tfrecord package reads our files and our index, and we read its."""

import os

import pytest

from golden.contents import mixed_records
from recordfs import RecordReader, RecordWriter
from recordfs.records.index import build_index, read_index
from support.peers import call_peer

pytestmark = pytest.mark.peer

# The package yields views into a buffer that it uses again.
READS = """
    from tfrecord.reader import tfrecord_iterator
    result = [bytes(record) for record in tfrecord_iterator(path, index_path, shard, compression)]
"""

WRITES = """
    import tfrecord
    writer = tfrecord.TFRecordWriter(path)
    for number in range(count):
        writer.write({"number": (number, "int"), "name": (b"record %d" % number, "byte")})
    writer.close()
    result = [bytes(record) for record in tfrecord.reader.tfrecord_iterator(path)]
"""


def read_by_package(path, index_path=None, shard=None, compression=None):
    return call_peer("tfrecord", READS, path=path, index_path=index_path, shard=shard, compression=compression)


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_the_package_reads_our_files(tmp_path, compression):
    path = str(tmp_path / "file.tfrecord")
    with RecordWriter(path, compression=compression and "GZIP") as writer:
        writer.write_batch(mixed_records())
    assert read_by_package(path, compression=compression) == mixed_records()


def test_we_read_the_packages_files(tmp_path):
    path = str(tmp_path / "file.tfrecord")
    records = call_peer("tfrecord", WRITES, path=path, count=50)
    with RecordReader(path) as reader:
        assert list(reader) == records
    assert len(records) == 50


def test_the_package_finds_its_shards_by_our_index(tmp_path):
    path = str(tmp_path / "file.tfrecord")
    with RecordWriter(path, index=True) as writer:
        writer.write_batch(mixed_records())
    shards = [read_by_package(path, f"{path}.idx", shard=[number, 3]) for number in range(3)]
    assert [record for shard in shards for record in shard] == mixed_records()


def test_our_index_is_tfrecord2idxs_byte_for_byte(tmp_path):
    path, ours, theirs = (str(tmp_path / name) for name in ("file.tfrecord", "ours", "theirs"))
    with RecordWriter(path, index=ours) as writer:
        writer.write_batch(mixed_records())
    call_peer(
        "tfrecord",
        """
        from tfrecord.tools.tfrecord2idx import create_index
        create_index(path, theirs)
        """,
        path=path,
        theirs=theirs,
    )
    built = str(tmp_path / "built")
    build_index(path, built)
    contents = []
    for index in (ours, theirs, built):
        with open(index, "rb") as file:
            contents.append(file.read())
    assert contents[0] == contents[1] == contents[2]
    assert len(read_index(theirs)) == len(mixed_records())
    assert read_index(theirs).end == os.path.getsize(path)
