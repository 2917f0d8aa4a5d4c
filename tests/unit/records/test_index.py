import gzip
import os

import pytest

from recordfs import RecordWriter
from recordfs.errors import DataLossError, InvalidArgumentError, NotFoundError, TruncatedRecordError
from recordfs.records.index import RecordIndex, build_index, is_index_fresh, read_index
from support.framing import record, stream
from support.peers import call_peer

PAYLOADS = [b"first", b"", b"the third one"]


@pytest.fixture
def records(tmp_path):
    path = tmp_path / "records"
    path.write_bytes(stream(PAYLOADS))
    return str(path)


def test_the_lines_are_offset_and_size(records):
    assert build_index(records) == 3
    with open(records + ".idx", "rb") as file:
        assert file.read() == b"0 21\n21 16\n37 29\n"


def test_an_index_leads_to_every_record(records):
    build_index(records)
    index = read_index(records + ".idx")
    assert isinstance(index, RecordIndex)
    assert len(index) == 3
    assert index[-1] == (37, 29)
    assert index.end == os.path.getsize(records)
    with open(records, "rb") as file:
        content = file.read()
    for (offset, size), payload in zip(index, PAYLOADS, strict=True):
        assert content[offset : offset + size] == record(payload)


def test_many_records_come_back(tmp_path):
    path = tmp_path / "many"
    path.write_bytes(stream([b"%d" % (i % 7) for i in range(200)]) * 1000)
    assert build_index(path, tmp_path / "elsewhere") == 200_000
    index = read_index(tmp_path / "elsewhere")
    assert len(index) == 200_000
    assert [size for _, size in index] == [17] * 200_000
    assert index.end == os.path.getsize(path)


def test_an_empty_file_has_an_empty_index(tmp_path):
    (tmp_path / "empty").touch()
    assert build_index(tmp_path / "empty") == 0
    index = read_index(tmp_path / "empty.idx")
    assert (len(index), index.end) == (0, 0)
    assert is_index_fresh(tmp_path / "empty")


def test_a_broken_file_gets_no_index_and_keeps_its_old_one(records):
    build_index(records)
    with open(records, "ab") as file:
        file.write(record(b"torn")[:-1])
    with pytest.raises(TruncatedRecordError) as caught:
        build_index(records)
    assert caught.value.offset == 66
    with open(records + ".idx", "rb") as file:
        assert file.read() == b"0 21\n21 16\n37 29\n"


def test_a_compressed_file_cannot_have_one(tmp_path):
    path = tmp_path / "compressed"
    path.write_bytes(gzip.compress(stream(PAYLOADS)))
    with pytest.raises(InvalidArgumentError, match="GZIP"):
        build_index(path)
    assert os.listdir(tmp_path) == ["compressed"]


@pytest.mark.parametrize(
    "content",
    [
        b"0 21\n21\n",
        b"0 21 7\n21 16 7\n",
        b"0 21\nx 16\n",
        b"-1 21\n",
        b"0 21\n20 16\n",
        b"0 15\n",
        b"0 21\n\n",
        b"0 99999999999999999999999\n",
        b"\x00" * 100,
        b"1" * 10_000_000,
    ],
)
def test_malformed_indexes_are_errors(tmp_path, content):
    (tmp_path / "bad.idx").write_bytes(content)
    with pytest.raises(DataLossError) as caught:
        read_index(tmp_path / "bad.idx")
    assert caught.value.path == str(tmp_path / "bad.idx")


def test_reading_a_missing_index_says_that_it_is_not_there(tmp_path):
    with pytest.raises(NotFoundError):
        read_index(tmp_path / "missing.idx")


def test_an_index_is_fresh_until_its_file_changes(records):
    assert not is_index_fresh(records)
    build_index(records)
    assert is_index_fresh(records)
    index = records + ".idx"
    newer = os.stat(index).st_mtime_ns + 1_000_000_000
    os.utime(records, ns=(newer, newer))
    assert not is_index_fresh(records)
    os.utime(index, ns=(newer, newer))
    assert is_index_fresh(records)
    with open(records, "ab") as file:
        file.write(record(b"more"))
    os.utime(index, ns=(2 * newer, 2 * newer))
    assert not is_index_fresh(records)
    for malformed in (b"", b"0 21\n21 16\n37 29", b"garbage\n", b"86\n"):
        with open(index, "wb") as file:
            file.write(malformed)
        assert not is_index_fresh(records)


@pytest.mark.peer
def test_the_tfrecord_package_makes_the_same_index_and_reads_ours(tmp_path):
    path = tmp_path / "records"
    path.write_bytes(stream([b"x" * (i % 50) for i in range(100)]))
    build_index(path)
    theirs, read = call_peer(
        "tfrecord",
        """
        from tfrecord.tools.tfrecord2idx import create_index
        from tfrecord.reader import tfrecord_iterator
        create_index(path, path + ".theirs")
        with open(path + ".theirs", "rb") as file:
            theirs = file.read()
        read = [bytes(view) for shard in range(3) for view in tfrecord_iterator(path, path + ".idx", (shard, 3))]
        result = [theirs, read]
        """,
        path=str(path),
    )
    with open(f"{path}.idx", "rb") as file:
        assert file.read() == theirs
    assert read == [b"x" * (i % 50) for i in range(100)]
    assert list(read_index(f"{path}.theirs")) == list(read_index(f"{path}.idx"))


@pytest.fixture(params=["the same name", "another spelling", "a URL", "a link"])
def own_name(request, records):
    directory, name = os.path.split(records)
    link = os.path.join(directory, "link")
    os.symlink(records, link)
    return {
        "the same name": records,
        "another spelling": os.path.join(directory, ".", name),
        "a URL": "file://" + records,
        "a link": link,
    }[request.param]


def test_an_index_never_replaces_its_records(records, own_name):
    with pytest.raises(InvalidArgumentError, match="replace the records"):
        build_index(records, own_name)
    with open(records, "rb") as file:
        assert file.read() == stream(PAYLOADS)


@pytest.mark.parametrize("append", [False, True])
def test_a_writer_never_writes_its_index_over_its_records(records, own_name, append):
    with pytest.raises(InvalidArgumentError, match="replace the records"):
        RecordWriter(records, append=append, index=own_name)
    with open(records, "rb") as file:
        assert file.read() == stream(PAYLOADS)
