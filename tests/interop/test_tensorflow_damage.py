"""Every row of what TensorFlow's readers do with odd and broken files, side by side with what we do.

TensorFlow is silent where a header is torn, and dies where a length is huge; ours is never worse: it hands out at least
the records that TensorFlow does, and tells the file and the offset of everything that is wrong.
"""

import gzip
import zlib
from typing import NamedTuple

import pytest

from recordfs import RecordReader
from recordfs._core import masked_crc32c
from recordfs.errors import (
    CorruptRecordError,
    DataLossError,
    FailedPreconditionError,
    NotFoundError,
    TruncatedRecordError,
)
from support.peers import PeerDiedError, call_peer, peer_process

pytestmark = pytest.mark.peer

# The records read before the end or the first error, and that error's class and message (None: a clean end).
TENSORFLOW_READS = """
    import tensorflow as tf
    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    records, kind, message = [], None, None
    try:
        for record in tf.compat.v1.io.tf_record_iterator(path, tf.io.TFRecordOptions(compression)):
            records.append(record)
    except tf.errors.OpError as error:
        kind, message = type(error).__name__, error.message
    result = [records, kind, message]
"""


def header(length):
    data = length.to_bytes(8, "little")
    return data + masked_crc32c(data).to_bytes(4, "little")


def frame(data):
    return header(len(data)) + data + masked_crc32c(data).to_bytes(4, "little")


def flip(data, position):
    return data[:position] + bytes([data[position] ^ 0x40]) + data[position + 1 :]


RECORDS = [b"the first record", b"", b"the third record"]
FILE = b"".join(map(frame, RECORDS))
START = len(FILE) - len(frame(RECORDS[2]))  # of the third record


class Case(NamedTuple):
    """A file's bytes, what TensorFlow says of it, and what we say: records and error, and the error's offset."""

    data: bytes
    tensorflow: tuple[list[bytes], str | None, str | None]
    records: list[bytes]
    error: type[Exception] | None = None
    offset: int | None = None


SOUND = {
    "an empty file": Case(b"", ([], None, None), []),
    "zero-length records": Case(frame(b"") * 2, ([b"", b""], None, None), [b"", b""]),
}

TORN = {
    f"{size} bytes of a header": Case(
        FILE[: START + size], (RECORDS[:2], None, None), RECORDS[:2], TruncatedRecordError, START
    )
    for size in range(1, 12)
} | {
    f"nothing but {size} bytes of a header": Case(FILE[:size], ([], None, None), [], TruncatedRecordError, 0)
    for size in (1, 11)
}

SHORT = {
    name: Case(FILE[:end], (RECORDS[:2], "DataLossError", f"truncated record at {START}"), RECORDS[:2],
               TruncatedRecordError, START)
    for name, end in {
        "a header alone": START + 12,
        "a short body": START + 12 + 5,
        "no footer": len(FILE) - 4,
        "a short footer": len(FILE) - 1,
    }.items()
}  # fmt: skip

CORRUPT = {
    name: Case(flip(FILE, position), (RECORDS[:2], "DataLossError", f"corrupted record at {at}"), RECORDS[:2],
               CorruptRecordError, START)
    for name, position, at in [
        ("a wrong length", START, START),
        ("a wrong checksum of the length", START + 8, START),
        ("wrong data", START + 12, START + 12),
        ("a wrong checksum of the data", len(FILE) - 1, START + 12),
    ]
}  # fmt: skip

HOSTILE = {
    "a length of 2^64 - 5": Case(
        FILE[:START] + header(2**64 - 5), (RECORDS[:2], "DataLossError", "too large"), RECORDS[:2], CorruptRecordError,
        START,
    ),
    "a length of 2^63": Case(
        FILE[:START] + header(2**63), (RECORDS[:2], "InvalidArgumentError", "negative"), RECORDS[:2],
        CorruptRecordError, START,
    ),
}  # fmt: skip

GARBAGE = {
    "less than a header of garbage": Case(
        FILE + b"garbage", (RECORDS, None, None), RECORDS, TruncatedRecordError, len(FILE)
    ),
    "a header and more of garbage": Case(
        FILE + b"garbage " * 4, (RECORDS, "DataLossError", "corrupted"), RECORDS, CorruptRecordError, len(FILE)
    ),
    "no record file at all": Case(
        b"PK\x03\x04" * 20, ([], "DataLossError", "Is this even a TFRecord file?"), [], CorruptRecordError, 0
    ),
}

PLAIN = SOUND | TORN | SHORT | CORRUPT | HOSTILE | GARBAGE


def read_until_error(path, compression="auto"):
    records = []
    with RecordReader(path, compression=compression) as reader:
        try:
            for record in reader:
                records.append(record)  # noqa: PERF402 - what came before an error is kept
        except DataLossError as error:
            return records, error
    return records, None


