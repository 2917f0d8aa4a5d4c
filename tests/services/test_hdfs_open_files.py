"""Files of HDFS that somebody has open for writing: what readers see, and who may write next."""

import threading
import time
from types import SimpleNamespace

import pytest

from recordfs import RecordReader, RecordWriter
from recordfs.errors import AbortedError, FailedPreconditionError, UnavailableError, UnimplementedError
from recordfs.filesystems.hdfs import HdfsFileSystem
from support.dying_writer import write_and_die
from support.framing import record, stream

pytestmark = pytest.mark.service


def contents(file_system, path):
    with file_system.new_random_access_file(path) as file:
        return file.read(0, 1 << 30)


@pytest.fixture
def options(hdfs_cluster):
    return {"webhdfs": f"http://{hdfs_cluster.http_address}"}


@pytest.fixture
def due_at_once(hdfs_cluster):
    """Leases fall due after a second, as they do after a minute elsewhere."""
    hdfs_cluster.command("lease-limits", "1000", "3600000")
    yield
    hdfs_cluster.command("lease-limits", "60000", "3600000")


def test_a_file_that_is_open_for_append_keeps_what_it_held(hdfs, hdfs_root):
    path = f"{hdfs_root}/f"
    with hdfs.new_writable_file(path) as file:
        file.append(b"0123456789")
    with hdfs.new_random_access_file(path) as before, hdfs.new_appendable_file(path) as file:
        assert contents(hdfs, path) == b"0123456789"
        assert hdfs.stat(path).length == before.size() == 10
        file.append(b"more")
        assert contents(hdfs, path) == b"0123456789"
        file.flush()
        assert contents(hdfs, path) == b"0123456789more"
        assert before.read(8, 100) == b"89more"


def test_a_reader_goes_on_over_the_end_of_blocks_while_the_file_is_written(hdfs_root, options):
    path = f"{hdfs_root}/f"
    expected = b""
    with HdfsFileSystem(block_size=1 << 20, **options) as hdfs, hdfs.new_writable_file(path) as writer:
        with hdfs.new_random_access_file(path) as reader:
            for number in range(5):
                piece = bytes([number]) * 700_000
                writer.append(piece)
                writer.flush()
                expected += piece
                assert reader.size() == len(expected)
                assert reader.read(0, 1 << 30) == expected
                assert reader.read(650_000 * number, 700_000) == expected[650_000 * number :][:700_000]
        writer.close()
        assert contents(hdfs, path) == expected


def test_bytes_that_hadoops_own_writer_flushed_are_seen(hdfs, hdfs_cluster, hdfs_root):
    path = f"{hdfs_root}/f"
    hdfs_cluster.command("writer", "create", path)
    try:
        with hdfs.new_random_access_file(path) as reader:
            assert reader.size() == 0
            expected = ""
            for text in ("first", ", second", ", and third"):
                # Of all flushes but the first the namenode learns nothing.
                hdfs_cluster.command("writer", "write", path, text)
                hdfs_cluster.command("writer", "hflush", path)
                expected += text
                assert reader.size() == len(expected)
                assert reader.read(0, 100) == contents(hdfs, path) == expected.encode()
    finally:
        hdfs_cluster.command("writer", "close", path)
    assert contents(hdfs, path) == expected.encode()


def test_a_follower_sees_each_flushed_record_of_a_running_job(hdfs, hdfs_root):
    path = f"{hdfs_root}/events"
    seen = []
    arrived = threading.Semaphore(0)

    def follow():
        for record in RecordReader(path, follow=True, follow_timeout=60, file_system=hdfs):
            seen.append(record)
            arrived.release()
            if record == b"last":
                return

    with RecordWriter(path, file_system=hdfs) as writer:
        writer.write(b"first")
        writer.flush()
        follower = threading.Thread(target=follow)
        follower.start()
        for record in (b"second", b"x" * 100_000, b"last"):
            assert arrived.acquire(timeout=60)
            writer.write(record)
            writer.flush()
        follower.join(60)
    assert seen == [b"first", b"second", b"x" * 100_000, b"last"]


def test_a_file_read_to_its_end_is_asked_about_by_the_native_client_alone(hdfs, hdfs_root):
    path = f"{hdfs_root}/f"
    with hdfs.new_writable_file(path) as file:
        file.append(b"closed")
    assert contents(hdfs, path) == b"closed"
    assert not [operation for operation in hdfs.statistics() if operation.startswith("WebHDFS")]


