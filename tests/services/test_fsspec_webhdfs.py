"""WebHDFS through fsspec, whose class looks at no answer, on Hadoop's own HDFS."""

import itertools

import pytest

from recordfs.filesystems.fsspec import FsspecFileSystem
from recordfs.testing.conformance import FileSystemConformance

pytestmark = [
    pytest.mark.service,
    pytest.mark.filterwarnings("ignore:.*shows a file to readers when it is closed:UserWarning"),
]

_numbers = itertools.count()


class TestWebHdfs(FileSystemConformance):
    @pytest.fixture
    def file_system_and_root(self, hdfs_cluster):
        pytest.importorskip("requests", reason="fsspec's webhdfs needs requests")
        root = f"webhdfs://{hdfs_cluster.http_address}/webhdfs-{next(_numbers)}/root"
        return FsspecFileSystem("webhdfs", user="root"), root

    # What HDFS has no names for is no fault of the bridge. A method of its own, because a mark is kept on the function.
    @pytest.mark.xfail(reason="HDFS refuses colons in names")
    def test_s6_names_are_taken_as_they_are(self, place):
        super().test_s6_names_are_taken_as_they_are(place)
