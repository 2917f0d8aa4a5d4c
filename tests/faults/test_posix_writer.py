"""What local writers leave behind when the disk is full, the process dies or somebody presses Ctrl-C."""

import errno
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import pytest

from recordfs import operations
from recordfs.errors import (
    ClosedFileError,
    FailedPreconditionError,
    FileTooLargeError,
    OutOfRangeError,
    ResourceExhaustedError,
    UnknownError,
)
from recordfs.filesystems import _buffered_writer, _posix_files, _posix_names
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.filesystems.posix import PosixFileSystem
from support.interrupts import handled_at
from support.interrupts import interrupted_at as interrupted_at_line
from support.limits import limited_file_sizes

LARGE = 200_000


def interrupted_at(line_number, call):
    return interrupted_at_line(line_number, call, (_buffered_writer, _posix_files))


@pytest.fixture
def tmp_path(disk_path):
    """Where the tests here write: a disk is what they are about."""
    return disk_path


@pytest.fixture
def file_size_limit():
    """Let files grow to a size and no further, as a quota does; the test sets it."""
    with limited_file_sizes() as limit:
        yield limit


def contents(path):
    with open(path, "rb") as file:
        return file.read()


@pytest.mark.parametrize("opening", ["new", "append", "atomic"])
def test_an_append_that_hits_the_limit_takes_nothing_and_the_writer_goes_on(tmp_path, file_size_limit, opening):
    path = f"{tmp_path}/f"
    system = PosixFileSystem()
    if opening == "append":
        (tmp_path / "f").write_bytes(b"old")
        file = system.new_appendable_file(path)
    else:
        file = system.new_writable_file(path, atomic=opening == "atomic")
    start = file.tell()
    file.append(b"a" * LARGE)
    file_size_limit(start + LARGE + 1000)
    for call in (lambda: file.append(b"b" * LARGE), lambda: file.append_parts([b"b" * LARGE, b"c" * 10])):
        # 1,000 bytes fit and the rest does not: what the system took has to go again.
        with pytest.raises(FileTooLargeError) as caught:
            call()
        assert isinstance(caught.value, OSError)
        assert isinstance(caught.value, OutOfRangeError)
        assert (caught.value.path, caught.value.errno) == (path, errno.EFBIG)
        assert file.tell() == start + LARGE
    file.append(b"d" * 500)
    file.flush()
    file_size_limit(None)
    file.append(b"e" * LARGE)
    file.close()
    assert contents(path) == b"old"[:start] + b"a" * LARGE + b"d" * 500 + b"e" * LARGE


def test_a_flush_that_hits_the_limit_keeps_its_bytes_for_the_next(tmp_path, file_size_limit):
    path = f"{tmp_path}/f"
    file = PosixFileSystem().new_writable_file(path)
    file.append(b"a" * 100)
    file_size_limit(60)
    with pytest.raises(FileTooLargeError):
        file.flush()
    with pytest.raises(FileTooLargeError):
        file.close()
    assert contents(path) == b""
    assert file.tell() == 100
    file_size_limit(None)
    file.close()
    assert contents(path) == b"a" * 100


def short_writes(monkeypatch, total, error_number):
    """Let the system take only ``total`` more bytes, in pieces of 7, and then fail."""
    left = total
    real = os.write

    def write(descriptor, data):
        nonlocal left
        if left == 0:
            raise OSError(error_number, os.strerror(error_number))
        data = bytes(data)[: min(7, left)]
        left -= len(data)
        return real(descriptor, data)

    monkeypatch.setattr(_posix_files.os, "write", write)
    monkeypatch.setattr(_posix_files.os, "writev", lambda descriptor, parts: write(descriptor, b"".join(parts)))


def append_until_it_fails(file, appends):
    """Return how many appends went well before one failed, as one has to."""
    for taken, parts in enumerate(appends):
        try:
            file.append_parts(parts)
        except (ResourceExhaustedError, UnknownError):
            return taken
    pytest.fail("no append failed")


