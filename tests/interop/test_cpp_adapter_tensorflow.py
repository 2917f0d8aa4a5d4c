"""A filesystem in the shape of TensorFlow's guide, compiled against our headers, in TensorFlow and in recordfs."""

import pytest

import recordfs
from recordfs import errors, gfile
from support.peers import peer_process
from support.plugin_libraries import guide_plugin


@pytest.fixture(scope="module", params=[(), ("TOKENS",), ("BY_REFERENCE",)], ids=["guide", "tokens", "by-reference"])
def library(request, tmp_path_factory):
    return guide_plugin(tmp_path_factory.mktemp("guide"), *request.param)


@pytest.fixture
def loaded(library, tmp_path, monkeypatch):
    monkeypatch.setenv("FOOBAR_ROOT", str(tmp_path))
    (tmp_path / "to").mkdir()
    schemes = recordfs.load_file_system_library(library)
    assert schemes == ["foobar", "emptybar"]
    yield recordfs.get_file_system("foobar://")
    for scheme in schemes:
        recordfs.unregister_file_system(scheme)


def test_the_program_of_the_guide_does_what_the_guide_promises(loaded, tmp_path):
    with gfile.GFile("foobar://path/to/file.txt", "w") as w:
        w.write("hi")

    assert gfile.GFile("foobar://path/to/file.txt").read() == "hi"
    assert (tmp_path / "to" / "file.txt").read_text() == "hi"


def test_records_go_through_it(loaded):
    records = [b"%d" % number * (number % 300) for number in range(2000)]
    with recordfs.RecordWriter("foobar://path/to/records") as writer:
        writer.write_batch(records)
    assert list(recordfs.RecordReader("foobar://path/to/rec*")) == records


def test_an_exception_in_cplusplus_is_an_error_and_does_not_leave_the_library(loaded):
    file = loaded.new_writable_file("foobar://path/to/file")
    with pytest.raises(errors.InternalError, match="thrown by Append"):
        file.append(b"throw")
    file.append(b"goes on")
    file.close()
    assert loaded.get_file_size("foobar://path/to/file") == 7


def test_a_class_without_operations_says_what_it_lacks(loaded):
    empty = recordfs.get_file_system("emptybar://")
    capabilities = empty.capabilities("emptybar://")
    assert (capabilities.write, capabilities.append, capabilities.memory_region) == (False, False, False)
    with pytest.raises(errors.UnimplementedError):
        empty.stat("emptybar://x")


@pytest.mark.peer
def test_tensorflow_loads_the_same_library(library, tmp_path):
    (tmp_path / "to").mkdir()
    with peer_process("tensorflow", environment={"FOOBAR_ROOT": str(tmp_path)}) as process:
        found = process.call(
            """
            import tensorflow as tf
            from tensorflow import io
            tf.experimental.register_filesystem_plugin(library)
            gfile = io.gfile
            with gfile.GFile("foobar://path/to/file.txt", "w") as w:
                w.write("hi")
            with gfile.GFile("foobar://path/to/file.txt", "a") as w:
                w.write(" there")
            gfile.makedirs("foobar://path/a/b/c")
            gfile.makedirs("foobar://path/a/b/c")
            gfile.copy("foobar://path/to/file.txt", "foobar://path/a/b/copy")
            with tf.io.TFRecordWriter("foobar://path/records") as writer:
                for number in range(1000):
                    writer.write(b"%d" % number * 100)
            variable = tf.Variable(tf.random.normal([100, 100]))
            saved = variable.numpy()
            # Its data file is closed twice.
            path = tf.train.Checkpoint(variable=variable).save("foobar://path/checkpoint/c")
            variable.assign(tf.zeros_like(variable))
            tf.train.Checkpoint(variable=variable).restore(path)
            constant = None
            result = {
                "read": gfile.GFile("foobar://path/to/file.txt").read(),
                "walked": [(top, sorted(d), sorted(f)) for top, d, f in gfile.walk("foobar://path/a")],
                "matched": sorted(gfile.glob("foobar://path/a/*/*")),
                "records": sum(1 for _ in tf.data.TFRecordDataset(["foobar://path/records"] * 3, num_parallel_reads=3)),
                "restored": bool((variable.numpy() == saved).all()),
                "exists": [gfile.exists("foobar://path/records"), gfile.exists("foobar://path/no")],
                "directories": [gfile.isdir("foobar://path/a"), gfile.isdir("foobar://path/records")],
                "size": gfile.stat("foobar://path/to/file.txt").length,
            }
            gfile.rename("foobar://path/records", "foobar://path/renamed")
            gfile.rmtree("foobar://path/a")
            result["after"] = [gfile.exists("foobar://path/a"), gfile.exists("foobar://path/renamed")]
            for call, kind in (
                (lambda: gfile.GFile("foobar://path/no").read(), tf.errors.NotFoundError),
                (lambda: gfile.listdir("emptybar://x"), tf.errors.NotFoundError),
                (lambda: gfile.GFile("emptybar://x").read(), tf.errors.UnimplementedError),
            ):
                try:
                    call()
                except kind:
                    pass
            """,
            library=library,
        )
    assert found == {
        "read": "hi there",
        "walked": [
            ["foobar://path/a", ["b"], []],
            ["foobar://path/a/b", ["c"], ["copy"]],
            ["foobar://path/a/b/c", [], []],
        ],
        "matched": ["foobar://path/a/b/c", "foobar://path/a/b/copy"],
        "records": 3000,
        "restored": True,
        "exists": [True, False],
        "directories": [True, False],
        "size": 8,
        "after": [False, True],
    }
