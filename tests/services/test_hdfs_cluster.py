"""The HDFS that the tests start is Hadoop's own, and can be broken and mended."""

import urllib.request

import pytest

from support.servers import HdfsCommandError

pytestmark = pytest.mark.service


def test_the_cluster_keeps_what_its_own_writer_flushed(hdfs_cluster, hdfs_root):
    path = f"{hdfs_root}/f"
    hdfs_cluster.command("writer", "create", path)
    hdfs_cluster.command("writer", "write", path, "flushed")
    hdfs_cluster.command("writer", "hflush", path)
    assert hdfs_cluster.command("visible-length", path) == 7
    hdfs_cluster.command("writer", "close", path)
    assert hdfs_cluster.shell("-cat", path) == "flushed"


def test_a_stopped_datanode_comes_back_under_its_number(hdfs_cluster):
    try:
        for number in range(3):
            hdfs_cluster.command("stop-datanode", str(number))
    finally:
        for number in range(3):
            hdfs_cluster.command("start-datanode", str(number))
    with pytest.raises(HdfsCommandError, match="3"):
        hdfs_cluster.command("stop-datanode", "3")


def test_webhdfs_answers(hdfs_cluster):
    with urllib.request.urlopen(f"http://{hdfs_cluster.http_address}/webhdfs/v1/?op=LISTSTATUS") as answer:
        assert b"FileStatuses" in answer.read()
