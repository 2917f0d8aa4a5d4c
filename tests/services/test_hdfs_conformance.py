"""HDFS keeps the contract, on Hadoop's own cluster."""

import pytest

from recordfs.testing.conformance import FileSystemConformance

pytestmark = pytest.mark.service


class TestHdfs(FileSystemConformance):
    @pytest.fixture
    def file_system_and_root(self, hdfs, hdfs_root):
        return hdfs, f"{hdfs_root}/some/root"
