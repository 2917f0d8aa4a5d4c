"""Does HDFS without a Java machine run at the speed of HDFS with one?

Beside PyArrow, which goes through libhdfs and a Java machine in its process, and fsspec's WebHDFS. The cluster is
Hadoop's mini-cluster with three datanodes and three copies of each block, on the same machine and cores: it takes the
greater part of each figure.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tools.hdfs_cluster import HdfsCluster
from tools.libhdfs import hdfs_client_environment
from tools.peers import PeerMissingError

from benches.harness import AtLeast, Contestant, Requirement, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20
RECORD = 100_000
FRAMING = 16
"""Bytes that a record takes beside its payload."""

PYARROW = "PyArrow, libhdfs"
FSSPEC = "fsspec webhdfs"

OPEN_RECORDFS = """
import recordfs
from recordfs.filesystems.hdfs import HdfsFileSystem

store = HdfsFileSystem(webhdfs=f"http://{http_address}")
path = f"hdfs://{namenode}/{name}"
"""

OPEN_PYARROW = """
import os

os.environ.update(environment)
from pyarrow.fs import HadoopFileSystem

host, port = namenode.split(":")
store = HadoopFileSystem(host, int(port))
path = f"/{name}"
"""

OPEN_FSSPEC = """
from fsspec.implementations.webhdfs import WebHDFS

host, port = http_address.split(":")
store = WebHDFS(host, port=int(port), user=user)
path = f"/{name}"
"""

WRITE_RECORDS = """
record = bytes(record_size)

def work():
    with recordfs.RecordWriter(path + "-recordfs", file_system=store) as writer:
        for _ in range(records):
            writer.write(record)
    return records * (record_size + framing)
"""

WRITE_PYARROW = """
record = bytes(record_size + framing)

def work():
    with store.open_output_stream(path + "-pyarrow", buffer_size=1 << 20) as writer:
        for _ in range(records):
            writer.write(record)
    return records * (record_size + framing)
"""

WRITE_FSSPEC = """
record = bytes(record_size + framing)

def work():
    with store.open(path + "-fsspec", "wb", block_size=8 << 20) as writer:
        for _ in range(records):
            writer.write(record)
    return records * (record_size + framing)
"""

READ_RECORDS = """
def work():
    return sum(len(record) + framing for record in recordfs.RecordReader(path, file_system=store))
"""

READ_PYARROW = """
def work():
    length = 0
    with store.open_input_stream(path, buffer_size=1 << 20) as reader:
        while piece := reader.read(1 << 20):
            length += len(piece)
    return length
"""

READ_FSSPEC = """
def work():
    length = 0
    with store.open(path, "rb", block_size=8 << 20) as reader:
        while piece := reader.read(1 << 20):
            length += len(piece)
    return length
"""

FIRST_BYTE = {
    "recordfs": OPEN_RECORDFS
    + """
with store.new_random_access_file(path) as file:
    first = file.read(0, 1)
""",
    PYARROW: OPEN_PYARROW
    + """
with store.open_input_file(path) as file:
    first = file.read(1)
""",
    FSSPEC: OPEN_FSSPEC
    + """
with store.open(path, "rb", block_size=1 << 16) as file:
    first = file.read(1)
""",
}

# A whole process, as a script is one: from the start of Python until a byte is there.
IN_A_PROCESS = """
import json, subprocess, sys

prepared = "".join(f"{key} = {value!r}\\n" for key, value in variables.items())
ending = '''
import resource
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
'''

def run():
    done = subprocess.run([sys.executable, "-c", prepared + source + ending], capture_output=True, check=True)
    return int(done.stdout)
"""

TIMED = f"""{IN_A_PROCESS}
def work():
    run()
    return 1
"""

RESIDENT = f"""{IN_A_PROCESS}
def work():
    return run()
"""


def _cluster(records: int, environment: dict[str, str], *, stored: int) -> Any:
    """Return what runs a cluster with a file of ``stored`` records on it."""

    @contextmanager
    def running(directory: str) -> Iterator[dict[str, Any]]:
        import getpass

        import recordfs
        from recordfs.filesystems.hdfs import HdfsFileSystem

        with HdfsCluster(directory) as cluster:
            variables = {
                "namenode": cluster.facts["namenodes"][0],
                "http_address": cluster.http_address,
                "name": "records",
                "user": getpass.getuser(),
                "environment": environment,
            }
            with (
                HdfsFileSystem(webhdfs=f"http://{cluster.http_address}") as store,
                recordfs.RecordWriter(f"{cluster.url}/records", file_system=store) as writer,
            ):
                for _ in range(stored):
                    writer.write(bytes(RECORD))
            yield {
                **variables,
                "variables": variables,
                "records": records,
                "record_size": RECORD,
                "framing": FRAMING,
            }

    return running


def rows(scale: float) -> list[Row]:
    """Sequential reads and writes of records, and what it takes to begin."""
    records = max(500, int(1024 * scale) * MIB // RECORD)
    size = records * (RECORD + FRAMING) // MIB
    environment: dict[str, str] = {}
    peers = [FSSPEC]
    try:
        environment = hdfs_client_environment()
        peers.insert(0, PYARROW)
    except PeerMissingError as error:
        print(f"without {PYARROW}: {error}")
    opening = {"recordfs": OPEN_RECORDFS, PYARROW: OPEN_PYARROW, FSSPEC: OPEN_FSSPEC}

    def contestants(work: dict[str, str]) -> list[Contestant]:
        return [
            Contestant(name, opening[name] + work[name], peer=None if name == "recordfs" else "hdfs")
            for name in ("recordfs", *peers)
        ]

    def beginning(work: str) -> list[Contestant]:
        return [
            Contestant(name, f"source = {FIRST_BYTE[name]!r}\n{work}", peer=None if name == "recordfs" else "hdfs")
            for name in ("recordfs", *peers)
        ]

    faster: list[Requirement] = [AtLeast(1, over=name) for name in peers]
    workload = f"{records:,} records of {RECORD:,} bytes, which the peers take as bytes without a frame or a checksum"
    return [
        Row(
            title=f"write {size} MiB of records, HDFS",
            workload=f"{workload}; three copies",
            items=size,
            item="MiB",
            rounds=3,
            running=_cluster(records, environment, stored=1),
            contestants=contestants({"recordfs": WRITE_RECORDS, PYARROW: WRITE_PYARROW, FSSPEC: WRITE_FSSPEC}),
            requirements=faster,
        ),
        Row(
            title=f"read {size} MiB of records, HDFS",
            workload=workload,
            items=size,
            item="MiB",
            rounds=3,
            running=_cluster(records, environment, stored=records),
            contestants=contestants({"recordfs": READ_RECORDS, PYARROW: READ_PYARROW, FSSPEC: READ_FSSPEC}),
            requirements=faster,
        ),
        Row(
            title="start a process and read the first byte, HDFS",
            workload="Python, imports, client, open, one byte",
            running=_cluster(records, environment, stored=1),
            contestants=beginning(TIMED),
            requirements=faster,
        ),
        Row(
            title="resident memory of such a process, HDFS",
            workload="at its highest, when one byte has been read",
            unit="MiB",
            rounds=1,
            running=_cluster(records, environment, stored=1),
            contestants=beginning(RESIDENT),
        ),
    ]
