"""Writes the golden files that come from TensorFlow and TensorBoard; see README.md."""

import os
import shutil
import sys
import time

from contents import EXAMPLES, SEQUENCE_EXAMPLES, line_records, mixed_records

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import tensorflow as tf


def write(path, records, compression=""):
    with tf.io.TFRecordWriter(path, compression) as writer:
        for record in records:
            writer.write(record)


def make_records(directory):
    for compression, suffix in (("", ""), ("GZIP", ".gz"), ("ZLIB", ".zlib")):
        write(f"{directory}/empty.tfrecord{suffix}", [], compression)
        write(f"{directory}/mixed.tfrecord{suffix}", mixed_records(), compression)
    make_members(directory)
    make_unfinished(directory)


def make_members(directory):
    """Three GZIP files one after the other, the second without a record, as `cat` would join them."""
    parts = [line_records(0, 10), [], line_records(10, 10)]
    joined = b""
    for records in parts:
        write(f"{directory}/part", records, "GZIP")
        with open(f"{directory}/part", "rb") as part:
            joined += part.read()
    os.remove(f"{directory}/part")
    with open(f"{directory}/members.tfrecord.gz", "wb") as file:
        file.write(joined)


def make_unfinished(directory):
    """What is on disk after a flush of a compressed writer that was not closed."""
    for compression, suffix in (("GZIP", "gz"), ("ZLIB", "zlib")):
        writer = tf.io.TFRecordWriter(f"{directory}/part", compression)
        for record in line_records(0, 10):
            writer.write(record)
        writer.flush()
        shutil.copy(f"{directory}/part", f"{directory}/unfinished.tfrecord.{suffix}")
        writer.close()
    os.remove(f"{directory}/part")


def feature(kind, values):
    if kind == "int64":
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    if kind == "float":
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    if kind == "bytes":
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    return tf.train.Feature()


def features(content):
    return tf.train.Features(feature={name: feature(*value) for name, value in content.items()})


def make_examples(directory):
    examples = [tf.train.Example(features=features(content)) for content in EXAMPLES]
    write(f"{directory}/examples.tfrecord", [message.SerializeToString(deterministic=True) for message in examples])
    sequences = [
        tf.train.SequenceExample(
            context=features(context),
            feature_lists=tf.train.FeatureLists(
                feature_list={
                    name: tf.train.FeatureList(feature=[feature(*value) for value in steps])
                    for name, steps in lists.items()
                }
            ),
        )
        for context, lists in SEQUENCE_EXAMPLES
    ]
    write(
        f"{directory}/sequence_examples.tfrecord",
        [message.SerializeToString(deterministic=True) for message in sequences],
    )


def only_event_file(directory):
    (name,) = os.listdir(directory)
    return os.path.join(directory, name)


def make_events(directory):
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    scratch = f"{directory}/scratch"
    real_time = time.time
    time.time = lambda: 1_700_000_000.25  # of the first event, which the writer makes
    try:
        writer = EventFileWriter(scratch)
    finally:
        time.time = real_time
    for step in range(5):
        value = Summary.Value(tag="loss", simple_value=1 / (step + 1))
        writer.add_event(Event(wall_time=1_700_000_001.5 + step, step=step, summary=Summary(value=[value])))
    writer.close()
    os.replace(only_event_file(scratch), f"{directory}/tensorboard.tfevents")
    os.rmdir(scratch)

    # The writer behind tf.summary takes the time in C++: this file differs at each making.
    writer = tf.summary.create_file_writer(scratch)
    with writer.as_default():
        for step in range(5):
            tf.summary.scalar("loss", 1 / (step + 1), step=step)
        tf.summary.text("note", "made for recordfs", step=5)
        tf.summary.histogram("weights", [0.0, 1.0, 1.0, 2.0], step=5)
    writer.close()
    os.replace(only_event_file(scratch), f"{directory}/tf_summary.tfevents")
    os.rmdir(scratch)


if __name__ == "__main__":
    golden = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__)))
    for name, make in (("records", make_records), ("examples", make_examples), ("events", make_events)):
        os.makedirs(f"{golden}/{name}", exist_ok=True)
        make(f"{golden}/{name}")
