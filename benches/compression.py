"""How fast are records read from a GZIP file, and written into one?"""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from benches.harness import AtLeast, Contestant, Row
from benches.payloads import text_payloads

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

READ_OURS = f"""
from recordfs import RecordReader

def read():
    return RecordReader(path)
{_CHECK}"""

READ_TENSORFLOW = f"""
import tensorflow as tf

tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)  # it is deprecated, and still the fastest

def read():
    return tf.compat.v1.io.tf_record_iterator(path, tf.io.TFRecordOptions("GZIP"))
{_CHECK}"""

WRITE_OURS = """
from recordfs import RecordReader, RecordWriter
payloads = list(RecordReader(path))

def work():
    with RecordWriter(directory + "/recordfs.gz", compression="GZIP") as writer:
        for payload in payloads:
            writer.write(payload)
    return len(payloads)
"""

WRITE_TENSORFLOW = """
import tensorflow as tf

tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
payloads = list(tf.compat.v1.io.tf_record_iterator(path, tf.io.TFRecordOptions("GZIP")))

def work():
    with tf.io.TFRecordWriter(directory + "/tensorflow.gz", "GZIP") as writer:
        for payload in payloads:
            writer.write(payload)
    return len(payloads)
"""


def make_file(directory: str, size: int, count: int) -> dict[str, Any]:
    """A GZIP file of text-like records, at the default level."""
    from recordfs import RecordWriter

    path = os.path.join(directory, "text.tfrecord.gz")
    with RecordWriter(path, compression="GZIP") as writer:
        for payload in text_payloads(size, count):
            writer.write(payload)
    return {"path": path, "directory": directory}


def rows(scale: float) -> list[Row]:
    """Text-like records, read and written."""
    size = 1_000
    count = max(1, int(100_000 * scale))
    workload = f"{count:,} records of {size:,} bytes of words and numbers, one GZIP file, default level"
    make_files = partial(make_file, size=size, count=count)
    return [
        Row(
            title="read GZIP, text-like",
            workload=workload,
            items=count,
            item="record",
            make_files=make_files,
            contestants=[
                Contestant("recordfs", READ_OURS),
                Contestant("TensorFlow", READ_TENSORFLOW, peer="tensorflow"),
            ],
            requirements=[AtLeast(1.5, over="TensorFlow")],
        ),
        Row(
            title="write GZIP, text-like",
            workload=workload,
            items=count,
            item="record",
            make_files=make_files,
            contestants=[
                Contestant("recordfs", WRITE_OURS),
                Contestant("TensorFlow", WRITE_TENSORFLOW, peer="tensorflow"),
            ],
        ),
    ]
