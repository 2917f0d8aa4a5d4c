"""HDFS keeps the contract, on Hadoop's own cluster."""

import pytest

from recordfs.filesystems.hdfs import HdfsFileSystem
from recordfs.testing.conformance import FileSystemConformance

pytestmark = pytest.mark.service


class TestHdfs(FileSystemConformance):
    @pytest.fixture
    def file_system_and_root(self, hdfs, hdfs_root):
        return hdfs, f"{hdfs_root}/some/root"

    @pytest.fixture
    def refused_path(self, hdfs_cluster, hdfs_root, monkeypatch):
        monkeypatch.setenv("HADOOP_USER_NAME", "mallory")
        with HdfsFileSystem(webhdfs=f"http://{hdfs_cluster.http_address}") as file_system:
            yield file_system, f"{hdfs_root}/refused"
