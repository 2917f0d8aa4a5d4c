"""How fast do Examples become columns, and columns Examples?

The record: two scalars, a vector of 128 floats, one of 64 integers below 30,000 (token ids), a 2 KiB image, a name of
16 bytes; 2.8 KB. Beside TensorFlow, upb (protobuf's C runtime, the usual route into NumPy) and the tfrecord package.
Everybody's columns are checked against each other: sums of the numbers, lengths of the bytes.
"""

from __future__ import annotations

import os
import random
from typing import Any

from benches.harness import AtLeast, Contestant, Row
from recordfs import RecordWriter

BATCH_SIZE = 256

# What all contestants' columns are reduced to. The floats are multiples of 1/256, so their sum has no rounding.
_SUMMARY = """
def summary(label, weight, embedding, tokens, image, name):
    return [
        int(label.sum()),
        float(weight.sum(dtype="float64")),
        float(embedding.sum(dtype="float64")),
        int(tokens.sum()),
        sum(map(len, image)),
        sum(map(len, name)),
    ]

def total(summaries):
    return [sum(column) for column in zip(*summaries)]
"""

_OUR_FEATURES = """
import numpy as np
from recordfs import RecordReader
from recordfs.example import FixedLenFeature, parse_example, read_examples

features = {
    "label": FixedLenFeature([], np.int64),
    "weight": FixedLenFeature([], np.float32),
    "embedding": FixedLenFeature([128], np.float32),
    "tokens": FixedLenFeature([64], np.int64),
    "image": FixedLenFeature([], bytes),
    "name": FixedLenFeature([], bytes),
}
"""

_THEIR_FEATURES = """
import tensorflow as tf

features = {
    "label": tf.io.FixedLenFeature([], tf.int64),
    "weight": tf.io.FixedLenFeature([], tf.float32),
    "embedding": tf.io.FixedLenFeature([128], tf.float32),
    "tokens": tf.io.FixedLenFeature([64], tf.int64),
    "image": tf.io.FixedLenFeature([], tf.string),
    "name": tf.io.FixedLenFeature([], tf.string),
}
"""

OURS_IN_MEMORY = f"""{_OUR_FEATURES}{_SUMMARY}
batches = list(RecordReader(path).batches({BATCH_SIZE}))

def check():
    return total(summary(**parse_example(batch, features)) for batch in batches)

def work():
    for _ in range(repeats):
        for batch in batches:
            parse_example(batch, features)
"""

_ONE_THREAD = """
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
"""

# From the same bytes objects to the same NumPy arrays.
TENSORFLOW_IN_MEMORY = f"""{_THEIR_FEATURES}{_SUMMARY}{_ONE_THREAD}
batches = [[record.numpy() for record in batch] for batch in tf.data.TFRecordDataset(path).batch({BATCH_SIZE})]

def parse(batch):
    return {{key: value.numpy() for key, value in tf.io.parse_example(batch, features).items()}}

def check():
    return total(summary(**parse(batch)) for batch in batches)

def work():
    for _ in range(repeats):
        for batch in batches:
            parse(batch)
"""

# What stays within TensorFlow: the records are in tensors already, and the columns stay tensors.
TENSORS = f"""{_THEIR_FEATURES}{_SUMMARY}{_ONE_THREAD}
batches = list(tf.data.TFRecordDataset(path).batch({BATCH_SIZE}))

def check():
    parsed = (tf.io.parse_example(batch, features) for batch in batches)
    return total(summary(**{{key: value.numpy() for key, value in columns.items()}}) for columns in parsed)

def work():
    for _ in range(repeats):
        for batch in batches:
            tf.io.parse_example(batch, features)
"""

