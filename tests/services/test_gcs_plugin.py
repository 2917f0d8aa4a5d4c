"""TensorFlow's published plugin for Google Cloud Storage, loaded without TensorFlow, against an emulator.

Only small reads: the plugin crashes on larger ones, and when its caches' variables are not set.
"""

import glob
import json
import os
import sys
import urllib.request

import pytest
from tools.peers import PeerProcess

from support.peers import require_peer
from support.servers import GcpStorageEmulator

pytestmark = [pytest.mark.peer, pytest.mark.service]

CACHES_OFF = {
    "GCS_READ_CACHE_BLOCK_SIZE_MB": "0",
    "GCS_READ_CACHE_MAX_SIZE_MB": "0",
    "GCS_READ_CACHE_MAX_STALENESS": "0",
    "GCS_STAT_CACHE_MAX_AGE": "0",
    "GCS_STAT_CACHE_MAX_ENTRIES": "0",
}

USE = """
    import recordfs
    from recordfs import errors, gfile
    schemes = recordfs.load_file_system_library(
        library,
        overwrite=True,  # recordfs has gs:// itself
        max_read_size=128 << 10,
        capabilities={"gs": {"directories": "implicit"}},
        helper_process=helper_process,
    )
    with gfile.GFile("gs://bucket/directory/file", "w") as file:
        file.write("bytes")
    with recordfs.RecordWriter("gs://bucket/directory/records") as writer:
        writer.write_batch([b"%d" % number * 100 for number in range(5000)])
    gfile.rename("gs://bucket/directory/file", "gs://bucket/directory/renamed")
    result = {
        "schemes": schemes,
        "listed": sorted(gfile.listdir("gs://bucket/directory")),
        "read": gfile.GFile("gs://bucket/directory/renamed").read(),
        "records": sum(1 for _ in recordfs.RecordReader("gs://bucket/directory/rec*")),
        "directory": gfile.isdir("gs://bucket/directory"),
    }
    gfile.remove("gs://bucket/directory/renamed")
    result["after"] = gfile.exists("gs://bucket/directory/renamed")
    try:
        gfile.GFile("gs://bucket/directory/renamed").read()
    except errors.NotFoundError as error:
        result["error"] = str(error).split(":")[0]
"""


@pytest.fixture
def library():
    environment = os.path.dirname(os.path.dirname(require_peer("gcs_plugin")))
    [found] = glob.glob(
        f"{environment}/lib/python3*/site-packages/tensorflow_io_gcs_filesystem/**/*.so", recursive=True
    )
    return found


@pytest.mark.parametrize("helper_process", [False, True], ids=["in-this-process", "in-a-helper"])
def test_the_published_plugin_reads_writes_lists_and_moves(library, tmp_path, helper_process):
    with GcpStorageEmulator(str(tmp_path / "server")) as server:
        bucket = urllib.request.Request(
            f"{server.endpoint}/storage/v1/b?project=test",
            data=json.dumps({"name": "bucket"}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(bucket):
            pass
        variables = {**CACHES_OFF, "CLOUD_STORAGE_EMULATOR_ENDPOINT": server.endpoint}
        with PeerProcess(sys.executable, recordfs=True, environment=variables) as process:
            found = process.call(USE, library=library, helper_process=helper_process)
    assert found == {
        "schemes": ["gs"],
        "listed": ["records", "renamed"],
        "read": "bytes",
        "records": 5000,
        "directory": True,
        "after": False,
        "error": "gs",
    }
