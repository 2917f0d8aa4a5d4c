"""Our record files read by TensorFlow, and TensorFlow's by us: plain and compressed, empty, tiny and very large."""

import hashlib

import pytest

from golden.contents import line_records, mixed_records
from recordfs import RecordReader, RecordWriter
from support.peers import call_peer

pytestmark = pytest.mark.peer

COMPRESSIONS = ["", "GZIP", "ZLIB"]
LARGE = 64 * 1024 * 1024

# Both of TensorFlow's ways of reading.
TENSORFLOW_READS = """
    import tensorflow as tf
    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    iterated = list(tf.compat.v1.io.tf_record_iterator(path, tf.io.TFRecordOptions(compression)))
    dataset = tf.data.TFRecordDataset(path, compression)
    assert [record.numpy() for record in dataset] == iterated
    result = iterated
"""

TENSORFLOW_WRITES = """
    import tensorflow as tf
    with tf.io.TFRecordWriter(path, compression) as writer:
        for record in records:
            writer.write(record)
"""


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "file.tfrecord")


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("records", [[], [b""], [b""] * 3, mixed_records()], ids=["none", "empty", "empties", "mixed"])
class TestBothWays:
    def test_tensorflow_reads_what_we_write_one_by_one(self, path, records, compression):
        with RecordWriter(path, compression=compression) as writer:
            for record in records:
                writer.write(record)
        assert call_peer("tensorflow", TENSORFLOW_READS, path=path, compression=compression) == records

    def test_tensorflow_reads_what_we_write_in_a_batch(self, path, records, compression):
        with RecordWriter(path, compression=compression) as writer:
            writer.write_batch(records)
        assert call_peer("tensorflow", TENSORFLOW_READS, path=path, compression=compression) == records

    def test_we_read_what_tensorflow_writes(self, path, records, compression):
        call_peer("tensorflow", TENSORFLOW_WRITES, path=path, records=records, compression=compression)
        with RecordReader(path) as reader:
            assert list(reader) == records
        with RecordReader(path, compression=compression) as reader:
            assert list(reader) == records


@pytest.mark.parametrize("records", [[], mixed_records()], ids=["none", "mixed"])
def test_a_plain_file_of_ours_is_tensorflows_byte_for_byte(tmp_path, records):
    ours, theirs = str(tmp_path / "ours"), str(tmp_path / "theirs")
    with RecordWriter(ours) as writer:
        writer.write_batch(records)
    call_peer("tensorflow", TENSORFLOW_WRITES, path=theirs, records=records, compression="")
    with open(ours, "rb") as our_file, open(theirs, "rb") as their_file:
        assert our_file.read() == their_file.read()


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_records_of_64_mib_both_ways(tmp_path, compression):
    ours, theirs = str(tmp_path / "ours"), str(tmp_path / "theirs")
    record = bytes(range(251)) * (LARGE // 251 + 1)
    record = record[:LARGE]
    with RecordWriter(ours, compression=compression) as writer:
        writer.write(record)
        writer.write(b"between")
        writer.write(record)
    lengths_and_digests = call_peer(
        "tensorflow",
        """
        import hashlib
        import tensorflow as tf
        tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
        options = tf.io.TFRecordOptions(compression)
        result = []
        with tf.io.TFRecordWriter(theirs, options) as writer:
            for record in tf.compat.v1.io.tf_record_iterator(ours, options):
                result.append([len(record), hashlib.sha256(record).hexdigest()])
                writer.write(record)
        """,
        ours=ours,
        theirs=theirs,
        compression=compression,
    )
    large = [LARGE, hashlib.sha256(record).hexdigest()]
    assert lengths_and_digests == [large, [7, hashlib.sha256(b"between").hexdigest()], large]
    with RecordReader(theirs) as reader:
        assert [found == record or found for found in reader] == [True, b"between", True]


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_tensorflow_reads_what_we_flushed_while_we_go_on(path, compression):
    with RecordWriter(path, compression=compression) as writer:
        for round_number in range(3):
            writer.write_batch(line_records(5 * round_number, 5))
            writer.flush()
            records = call_peer("tensorflow", TENSORFLOW_READS, path=path, compression=compression)
            assert records == line_records(0, 5 * round_number + 5)


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_tensorflow_reads_what_we_append_to_its_file(path, compression):
    call_peer("tensorflow", TENSORFLOW_WRITES, path=path, records=line_records(0, 3), compression=compression)
    with RecordWriter(path, append=True, compression=compression) as writer:
        writer.write_batch(line_records(3, 3))
    assert call_peer("tensorflow", TENSORFLOW_READS, path=path, compression=compression) == line_records(0, 6)


@pytest.mark.parametrize("compression", ["GZIP", "ZLIB"])
@pytest.mark.parametrize("level", [0, 1, 9])
def test_tensorflow_reads_every_compression_level(path, compression, level):
    with RecordWriter(path, compression=compression, compression_level=level) as writer:
        writer.write_batch(mixed_records())
    assert call_peer("tensorflow", TENSORFLOW_READS, path=path, compression=compression) == mixed_records()


def test_tensorflow_jumps_to_the_offsets_of_our_index(path):
    with RecordWriter(path, index=True) as writer:
        writer.write_batch(mixed_records())
    with open(f"{path}.idx") as file:
        entries = [tuple(map(int, line.split())) for line in file]
    records = call_peer(
        "tensorflow",
        """
        from tensorflow.python.lib.io import tf_record
        reader = tf_record.tf_record_random_reader(path)
        result = []
        for offset, size in entries:
            record, end = reader.read(offset)
            assert end == offset + size
            result.append(record)
        """,
        path=path,
        entries=entries,
    )
    assert records == mixed_records()