@pytest.mark.parametrize("error_number", [errno.ENOSPC, errno.EIO])
def test_wherever_a_write_is_cut_short_the_file_holds_whole_appends(tmp_path, monkeypatch, error_number):
    monkeypatch.setattr(_buffered_writer, "BUFFER_SIZE", 8)
    appends = [[b"0123456789"], [b"abc", b"", b"defghijkl", b"m"], [b"Z" * 20]]
    whole = [b"".join(b"".join(parts) for parts in appends[:count]) for count in range(len(appends) + 1)]
    for total in range(len(whole[-1])):
        path = f"{tmp_path}/{total}"
        file = PosixFileSystem().new_writable_file(path)
        with monkeypatch.context() as patched:
            short_writes(patched, total, error_number)
            taken = append_until_it_fails(file, appends)
        assert contents(path) == whole[taken], total
        assert file.tell() == len(whole[taken])
        for parts in appends[taken:]:
            file.append_parts(parts)
        file.close()
        assert contents(path) == whole[-1], total


@pytest.mark.parametrize("method", ["append", "append_parts", "flush"])
def test_an_interrupt_at_any_line_leaves_whole_appends_and_a_working_writer(tmp_path, method):
    line_number = 0
    reached = True
    while reached:
        line_number += 1
        path = f"{tmp_path}/{method}-{line_number}"
        file = PosixFileSystem().new_writable_file(path)
        file.append(b"a" * 10)
        calls = {
            "append": lambda file=file: file.append(b"b" * LARGE),
            "append_parts": lambda file=file: file.append_parts([b"b" * LARGE, b"b" * 5]),
            "flush": file.flush,
        }
        added = {"append": b"b" * LARGE, "append_parts": b"b" * (LARGE + 5), "flush": b""}[method]
        reached = interrupted_at(line_number, calls[method])
        size = file.tell()
        file.append(b"c" * 10)
        file.close()
        possible = {10: b"a" * 10 + b"c" * 10, 10 + len(added): b"a" * 10 + added + b"c" * 10}
        assert contents(path) == possible[size], line_number
    assert line_number > 10


def test_an_interrupt_while_closing_leaves_the_file_whole(tmp_path):
    line_number = 0
    reached = True
    while reached:
        line_number += 1
        path = f"{tmp_path}/{line_number}"
        file = PosixFileSystem().new_writable_file(path)
        file.append(b"a" * 10)
        reached = interrupted_at(line_number, file.close)
        file.close()
        assert contents(path) == b"a" * 10
    assert line_number > 10


def test_an_interrupt_while_an_atomic_file_is_published_publishes_all_or_nothing(tmp_path):
    line_number = 0
    reached = True
    while reached:
        line_number += 1
        directory = tmp_path / str(line_number)
        directory.mkdir()
        path = f"{directory}/f"
        (directory / "f").write_bytes(b"old")
        file = PosixFileSystem().new_writable_file(path, atomic=True)
        file.append(b"new" * 1000)
        reached = interrupted_at(line_number, file.close)
        file.discard()
        assert contents(path) in (b"old", b"new" * 1000)
        assert len(os.listdir(directory)) == 1, line_number
    assert contents(path) == b"new" * 1000


def test_a_failed_fsync_ends_the_writer(tmp_path, monkeypatch):
    path = f"{tmp_path}/f"
    file = PosixFileSystem().new_writable_file(path)
    file.append(b"data")

    def fail(descriptor):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(_posix_files.os, "fsync", fail)
        with pytest.raises(UnknownError):
            file.sync()
    for call in (lambda: file.append(b"x"), file.flush, file.sync, file.close):
        with pytest.raises(FailedPreconditionError, match="fsync failed"):
            call()
    file.close()
    with pytest.raises(ClosedFileError):
        file.flush()


def test_a_failed_fsync_of_an_atomic_file_publishes_nothing(tmp_path, monkeypatch):
    path = f"{tmp_path}/f"
    file = PosixFileSystem().new_writable_file(path, atomic=True)
    file.append(b"data")
    file.sync()

    def fail(descriptor):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(_posix_files.os, "fsync", fail)
    with pytest.raises(UnknownError):
        file.close()
    with pytest.raises(FailedPreconditionError):
        file.close()
    assert os.listdir(tmp_path) == []


def test_sync_makes_the_directory_entry_durable_once(tmp_path, monkeypatch):
    synced = []
    real = os.fsync
    monkeypatch.setattr(
        _posix_files.os, "fsync", lambda fd: (synced.append(os.readlink(f"/proc/self/fd/{fd}")), real(fd))
    )
    path = f"{tmp_path}/f"
    with PosixFileSystem().new_writable_file(path) as file:
        file.append(b"1")
        file.sync()
        file.append(b"2")
        file.sync()
    assert synced == [path, str(tmp_path), path]


