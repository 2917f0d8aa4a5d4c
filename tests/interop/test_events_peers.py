"""TensorFlow, tensorboardX and tbparse read what recordfs writes, and the other way round."""

import json
import os

import pytest

from recordfs import RecordReader
from recordfs.events import EventFileReader, SummaryWriter, columns, decode_event
from support.event_files import training_events, write_events
from support.peers import call_peer

pytestmark = pytest.mark.peer

READ_WITH_TENSORFLOW = """
    import tensorflow as tf
    result = [
        [event.wall_time, event.step, event.WhichOneof("what"), [[v.tag, v.simple_value] for v in event.summary.value]]
        for event in tf.compat.v1.train.summary_iterator(path)
        if event.WhichOneof("what")
    ]
"""

READ_WITH_TENSORBOARDX = """
    from tensorboardX.proto.event_pb2 import Event
    import struct
    result, data, place = [], open(path, "rb").read(), 0
    while place < len(data):
        (length,) = struct.unpack_from("<Q", data, place)
        event = Event.FromString(data[place + 12 : place + 12 + length])
        place += length + 16
        if event.WhichOneof("what"):
            values = [[v.tag, v.simple_value] for v in event.summary.value]
            result.append([event.wall_time, event.step, event.WhichOneof("what"), values])
"""


READ_WITH_TBPARSE = """
    from tbparse import SummaryReader
    reader = SummaryReader(path, extra_columns={"wall_time", "min", "max", "num", "sum", "sum_squares"})
    tables = ("scalars", "tensors", "histograms", "text", "hparams")
    result = {name: getattr(reader, name).to_json(orient="values") for name in tables}
"""


def ours(path):
    with RecordReader(path) as reader:
        events = [decode_event(record) for record in reader]
    return [
        [event.wall_time, event.step, event.kind, [[value.tag, value.content] for value in event.summary]]
        for event in events
        if event.kind
    ]


@pytest.mark.parametrize(
    ("peer", "program"), [("tensorflow", READ_WITH_TENSORFLOW), ("tensorboardx", READ_WITH_TENSORBOARDX)]
)
def test_peers_see_the_same_events_with_an_index_as_without(tmp_path, peer, program):
    events = training_events(10, 200)
    indexed = write_events(tmp_path / "indexed", events)
    plain = write_events(tmp_path / "plain", events, index=False)
    assert os.path.getsize(indexed) > os.path.getsize(plain)
    seen = call_peer(peer, program, path=indexed)
    assert len(seen) == 2001
    assert seen[1:] == call_peer(peer, program, path=plain)[1:]
    assert seen == ours(indexed)


def test_tbparse_sees_the_same_tables_with_an_index_as_without(tmp_path):
    numpy = pytest.importorskip("numpy")
    with SummaryWriter(tmp_path / "written") as writer:
        for step in range(1000):
            writer.add_scalar("loss", 1 / (1 + step), step)
            writer.add_scalar("tensor", step / 2, step, new_style=True)
            if step % 100 == 0:
                writer.add_histogram("weights", numpy.arange(50) + step, step)
                writer.add_text("note", f"at {step}", step)
        writer.add_image("picture", numpy.eye(4)[None], 1)  # tbparse shows it beside TensorFlow only
        writer.add_hparams({"lr": 0.1}, {"acc": 0.5}, run_name=".")
    with EventFileReader(writer.file_writer.paths[0]) as reader:
        events = [event.record for event in reader]
    indexed = write_events(tmp_path / "indexed", events)
    plain = write_events(tmp_path / "plain", events, index=False)
    assert os.path.getsize(indexed) > os.path.getsize(plain)
    seen = call_peer("tbparse", READ_WITH_TBPARSE, path=indexed)
    assert seen == call_peer("tbparse", READ_WITH_TBPARSE, path=plain)
    scalars = [row[:3] for row in json.loads(seen["scalars"])]
    assert scalars == [[0, "acc", 0.5], *([step, "loss", pytest.approx(1 / (1 + step))] for step in range(1000))]
    assert {"tensor"} == {row[1] for row in json.loads(seen["tensors"])}
    assert [row[0] for row in json.loads(seen["histograms"])] == list(range(0, 1000, 100))
    assert [row[2] for row in json.loads(seen["text"])] == [f"at {step}" for step in range(0, 1000, 100)]
    assert json.loads(seen["hparams"]) == [["lr", 0.1]]


