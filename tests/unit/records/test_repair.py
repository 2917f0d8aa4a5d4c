import gzip
import os
import zlib

import pytest

from recordfs import RecordReader, RecordWriter
from recordfs.errors import (
    AbortedError,
    CorruptRecordError,
    DataLossError,
    FailedPreconditionError,
    InvalidArgumentError,
    TruncatedRecordError,
    UnimplementedError,
)
from recordfs.filesystem import Capabilities
from recordfs.filesystems.posix import PosixFileSystem
from recordfs.records.index import build_index
from recordfs.records.repair import TAIL_SIZE, check_tail, repair_tail
from recordfs.records.verify import verify_file
from support.framing import header, record, stream

SOUND = stream([b"first", b"", b"the third one"])
BEGINS = [0, 21, 37, 66]


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "records"
        path.write_bytes(content)
        return str(path)

    return write


def test_a_sound_file_is_left_alone(write):
    for content in (b"", SOUND, gzip.compress(SOUND), zlib.compress(SOUND)):
        path = write(content)
        assert check_tail(path).error is None
        assert repair_tail(path) == 0
        assert os.path.getsize(path) == len(content)


def test_every_cut_is_repaired_to_its_last_whole_record(write):
    for cut in range(len(SOUND)):
        path = write(SOUND[:cut])
        begin = max(begin for begin in BEGINS if begin <= cut)
        tail = check_tail(path)
        assert tail.sound_end == begin
        if begin < cut:
            assert isinstance(tail.error, TruncatedRecordError)
            assert tail.torn == (cut >= 12)
        if 0 < cut < 12:
            continue  # see test_what_may_be_no_record_file_is_never_emptied
        assert repair_tail(path) == cut - begin
        assert verify_file(path).sound
        assert os.path.getsize(path) == begin


@pytest.mark.parametrize("tail", [bytes(12), bytes(5000), b"\xff" * 100, header(10) + bytes(14)])
def test_tails_of_zeros_and_garbage_are_cut(write, tail):
    path = write(SOUND + tail)
    assert repair_tail(path) == len(tail)
    assert os.path.getsize(path) == len(SOUND)


def test_a_last_record_with_a_damaged_payload_is_a_torn_tail(write):
    damaged = bytearray(SOUND)
    damaged[-6] ^= 1
    path = write(damaged)
    tail = check_tail(path)
    assert isinstance(tail.error, CorruptRecordError)
    assert (tail.sound_end, tail.torn) == (37, True)
    assert repair_tail(path) == 29


@pytest.mark.parametrize("break_at", [22, 30, 34])
def test_damage_in_the_middle_is_never_cut(write, break_at):
    damaged = bytearray(stream([b"first", b"a second", b"third"]))
    damaged[break_at] ^= 1
    path = write(damaged)
    if break_at == 34:
        assert check_tail(path).error is None  # a payload in the middle is verify's business
        return
    with pytest.raises(CorruptRecordError, match="sound records follow") as caught:
        repair_tail(path)
    assert caught.value.offset == 21
    assert os.path.getsize(path) == len(damaged)


def test_records_appended_behind_a_torn_one_are_never_cut(write):
    content = SOUND + record(bytes(1000))[:500] + SOUND
    path = write(content)
    with pytest.raises(CorruptRecordError, match="sound records follow"):
        repair_tail(path)
    assert os.path.getsize(path) == len(content)


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(record(b"x" * 500)[:100], id="torn again"),
        pytest.param(record(b"x" * 500)[:5], id="torn again in its header"),
        pytest.param(bytes(50), id="zeros"),
    ],
)
def test_sound_records_between_two_torn_ones_are_never_cut(write, end):
    content = SOUND + record(bytes(100_000))[:1000] + stream([b"new%04d" % number for number in range(100)]) + end
    path = write(content)
    with pytest.raises(CorruptRecordError, match="sound records follow") as caught:
        repair_tail(path)
    assert caught.value.offset == len(SOUND)
    with pytest.raises(CorruptRecordError, match="sound records follow"):
        RecordWriter(path, append=True, repair_tail=True)
    assert os.path.getsize(path) == len(content)


@pytest.mark.parametrize("end", [b"", record(b"x" * 500)[:100]], ids=["sound", "torn again"])
def test_a_sound_record_that_the_length_of_a_torn_one_ends_in_is_never_cut(write, end):
    content = SOUND + record(bytes(100_000))[:1000] + record(bytes(200_000)) + end
    path = write(content)
    with pytest.raises(CorruptRecordError, match="sound records follow") as caught:
        repair_tail(path)
    assert caught.value.offset == len(SOUND)
    assert os.path.getsize(path) == len(content)


def test_garbage_after_a_last_record_with_a_damaged_payload_is_cut_alone(write):
    damaged = bytearray(SOUND + bytes(50))
    damaged[len(SOUND) - 6] ^= 1
    path = write(damaged)
    assert repair_tail(path) == 50
    assert os.path.getsize(path) == len(SOUND)


def test_no_cut_takes_a_record_that_is_found_by_reading_on(write):
    """Wherever a writer dies inside a record, and wherever the next dies that appends without looking."""
    first, second = stream([b"a", b"b" * 16]), stream([b"c" * 9, b"", b"dd"])
    for torn in range(12, len(first), 3):
        for cut in range(len(second) + 1):
            path = write(first[:torn] + second[:cut])
            found = list(RecordReader(path, on_error="skip"))
            try:
                repair_tail(path)
            except DataLossError:
                assert os.path.getsize(path) == torn + cut
            assert list(RecordReader(path, on_error="skip")) == found