def test_another_writers_bytes_are_never_cut_off(tmp_path, monkeypatch):
    path = f"{tmp_path}/log"
    first, second = (PosixFileSystem().new_appendable_file(path) for _ in range(2))
    first.append(b"first\n" * 20_000)

    real_write = os.write
    calls = []

    def write(descriptor, data):
        if not calls:
            calls.append(1)
            real_write(descriptor, bytes(data)[:10])
            second.append(b"second\n" * 20_000)
            raise OSError(errno.EIO, "Input/output error")
        return real_write(descriptor, data)

    monkeypatch.setattr(_posix_files.os, "write", write)
    with pytest.raises(UnknownError):
        first.append(b"third\n" * 20_000)
    with pytest.raises(FailedPreconditionError, match="another writer"):
        first.append(b"fourth\n")
    with pytest.raises(FailedPreconditionError):
        first.close()
    second.close()
    assert contents(path) == b"first\n" * 20_000 + b"third\nthir" + b"second\n" * 20_000


@pytest.mark.parametrize("atomic", [False, True])
def test_an_unclosed_writer_that_is_collected_warns(tmp_path, atomic):
    path = f"{tmp_path}/f"
    file = PosixFileSystem().new_writable_file(path, atomic=atomic)
    file.append(b"data")
    owners = [file]
    del file
    with pytest.warns(ResourceWarning, match="unclosed writer of .*f"):
        owners.clear()
    assert os.listdir(tmp_path) == ([] if atomic else ["f"])
    if not atomic:
        assert contents(path) == b"data"


def test_an_unclosed_writer_in_a_forked_child_writes_nothing(tmp_path):
    path = f"{tmp_path}/f"
    file = PosixFileSystem().new_writable_file(path)
    file.append(b"data")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            del file
            gc.collect()
            status = len(contents(path))
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    file.close()
    assert contents(path) == b"data"


