import gzip
import random
import zlib

import pytest

from recordfs._core import COMPRESSION_PREFIX_SIZE
from recordfs._core import detect_compression as detect_from_prefix
from recordfs.errors import InvalidArgumentError
from recordfs.filesystems.posix import PosixFileSystem
from recordfs.records.compression import check_compression_level, compression_name, detect_compression
from support.framing import header, stream

RECORDS = stream([b"first", b"", random.Random(1).randbytes(500)])


@pytest.mark.parametrize(
    ("given", "name"), [(None, ""), ("", ""), ("GZIP", "GZIP"), ("ZLIB", "ZLIB"), (0, ""), (1, "ZLIB"), (2, "GZIP")]
)
def test_compression_names_are_tensorflows_and_others_are_refused(given, name):
    assert compression_name(given) == name


@pytest.mark.parametrize("wrong", ["gzip", "zlib", "SNAPPY", "NONE", "auto", 3, -1, b"GZIP", 1.5, []])
def test_unknown_names_are_errors(wrong):
    with pytest.raises(InvalidArgumentError):
        compression_name(wrong)


def test_the_error_names_the_spelling():
    with pytest.raises(InvalidArgumentError, match="'GZIP'"):
        compression_name("gzip")


def test_a_compression_level_beyond_zlibs_is_refused():
    assert [check_compression_level(level) for level in range(-1, 10)] == list(range(-1, 10))
    for wrong in (-2, 10):
        with pytest.raises(InvalidArgumentError):
            check_compression_level(wrong)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (RECORDS, ""),
        (gzip.compress(RECORDS), "GZIP"),
        (zlib.compress(RECORDS), "ZLIB"),
        (zlib.compress(RECORDS, 0), "ZLIB"),
        (b"", ""),
        (gzip.compress(b"", mtime=0), "GZIP"),
        (zlib.compress(b""), "ZLIB"),
        (header(40056), ""),
        (header(559903), ""),
        (b"not records at all", ""),
        (b"\x78\x9c and then no zlib stream", ""),
        (zlib.compress(b"a stream, but not of records"), ""),
    ],
)
def test_the_first_bytes_tell_the_compression(tmp_path, content, expected):
    path = tmp_path / "file"
    path.write_bytes(content)
    with PosixFileSystem().new_random_access_file(str(path)) as file:
        assert detect_compression(file) == expected


@pytest.mark.parametrize("content", [RECORDS, gzip.compress(RECORDS), zlib.compress(RECORDS)])
def test_a_growing_file_is_never_told_wrong(content):
    final = detect_from_prefix(content[:COMPRESSION_PREFIX_SIZE], True)
    answers = {detect_from_prefix(content[:length], False) for length in range(len(content))}
    assert answers <= {None, final}
