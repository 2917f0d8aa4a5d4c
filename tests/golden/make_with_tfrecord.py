"""Writes the golden files that come from the tfrecord package; see README.md. Needs those of TensorFlow."""

import os
import sys

import tfrecord
from tfrecord.tools.tfrecord2idx import create_index

if __name__ == "__main__":
    golden = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__)))
    create_index(f"{golden}/records/mixed.tfrecord", f"{golden}/records/mixed.tfrecord.idx")
    writer = tfrecord.TFRecordWriter(f"{golden}/examples/tfrecord_package.tfrecord")
    for number in range(4):
        # One feature a record: the package serializes a map in an order that is not fixed.
        writer.write({"bytes": (b"record %d" % number, "byte")} if number % 2 else {"int": ([number, -number], "int")})
    writer.close()
