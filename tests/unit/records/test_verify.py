import gzip
import os
import random
import zlib

import pytest

from recordfs.errors import (
    CorruptRecordError,
    DataLossError,
    InternalError,
    NotFoundError,
    TruncatedRecordError,
    UnimplementedError,
)
from recordfs.filesystem import RandomAccessFile
from recordfs.filesystems.posix import PosixFileSystem
from recordfs.records import RecordFile, build_index, check_tail, repair_tail
from recordfs.records.verify import count_records, verify_file
from support.framing import header, record, stream

PAYLOADS = [b"first", b"", b"the third one", bytes(300)]
BEGINS = [0, 21, 37, 66, 382]
SOUND = stream(PAYLOADS)


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "records"
        path.write_bytes(content)
        return str(path)

    return write


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zlib.compress])
def test_verifying_a_sound_file_counts_all_of_it(write, compress):
    path = write(compress(SOUND))
    report = verify_file(path)
    assert report.sound
    assert report.error is None
    assert report.records == 4
    assert report.payload_bytes == sum(map(len, PAYLOADS))
    assert report.stream_size == len(SOUND)
    assert report.file_size == os.path.getsize(path)
    assert count_records(path) == 4


def test_an_empty_file_is_sound(write):
    report = verify_file(write(b""))
    assert report.sound
    assert report.records == report.file_size == 0


def test_every_cut_is_a_truncated_tail_at_its_record(write):
    for cut in range(len(SOUND)):
        path = write(SOUND[:cut])
        report = verify_file(path)
        begin = max(begin for begin in BEGINS if begin <= cut)
        assert report.records == BEGINS.index(begin)
        if begin == cut:
            assert report.sound
            continue
        [lost] = report.lost
        assert (lost.offset, lost.end) == (begin, cut)
        assert isinstance(lost.error, TruncatedRecordError)
        assert (lost.error.path, lost.error.offset) == (path, begin)
        assert report.truncated_tail
        assert not report.sound
        with pytest.raises(TruncatedRecordError) as caught:
            count_records(path)
        assert caught.value.offset == begin


def test_every_flipped_byte_loses_exactly_its_record(write):
    for at in range(len(SOUND)):
        damaged = bytearray(SOUND)
        damaged[at] ^= 0xFF
        report = verify_file(write(damaged))
        assert report.records == 3
        [lost] = report.lost
        assert lost.offset <= at < lost.end
        assert {lost.offset, lost.end} <= set(BEGINS)
        assert isinstance(lost.error, CorruptRecordError)
        assert lost.error.offset == lost.offset


@pytest.mark.parametrize("length", [2**31 + 1, 2**40, 2**63, 2**64 - 5, 2**64 - 1, 1000])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_lying_lengths_cost_no_memory_and_lose_only_themselves(write, length, compress):
    path = write(compress(record(b"first") + header(length) + record(b"last")))
    report = verify_file(path)
    if compress is gzip.compress and length == 1000:
        # How long a compressed stream is shows only at its end, where the record then is cut off.
        assert (report.records, report.truncated_tail) == (1, True)
        return
    assert report.records == 2
    assert [(lost.offset, lost.end) for lost in report.lost] == [(21, 33)]
    assert isinstance(report.error, TruncatedRecordError if length == 1000 else CorruptRecordError)


def test_garbage_behind_the_last_record(write):
    report = verify_file(write(SOUND + bytes(500)))
    assert report.records == 4
    assert [(lost.offset, lost.end) for lost in report.lost] == [(382, 882)]
    assert isinstance(report.error, CorruptRecordError)
    assert not report.truncated_tail


def test_damaged_payloads_can_be_let_pass(write):
    damaged = bytearray(SOUND)
    damaged[50] ^= 1
    damaged[60] ^= 1
    path = write(damaged)
    assert verify_file(path, verify_checksums=False).records == 4
    assert count_records(path) == 4
    with pytest.raises(CorruptRecordError):
        count_records(path, verify_checksums=True)


def test_a_file_of_many_broken_records_keeps_a_thousand_and_counts_all(write):
    bad = bytearray(record(b"x"))
    bad[12] ^= 1
    report = verify_file(write((bytes(bad) + record(b"y")) * 3000))
    assert (report.records, report.lost_ranges, report.lost_bytes) == (3000, 3000, 3000 * 17)
    assert len(report.lost) == 1000


def test_gzip_members_are_read_through(write):
    report = verify_file(write(gzip.compress(SOUND[:21]) + gzip.compress(SOUND[21:30]) + gzip.compress(SOUND[30:])))
    assert report.sound
    assert report.records == 4


@pytest.mark.parametrize(("compress", "trailer"), [(gzip.compress, 8), (zlib.compress, 4)])
def test_every_cut_of_a_compressed_file(write, compress, trailer):
    content = compress(SOUND)
    for cut in range(3, len(content)):
        report = verify_file(write(content[:cut]))
        missing = len(content) - cut
        assert not report.sound
        if missing < trailer:
            assert report.records == 4
            assert type(report.error) is DataLossError
            assert "trailer" in report.error.message
        elif missing == trailer:
            assert report.records == 4
            assert report.unfinished_stream
            assert report.error is None
        else:
            assert report.unfinished_stream
            assert report.error is None or isinstance(report.error, TruncatedRecordError)


