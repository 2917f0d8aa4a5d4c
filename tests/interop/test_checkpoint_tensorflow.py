"""TensorFlow restores the checkpoints that we write, and writes the same bytes; and we read what its programs save."""

import os
import sys

import numpy as np
import pytest

from recordfs.checkpoint import (
    CheckpointReader,
    CheckpointWriter,
    ObjectGraph,
    convert_checkpoint,
    latest_checkpoint,
    merge_checkpoints,
    merge_parts,
    save_checkpoint,
)
from support.checkpoint_programs import READ_EVERY_TYPE, RESTORE
from support.peers import call_peer

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "golden"))

import checkpoint_contents as contents

pytestmark = pytest.mark.peer

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(contents.__file__)), "checkpoints")


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()


def assert_files_are_golden(prefix, name):
    for suffix in (".index", ".data-00000-of-00001"):
        assert read_bytes(prefix + suffix) == read_bytes(os.path.join(GOLDEN, name) + suffix)


def test_every_type_is_written_as_tensorflow_writes_it(tmp_path):
    assert_files_are_golden(save_checkpoint(tmp_path / "ours", contents.every_type()), "every_type")


def test_quantized_types_are_written_as_tensorflow_writes_them(tmp_path):
    with CheckpointWriter(tmp_path / "ours") as writer:
        for name, array in contents.quantized().items():
            writer.add(name, array, dtype=name)
    assert_files_are_golden(writer.prefix, "quantized")


def test_slices_are_written_as_tensorflow_writes_them(tmp_path):
    whole = contents.partitioned()
    cut = contents.ROWS_OF_FIRST_PART
    with CheckpointWriter(tmp_path / "ours") as writer:
        writer.add_slice("kernel", (10, 4), np.s_[:cut], whole["kernel"][:cut])
        writer.add_slice("kernel", (10, 4), np.s_[cut:], whole["kernel"][cut:])
        writer.add("bias", whole["bias"])
    assert_files_are_golden(writer.prefix, "partitioned")


def test_index_of_many_blocks_is_written_as_tensorflow_writes_it(tmp_path):
    prefix = save_checkpoint(tmp_path / "ours", contents.many_small())
    call_peer(
        "tensorflow",
        """
        import sys
        sys.path.append(golden)
        import checkpoint_contents as contents
        import tensorflow as tf
        tensors = contents.many_small()
        tf.raw_ops.SaveV2(prefix=prefix, tensor_names=list(tensors), shape_and_slices=[""] * len(tensors),
                          tensors=list(tensors.values()))
        """,
        golden=os.path.dirname(GOLDEN),
        prefix=str(tmp_path / "theirs"),
    )
    assert os.path.getsize(prefix + ".index") > 2 * 262_144
    assert read_bytes(prefix + ".index") == read_bytes(str(tmp_path / "theirs.index"))


def test_tensorflow_reads_every_type_that_we_write(tmp_path):
    prefix = save_checkpoint(tmp_path / "ours", contents.every_type(), alignment=64, num_shards=3)
    differing = call_peer("tensorflow", READ_EVERY_TYPE, golden=os.path.dirname(GOLDEN), prefix=prefix)
    assert differing == []


def test_tensorflow_restores_by_attribute_what_we_saved(tmp_path):
    prefix = save_checkpoint(tmp_path / "ours", contents.variables(), by_attribute=True)
    assert call_peer("tensorflow", RESTORE, golden=os.path.dirname(GOLDEN), prefix=prefix) == []


def test_tensorflow_restores_what_we_read_and_wrote_again(tmp_path):
    with CheckpointReader(os.path.join(GOLDEN, "objects-1")) as reader:
        prefix = save_checkpoint(tmp_path / "again", dict(reader.stream()))
        assert reader.object_graph == ObjectGraph.decode(reader.object_graph.encode())
    assert call_peer("tensorflow", RESTORE, golden=os.path.dirname(GOLDEN), prefix=prefix) == []


def test_tensorflow_restores_what_several_writers_wrote_and_one_merged(tmp_path):
    prefix = str(tmp_path / "ours")
    tensors = dict(CheckpointReader(os.path.join(GOLDEN, "objects-1")).stream())
    names = list(tensors)
    for part, mine in enumerate([names[:2], [], names[2:]]):
        with CheckpointWriter(prefix, part=part, num_parts=3) as writer:
            for name in mine:
                writer.add(name, tensors[name])
    merge_parts(prefix, 3)
    assert call_peer("tensorflow", RESTORE, golden=os.path.dirname(GOLDEN), prefix=prefix) == []


