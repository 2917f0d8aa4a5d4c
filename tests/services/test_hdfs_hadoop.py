"""Hadoop's own shell reads what recordfs wrote, and recordfs what Hadoop wrote; the command line works on HDFS."""

import getpass
import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

import recordfs
from recordfs import RecordReader, RecordWriter
from recordfs.errors import RecordFSError
from recordfs.filesystems.fsspec import FsspecFileSystem
from recordfs.filesystems.hdfs import HdfsFileSystem
from support.framing import stream

pytestmark = pytest.mark.service


@pytest.fixture
def options(hdfs_cluster):
    return {"webhdfs": f"http://{hdfs_cluster.http_address}"}


def test_hadoops_shell_reads_our_records_byte_for_byte(hdfs, hdfs_cluster, hdfs_root, tmp_path):
    payloads = [random.Random(number).randbytes(number * 997 % 200_000) for number in range(60)]
    path = f"{hdfs_root}/records"
    with RecordWriter(path, file_system=hdfs) as writer:
        for number, payload in enumerate(payloads):
            writer.write(payload)
            if number % 20 == 0:
                writer.flush()
    hdfs_cluster.shell("-get", path, str(tmp_path / "records"))
    assert (tmp_path / "records").read_bytes() == stream(payloads)
    # The block's checksums are right too: Hadoop verifies them when it reads, and tells the whole file's.
    assert "CRC32C" in hdfs_cluster.shell("-checksum", path)


def test_we_read_what_hadoops_shell_put_there(hdfs, hdfs_cluster, hdfs_root, tmp_path):
    payloads = [b"one", b"", b"x" * 3_000_000]
    (tmp_path / "records").write_bytes(stream(payloads))
    hdfs_cluster.shell("-put", str(tmp_path / "records"), hdfs_root)
    assert list(RecordReader(f"{hdfs_root}/records", file_system=hdfs)) == payloads
    hdfs_cluster.shell("-appendToFile", str(tmp_path / "records"), f"{hdfs_root}/records")
    assert list(RecordReader(f"{hdfs_root}/records", file_system=hdfs)) == payloads * 2


def test_replication_block_size_and_permission_are_those_asked_for(hdfs_cluster, hdfs_root, options):
    path = f"{hdfs_root}/f"
    with HdfsFileSystem(replication=2, block_size=2 << 20, permission=0o640, **options) as hdfs:
        with hdfs.new_writable_file(path) as file:
            file.append(bytes(5 << 20))
        assert hdfs_cluster.shell("-stat", "%r %o %a %b", path).split() == ["2", "2097152", "640", "5242880"]


def test_a_directory_of_several_pages_is_listed_whole(hdfs, hdfs_root):
    names = [f"d{number:04}" for number in range(2300)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(hdfs.create_dir, [f"{hdfs_root}/{name}" for name in names]))
    assert sorted(hdfs.get_children(hdfs_root)) == names
    assert hdfs.statistics()["getListing"].requests >= 3


def test_a_sequential_read_is_a_stream_and_random_reads_fetch_what_they_ask(hdfs, hdfs_root):
    path = f"{hdfs_root}/f"
    data = random.Random(9).randbytes(20 << 20)
    with hdfs.new_writable_file(path) as file:
        file.append(data)
    with hdfs.new_random_access_file(path) as file:
        before = hdfs.statistics().get("readBlock", recordfs.filesystem.OperationStatistics())
        for offset in range(19 << 20, 0, -(3 << 20)):
            assert file.read(offset, 1000) == data[offset : offset + 1000]
        between = hdfs.statistics()["readBlock"]
        assert between.bytes_received - before.bytes_received == 7 * 1000
        buffer = bytearray(100_000)
        position = 0
        while count := file.read_into(position, buffer):
            assert buffer[:count] == data[position : position + count]
            position += count
        assert position == len(data)
        assert hdfs.statistics()["readBlock"].requests - between.requests <= 3


def test_fsspecs_webhdfs_renames_and_refuses_through_the_bridge(hdfs, hdfs_cluster, hdfs_root):
    host, port = hdfs_cluster.http_address.split(":")
    root = hdfs_root.replace(hdfs_cluster.url, f"webhdfs://{hdfs_cluster.http_address}")
    bridge = FsspecFileSystem("webhdfs", host=host, port=int(port), user=getpass.getuser())
    with hdfs.new_writable_file(f"{hdfs_root}/f") as file:
        file.append(b"moved")
    bridge.rename_file(f"{root}/f", f"{root}/g")
    assert hdfs.get_children(hdfs_root) == ["g"]
    with bridge.new_random_access_file(f"{root}/g") as file:
        assert file.read(0, 10) == b"moved"
    for target in (f"{root}/missing/g", f"{root}/g/below"):
        with pytest.raises(RecordFSError):
            bridge.rename_file(f"{root}/g", target)
    assert hdfs.get_children(hdfs_root) == ["g"]


def test_the_command_line_works_on_hdfs(hdfs_cluster, hdfs_root, tmp_path):
    properties = {
        "dfs.namenode.rpc-address": hdfs_cluster.facts["namenodes"][0],
        "dfs.namenode.http-address": hdfs_cluster.http_address,
    }
    rows = (f"<property><name>{name}</name><value>{value}</value></property>" for name, value in properties.items())
    (tmp_path / "hdfs-site.xml").write_text(f"<configuration>{''.join(rows)}</configuration>")
    environment = {**os.environ, "HADOOP_CONF_DIR": str(tmp_path)}

    def run(*words):
        command = [sys.executable, "-m", "recordfs.cli", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment)

    (tmp_path / "files").mkdir()
    for name in ("one", "two"):
        (tmp_path / "files" / name).write_text(name)
    run("pack", str(tmp_path / "files"), f"{hdfs_root}/records")
    assert run("count", f"{hdfs_root}/records").stdout == "2\n"
    assert "getBlockLocations" in run("verify", "--stats", f"{hdfs_root}/records").stderr
    told = run("doctor", "--write", hdfs_root).stdout
    assert "HdfsFileSystem (built in)" in told
    assert hdfs_cluster.facts["namenodes"][0] in told
    assert "FAILED" not in told
