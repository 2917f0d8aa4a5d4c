"""How fast are records read, each as a bytes object with its checksums verified?

Beside TensorFlow's fastest Python route, `tf_record_iterator`, and beside the floor: read(2) of 256 KiB into fresh
bytes plus one CRC pass, which is what any reader in Python must at least do. The loop's body is empty; that everybody
sees the same records is checked in a pass of its own.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from benches.harness import AtLeast, Contestant, Requirement, Row, Within
from benches.payloads import write_record_file

FLOOR = "read(2) + CRC"

_CHECK = """
def check():
    records = length = 0
    for record in read():
        records += 1
        length += len(record)
    return [records, length]

def work():
    for record in read():
        pass
"""

OURS = f"""
from recordfs import RecordReader

def read():
    return RecordReader(path)
{_CHECK}"""

TENSORFLOW = f"""
import tensorflow as tf

tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)  # it is deprecated, and still the fastest

def read():
    return tf.compat.v1.io.tf_record_iterator(path)
{_CHECK}"""

READ_AND_CHECKSUM = """
import os
from recordfs._core import crc32c

def work():
    descriptor = os.open(path, os.O_RDONLY)
    length = 0
    while chunk := os.read(descriptor, 262_144):
        crc32c(chunk)
        length += len(chunk)
    os.close(descriptor)
    return [records, length - 16 * records]
"""

# Many results kept alive at once make the allocator work: glibc returns and fetches memory between them.
_KEEPING = """
def check():
    kept = list(read())
    return [len(kept), sum(map(len, kept))]

def work():
    return len(list(read()))
"""

# As the floor above, but a record a call: the whole frame is kept.
READ_CHECKSUM_AND_KEEP = """
import os
from recordfs._core import crc32c

def work():
    descriptor = os.open(path, os.O_RDONLY)
    kept = []
    while chunk := os.read(descriptor, size + 16):
        crc32c(chunk)
        kept.append(chunk)
    os.close(descriptor)
    return [len(kept), sum(map(len, kept)) - 16 * len(kept)]
"""


def make_file(directory: str, size: int, count: int) -> dict[str, Any]:
    """Makes the file and names it to the contestants."""
    return {"path": write_record_file(directory, size, count), "records": count, "size": size}


def rows(scale: float) -> list[Row]:
    """Four sizes of record, and results that stay alive."""
    sizes: list[tuple[int, int, list[Requirement]]] = [
        (100, 1_000_000, [AtLeast(8, over="TensorFlow")]),
        (1_000, 400_000, [AtLeast(3.3, over="TensorFlow")]),
        (100_000, 5_000, [AtLeast(2.2, over="TensorFlow"), Within(1.2, of=FLOOR)]),
        (1_000_000, 500, [AtLeast(2.2, over="TensorFlow"), Within(1.2, of=FLOOR)]),
    ]
    found = []
    for size, full_count, requirements in sizes:
        count = max(1, int(full_count * scale))
        found.append(
            Row(
                title=f"read records of {size:,} B",
                workload=f"{count:,} records of {size:,} random bytes in one plain file, CRCs verified",
                items=count,
                item="record",
                make_files=partial(make_file, size=size, count=count),
                contestants=[
                    Contestant("recordfs", OURS),
                    Contestant("TensorFlow", TENSORFLOW, peer="tensorflow"),
                    Contestant(FLOOR, READ_AND_CHECKSUM),
                ],
                requirements=requirements,
            )
        )
    count = max(1, int(5_000 * scale))
    found.append(
        Row(
            title="read records of 100,000 B and keep them all",
            workload=f"{count:,} records of 100,000 random bytes in one plain file, read into one list, CRCs verified",
            items=count,
            item="record",
            make_files=partial(make_file, size=100_000, count=count),
            contestants=[
                Contestant("recordfs", OURS + _KEEPING),
                Contestant("TensorFlow", TENSORFLOW + _KEEPING, peer="tensorflow"),
                Contestant(FLOOR, READ_CHECKSUM_AND_KEEP),
            ],
        )
    )
    return found