@pytest.mark.parametrize("case", PLAIN.values(), ids=PLAIN.keys())
def test_plain_files(case, tmp_path):
    path = str(tmp_path / "file.tfrecord")
    with open(path, "wb") as file:
        file.write(case.data)

    records, kind, message = call_peer("tensorflow", TENSORFLOW_READS, path=path, compression="")
    assert (records, kind) == case.tensorflow[:2]
    assert (case.tensorflow[2] or "") in (message or "")

    ours, error = read_until_error(path)
    assert ours == case.records
    assert type(error) is (case.error or type(None))
    if error is not None:
        assert (error.path, error.offset) == (path, case.offset)
        assert path in str(error)


def test_a_length_of_2_to_the_40_kills_tensorflow_and_is_an_error_of_ours(tmp_path):
    path = str(tmp_path / "file.tfrecord")
    with open(path, "wb") as file:
        file.write(FILE[:START] + header(2**40) + b"x" * 100)
    with peer_process("tensorflow") as process, pytest.raises(PeerDiedError):
        process.call(TENSORFLOW_READS, path=path, compression="")
    records, error = read_until_error(path)
    assert records == RECORDS[:2]
    assert type(error) is CorruptRecordError
    assert error.offset == START


class CompressedCase(NamedTuple):
    """A compressed file; `unfinished` is what our report says of a stream that lacks its trailer."""

    data: bytes
    compression: str
    tensorflow: tuple[list[bytes], str | None]
    records: list[bytes]
    error: type[Exception] | None = None
    unfinished: bool = False


GZIP = gzip.compress(FILE, mtime=0)
ZLIB = zlib.compress(FILE)

COMPRESSED = {
    "several members": CompressedCase(
        gzip.compress(FILE, mtime=0) * 3, "GZIP", (RECORDS * 3, None), RECORDS * 3
    ),
    "no trailer": CompressedCase(GZIP[:-8], "GZIP", (RECORDS, None), RECORDS, unfinished=True),
    "a wrong trailer": CompressedCase(flip(GZIP, len(GZIP) - 6), "GZIP", ([], "DataLossError"), RECORDS,
                                      DataLossError),
    "zlib read as gzip": CompressedCase(ZLIB, "GZIP", ([], "DataLossError"), [], CorruptRecordError),
    "gzip read as zlib": CompressedCase(GZIP, "ZLIB", ([], "DataLossError"), [], CorruptRecordError),
    "plain read as gzip": CompressedCase(FILE, "GZIP", ([], "DataLossError"), [], CorruptRecordError),
    "gzip read as plain": CompressedCase(GZIP, "", ([], "DataLossError"), [], CorruptRecordError),
}  # fmt: skip


@pytest.mark.parametrize("case", COMPRESSED.values(), ids=COMPRESSED.keys())
def test_compressed_files(case, tmp_path):
    path = str(tmp_path / "file.tfrecord")
    with open(path, "wb") as file:
        file.write(case.data)

    records, kind, _ = call_peer("tensorflow", TENSORFLOW_READS, path=path, compression=case.compression)
    assert (records, kind) == case.tensorflow

    ours, error = read_until_error(path, case.compression)
    assert ours == case.records
    if case.error is None:
        assert error is None
    else:
        assert isinstance(error, case.error)
        assert error.path == path
    with RecordReader(path, compression=case.compression, on_error="stop") as reader:
        assert list(reader) == case.records
        assert reader.report.unfinished_stream is case.unfinished


def test_a_gzip_file_cut_anywhere_yields_no_fewer_records_than_tensorflow_and_never_passes_for_whole(tmp_path):
    paths = []
    for end in range(1, len(GZIP)):
        paths.append(str(tmp_path / str(end)))
        with open(paths[-1], "wb") as file:
            file.write(GZIP[:end])
    theirs = [call_peer("tensorflow", TENSORFLOW_READS, path=path, compression="GZIP")[0] for path in paths]
    for path, records in zip(paths, theirs, strict=True):
        with RecordReader(path, compression="GZIP", on_error="stop") as reader:
            ours = list(reader)
            assert ours[: len(records)] == records
            assert reader.report.losses or reader.report.unfinished_stream


def test_missing_files_and_directories(tmp_path):
    for path, kind, error in [
        (str(tmp_path / "missing"), "NotFoundError", NotFoundError),
        (str(tmp_path), "FailedPreconditionError", FailedPreconditionError),
    ]:
        assert call_peer("tensorflow", TENSORFLOW_READS, path=path, compression="")[1] == kind
        with pytest.raises(error) as raised:
            list(RecordReader(path))
        assert raised.value.path == path