WRITE_AND_DIE = """
import os, signal, sys
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.filesystems.posix import PosixFileSystem
path, atomic = sys.argv[1], sys.argv[2] == "atomic"
file = PosixFileSystem().new_writable_file(path, atomic=atomic)
file.append(b"flushed" * 10)
file.flush()
file.append(b"not flushed")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("kind", ["plain", "atomic"])
def test_a_killed_process_leaves_what_it_flushed(tmp_path, kind):
    path = f"{tmp_path}/f"
    (tmp_path / "f").write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", WRITE_AND_DIE, path, kind], check=False)
    assert done.returncode == -signal.SIGKILL
    assert contents(path) == (b"flushed" * 10 if kind == "plain" else b"old")


def test_a_reader_closed_by_another_thread_never_reads_another_file(tmp_path):
    """A descriptor number is used again at once: a read that began before close must not see the next file."""
    (tmp_path / "mine").write_bytes(b"m" * 100_000)
    (tmp_path / "other").write_bytes(b"o" * 100_000)
    wrong = []
    for _ in range(50):
        file = PosixFileSystem().new_random_access_file(f"{tmp_path}/mine")
        started = threading.Event()

        def read(file=file, started=started):
            try:
                while True:
                    data = file.read(0, 100_000)
                    started.set()
                    if data != b"m" * 100_000:
                        wrong.append(data[:10])
            except ClosedFileError:
                pass

        thread = threading.Thread(target=read)
        thread.start()
        started.wait()
        file.close()
        descriptors = [os.open(tmp_path / "other", os.O_RDONLY) for _ in range(4)]
        thread.join()
        for descriptor in descriptors:
            os.close(descriptor)
    assert wrong == []


def test_a_failed_append_leaves_the_flushed_bytes_of_a_writer_that_came_before(tmp_path, file_size_limit):
    path = f"{tmp_path}/log"
    first, second = (PosixFileSystem().new_appendable_file(path) for _ in range(2))
    first.append(b"first\n")
    first.flush()
    second.append(b"second\n" * 1000)
    second.flush()
    file_size_limit(50_000)
    # The limit lets some of it in, so that there is something to take back: just that, and nothing before it.
    with pytest.raises(FileTooLargeError):
        first.append(b"third\n" * 20_000)
    assert contents(path) == b"first\n" + b"second\n" * 1000
    file_size_limit(None)
    first.append(b"fourth\n")
    first.close()
    second.close()
    assert contents(path) == b"first\n" + b"second\n" * 1000 + b"fourth\n"


def test_a_short_write_between_two_of_another_writer_is_never_cut_off_with_them(tmp_path, monkeypatch):
    path = f"{tmp_path}/log"
    first, second = (PosixFileSystem().new_appendable_file(path) for _ in range(2))
    real_write = os.write
    taken = []

    def write(descriptor, data):
        """Take 10 bytes, then let another writer append, then 10 more, then the disk is full."""
        taken.append(len(taken))
        if len(taken) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if len(taken) == 2:
            real_write(second._number, b"second\n")
        return real_write(descriptor, bytes(data)[:10])

    with monkeypatch.context() as patched:
        patched.setattr(_posix_files.os, "write", write)
        with pytest.raises(ResourceExhaustedError) as caught:
            first.append(b"x" * LARGE)
    assert any("another writer has appended" in note for note in caught.value.__notes__)
    assert contents(path) == b"x" * 10 + b"second\n" + b"x" * 10
    with pytest.raises(FailedPreconditionError, match="another writer"):
        first.close()
    second.close()


def test_tell_of_two_appenders_is_exact_after_a_flush(tmp_path):
    path = f"{tmp_path}/log"
    first, second = (PosixFileSystem().new_appendable_file(path) for _ in range(2))
    first.append(b"1234")
    first.flush()
    second.append(b"56789")
    second.flush()
    assert (first.tell(), second.tell()) == (4, 9)
    first.append(b"0")
    first.flush()
    assert first.tell() == 10
    first.close()
    second.close()


def test_an_interrupt_of_one_appender_leaves_the_flushed_bytes_of_another(tmp_path):
    line_number = 0
    reached = True
    while reached:
        line_number += 1
        path = f"{tmp_path}/{line_number}"
        first, second = (PosixFileSystem().new_appendable_file(path) for _ in range(2))
        second.append(b"second\n")
        second.flush()
        reached = interrupted_at(line_number, lambda first=first: first.append(b"b" * LARGE))
        first.close()
        second.close()
        assert contents(path) in (b"second\n", b"second\n" + b"b" * LARGE), line_number
    assert line_number > 10


def test_a_pipe_that_took_nothing_of_a_failed_write_can_still_be_written(tmp_path, monkeypatch):
    path = f"{tmp_path}/pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    file = PosixFileSystem().new_writable_file(path)

    def fail(descriptor, data):
        raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))

    file.append(b"data")
    with monkeypatch.context() as patched:
        patched.setattr(_posix_files.os, "write", fail)
        with pytest.raises(OSError, match="buffer"):
            file.flush()
    file.close()
    assert os.read(reader, 100) == b"data"
    os.close(reader)


def test_an_interrupted_close_of_an_atomic_file_can_be_called_again(tmp_path):
    for exclusive in (False, True):
        line_number = 0
        reached = True
        while reached:
            line_number += 1
            path = f"{tmp_path}/{exclusive}-{line_number}"
            file = PosixFileSystem().new_writable_file(path, atomic=True, exclusive=exclusive)
            file.append(b"new" * 1000)
            reached = interrupted_at(line_number, file.close)
            file.close()
            assert contents(path) == b"new" * 1000, line_number
        assert line_number > 10
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".recordfs-tmp")]


def killed_writer(directory):
    """Leave what an atomic writer leaves whose process is killed, and return its name."""
    code = (
        "import os, signal, sys\n"
        "from recordfs.filesystems.posix import PosixFileSystem\n"
        "file = PosixFileSystem().new_writable_file(sys.argv[1] + '/f', atomic=True)\n"
        "file.append(b'x' * 100_000); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    before = set(os.listdir(directory))
    subprocess.run([sys.executable, "-c", code, str(directory)], check=False)
    (left,) = set(os.listdir(directory)) - before
    return left


def make_old(path):
    two_days_ago = time.time() - 2 * 24 * 60 * 60
    os.utime(path, (two_days_ago, two_days_ago))


def test_what_a_killed_atomic_writer_left_is_no_file_and_goes_after_a_day(tmp_path):
    system = PosixFileSystem()
    (tmp_path / "record").write_bytes(b"data")
    old, young = killed_writer(tmp_path), killed_writer(tmp_path)
    for pattern in ("*", ".*", "**", "?recordfs*", "[.]*"):
        assert operations.glob(f"{tmp_path}/{pattern}", recursive=True) == (
            [f"{tmp_path}/record"] if pattern in ("*", "**") else []
        )
    assert list(operations.walk(tmp_path)) == [(str(tmp_path), [], ["record"])]
    assert operations.copy_tree(tmp_path, "ram://unit-killed-writer").files == 1
    operations.rmtree("ram://unit-killed-writer")
    assert len(operations.glob(f"{tmp_path}/.recordfs-tmp-*")) == 2
    make_old(tmp_path / old)
    _posix_names._cleaned.take()
    system.new_writable_file(f"{tmp_path}/g", atomic=True).close()
    assert sorted(os.listdir(tmp_path)) == sorted([young, "g", "record"])


def test_an_old_unpublished_file_of_a_writer_that_lives_stays(tmp_path):
    system = PosixFileSystem()
    slow = system.new_writable_file(f"{tmp_path}/slow", atomic=True)
    slow.append(b"x" * 100_000)
    (unpublished,) = os.listdir(tmp_path)
    make_old(tmp_path / unpublished)
    _posix_names._cleaned.take()
    system.new_writable_file(f"{tmp_path}/g", atomic=True).close()
    slow.close()
    assert sorted(os.listdir(tmp_path)) == ["g", "slow"]


@pytest.mark.parametrize("does", ["append", "flush", "sync"])
@pytest.mark.parametrize("kind", ["local", "memory"])
def test_a_signal_handler_that_uses_the_writer_at_any_line_loses_and_doubles_nothing(tmp_path, kind, does):
    system = PosixFileSystem() if kind == "local" else MemoryFileSystem()
    path = f"{tmp_path}/f" if kind == "local" else "ram://faults-handler/f"
    files = {_buffered_writer.__file__, _posix_files.__file__}
    refused = line_number = 0
    reached = True
    while reached:
        line_number += 1
        file = system.new_writable_file(path)
        taken = []

        def handle(file=file, taken=taken):
            nonlocal refused
            try:
                if does == "append":
                    file.append(b"handler")
                    taken.append(b"handler")
                else:
                    getattr(file, does)()
            except FailedPreconditionError as error:
                assert "one call at a time" in str(error)  # noqa: PT017 (it may be refused, and may not)
                refused += 1

        def write(file=file, taken=taken):
            # Lines that are collected, one that is not, and parts of both kinds.
            for data in (b"a" * 1000, b"b" * 65_000, b"c" * 100_000, b"d" * 10):
                file.append(data)
                taken.append(data)
            for parts in ([b"e" * 10, b"f" * 20], [b"g" * 40_000, b"h" * 40_000]):
                file.append_parts(parts)
                taken.extend(parts)
            file.flush()

        reached = handled_at(line_number, write, handle, lambda code: code.co_filename in files)
        assert file.tell() == sum(map(len, taken)), line_number
        file.close()
        with system.new_random_access_file(path) as reader:
            content = reader.read(0, reader.size())
        assert len(content) == sum(map(len, taken)), line_number
        assert content.replace(b"handler", b"") == b"".join(data for data in taken if data != b"handler"), line_number
    assert refused > 5
    assert line_number > 50


def test_a_writer_that_is_in_a_call_refuses_to_be_closed(tmp_path, monkeypatch):
    path = f"{tmp_path}/f"
    file = PosixFileSystem().new_writable_file(path)
    real = os.write
    refused = []

    def write(descriptor, data):
        for call in (file.close, file.discard):
            with pytest.raises(FailedPreconditionError, match="one call at a time") as caught:
                call()
            refused.append(caught.value)
        return real(descriptor, data)

    with monkeypatch.context() as patched:
        patched.setattr(_posix_files.os, "write", write)
        file.append(b"a" * LARGE)
    file.close()
    assert len(refused) == 2
    assert contents(path) == b"a" * LARGE