def test_a_file_is_read_to_its_end_by_whoever_may_only_pass_through_its_directory(
    hdfs, hdfs_cluster, hdfs_root, options, monkeypatch
):
    path = f"{hdfs_root}/f"
    with hdfs.new_writable_file(path) as file:
        file.append(b"for all to read")
    hdfs_cluster.shell("-chmod", "711", hdfs_root)
    monkeypatch.setenv("HADOOP_USER_NAME", "somebody-else")
    with HdfsFileSystem(**options) as other:
        assert contents(other, path) == b"for all to read"


def test_a_block_that_the_namenode_counts_no_bytes_of_is_an_error_without_webhdfs(hdfs, hdfs_cluster, hdfs_root):
    path = f"{hdfs_root}/f"
    with hdfs.new_writable_file(path) as file:
        file.append(b"closed")
    hdfs_cluster.shell("-setrep", "2", path)
    with HdfsFileSystem(webhdfs=False) as without:
        assert contents(without, path) == b"closed"
    path = f"{hdfs_root}/g"
    hdfs_cluster.command("writer", "create", path)
    try:
        # Hadoop's client begins a block with the first packet that is full, and says nothing of it.
        hdfs_cluster.command("writer", "write", path, "x" * 100_000)
        deadline = time.monotonic() + 60
        while hdfs_cluster.command("visible-length", path) == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert hdfs.stat(path).length == 0
        with HdfsFileSystem(webhdfs=False) as without, pytest.raises(UnavailableError, match="open for writing"):
            contents(without, path)
    finally:
        hdfs_cluster.command("writer", "close", path)
    assert contents(hdfs, path) == b"x" * 100_000


def test_an_open_file_without_webhdfs_is_a_clear_error(hdfs, hdfs_root):
    path = f"{hdfs_root}/f"
    with hdfs.new_writable_file(path) as file, HdfsFileSystem(webhdfs=False) as without:
        file.append(b"flushed")
        file.flush()
        with without.new_random_access_file(path) as reader, pytest.raises(UnavailableError, match="open for writing"):
            reader.read(0, 100)
        unreachable = HdfsFileSystem(webhdfs="http://127.0.0.1:1")
        with unreachable.new_random_access_file(path) as reader, pytest.raises(UnavailableError, match=r"0\.1:1"):
            reader.read(0, 100)
        with pytest.raises(UnimplementedError):
            without.truncate_file(path, 1)
        with pytest.raises(UnavailableError, match=r"truncating a file takes WebHDFS.*0\.1:1"):
            unreachable.truncate_file(path, 1)
        file.close()
        assert contents(without, path) == b"flushed"


def test_a_dead_writers_flushed_bytes_are_read_and_taken_over_when_the_caller_vouches(hdfs_root, options):
    path = f"{hdfs_root}/f"
    write_and_die(path, options, b"flushed")
    with HdfsFileSystem(take_over=True, **options) as hdfs:
        assert contents(hdfs, path) == b"flushed"
        began = time.monotonic()
        with hdfs.new_appendable_file(path) as file:
            assert file.tell() == 7
            file.append(b" and more")
        assert time.monotonic() - began < 10
        assert contents(hdfs, path) == b"flushed and more"


def test_a_dead_writers_file_is_taken_over_once_its_lease_is_due(hdfs, hdfs_root, options, due_at_once):
    path = f"{hdfs_root}/f"
    write_and_die(path, options, b"flushed")
    with hdfs.new_appendable_file(path) as file:
        file.append(b" and more")
    assert contents(hdfs, path) == b"flushed and more"


def test_a_live_writer_is_never_fenced_by_another(hdfs, hdfs_root, options):
    path = f"{hdfs_root}/f"
    with hdfs.new_writable_file(path) as first, HdfsFileSystem(lease_wait=0, **options) as other:
        first.append(b"first")
        first.flush()
        with pytest.raises(FailedPreconditionError, match="take_over=True"):
            other.new_appendable_file(path)
        with pytest.raises(FailedPreconditionError, match="take_over=True"):
            other.truncate_file(path, 1)
        with pytest.raises(FailedPreconditionError, match="this process has the file open"):
            hdfs.new_appendable_file(path)
        first.append(b", still here")
    assert contents(hdfs, path) == b"first, still here"


