"""The table of broken files in docs/formats/tfrecord.md, both columns of it."""

import gzip
import zlib

import pytest

from recordfs import RecordReader
from recordfs.errors import CorruptRecordError, DataLossError, RecordFSError, TruncatedRecordError
from support.framing import header, record, stream
from support.peers import PeerDiedError, call_peer, peer_process

pytestmark = pytest.mark.peer

TWO = stream([b"first", b"second"])
END = len(TWO)
CLEAN = None


def flipped(content: bytes, at: int) -> bytes:
    damaged = bytearray(content)
    damaged[at] ^= 1
    return bytes(damaged)


# The content and the compression that both are told; what recordfs raises, where, and after how many records; what
# TensorFlow raises, and after how many.
ROWS = {
    "empty file": (b"", "", CLEAN, 0, CLEAN, 0),
    "record of no bytes": (record(b""), "", CLEAN, 1, CLEAN, 1),
    "one byte of a header": (TWO + b"\x05", "", (TruncatedRecordError, END), 2, CLEAN, 2),
    "eleven bytes of a header": (TWO + header(3)[:11], "", (TruncatedRecordError, END), 2, CLEAN, 2),
    "cut payload": (TWO[:-6], "", (TruncatedRecordError, 21), 1, "DataLossError", 1),
    "cut checksum": (TWO[:-1], "", (TruncatedRecordError, 21), 1, "DataLossError", 1),
    "wrong length": (flipped(TWO, 21), "", (CorruptRecordError, 21), 1, "DataLossError", 1),
    "wrong length checksum": (flipped(TWO, 30), "", (CorruptRecordError, 21), 1, "DataLossError", 1),
    "wrong payload": (flipped(TWO, 34), "", (CorruptRecordError, 21), 1, "DataLossError", 1),
    "wrong payload checksum": (flipped(TWO, -1), "", (CorruptRecordError, 21), 1, "DataLossError", 1),
    "length 2^63": (TWO + header(2**63) + b"some", "", (CorruptRecordError, END), 2, "InvalidArgumentError", 2),
    "length 2^64 - 5": (TWO + header(2**64 - 5) + b"some", "", (CorruptRecordError, END), 2, "DataLossError", 2),
    "length past the end": (TWO + header(1000) + b"some", "", (TruncatedRecordError, END), 2, "DataLossError", 2),
    "little garbage": (TWO + b"trash", "", (TruncatedRecordError, END), 2, CLEAN, 2),
    "much garbage": (TWO + b"trash" * 10, "", (CorruptRecordError, END), 2, "DataLossError", 2),
    "no record file": (b"this is a text and no record file", "", (CorruptRecordError, 0), 0, "DataLossError", 0),
    "another compression": (TWO, "GZIP", (CorruptRecordError, 0), 0, "DataLossError", 0),
    "several members": (gzip.compress(TWO) * 2, "GZIP", CLEAN, 4, CLEAN, 4),
    "no gzip trailer": (gzip.compress(TWO)[:-8], "GZIP", CLEAN, 2, CLEAN, 2),
    "cut gzip trailer": (gzip.compress(TWO)[:-3], "GZIP", (DataLossError, END), 2, CLEAN, 2),
    "cut zlib trailer": (zlib.compress(TWO)[:-3], "ZLIB", (DataLossError, END), 2, CLEAN, 2),
    "wrong gzip trailer": (flipped(gzip.compress(TWO), -5), "GZIP", (DataLossError, END), 2, "DataLossError", 0),
    "wrong zlib trailer": (flipped(zlib.compress(TWO), -1), "ZLIB", (DataLossError, END), 2, "DataLossError", 0),
    "no member after gzip": (gzip.compress(TWO) + b"x" * 50, "GZIP", (CorruptRecordError, END), 2, "DataLossError", 2),
    "bytes after zlib": (zlib.compress(TWO) * 2, "ZLIB", (CorruptRecordError, END), 2, CLEAN, 2),
    "gzip cut in a payload": (gzip.compress(TWO[:-6])[:-8], "GZIP", (TruncatedRecordError, 21), 1, "DataLossError", 1),
    "gzip cut in a header": (gzip.compress(TWO[:25])[:-8], "GZIP", (TruncatedRecordError, 21), 1, CLEAN, 1),
}


@pytest.mark.parametrize("row", ROWS)
def test_a_broken_file_gives_what_the_table_says_of_both(tmp_path, row):
    content, compression, ours, our_count, theirs, their_count = ROWS[row]
    path = str(tmp_path / "file")
    with open(path, "wb") as file:
        file.write(content)

    records = []
    raised = None
    try:
        records.extend(RecordReader(path, compression=compression))
    except RecordFSError as error:
        raised = (type(error), error.offset)
    assert raised == ours
    # extend keeps what came before the error.
    assert len(records) == our_count
    found = call_peer(
        "tensorflow",
        """
        import tensorflow as tf
        count, kind = 0, None
        try:
            for _ in tf.compat.v1.io.tf_record_iterator(path, tf.io.TFRecordOptions(compression_type=compression)):
                count += 1
        except tf.errors.OpError as error:
            kind = type(error).__name__
        result = [kind, count]
        """,
        path=path,
        compression=compression,
    )
    assert found == [theirs, their_count]


def test_a_length_of_two_to_the_forty_kills_tensorflow_only(tmp_path):
    path = str(tmp_path / "file")
    with open(path, "wb") as file:
        file.write(TWO + header(2**40) + b"some")
    with pytest.raises(CorruptRecordError) as caught:
        list(RecordReader(path))
    assert caught.value.offset == END
    with peer_process("tensorflow") as process, pytest.raises(PeerDiedError):
        process.call(
            """
            import tensorflow as tf
            result = len(list(tf.compat.v1.io.tf_record_iterator(path)))
            """,
            path=path,
        )