# TensorFlow's generated classes are upb's.
UPB = f"""
import numpy as np
import tensorflow as tf
{_SUMMARY}
batches = [[record.numpy() for record in batch] for batch in tf.data.TFRecordDataset(path).batch({BATCH_SIZE})]
Example = tf.train.Example

def parse(batch):
    size = len(batch)
    columns = {{
        "label": np.empty(size, np.int64),
        "weight": np.empty(size, np.float32),
        "embedding": np.empty((size, 128), np.float32),
        "tokens": np.empty((size, 64), np.int64),
        "image": np.empty(size, object),
        "name": np.empty(size, object),
    }}
    for row, record in enumerate(batch):
        feature = Example.FromString(record).features.feature
        columns["label"][row] = feature["label"].int64_list.value[0]
        columns["weight"][row] = feature["weight"].float_list.value[0]
        columns["embedding"][row] = feature["embedding"].float_list.value
        columns["tokens"][row] = feature["tokens"].int64_list.value
        columns["image"][row] = feature["image"].bytes_list.value[0]
        columns["name"][row] = feature["name"].bytes_list.value[0]
    return columns

def check():
    return total(summary(**parse(batch)) for batch in batches)

def work():
    for _ in range(repeats):
        for batch in batches:
            parse(batch)
"""

OURS_FROM_FILE = f"""{_OUR_FEATURES}{_SUMMARY}
def check():
    return total(summary(**columns) for columns in read_examples(path, features, batch_size={BATCH_SIZE}))

def work():
    for columns in read_examples(path, features, batch_size={BATCH_SIZE}):
        pass
"""

TF_DATA = f"""{_THEIR_FEATURES}{_SUMMARY}
def columns_of(options):
    dataset = tf.data.TFRecordDataset(path).batch({BATCH_SIZE})
    return dataset.map(lambda batch: tf.io.parse_example(batch, features), **options)

def check():
    return total(summary(**columns) for columns in columns_of({{}}).as_numpy_iterator())

def work():
    for columns in columns_of({{}}):
        pass
"""

TF_DATA_PARALLEL = TF_DATA.replace("columns_of({})", "columns_of({'num_parallel_calls': tf.data.AUTOTUNE})")

TFRECORD_PACKAGE = f"""
import numpy as np
from tfrecord.reader import tfrecord_loader
{_SUMMARY}
kinds = {{"label": "int", "weight": "float", "embedding": "float", "tokens": "int", "image": "byte", "name": "byte"}}

def check():
    records = list(tfrecord_loader(path, None, kinds))
    columns = {{key: [record[key] for record in records] for key in kinds}}
    return summary(**{{key: values if kinds[key] == "byte" else np.stack(values) for key, values in columns.items()}})

def work():
    for record in tfrecord_loader(path, None, kinds):
        pass
"""

_VALUES = """
import numpy as np

values = dict(
    label=7,
    weight=0.5,
    embedding=np.arange(128, dtype=np.float32),
    tokens=np.arange(64) * 450,
    image=bytes(2048),
    name=b"sixteen bytes ok",
)
"""

OURS_ENCODE = f"""{_VALUES}
from recordfs.example import encode_example

def check():
    return len(encode_example(values))

def work():
    for _ in range(items):
        encode_example(values)
"""

UPB_ENCODE = f"""{_VALUES}
from tensorflow.train import BytesList, Example, Feature, Features, FloatList, Int64List

def encode(label, weight, embedding, tokens, image, name):
    feature = {{
        "label": Feature(int64_list=Int64List(value=[label])),
        "weight": Feature(float_list=FloatList(value=[weight])),
        "embedding": Feature(float_list=FloatList(value=embedding)),
        "tokens": Feature(int64_list=Int64List(value=tokens)),
        "image": Feature(bytes_list=BytesList(value=[image])),
        "name": Feature(bytes_list=BytesList(value=[name])),
    }}
    return Example(features=Features(feature=feature)).SerializeToString()

def check():
    return len(encode(**values))

def work():
    for _ in range(items):
        encode(**values)
"""

_DECODE_CHECK = """
def check():
    features = decode(record)
    return [[key, len(features[key]), repr(features[key][-1])] for key in sorted(features)]

def work():
    for _ in range(items):
        decode(record)
"""

OURS_DECODE = f"""
from recordfs import RecordReader
from recordfs.example import decode_example as decode

record = next(iter(RecordReader(path)))
{_DECODE_CHECK}"""

