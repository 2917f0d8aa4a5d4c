"""How fast are records written, one by one and in batches, beside `tf.io.TFRecordWriter`?

A run opens the file, writes all records and closes it. All contestants write the same payloads, made beforehand. The
floor is a CRC pass over as many bytes and write(2) of them in pieces of 256 KiB.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from benches.harness import AtLeast, Contestant, Row
from benches.payloads import MAKE_PAYLOADS, payload_variables

OURS = f"""
import os
from recordfs import RecordWriter
{MAKE_PAYLOADS}
path = sink or directory + "/recordfs.tfrecord"

def work():
    with RecordWriter(path) as writer:
        write = writer.write
        for payload in payloads:
            write(payload)
    return os.path.getsize(path)
"""

OURS_IN_BATCHES = f"""
import os
from recordfs import RecordWriter
{MAKE_PAYLOADS}
path = sink or directory + "/recordfs.tfrecord"
batches = [payloads[start : start + 1000] for start in range(0, count, 1000)]

def work():
    with RecordWriter(path) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return os.path.getsize(path)
"""

TENSORFLOW = f"""
import os
import tensorflow as tf
{MAKE_PAYLOADS}
path = sink or directory + "/tensorflow.tfrecord"

def work():
    with tf.io.TFRecordWriter(path) as writer:
        write = writer.write
        for payload in payloads:
            write(payload)
    return os.path.getsize(path)
"""

CHECKSUM_AND_WRITE = """
import os, random
from recordfs._core import crc32c

piece = random.Random(1).randbytes(262_144)
path = sink or directory + "/floor.tfrecord"
total = count * (size + 16)

def work():
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    for _ in range(total // len(piece)):
        crc32c(piece)
        os.write(descriptor, piece)
    os.write(descriptor, piece[: total % len(piece)])
    os.close(descriptor)
    return os.path.getsize(path)
"""


def where(directory: str, size: int, count: int, sink: str) -> dict[str, Any]:
    """Where the contestants write, and what."""
    return {"directory": directory, "sink": sink, **payload_variables(size, count)}


def rows(scale: float) -> list[Row]:
    """Into a file, and into /dev/null, which leaves out what the kernel does to keep the bytes."""
    found = []
    for sink in ("", "/dev/null"):
        for size, full_count, factor in ((100, 500_000, 5), (1_000, 300_000, 2.5), (100_000, 5_000, 1.4)):
            found.append(_row(size, max(1, int(full_count * scale)), OURS, "one by one", sink, factor))
        found.append(_row(100, max(1, int(500_000 * scale)), OURS_IN_BATCHES, "in batches of 1,000", sink, 9))
    return found


def _row(size: int, count: int, source: str, manner: str, sink: str, factor: float) -> Row:
    target = sink or "one plain file"
    return Row(
        title=f"write records of {size:,} B {manner}" + (f" into {sink}" if sink else ""),
        workload=f"{count:,} records of {size:,} random bytes into {target}; TensorFlow writes them one by one",
        items=count,
        item="record",
        make_files=partial(where, size=size, count=count, sink=sink),
        contestants=[
            Contestant("recordfs", source),
            Contestant("TensorFlow", TENSORFLOW, peer="tensorflow"),
            Contestant("CRC + write(2)", CHECKSUM_AND_WRITE),
        ],
        requirements=[] if sink else [AtLeast(factor, over="TensorFlow")],
    )
