"""The plugin in C loaded by TensorFlow as well, and the host beside TensorFlow, whichever of the two comes first."""

import pytest

from support.peers import peer_process
from support.plugin_libraries import example_plugin

pytestmark = pytest.mark.peer

HOST = """
    import recordfs
    recordfs.load_file_system_library(library, overwrite=True, capabilities={"cmem": {"growing_reads": True}})
    with recordfs.RecordWriter("cmem://ours/records") as writer:
        writer.write_batch([b"one", b"two" * 100_000])
    assert len(list(recordfs.RecordReader("cmem://ours/records"))) == 2
    try:
        recordfs.get_file_system("cmem://").stat("cmem://ours/missing")
    except FileNotFoundError:
        pass
"""
TENSORFLOW = """
    import tensorflow as tf
    path = f"{directory}/file"
    with tf.io.TFRecordWriter(path) as writer:
        writer.write(b"record")
    assert [record.numpy() for record in tf.data.TFRecordDataset(path)] == [b"record"]
    assert float(tf.reduce_sum(tf.ones([100, 100]))) == 10_000
"""
TENSORFLOW_LOADS_THE_PLUGIN_TOO = """
    import tensorflow as tf
    tf.experimental.register_filesystem_plugin(library)
    with tf.io.gfile.GFile("cmem://theirs/file", "w") as file:
        file.write("TensorFlow's own copy")
    assert tf.io.gfile.GFile("cmem://theirs/file").read() == "TensorFlow's own copy"
    import recordfs
    assert not recordfs.get_file_system("cmem://").file_exists("cmem://theirs/file")
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return example_plugin(tmp_path_factory.mktemp("plugin"))


@pytest.mark.parametrize("order", [(HOST, TENSORFLOW), (TENSORFLOW, HOST)], ids=["host-first", "tensorflow-first"])
def test_tensorflow_and_the_host_leave_each_other_alone(library, tmp_path, order):
    with peer_process("tensorflow", recordfs=True) as process:
        for snippet in (*order, *order, TENSORFLOW_LOADS_THE_PLUGIN_TOO):
            process.call(snippet, library=library, directory=str(tmp_path))


def test_the_host_works_in_a_process_of_its_own_without_tensorflow(library):
    from tools.peers import own_process

    with own_process() as process:
        process.call(HOST, library=library)
        assert process.call("import sys; result = sorted(m for m in sys.modules if m.startswith('tensorflow'))") == []


def test_tensorflow_does_all_with_the_plugin_that_gfile_can(library):
    with peer_process("tensorflow") as process:
        found = process.call(
            """
            import tensorflow as tf
            tf.experimental.register_filesystem_plugin(library)
            gfile = tf.io.gfile
            gfile.makedirs("cmem://host/a/b")
            with gfile.GFile("cmem://host/a/f", "w") as file:
                file.write("1234")
            with gfile.GFile("cmem://host/a/f", "a") as file:
                file.write("56")
            gfile.copy("cmem://host/a/f", "cmem://host/a/g")
            gfile.rename("cmem://host/a/g", "cmem://host/a/h")
            with tf.io.TFRecordWriter("cmem://host/records") as writer:
                for number in range(1000):
                    writer.write(b"%d" % number * 100)
            result = [
                gfile.GFile("cmem://host/a/h").read(),
                sorted(gfile.listdir("cmem://host/a")),
                gfile.isdir("cmem://host/a/b"),
                gfile.stat("cmem://host/a/f").length,
                sum(1 for _ in tf.data.TFRecordDataset(["cmem://host/records"] * 4, num_parallel_reads=4)),
                sorted(gfile.glob("cmem://host/*")),
            ]
            gfile.rmtree("cmem://host/a")
            result.append(gfile.exists("cmem://host/a"))
            """,
            library=library,
        )
    assert found == [
        "123456",
        ["b", "f", "h"],
        True,
        6,
        4000,
        ["cmem://host/a", "cmem://host/records"],
        False,
    ]