def test_a_fenced_writer_is_told_and_never_writes_over_the_other(hdfs, hdfs_root, options):
    path = f"{hdfs_root}/f"
    first = hdfs.new_writable_file(path)
    first.append(b"first")
    first.flush()
    with HdfsFileSystem(take_over=True, **options) as other, other.new_appendable_file(path) as second:
        second.append(b", second")
        second.flush()
        first.append(b", lost")
        for call in (first.flush, first.flush, first.close):
            with pytest.raises(AbortedError, match="another program"):
                call()
        second.append(b", third")
    assert contents(hdfs, path) == b"first, second, third"


def test_an_overwritten_writer_is_told(hdfs, hdfs_root, options):
    path = f"{hdfs_root}/f"
    first = hdfs.new_writable_file(path)
    with HdfsFileSystem(**options) as other, other.new_writable_file(path) as second:
        second.append(b"second")
    first.append(b"first")
    with pytest.raises(AbortedError, match="another program"):
        first.close()
    assert contents(hdfs, path) == b"second"


def test_what_a_dead_writer_never_published_is_removed_once_it_is_old(hdfs, hdfs_cluster, hdfs_root):
    names = {"old": 1_600_000_000_000, "new": None, "open": 1_600_000_000_000}
    paths = {name: f"{hdfs_root}/.recordfs-tmp-{name}" for name in names}
    for path in paths.values():
        hdfs.new_writable_file(path).close()
    with hdfs.new_appendable_file(paths["open"]):
        for name, when in names.items():
            if when is not None:
                hdfs_cluster.command("touch", paths[name], str(when))
        hdfs.new_writable_file(f"{hdfs_root}/f", atomic=True).close()
        assert sorted(hdfs.get_children(hdfs_root)) == [".recordfs-tmp-new", ".recordfs-tmp-open", "f"]


def test_a_clock_that_is_days_ahead_makes_nothing_old(hdfs, hdfs_root, monkeypatch):
    path = f"{hdfs_root}/.recordfs-tmp-about-to-be-published"
    hdfs.new_writable_file(path).close()
    ahead = time.time() + 3 * 24 * 60 * 60
    monkeypatch.setattr("recordfs.filesystems.hdfs.temporaries.time", SimpleNamespace(time=lambda: ahead))
    hdfs.new_writable_file(f"{hdfs_root}/f", atomic=True).close()
    assert hdfs.file_exists(path)


def test_a_file_that_is_deleted_or_cut_while_it_is_read_is_told(hdfs, hdfs_root):
    path = f"{hdfs_root}/f"
    for change in (lambda: hdfs.delete_file(path), lambda: hdfs.truncate_file(path, 3)):
        with hdfs.new_writable_file(path) as file:
            file.append(b"0123456789")
        with hdfs.new_random_access_file(path) as reader:
            assert reader.read(0, 100) == b"0123456789"
            change()
            with pytest.raises(AbortedError):
                reader.read(5, 100)
            with pytest.raises(AbortedError):
                reader.size()


def test_a_torn_tail_of_a_dead_writer_is_cut_and_written_after(hdfs_root, options):
    path = f"{hdfs_root}/part-0"
    whole = stream([b"one", b"two"])
    write_and_die(path, options, whole + record(b"torn")[:-3])
    with (
        HdfsFileSystem(take_over=True, **options) as hdfs,
        RecordWriter(path, append=True, repair_tail=True, file_system=hdfs) as writer,
    ):
        writer.write(b"three")
    assert list(RecordReader(path, file_system=hdfs)) == [b"one", b"two", b"three"]


def test_what_a_dead_writer_sent_and_never_flushed_is_cut_off_with_the_record_that_it_tore(hdfs_root, options):
    path = f"{hdfs_root}/part-0"
    # The datanodes hold some of the zeros, of which the namenode knows nothing: the file's length changes when it is
    # closed.
    torn = record(bytes(6 << 20))
    write_and_die(path, options, stream([b"one", b"two"]) + torn[:20], unflushed=4 << 20)
    with (
        HdfsFileSystem(take_over=True, **options) as hdfs,
        RecordWriter(path, append=True, repair_tail=True, file_system=hdfs) as writer,
    ):
        writer.write(b"three")
    assert list(RecordReader(path, file_system=hdfs)) == [b"one", b"two", b"three"]
