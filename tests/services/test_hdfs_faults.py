"""HDFS that breaks: datanodes that die, namenodes that do not answer, processes that fork."""

import os
import pathlib
import random
import signal
import threading
import time

import pytest

from recordfs import RecordReader, RecordWriter
from recordfs.errors import (
    DataLossError,
    DeadlineExceededError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnavailableError,
)
from recordfs.filesystems.hdfs import HdfsFileSystem
from support.servers import HdfsCluster

pytestmark = pytest.mark.service

MEBIBYTE = 1 << 20


@pytest.fixture
def broken_cluster(hdfs_cluster):
    """The cluster, whole again after the test."""
    yield hdfs_cluster
    for number in range(3):
        hdfs_cluster.command("start-datanode", str(number))


@pytest.fixture
def options(hdfs_cluster):
    return {"webhdfs": f"http://{hdfs_cluster.http_address}"}


def contents(file_system, path):
    with file_system.new_random_access_file(path) as file:
        return file.read(0, 1 << 30)


def close_patiently(file):
    """Close a file as a program does that tries again what may work later."""
    for _ in range(20):
        try:
            return file.close()
        except (UnavailableError, DeadlineExceededError):
            time.sleep(0.5)
    return file.close()


@pytest.mark.parametrize("number", range(3))
def test_a_new_file_is_written_while_a_dead_datanode_is_still_listed(broken_cluster, hdfs, hdfs_root, number):
    broken_cluster.command("stop-datanode", str(number))
    for name, exclusive in (("f", False), ("exclusive", True)):
        path = f"{hdfs_root}/{name}"
        with hdfs.new_writable_file(path, exclusive=exclusive) as file:
            file.append(b"flushed")
            file.flush()
            assert contents(hdfs, path) == b"flushed"
            file.append(b" and closed")
        assert contents(hdfs, path) == b"flushed and closed"


def test_a_writer_goes_on_when_a_datanode_dies_and_comes_back_under_load(broken_cluster, hdfs_root, options):
    path = f"{hdfs_root}/f"
    written = []
    chance = random.Random(12)
    with HdfsFileSystem(block_size=4 * MEBIBYTE, **options) as hdfs, hdfs.new_writable_file(path) as file:
        for step in range(16):
            if step in (4, 10):
                broken_cluster.command("stop-datanode", str(step % 3))
            if step in (7, 13):
                broken_cluster.command("start-datanode", str((step - 3) % 3))
            piece = chance.randbytes(chance.randrange(MEBIBYTE))
            file.append(piece)
            written.append(piece)
            if step % 3 == 0:
                file.flush()
                assert hdfs.stat(path).length == sum(map(len, written))
        file.close()
        assert contents(hdfs, path) == b"".join(written)


def test_a_reader_goes_on_when_a_datanode_dies(broken_cluster, hdfs, hdfs_root):
    data = random.Random(5).randbytes(8 * MEBIBYTE)
    path = f"{hdfs_root}/f"
    with hdfs.new_writable_file(path) as file:
        file.append(data)
    with hdfs.new_random_access_file(path) as file:
        for at, stopped in enumerate(("0", "1")):
            assert file.read(at * MEBIBYTE, MEBIBYTE) == data[at * MEBIBYTE :][:MEBIBYTE]
            broken_cluster.command("stop-datanode", stopped)
        assert file.read(0, len(data)) == data


def test_a_corrupt_copy_is_passed_over_and_bytes_without_a_sound_one_are_lost(hdfs_cluster, hdfs, hdfs_root):
    data = random.Random(7).randbytes(2 * MEBIBYTE)
    path = f"{hdfs_root}/f"
    with hdfs.new_writable_file(path) as file:
        file.append(data)
    copies = copies_of_a_block_that_begins_with(data[:1000], hdfs_cluster)
    assert len(copies) == 3
    for copy in copies[:2]:
        copy.write_bytes(data[:MEBIBYTE] + b"corrupt" + data[MEBIBYTE + 7 :])
    assert contents(hdfs, path) == data
    copies[2].write_bytes(data[:MEBIBYTE] + b"corrupt" + data[MEBIBYTE + 7 :])
    with hdfs.new_random_access_file(path) as file:
        assert file.read(10, 1000) == data[10:1010]
        with pytest.raises(DataLossError, match="missing or corrupt"):
            file.read(MEBIBYTE, 1000)


def copies_of_a_block_that_begins_with(data, cluster):
    """Return the files of the datanodes that hold it."""
    found = []
    for path in pathlib.Path(cluster.directory).glob("data/**/blk_*"):
        if path.suffix != ".meta":
            with path.open("rb") as file:
                if file.read(len(data)) == data:
                    found.append(path)
    return found