UPB_DECODE = f"""
import tensorflow as tf

record = next(iter(tf.data.TFRecordDataset(path))).numpy()
Example = tf.train.Example

def decode(record):
    feature = Example.FromString(record).features.feature
    return {{key: list(getattr(value, value.WhichOneof("kind")).value) for key, value in feature.items()}}
{_DECODE_CHECK}"""


def make_file(directory: str, count: int) -> dict[str, Any]:
    """Makes a file of `count` records of 2.8 KB."""
    import numpy as np

    from recordfs.example import encode_examples

    numbers = np.random.default_rng(1)
    random_bytes = random.Random(1).randbytes
    path = os.path.join(directory, "examples.tfrecord")
    with RecordWriter(path) as writer:
        for start in range(0, count, 1000):
            rows = min(1000, count - start)
            columns = {
                "label": numbers.integers(0, 1000, rows),
                "weight": numbers.integers(0, 256, rows).astype(np.float32) / 256,
                "embedding": numbers.integers(-256, 256, (rows, 128)).astype(np.float32) / 256,
                "tokens": numbers.integers(0, 30_000, (rows, 64)),
                "image": [random_bytes(2048) for _ in range(rows)],
                "name": [random_bytes(16) for _ in range(rows)],
            }
            writer.write_batch(encode_examples(columns))
    return {"path": path, "items": count}


def rows(scale: float) -> list[Row]:
    """Parsing from memory and from a file, encoding, and decoding one record to plain Python."""
    read = max(BATCH_SIZE, int(20_480 * scale))
    repeats = max(1, int(20 * scale))
    in_memory = 4 * BATCH_SIZE
    plain = max(10, int(5_000 * scale))
    record = "two scalars, 128 floats, 64 ints, a 2 KiB image, a 16-byte name"
    return [
        Row(
            title="parse Examples",
            workload=f"{in_memory:,} records in memory ({record}) into columns, {repeats} times, batches of "
            f"{BATCH_SIZE}, one thread, from bytes objects to NumPy arrays",
            items=in_memory * repeats,
            item="record",
            make_files=lambda directory: make_file(directory, in_memory) | {"repeats": repeats},
            contestants=[
                Contestant("recordfs", OURS_IN_MEMORY),
                Contestant("tf.io.parse_example", TENSORFLOW_IN_MEMORY, peer="tensorflow"),
                Contestant("the same, tensors in and out", TENSORS, peer="tensorflow"),
                Contestant("upb into NumPy", UPB, peer="tensorflow"),
            ],
            requirements=[AtLeast(4, over="tf.io.parse_example"), AtLeast(15, over="upb into NumPy")],
        ),
        Row(
            title="read a file into columns",
            workload=f"{read:,} records of one plain file ({record}), CRCs verified, batches of {BATCH_SIZE}",
            items=read,
            item="record",
            make_files=lambda directory: make_file(directory, read),
            contestants=[
                Contestant("recordfs", OURS_FROM_FILE),
                Contestant("tf.data", TF_DATA, peer="tensorflow"),
                Contestant("tf.data, parallel map", TF_DATA_PARALLEL, peer="tensorflow"),
                Contestant("tfrecord package", TFRECORD_PACKAGE, peer="tfrecord"),
            ],
            requirements=[AtLeast(4, over="tf.data"), AtLeast(15, over="tfrecord package")],
        ),
        Row(
            title="encode an Example",
            workload=f"{plain:,} times one record from Python values and arrays ({record})",
            items=plain,
            item="record",
            make_files=lambda directory: {"items": plain},
            contestants=[Contestant("recordfs", OURS_ENCODE), Contestant("upb", UPB_ENCODE, peer="tensorflow")],
            requirements=[AtLeast(10, over="upb")],
        ),
        Row(
            title="decode an Example",
            workload=f"{plain:,} times one record to lists of Python values ({record})",
            items=plain,
            item="record",
            make_files=lambda directory: make_file(directory, 1) | {"items": plain},
            contestants=[Contestant("recordfs", OURS_DECODE), Contestant("upb", UPB_DECODE, peer="tensorflow")],
            requirements=[AtLeast(3, over="upb")],
        ),
    ]