def test_a_flushed_prefix_is_an_unfinished_stream_and_nothing_worse(write):
    compressor = zlib.compressobj(wbits=31)
    content = compressor.compress(SOUND) + compressor.flush(zlib.Z_SYNC_FLUSH)
    report = verify_file(write(content))
    assert report.records == 4
    assert report.unfinished_stream
    assert report.lost == []
    assert not report.sound
    assert count_records(write(content)) == 4


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress])
def test_a_wrong_trailer_loses_no_record(write, compress):
    damaged = bytearray(compress(SOUND))
    damaged[-1] ^= 1
    report = verify_file(write(damaged))
    assert report.records == 4
    assert type(report.error) is DataLossError
    assert report.lost_bytes == 0


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress])
def test_every_flipped_byte_of_a_compressed_file_is_noticed(write, compress):
    content = compress(stream([random.Random(1).randbytes(100)]))
    harmless = range(4, 10) if compress is gzip.compress else ()  # the time, level and system of gzip's header
    for at in range(len(content)):
        damaged = bytearray(content)
        damaged[at] ^= 0xFF
        assert verify_file(write(damaged)).sound == (at in harmless), at


def test_bytes_behind_a_zlib_stream(write):
    report = verify_file(write(zlib.compress(SOUND) + zlib.compress(SOUND)))
    assert report.records == 4
    assert isinstance(report.error, CorruptRecordError)
    assert "bytes follow" in report.error.message


def test_the_compression_can_be_forced(write):
    report = verify_file(write(SOUND), compression="GZIP")
    assert "header" in report.error.message
    assert report.records == 0
    assert verify_file(write(zlib.compress(SOUND)), compression="ZLIB").sound


def test_progress_ends_at_the_file_size(write):
    seen = []
    path = write(stream([bytes(100_000)] * 10))
    verify_file(path, progress=seen.append)
    assert seen == sorted(seen)
    assert len(seen) > 2
    assert seen[-1] == os.path.getsize(path)


def test_counting_does_not_read_large_payloads(write):
    content = stream([bytes(3_000_000), b"x", bytes(3_000_000)])
    read = 0

    class Counting(MemoryFile):
        def _read(self, offset, n):
            nonlocal read
            data = super()._read(offset, n)
            read += len(data)
            return data

    assert count_records("x", file_system=OneFile(Counting(content))) == 3
    assert read < 2_000_000


def test_verifying_a_missing_file_says_that_it_is_not_there(tmp_path):
    with pytest.raises(NotFoundError):
        verify_file(tmp_path / "missing")


class MemoryFile(RandomAccessFile):
    """A file that gives at most ``most`` bytes a read."""

    def __init__(self, content, most=1 << 30):
        super().__init__("memory")
        self.content, self.most = content, most

    def _read(self, offset, n):
        return self.content[offset : offset + min(n, self.most)]

    def _size(self):
        return len(self.content)


class OneFile(PosixFileSystem):
    """A filesystem whose every path is one file."""

    def __init__(self, file):
        super().__init__()
        self.file = file

    def new_random_access_file(self, path):
        return self.file


@pytest.mark.parametrize("most", [1, 2, 7, 11, 13, 100])
def test_short_reads_change_nothing(most):
    damaged = bytearray(SOUND)
    damaged[25] ^= 1

    class Short(MemoryFile):
        def _read_into(self, offset, buffer):
            return super()._read_into(offset, buffer[: self.most])

    report = verify_file("x", file_system=OneFile(Short(bytes(damaged), most)))
    expected = verify_file("x", file_system=OneFile(MemoryFile(bytes(damaged))))
    assert report.records == expected.records == 3
    assert [lost[:2] for lost in report.lost] == [lost[:2] for lost in expected.lost] == [(21, 37)]


def test_a_file_that_keeps_its_buffer_cannot_change_what_was_read():
    class Keeping(MemoryFile):
        kept: list[memoryview] = []  # noqa: RUF012  # one list for one test

        def _read_into(self, offset, buffer):
            count = super()._read_into(offset, buffer)
            for view in self.kept:
                view[:] = b"\xff" * len(view)
            self.kept.append(memoryview(buffer))
            return count

    content = stream([os.urandom(1000)] * 1000)
    file = Keeping(content)
    report = verify_file("x", file_system=OneFile(file))
    assert report.sound
    assert report.records == 1000
    assert len({id(view.obj) for view in file.kept}) == len(file.kept) > 3


@pytest.mark.parametrize("count", [-1, 1 << 20])
def test_an_impossible_count_is_an_error(count):
    class Broken(MemoryFile):
        def _read_into(self, offset, buffer):
            return count

    with pytest.raises(InternalError):
        verify_file("x", file_system=OneFile(Broken(SOUND)))


def test_a_failing_read_is_raised():
    class Failing(MemoryFile):
        def _read_into(self, offset, buffer):
            raise OSError("disk on fire")

    with pytest.raises(OSError, match="disk on fire"):
        verify_file("x", file_system=OneFile(Failing(SOUND)))


def test_a_file_that_shrinks_meanwhile_is_truncated():
    class Shrinking(MemoryFile):
        def _size(self):
            return len(self.content) + 100

    report = verify_file("x", file_system=OneFile(Shrinking(SOUND[:-1])))
    assert report.truncated_tail
    assert report.records == 3


def test_a_file_that_hides_its_size_is_never_said_to_be_sound():
    path = "/proc/self/status"
    for look in (
        verify_file,
        count_records,
        check_tail,
        repair_tail,
        RecordFile,
        lambda path: build_index(path, os.devnull),
    ):
        with pytest.raises(UnimplementedError, match="reports a size of 0"):
            look(path)
