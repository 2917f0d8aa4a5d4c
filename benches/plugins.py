"""What do the ways across TensorFlow's C interface cost: our filesystems in TensorFlow, and its plugins in recordfs?

In TensorFlow, a filesystem of recordfs in memory stands beside TensorFlow's own for local files, on memory-backed
storage. What is compared is the CPU time of all threads: a call crosses from TensorFlow's threads to Python's and back,
and how long that takes on the clock depends on what else the machine does. In recordfs, the example plugin in C, which
keeps files in memory too, stands beside ``ram://``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Any

from benches.harness import Contestant, Row, Within

GUEST = "recordfs in TensorFlow"
POSIX = "TensorFlow's local files"
PLUGIN = "plugin in recordfs"
HELPER = "plugin in a helper process"
MEMORY = "ram://"

MB = 1_000_000

_EXAMPLE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "examples", "plugin-c")

_PREPARE = {
    GUEST: """
from recordfs.interop.tensorflow import register
register("mem", target="ram")
top = "mem://bench"
""",
    POSIX: "top = directory",
}

_READ = """
import time
import tensorflow as tf
{prepare}
path = f"{{top}}/records"
with tf.io.TFRecordWriter(path) as writer:
    for _ in range(count):
        writer.write(b"x" * size)

def work():
    start = time.process_time()
    assert sum(1 for _ in tf.data.TFRecordDataset(path)) == count
    return 1000 * (time.process_time() - start)
"""

_WRITE = """
import time
import tensorflow as tf
{prepare}
record = b"x" * size

def work():
    start = time.process_time()
    with tf.io.TFRecordWriter(f"{{top}}/records") as writer:
        for _ in range(count):
            writer.write(record)
    return 1000 * (time.process_time() - start)
"""

_CALLS = """
import recordfs
{prepare}
file_system = recordfs.get_file_system(path)
with file_system.new_writable_file(path) as file:
    file.append(b"x" * 100_000)
reader = file_system.new_random_access_file(path)

def work():
    total = 0
    for number in range(count):
        total += len(reader.read(number * 3 % 90_000, 100))
    return total
"""

_OPENS = _CALLS.replace(
    "total += len(reader.read(number * 3 % 90_000, 100))",
    """with file_system.new_random_access_file(path) as opened:
            total += len(opened.read(0, 10))""",
)

_SIDES = {
    PLUGIN: 'recordfs.load_file_system_library(library)\npath = "cmem://bench/file"',
    HELPER: 'recordfs.load_file_system_library(library, helper_process=True)\npath = "cmem://bench/file"',
    MEMORY: 'path = "ram://bench/file"',
}


def _variables(count: int, size: int) -> Any:
    return lambda directory: {"directory": directory, "count": count, "size": size}


def _example_plugin(count: int) -> Any:
    def make(directory: str) -> dict[str, Any]:
        copy = shutil.copytree(_EXAMPLE, os.path.join(directory, "plugin"), ignore=shutil.ignore_patterns("*.so"))
        subprocess.run(["make", "--silent", "-C", copy], check=True)
        return {"library": os.path.join(copy, "libmemory_plugin.so"), "count": count}

    return make


def _in_tensorflow(source: str) -> list[Contestant]:
    return [
        Contestant(name, source.format(prepare=prepare), peer="tensorflow", with_recordfs=name == GUEST)
        for name, prepare in _PREPARE.items()
    ]


def rows(scale: float) -> list[Row]:
    """The rows of this benchmark."""
    large, small, calls = (max(1, int(scale * count)) for count in (200, 100_000, 20_000))
    return [
        Row(
            title="TensorFlow reads large records",
            workload=f"{large} records of 1 MB by TFRecordDataset, one file, one reader",
            contestants=_in_tensorflow(_READ),
            make_files=_variables(large, MB),
            requirements=[Within(1.2, of=POSIX)],
            unit="ms of CPU",
        ),
        Row(
            title="TensorFlow reads small records",
            workload=f"{small:,} records of 1 KB by TFRecordDataset, one file, one reader",
            contestants=_in_tensorflow(_READ),
            make_files=_variables(small, 1000),
            unit="ms of CPU",
        ),
        Row(
            title="TensorFlow writes small records",
            workload=f"{small:,} records of 1 KB by TFRecordWriter, one file",
            contestants=_in_tensorflow(_WRITE),
            make_files=_variables(small, 1000),
            requirements=[Within(1.4, of=POSIX)],
            unit="ms of CPU",
        ),
        Row(
            title="reads through a plugin in C",
            workload=f"{calls:,} reads of 100 bytes of an open file",
            contestants=[Contestant(name, _CALLS.format(prepare=prepare)) for name, prepare in _SIDES.items()],
            items=calls,
            item="read",
            make_files=_example_plugin(calls),
        ),
        Row(
            title="opens through a plugin in C",
            workload=f"{calls:,} files opened, read from and closed",
            contestants=[Contestant(name, _OPENS.format(prepare=prepare)) for name, prepare in _SIDES.items()],
            items=calls,
            item="open",
            make_files=_example_plugin(calls),
        ),
    ]