def test_a_reader_finds_the_copies_that_were_made_since_it_opened_the_file(broken_cluster, hdfs_root, options):
    data = random.Random(8).randbytes(MEBIBYTE)
    path = f"{hdfs_root}/f"
    with HdfsFileSystem(replication=1, **options) as hdfs:
        with hdfs.new_writable_file(path) as file:
            file.append(data)
        with hdfs.new_random_access_file(path) as file:
            assert file.read(0, 10) == data[:10]
            service = hdfs._cluster.service(hdfs_root.split("/")[2])
            inside = path.removeprefix(broken_cluster.url)
            only = service.last_block_datanodes(inside)
            broken_cluster.shell("-setrep", "2", path)
            deadline = time.monotonic() + 60
            while len(service.last_block_datanodes(inside)) < 2:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            broken_cluster.command("stop-datanode", str(broken_cluster.facts["datanodes"].index(str(*only))))
            assert file.read(0, len(data)) == data


def test_an_atomic_file_is_published_once_though_the_answer_was_lost(hdfs, hdfs_root):
    path = f"{hdfs_root}/f"
    service = hdfs._cluster.service(hdfs_root.split("/")[2])
    native = service.native
    file = hdfs.new_writable_file(path, atomic=True)
    file.append(b"whole")
    service._native = AnswerLost(native, "rename")
    with pytest.raises(UnavailableError, match="may have been done"):
        file.close()
    service._native = native
    file.close()
    assert contents(hdfs, path) == b"whole"
    assert hdfs.get_children(hdfs_root) == ["f"]


class AnswerLost:
    """A native client that carries one operation out, and whose connection breaks before the answer."""

    def __init__(self, native, operation):
        self._native = native
        self._operation = operation

    def __getattr__(self, name):
        method = getattr(self._native, name)

        def call(*arguments):
            method(*arguments)
            raise OSError("Connection reset by peer (os error 104)")

        return call if name == self._operation else method


def test_without_any_datanode_bytes_are_kept_until_one_is_back(broken_cluster, hdfs_root, options):
    path = f"{hdfs_root}/f"
    with HdfsFileSystem(data_timeout=8, **options) as hdfs:
        file = hdfs.new_writable_file(path)
        file.append(b"flushed, ")
        file.flush()
        for number in range(3):
            broken_cluster.command("stop-datanode", str(number))
        file.append(b"kept")
        with pytest.raises((UnavailableError, DeadlineExceededError)):
            file.flush()
        assert file.tell() == 13
        for number in range(3):
            broken_cluster.command("start-datanode", str(number))
    with HdfsFileSystem(**options) as hdfs:
        close_patiently(file)
        assert contents(hdfs, path) == b"flushed, kept"


def test_the_namenode_restarts_between_two_calls(hdfs_cluster, hdfs, hdfs_root):
    path = f"{hdfs_root}/records"
    with RecordWriter(path, file_system=hdfs) as writer:
        writer.write(b"before")
        writer.flush()
        hdfs_cluster.command("restart-namenode", "0")
        writer.write(b"after")
        writer.flush()
        assert list(RecordReader(path, file_system=hdfs)) == [b"before", b"after"]
        hdfs.create_dir(f"{hdfs_root}/d")
    assert sorted(hdfs.get_children(hdfs_root)) == ["d", "records"]


def test_every_call_ends_while_the_namenode_does_not_answer(hdfs_cluster, hdfs_root, options):
    path = f"{hdfs_root}/f"
    with HdfsFileSystem(namenode_timeout=1.5, data_timeout=1.5, **options) as hdfs:
        file = hdfs.new_writable_file(path)
        file.append(b"data")
        file.flush()
        hdfs_cluster.pause()
        try:
            for call in (
                lambda: hdfs.stat(path),
                lambda: hdfs.create_dir(f"{hdfs_root}/d"),
                lambda: hdfs.new_writable_file(f"{hdfs_root}/g"),
                lambda: list(hdfs.list_directory(hdfs_root)),
                lambda: hdfs.new_random_access_file(path),
                file.flush,
            ):
                with pytest.raises((DeadlineExceededError, UnavailableError)):
                    call()
        finally:
            hdfs_cluster.resume()
        close_patiently(file)
        with HdfsFileSystem(**options) as patient:
            assert contents(patient, path) == b"data"