@pytest.mark.parametrize("content", [b"this is a text and no record file", bytes(100)])
def test_what_is_no_record_file_is_never_emptied(write, content):
    path = write(content)
    with pytest.raises(CorruptRecordError, match="is this a record file"):
        repair_tail(path)
    assert os.path.getsize(path) == len(content)


@pytest.mark.parametrize("content", [b"x", b"hello\n", SOUND[:8], SOUND[:11], bytes(11)])
def test_what_may_be_no_record_file_is_never_emptied(write, content):
    path = write(content)
    with pytest.raises(TruncatedRecordError, match="delete it") as caught:
        repair_tail(path)
    assert caught.value.path == path
    assert os.path.getsize(path) == len(content)
    assert repair_tail(path, force=True) == len(content)
    assert os.path.getsize(path) == 0


def test_force_cuts_nothing_else(write):
    path = write(b"this is a text and no record file")
    with pytest.raises(CorruptRecordError):
        repair_tail(path, force=True)


@pytest.mark.parametrize("length", [2**40, 2**63, 2**64 - 5])
def test_a_lying_length_at_the_end_is_cut(write, length):
    path = write(SOUND + header(length) + b"some")
    assert repair_tail(path) == 16


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress])
def test_broken_compressed_files_are_reported_and_not_cut(write, compress):
    content = compress(SOUND)
    for cut in range(3, len(content)):
        path = write(content[:cut])
        tail = check_tail(path)
        assert isinstance(tail.error, DataLossError)
        assert not tail.torn
        with pytest.raises(UnimplementedError):
            repair_tail(path)
        assert os.path.getsize(path) == cut


class Remote(PosixFileSystem):
    """Local files that say of themselves what remote ones do, and count what is read."""

    def __init__(self, **options):
        super().__init__(**options)
        self.bytes_read = 0

    def capabilities(self, path):
        return Capabilities(memory_region=False)

    def new_random_access_file(self, path):
        file = super().new_random_access_file(path)
        original = file.read_into

        def read_into(offset, buffer):
            count = original(offset, buffer)
            self.bytes_read += count
            return count

        try:
            file.read_into = read_into
        except AttributeError:
            pytest.skip("this file cannot be watched")
        return file


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    path = tmp_path_factory.mktemp("large") / "records"
    one = record(os.urandom(100_000))
    path.write_bytes(one * 400)
    return str(path)


def test_only_the_last_bytes_of_a_remote_file_are_read(large):
    remote = Remote()
    tail = check_tail(large, file_system=remote)
    assert tail.error is None
    assert tail.sound_end == os.path.getsize(large)
    assert remote.bytes_read <= TAIL_SIZE + 1000


def test_a_remote_tail_that_is_not_sound_needs_the_full_check(large, tmp_path):
    torn = tmp_path / "torn"
    with open(large, "rb") as file:
        torn.write_bytes(file.read()[:-7])
    with pytest.raises(FailedPreconditionError, match='check="full"'):
        check_tail(torn, file_system=Remote())
    tail = check_tail(torn, check="full", file_system=Remote())
    assert tail.torn
    assert repair_tail(torn, check="full", file_system=Remote()) == 100_016 - 7
    assert verify_file(torn).sound


def test_a_writer_that_repairs_a_torn_remote_file_reads_all_of_it_where_its_last_bytes_do_not_tell(large, tmp_path):
    torn = tmp_path / "torn"
    with open(large, "rb") as file:
        torn.write_bytes(file.read()[:-7])
    with pytest.raises(FailedPreconditionError, match='check="full"'):
        RecordWriter(torn, append=True, file_system=Remote())
    with RecordWriter(torn, append=True, repair_tail=True, file_system=Remote()) as writer:
        writer.write(b"after")
    assert verify_file(torn).sound
    assert verify_file(torn).records == 400


@pytest.mark.parametrize(
    "repair", [repair_tail, lambda path, **given: RecordWriter(path, append=True, **given).close()]
)
def test_a_file_that_a_dead_writer_left_open_is_closed_before_its_end_is_looked_at(write, repair):
    path = write(SOUND)

    class LeftOpen(PosixFileSystem):
        """What the dead writer sent last is in the file when it has been closed."""

        def close_abandoned_file(self, path):
            with open(path, "ab") as file:
                file.write(record(b"sent last"))

    repair(path, file_system=LeftOpen())
    assert list(RecordReader(path))[-1] == b"sent last"


def test_an_index_saves_going_through_the_file(large):
    build_index(large)
    remote = Remote()
    assert check_tail(large, file_system=remote).error is None
    assert remote.bytes_read < 1_000_000
    with open(large + ".idx", "ab") as file:
        file.write(b"123 456\n")
    assert check_tail(large).error is None
    os.remove(large + ".idx")


def test_a_tail_behind_the_indexed_records_is_found(write):
    path = write(SOUND)
    build_index(path)
    with open(path, "ab") as file:
        file.write(record(b"more") + record(b"torn")[:-1])
    assert repair_tail(path) == 19
    assert verify_file(path).records == 4


def test_a_file_that_grows_meanwhile_is_not_cut(write):
    path = write(SOUND[:-1])

    class Growing(PosixFileSystem):
        def get_file_size(self, path):
            return super().get_file_size(path) + 1

    with pytest.raises(AbortedError, match="somebody is writing"):
        repair_tail(path, file_system=Growing())
    assert os.path.getsize(path) == len(SOUND) - 1


def test_a_wrong_check_is_an_error(write):
    with pytest.raises(InvalidArgumentError):
        check_tail(write(SOUND), check="quick")