def test_every_summary_is_a_message_of_tensorflow_byte_for_byte(tmp_path):
    """What TensorFlow parses and serializes again is what was written: no field is unknown to it or out of order."""
    numpy = pytest.importorskip("numpy")
    with SummaryWriter(tmp_path, index=False) as writer:
        writer.add_scalar("a", 1.5, 3)
        writer.add_scalar("b", 1.5, -3, new_style=True, display_name="B", summary_description="text")
        writer.add_text("text", "hello", 1)
        writer.add_histogram("histogram", numpy.arange(100), 1)
        writer.add_image("image", numpy.zeros((3, 2, 2)), 1)
        writer.add_audio("audio", numpy.zeros(8), 1)
        writer.add_pr_curve("curve", [0, 1], [0.2, 0.8], 1)
        writer.add_mesh("mesh", numpy.zeros((1, 4, 3)), config_dict={"a": 1})
        writer.add_hparams({"lr": 0.1, "x": "y"}, {"m": 1.0}, {"lr": [0.1, 0.2]}, run_name="run")
        paths = [path for one in writer._writers.values() for path in one.paths]
    for path in paths:
        with RecordReader(path) as reader:
            records = list(reader)
        again = call_peer(
            "tensorflow",
            """
            from tensorboard.compat.proto.event_pb2 import Event
            result = [Event.FromString(record).SerializeToString(deterministic=True) for record in records]
            """,
            records=records,
        )
        assert again == records


def test_scalars_of_tensorboardx_are_read(tmp_path):
    call_peer(
        "tensorboardx",
        """
        from tensorboardX import SummaryWriter
        with SummaryWriter(path) as writer:
            for step in range(50):
                writer.add_scalar("loss", 1 / (1 + step), step, walltime=1.7e9 + step)
            writer.add_scalars("group", {"a": 1.0}, 1)
        """,
        path=str(tmp_path / "run"),
    )
    column = columns(tmp_path / "run")["loss"]
    assert column.step.tolist() == list(range(50))
    assert column.wall_time.tolist() == [1.7e9 + step for step in range(50)]


def test_what_tensorflow_writes_is_read_event_by_event(tmp_path):
    """Both of TensorFlow's writers: what it reads of its own files is what recordfs reads, to the byte."""
    theirs = call_peer(
        "tensorflow",
        """
        import glob, numpy as np, tensorflow as tf
        from tensorflow.core.framework.summary_pb2 import Summary
        with tf.summary.create_file_writer(path).as_default():
            for step in range(20):
                tf.summary.scalar("loss", 1 / (1 + step), step, description="*d*")
            tf.summary.histogram("weights", np.arange(100.0), 1)
            tf.summary.text("note", "hello", 1)
            tf.summary.image("picture", np.zeros((1, 4, 5, 3)), 1)
            tf.summary.audio("tone", np.zeros((1, 100, 1), "float32"), 8000, 1)
        with tf.Graph().as_default():
            writer = tf.compat.v1.summary.FileWriter(path, filename_suffix=".v1")
            for step in range(20):
                writer.add_summary(Summary(value=[Summary.Value(tag="old", simple_value=step / 4)]), step)
            writer.add_session_log(tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START), 10)
            writer.close()
        result = {
            name: [event.SerializeToString() for event in tf.compat.v1.train.summary_iterator(name)]
            for name in glob.glob(path + "/*")
        }
        """,
        path=str(tmp_path),
    )
    assert len(theirs) == 2
    for path, records in theirs.items():
        with EventFileReader(path) as reader:
            assert [event.record for event in reader] == records
            assert reader.report.loss_count == 0
    found = columns(tmp_path)
    assert found["loss"].value.tolist() == pytest.approx([1 / (1 + step) for step in range(20)])
    assert found["old"].value.tolist() == [step / 4 for step in range(20)]