def test_a_namenode_that_is_down_is_an_error_in_time(tmp_path):
    with HdfsFileSystem(namenode_timeout=3) as hdfs:
        began = time.monotonic()
        with pytest.raises(UnavailableError, match="Connection refused"):
            hdfs.stat("hdfs://127.0.0.1:1/f")
        with pytest.raises(UnavailableError, match=r"nosuchhost\.invalid"):
            hdfs.stat("hdfs://nosuchhost.invalid:8020/f")
        assert time.monotonic() - began < 60


def test_ctrl_c_ends_a_call_that_hangs(hdfs_cluster, hdfs, hdfs_root):
    hdfs.stat(hdfs_root)
    hdfs_cluster.pause()
    timer = threading.Timer(1, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            hdfs.stat(hdfs_root)
    finally:
        timer.cancel()
        hdfs_cluster.resume()
    assert hdfs.stat(hdfs_root).is_directory


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_makes_connections_of_its_own(hdfs, hdfs_root):
    data = random.Random(3).randbytes(3 * MEBIBYTE)
    path = f"{hdfs_root}/f"
    with hdfs.new_writable_file(path) as file:
        file.append(data)
    with hdfs.new_random_access_file(path) as reader:
        assert reader.read(0, len(data)) == data
        child = os.fork()
        if child == 0:
            status = 1
            try:
                with hdfs.new_writable_file(f"{path}-child") as file:
                    file.append(reader.read(0, MEBIBYTE))
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert reader.read(0, len(data)) == data
    assert contents(hdfs, f"{path}-child") == data[:MEBIBYTE]


def test_permissions_and_quotas_are_errors_of_their_own(hdfs_cluster, hdfs, hdfs_root, monkeypatch, options):
    hdfs_cluster.command("quota", f"{hdfs_root}", "3", "-1")
    hdfs.create_dir(f"{hdfs_root}/a")
    hdfs.create_dir(f"{hdfs_root}/b")
    with pytest.raises(ResourceExhaustedError, match="quota"):
        hdfs.create_dir(f"{hdfs_root}/c")
    monkeypatch.setenv("HADOOP_USER_NAME", "mallory")
    with HdfsFileSystem(**options) as other:
        with pytest.raises(PermissionDeniedError, match="mallory"):
            other.new_writable_file(f"{hdfs_root}/a/f")
        with pytest.raises(PermissionDeniedError, match="mallory"):
            other.delete_recursively(hdfs_root)


def test_safe_mode_is_unavailable(hdfs_cluster, hdfs, hdfs_root):
    hdfs_cluster.command("safe-mode", "enter")
    try:
        with pytest.raises(UnavailableError, match="safe mode"):
            hdfs.create_dir(f"{hdfs_root}/d")
    finally:
        hdfs_cluster.command("safe-mode", "leave")


def test_a_highly_available_nameservice_and_its_mount_table(tmp_path):
    with HdfsCluster(str(tmp_path / "cluster"), "high-availability", "datanodes=1") as cluster:
        (tmp_path / "conf").mkdir()
        (tmp_path / "conf" / "hdfs-site.xml").write_text(high_availability_configuration(cluster))
        (tmp_path / "conf" / "core-site.xml").write_text(
            "<configuration>"
            "<property><name>fs.defaultFS</name><value>hdfs://pair</value></property>"
            "<property><name>fs.viewfs.mounttable.table.link./data</name><value>hdfs://pair/real</value></property>"
            "</configuration>"
        )
        with HdfsFileSystem(config_dir=str(tmp_path / "conf")) as hdfs:
            hdfs.create_dir("hdfs://pair/real")
            with hdfs.new_writable_file("viewfs://table/data/f") as file:
                file.append(b"first")
                file.flush()
                assert contents(hdfs, "hdfs:///real/f") == b"first"
                cluster.command("activate", "1")
                file.append(b", after the failover")
                file.flush()
                assert contents(hdfs, "hdfs://pair/real/f") == b"first, after the failover"
            assert hdfs.canonical_path("viewfs://table/data/f") == hdfs.canonical_path("hdfs:///real/f")


def high_availability_configuration(cluster):
    properties = {"dfs.nameservices": "pair", "dfs.ha.namenodes.pair": "one,two"}
    for name, rpc, web in zip(("one", "two"), cluster.facts["namenodes"], cluster.facts["http_addresses"], strict=True):
        properties[f"dfs.namenode.rpc-address.pair.{name}"] = rpc
        properties[f"dfs.namenode.http-address.pair.{name}"] = web
    rows = (f"<property><name>{name}</name><value>{value}</value></property>" for name, value in properties.items())
    return f"<configuration>{''.join(rows)}</configuration>"
