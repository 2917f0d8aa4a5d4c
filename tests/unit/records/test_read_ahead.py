"""Large local files are read by other threads: the same is found, failures come in order, and no thread stays."""

import io
import itertools
import os
import threading

import pytest

import recordfs
from recordfs.errors import CorruptRecordError, InternalError, UnavailableError, UnimplementedError
from recordfs.filesystems.posix import PosixFileSystem
from recordfs.records.index import build_index, read_index
from recordfs.records.read_ahead import BUFFERS, CHUNK, SMALLEST, chunks_ahead
from recordfs.records.verify import count_records, verify_file
from support.record_files import ScheduledReadableFile


def content_of(payloads):
    content = io.BytesIO()
    with recordfs.RecordWriter(content) as writer:
        for payload in payloads:
            writer.write(payload)
        writer.flush()
        return content.getvalue()


SIZES = [4000, 0, 1, 300_000, 17, 2 * CHUNK + 5]
NOISE = os.urandom(max(SIZES))
PAYLOADS = [NOISE[:size] for size in itertools.islice(itertools.cycle(SIZES), 30)]
SOUND = content_of(PAYLOADS)


class File(ScheduledReadableFile):
    """A file in memory that remembers who read where."""

    def __init__(self, data, count=None):
        super().__init__(data, count)
        self.reads = []
        self.threads = set()

    def read_into(self, offset, buffer):
        self.reads.append(offset)
        self.threads.add(threading.current_thread())
        return super().read_into(offset, buffer)

    def read(self, offset, n):
        return self.data[offset : offset + n]

    def fileno(self):
        raise UnimplementedError("no descriptor", path=self.name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class LocalFile(File):
    """One with a descriptor, as the operating system's files have."""

    def fileno(self):
        return -1


class OneFile(PosixFileSystem):
    """A filesystem that reads every path from one file."""

    def __init__(self, file):
        super().__init__()
        self.file = file

    def new_random_access_file(self, path):
        return self.file


@pytest.fixture(autouse=True)
def no_thread_stays():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def verify(file, **options):
    return verify_file("x", file_system=OneFile(file), **options)


def fail_at(place, error):
    """A schedule under which a read that reaches a place gives what is before it, and one that begins there fails."""

    def count(offset, wanted):
        if offset == place:
            raise error
        return place - offset if offset < place < offset + wanted else wanted

    return count


def test_a_large_local_file_is_read_by_other_threads_and_found_sound():
    file = LocalFile(SOUND)
    seen = []
    report = verify(file, progress=seen.append)
    assert report.sound
    assert report.records == len(PAYLOADS)
    assert report.payload_bytes == sum(map(len, PAYLOADS))
    assert threading.current_thread() not in file.threads
    assert seen == [*range(CHUNK, len(SOUND), CHUNK), len(SOUND)]


def test_a_small_file_and_one_that_is_not_local_start_no_thread():
    small = LocalFile(content_of([bytes(1000)] * (SMALLEST // 2000)))
    remote = File(SOUND)
    for file in (small, remote):
        assert verify(file).sound
        assert file.threads == {threading.current_thread()}


def test_payloads_that_are_not_checked_are_not_read():
    file = LocalFile(content_of([bytes(3 * CHUNK)] * 5))
    assert count_records("x", file_system=OneFile(file)) == 5
    assert len(file.reads) < 15


@pytest.mark.parametrize("most", [999, 65_536, CHUNK - 1])
def test_damage_and_short_reads_are_as_without_threads(most):
    damaged = bytearray(SOUND)
    for place in (5, CHUNK - 1, CHUNK, 5 * CHUNK + 77, len(SOUND) - 1):
        damaged[place] ^= 1
    ahead = verify(LocalFile(bytes(damaged), lambda _, wanted: min(wanted, most)))
    plain = verify(File(bytes(damaged)))
    assert ahead.lost_ranges == plain.lost_ranges > 3
    assert [lost[:2] for lost in ahead.lost] == [lost[:2] for lost in plain.lost]
    assert ahead._replace(lost=[]) == plain._replace(lost=[])


@pytest.mark.parametrize("chunk", [0, 1, BUFFERS, BUFFERS + 2])
@pytest.mark.parametrize("into", [0, 777])
def test_a_failing_read_is_raised_behind_all_bytes_before_it(chunk, into):
    place = chunk * CHUNK + into
    file = LocalFile(SOUND, fail_at(place, UnavailableError("disk on fire", offset=place)))
    got = io.BytesIO()
    with pytest.raises(UnavailableError, match="disk on fire") as raised:
        got.writelines(chunks_ahead(file, 0, len(SOUND)))
    assert raised.value.offset == place
    assert got.getvalue() == SOUND[:place]
    with pytest.raises(UnavailableError, match="disk on fire"):
        verify(file)


def test_the_first_of_two_failures_is_raised():
    def count(offset, wanted):
        if offset >= CHUNK:
            raise UnavailableError(f"nothing at {offset}")
        return wanted

    with pytest.raises(UnavailableError, match=f"nothing at {CHUNK}$"):
        verify(LocalFile(SOUND, count))


def test_a_fault_in_the_records_comes_before_a_failing_read_behind_it(tmp_path):
    damaged = bytearray(SOUND)
    damaged[13] ^= 1
    file = LocalFile(bytes(damaged), fail_at(500_000, UnavailableError("disk on fire")))
    with pytest.raises(CorruptRecordError) as raised:
        build_index("x", tmp_path / "x.idx", verify_checksums=True, file_system=OneFile(file))
    assert raised.value.offset == 0
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("count", [-1, CHUNK + 1])
def test_an_impossible_count_is_an_error(count):
    class Broken(LocalFile):
        def read_into(self, offset, buffer):
            return count

    with pytest.raises(InternalError, match=f"returned {count}"):
        verify(Broken(SOUND))


@pytest.mark.parametrize("lost", [1, CHUNK, 3 * CHUNK + 5])
def test_a_file_that_shrinks_meanwhile_is_truncated(lost):
    class Shrinking(LocalFile):
        def size(self):
            return len(SOUND)

    class PlainShrinking(File):
        size = Shrinking.size

    ahead, plain = (verify(kind(SOUND[:-lost])) for kind in (Shrinking, PlainShrinking))
    assert ahead.truncated_tail
    assert ahead[2:6] == plain[2:6]
    assert ahead.stream_size == len(SOUND) - lost


def test_a_file_that_grows_meanwhile_is_read_to_its_old_end():
    class Growing(LocalFile):
        def size(self):
            return len(SOUND)

    assert verify(Growing(SOUND + SOUND)).records == len(PAYLOADS)


def test_a_file_that_keeps_its_buffer_cannot_change_what_is_read_later():
    class Keeping(LocalFile):
        kept: list[memoryview] = []  # noqa: RUF012  # one list for one test

        def read_into(self, offset, buffer):
            count = super().read_into(offset, buffer)
            self.kept.append(memoryview(buffer).cast("B"))
            return count

    file = Keeping(SOUND)
    assert verify(file).sound
    assert len({id(view.obj) for view in file.kept}) == len(file.kept) > BUFFERS


def test_an_interrupt_in_the_middle_ends_the_threads_and_goes_through():
    file = LocalFile(SOUND)

    def interrupt(offset):
        if offset > 2 * CHUNK:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify(file, progress=interrupt)
    assert file.closed
    assert len(file.reads) <= 3 + BUFFERS


def test_an_interrupt_while_a_chunk_is_awaited_goes_through():
    with pytest.raises(KeyboardInterrupt):
        verify(LocalFile(SOUND, fail_at(CHUNK, KeyboardInterrupt())))


@pytest.mark.parametrize("left", [0, 1])
def test_where_threads_cannot_be_started_this_one_reads(monkeypatch, left):
    start = threading.Thread.start
    started = []

    def start_some(thread):
        if len(started) >= left:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_some)
    file = LocalFile(SOUND)
    assert verify(file).sound
    assert file.threads == (set(started) or {threading.current_thread()})


def test_a_scan_that_reads_ahead_stops_doing_so_where_there_is_something_to_skip(tmp_path):
    sizes = [1000] * 12_000 + [2_000_000] * 6 + [1000] * 12_000
    path = tmp_path / "records"
    with recordfs.RecordWriter(path, index=True) as writer:
        writer.write_batch([bytes(size) for size in sizes])
    read = []

    class Counting(PosixFileSystem):
        def new_random_access_file(self, path):
            file = super().new_random_access_file(path)
            read_into = file.read_into
            file.read_into = lambda offset, buffer: read.append(count := read_into(offset, buffer)) or count
            return file

    assert count_records(path, file_system=Counting()) == len(sizes)
    assert 24_000_000 < sum(read) < 34_000_000
    index = list(read_index(f"{path}.idx"))
    assert build_index(path, tmp_path / "again") == len(sizes)
    assert list(read_index(tmp_path / "again")) == index