def test_merge_makes_what_tensorflow_makes_of_its_own_parts(tmp_path):
    call_peer(
        "tensorflow",
        """
        import tensorflow as tf
        for where in ("theirs", "ours"):
            for part, (first, count) in enumerate([(0, 3), (3, 7)]):
                tf.raw_ops.SaveV2(
                    prefix=f"{directory}/{where}-part{part}",
                    tensor_names=["w", f"own{part}"],
                    shape_and_slices=[f"10 2 {first},{count}:-", ""],
                    tensors=[tf.ones([count, 2]) * part, tf.constant(part)],
                )
        tf.raw_ops.MergeV2Checkpoints(
            checkpoint_prefixes=[f"{directory}/theirs-part{part}" for part in range(2)],
            destination_prefix=f"{directory}/theirs",
        )
        """,
        directory=str(tmp_path),
    )
    merge_checkpoints([tmp_path / "ours-part0", tmp_path / "ours-part1"], tmp_path / "ours")
    assert read_bytes(tmp_path / "ours.index") == read_bytes(tmp_path / "theirs.index")
    assert sorted(os.listdir(tmp_path)) == sorted(
        f"{where}{suffix}"
        for where in ("ours", "theirs")
        for suffix in (".index", ".data-00000-of-00002", ".data-00001-of-00002")
    )
    with CheckpointReader(tmp_path / "ours") as reader:
        assert reader["w"].tolist() == [[0, 0]] * 3 + [[1, 1]] * 7


def test_keras_models_and_their_optimizers_are_read_by_attribute(tmp_path):
    expected = call_peer(
        "tensorflow",
        """
        import numpy as np
        import tensorflow as tf
        model = tf.keras.Sequential([tf.keras.layers.Input((3,)), tf.keras.layers.Dense(2, name="dense")])
        model.compile("adam", "mse")
        model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
        manager = tf.train.CheckpointManager(
            tf.train.Checkpoint(model=model, optimizer=model.optimizer), directory, max_to_keep=2)
        for _ in range(3):
            manager.save()
        model.export(directory + "/exported", verbose=False)
        result = {"kernel": model.layers[0].kernel.numpy().tolist(), "newest": manager.latest_checkpoint}
        """,
        directory=str(tmp_path),
    )
    assert latest_checkpoint(tmp_path) == expected["newest"]
    for prefix in (expected["newest"], str(tmp_path / "exported" / "variables" / "variables")):
        with CheckpointReader(prefix) as reader:
            saved = [attribute for node in reader.object_graph.nodes for attribute in node.attributes]
            kernels = [reader[attribute.key].tolist() for attribute in saved if attribute.full_name.endswith("kernel")]
            assert expected["kernel"] in kernels
            assert len(reader.get_many()) == len(reader)
    with CheckpointReader(expected["newest"]) as reader:
        key = reader.object_graph.key_at("model/_functional/_operations/1/_kernel")
        assert reader[key].tolist() == expected["kernel"]


def test_slots_of_an_optimizer_are_found_by_attribute(tmp_path):
    call_peer(
        "tensorflow",
        """
        import tensorflow as tf
        from tensorflow.python.training import momentum
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            variable = tf.compat.v1.get_variable("v", initializer=[1.0, 2.0], use_resource=True)
            optimizer = momentum.MomentumOptimizer(0.5, 0.9)
            step = optimizer.minimize(lambda: tf.reduce_sum(variable))
            checkpoint = tf.compat.v1.train.Checkpoint(variable=variable, optimizer=optimizer)
            session.run(tf.compat.v1.global_variables_initializer())
            session.run(step)
            checkpoint.save(prefix, session=session)
        """,
        prefix=str(tmp_path / "slots"),
    )
    with CheckpointReader(latest_checkpoint(tmp_path)) as reader:
        key = reader.object_graph.slots()["optimizer", "momentum", "variable"]
        assert reader[key].tolist() == [1.0, 1.0]
        assert ".OPTIMIZER_SLOT" in key


