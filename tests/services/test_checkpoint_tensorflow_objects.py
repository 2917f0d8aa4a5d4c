"""TensorFlow and recordfs exchange checkpoints through buckets: each restores what the other saved there.

TensorFlow reaches the buckets through recordfs's filesystem in it. The bytes and what is made of them are its own.
"""

import os
import sys
import sysconfig

import numpy as np
import pytest

from recordfs.checkpoint import CheckpointReader, CheckpointWriter, latest_checkpoint, merge_parts, save_checkpoint
from support.peers import peer_process

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "golden"))

import checkpoint_contents as contents

pytestmark = [pytest.mark.peer, pytest.mark.service]

ROWS = np.arange(3_000_000, dtype=np.float32).reshape(3000, 1000)

START = """
    import sys
    sys.path.append(packages)  # the clients for stores, which TensorFlow's environment has not
    sys.path.append(golden)
    import checkpoint_contents as contents
    import numpy as np
    import tensorflow as tf
    from recordfs.interop.tensorflow import register
    state.update(contents=contents, np=np, tf=tf, register=register)
"""

RESTORE = """
    globals().update(state)
    register("bucket." + scheme, target=scheme, options=options)
    values = {path: tf.Variable(tf.zeros_like(value)) for path, value in contents.variables().items()}
    model = tf.Module()
    model.kernel, model.bias = values["model/kernel"], values["model/bias"]
    objects = tf.train.Checkpoint(
        model=model,
        layers=[values["layers/0"], values["layers/1"]],
        named={"a.b": values["named/a.b"]},
    )
    objects.restore(f"{root}/by-attribute").assert_consumed().assert_existing_objects_matched()
    differing = [path for path, value in contents.variables().items() if (values[path].numpy() != value).any()]

    reader = tf.train.load_checkpoint(f"{root}/by-name")
    types = reader.get_variable_to_dtype_map()
    for name, expected in contents.every_type().items():
        [restored] = tf.raw_ops.RestoreV2(
            prefix=f"{root}/by-name", tensor_names=[name], shape_and_slices=[""], dtypes=[types[name]]
        )
        found = np.asarray(restored.numpy(), expected.dtype)
        strings = expected.dtype == object
        same = found.tolist() == expected.tolist() if strings else found.tobytes() == expected.tobytes()
        if not same or found.shape != expected.shape:
            differing.append(name)
    rows = tf.train.load_variable(f"{root}/parts", "rows")
    result = {"differing": differing, "rows": [list(rows.shape), float(rows.sum(dtype=np.float64))]}
"""

SAVE = """
    globals().update(state)
    model = tf.keras.Sequential([tf.keras.layers.Input((3,)), tf.keras.layers.Dense(2)])
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(7)
    options = tf.train.CheckpointOptions(
        experimental_sharding_callback=tf.train.experimental.MaxShardSizePolicy(max_shard_size=5_000_000)
    )
    rows = tf.Variable(np.arange(3_000_000, dtype=np.float32).reshape(3000, 1000))
    objects = tf.train.Checkpoint(model=model, optimizer=model.optimizer, rows=rows)
    manager = tf.train.CheckpointManager(objects, root, max_to_keep=2)
    for _ in range(3):
        manager.save(options=options)
    result = model.layers[0].kernel.numpy().tolist()
"""


@pytest.fixture(scope="module")
def tensorflow():
    """A TensorFlow that recordfs's filesystems can be registered with: one, because importing it takes seconds."""
    with peer_process("tensorflow", recordfs=True) as process:
        golden = os.path.dirname(os.path.abspath(contents.__file__))
        process.call(START, packages=sysconfig.get_paths()["purelib"], golden=golden)
        yield process


@pytest.mark.parametrize("object_place", ["versitygw", "fake-gcs-server"], indirect=True)
def test_each_restores_from_a_bucket_what_the_other_saved_there(object_place, tensorflow):
    system, root = object_place.file_system, object_place.root
    scheme, _, path = root.partition("://")
    save_checkpoint(f"{root}/ours/by-attribute", contents.variables(), by_attribute=True, file_system=system)
    save_checkpoint(f"{root}/ours/by-name", contents.every_type(), num_shards=3, file_system=system)
    for part in range(2):
        with CheckpointWriter(f"{root}/ours/parts", part=part, num_parts=2, file_system=system) as writer:
            half = np.s_[1500 * part : 1500 * (part + 1)]
            writer.add_slice("rows", ROWS.shape, half, ROWS[half])
    merge_parts(f"{root}/ours/parts", 2, file_system=system)

    theirs = f"bucket.{scheme}://{path}"
    restored = tensorflow.call(RESTORE, root=f"{theirs}/ours", scheme=scheme, options=object_place.options)
    assert restored == {"differing": [], "rows": [[3000, 1000], ROWS.sum(dtype=np.float64)]}

    kernel = tensorflow.call(SAVE, root=f"{theirs}/theirs")
    names = {name.partition(".")[0] for name in system.get_children(f"{root}/theirs")}
    assert names == {"checkpoint", "ckpt-2", "ckpt-3"}
    newest = latest_checkpoint(f"{root}/theirs", file_system=system)
    assert newest == f"{root}/theirs/ckpt-3"
    with CheckpointReader(newest, file_system=system) as reader:
        assert reader.num_shards == 3
        graph = reader.object_graph
        assert reader[graph.key_at("model/_functional/_operations/1/_kernel")].tolist() == kernel
        assert reader[graph.key_at("optimizer/_iterations")] == 7
        assert (reader[graph.key_at("rows")] == ROWS).all()
        assert len(reader.get_many()) == len(reader)
