"""Files cut at every byte, read by TensorFlow and by us: never fewer records than TensorFlow hands out, never silence.

TensorFlow says nothing of a torn header, nor of a compressed stream that lacks its trailer. The rows of single kinds of
damage are in test_broken_records_tensorflow.py.
"""

import gzip
import zlib

import pytest

from recordfs import RecordReader
from recordfs.errors import DataLossError, FailedPreconditionError, NotFoundError, TruncatedRecordError
from support.framing import stream
from support.peers import call_peer

pytestmark = pytest.mark.peer

RECORDS = [b"the first record", b"", b"the third record"]
PLAIN = stream(RECORDS)
BOUNDARIES = [len(stream(RECORDS[:count])) for count in range(len(RECORDS) + 1)]
FILES = {"": PLAIN, "GZIP": gzip.compress(PLAIN, mtime=0), "ZLIB": zlib.compress(PLAIN)}

# For each path the records before the end or the first error, and that error's class and message.
TENSORFLOW_READS = """
    import tensorflow as tf
    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    result = []
    for path in paths:
        records, kind, message = [], None, None
        try:
            for record in tf.compat.v1.io.tf_record_iterator(path, tf.io.TFRecordOptions(compression)):
                records.append(record)
        except tf.errors.OpError as error:
            kind, message = type(error).__name__, error.message
        result.append([records, kind, message])
"""


def cut_everywhere(directory, content):
    paths = []
    for end in range(len(content) + 1):
        paths.append(str(directory / str(end)))
        with open(paths[-1], "wb") as file:
            file.write(content[:end])
    return paths


def test_a_plain_file_cut_anywhere_gives_the_same_records_to_both(tmp_path):
    paths = cut_everywhere(tmp_path, PLAIN)
    theirs = call_peer("tensorflow", TENSORFLOW_READS, paths=paths, compression="")
    for end, (path, (records, kind, message)) in enumerate(zip(paths, theirs, strict=True)):
        whole = max(count for count, boundary in enumerate(BOUNDARIES) if boundary <= end)
        begin = BOUNDARIES[whole]
        assert records == RECORDS[:whole]
        assert kind == ("DataLossError" if end - begin >= 12 else None)
        if kind:
            assert f"truncated record at {begin}'" in message

        ours = []
        if end == begin:
            ours.extend(RecordReader(path))
        else:
            with pytest.raises(TruncatedRecordError) as raised:
                ours.extend(RecordReader(path))
            assert (raised.value.path, raised.value.offset) == (path, begin)
            assert path in str(raised.value)
        assert ours == records


@pytest.mark.parametrize("compression", ["GZIP", "ZLIB"])
def test_a_compressed_file_cut_anywhere_gives_the_same_records_to_both(tmp_path, compression):
    paths = cut_everywhere(tmp_path, FILES[compression])[1:]
    theirs = call_peer("tensorflow", TENSORFLOW_READS, paths=paths, compression=compression)
    for path, (records, _, _) in zip(paths, theirs, strict=True):
        ours = []
        reader = RecordReader(path, compression=compression)
        try:
            ours.extend(reader)
            told = path == paths[-1] or reader.report.unfinished_stream
        except DataLossError as error:
            told = error.path == path
        assert told
        assert ours == RECORDS[: len(ours)]
        assert len(ours) >= len(records)


def test_missing_files_and_directories(tmp_path):
    missing = str(tmp_path / "missing")
    theirs = call_peer("tensorflow", TENSORFLOW_READS, paths=[missing, str(tmp_path)], compression="")
    assert [kind for _, kind, _ in theirs] == ["NotFoundError", "FailedPreconditionError"]
    for path, error in ((missing, NotFoundError), (str(tmp_path), FailedPreconditionError)):
        with pytest.raises(error) as raised:
            list(RecordReader(path))
        assert raised.value.path == path