OBJECTS = """
    import tensorflow as tf
    from tensorflow.python.training import momentum

    def objects(factor):
        # Without Python's objects the variables would go.
        root = tf.train.Checkpoint(
            variable=tf.Variable(2.0 * factor),
            optimizer=momentum.MomentumOptimizer(0.5, 0.9),
            keys={key: tf.Variable(float(place * factor)) for place, key in enumerate(keys)},
            table=tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1),
        )
        root.optimizer.minimize(lambda: root.variable * root.variable)
        return root
"""


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.npz"])
def test_tensorflow_restores_by_attribute_what_went_through_another_format(tmp_path, name):
    keys = ["a/b", "c.d", "e..f", ".S", "back\\slash", "\\/", "ü", 'q"']
    saved = call_peer(
        "tensorflow",
        OBJECTS
        + """
    root = objects(1)
    root.table.insert(["word"], [5])
    root.write(prefix)
    result = float(root.optimizer.get_slot(root.variable, "momentum"))
    """,
        keys=keys,
        prefix=str(tmp_path / "theirs"),
    )
    convert_checkpoint(tmp_path / "theirs", tmp_path / name, by_attribute=True)
    convert_checkpoint(tmp_path / name, tmp_path / "back", by_attribute=True)
    restored = call_peer(
        "tensorflow",
        OBJECTS
        + """
    root = objects(0)
    root.save_counter  # which ours has, and a checkpoint that was not saved but written has not
    root.restore(prefix).assert_consumed().assert_existing_objects_matched()
    result = [
        [float(root.keys[key]) for key in keys],
        int(root.table.lookup(tf.constant("word"))),
        float(root.optimizer.get_slot(root.variable, "momentum")),
    ]
    """,
        keys=keys,
        prefix=str(tmp_path / "back"),
    )
    assert restored == [list(map(float, range(len(keys)))), 5, saved]


def test_big_endian_checkpoints_and_snappy_blocks_are_read_as_tensorflow_reads_them(tmp_path):
    # No machine here writes them, so they are made of a plain one, and TensorFlow is asked as well.
    from support.checkpoint_files import as_big_endian, with_snappy_blocks

    types = ("float32", "int16", "complex64", "float16", "uint8", "strings", "scalar")
    tensors = {name: array for name, array in contents.every_type().items() if name in types}
    plain = save_checkpoint(tmp_path / "plain", tensors)
    as_big_endian(plain, tmp_path / "big")
    with_snappy_blocks(plain, tmp_path / "snappy")
    for name in ("big", "snappy"):
        found = call_peer(
            "tensorflow",
            """
            import tensorflow as tf
            reader = tf.train.load_checkpoint(prefix)
            result = {name: [str(value) for value in reader.get_tensor(name).ravel().tolist()]
                      for name in reader.get_variable_to_shape_map() if name != "scalar"}
            """,
            prefix=str(tmp_path / name),
        )
        with CheckpointReader(tmp_path / name) as reader:
            ours = reader.get_many()
            for mapped in (False, True):
                for tensor, array in reader.get_many(mapped=mapped).items():
                    assert array.tolist() == tensors[tensor].tolist(), (name, tensor)
        for tensor, values in found.items():
            assert values == [str(value) for value in ours[tensor].ravel().tolist()]


def test_tf1_saver_restores_what_we_saved_in_several_data_files(tmp_path):
    whole = np.arange(40, dtype=np.float32).reshape(10, 4)
    with CheckpointWriter(tmp_path / "ours", num_shards=3, alignment=64) as writer:
        for start, end in [(7, 10), (0, 3), (3, 7)]:
            writer.add_slice("kernel", whole.shape, np.s_[start:end], whole[start:end])
        writer.add_many({"bias": np.arange(4.0), "steps": np.int64(9), "words": [b"a", b"bc"]})
    found = call_peer(
        "tensorflow",
        """
        import tensorflow as tf
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            kernel = tf.compat.v1.get_variable("kernel", [10, 4])
            bias = tf.compat.v1.get_variable("bias", [4], tf.float64)
            steps = tf.compat.v1.get_variable("steps", [], tf.int64)
            words = tf.compat.v1.get_variable("words", [2], tf.string, initializer=tf.compat.v1.zeros_initializer())
            tf.compat.v1.train.Saver().restore(session, prefix)
            result = [value.tolist() for value in session.run([kernel, bias, steps])]
            result += [[word.decode() for word in session.run(words)]]
        """,
        prefix=str(tmp_path / "ours"),
    )
    assert found == [whole.tolist(), [0, 1, 2, 3], 9, ["a", "bc"]]
