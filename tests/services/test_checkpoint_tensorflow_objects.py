"""TensorFlow and recordfs exchange checkpoints through buckets: each restores what the other saved there.

TensorFlow reaches the buckets through recordfs's filesystem in it. The bytes and what is made of them are its own.
"""

import os
import sys
import sysconfig

import numpy as np
import pytest

from recordfs.checkpoint import CheckpointReader, CheckpointWriter, latest_checkpoint, merge_parts, save_checkpoint
from support.checkpoint_programs import READ_EVERY_TYPE, RESTORE
from support.peers import peer_process

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "golden"))

import checkpoint_contents as contents

pytestmark = [pytest.mark.peer, pytest.mark.service]

ROWS = np.arange(3_000_000, dtype=np.float32).reshape(3000, 1000)

GOLDEN = os.path.dirname(os.path.abspath(contents.__file__))

REGISTER = """
    import sys
    sys.path.append(packages)  # the clients for stores, which TensorFlow's environment has not
    from recordfs.interop.tensorflow import register
    register("bucket." + scheme, target=scheme, options=options)
"""

SAVE = """
    import numpy as np
    import tensorflow as tf
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

    packages = sysconfig.get_paths()["purelib"]
    tensorflow.call(REGISTER, scheme=scheme, options=object_place.options, packages=packages)
    bucket = f"bucket.{scheme}://{path}"
    assert tensorflow.call(RESTORE, golden=GOLDEN, prefix=f"{bucket}/ours/by-attribute") == []
    assert tensorflow.call(READ_EVERY_TYPE, golden=GOLDEN, prefix=f"{bucket}/ours/by-name") == []
    rows = """
        import numpy as np
        import tensorflow as tf
        rows = tf.train.load_variable(prefix, "rows")
        result = [list(rows.shape), float(rows.sum(dtype=np.float64))]
    """
    assert tensorflow.call(rows, prefix=f"{bucket}/ours/parts") == [[3000, 1000], ROWS.sum(dtype=np.float64)]

    kernel = tensorflow.call(SAVE, root=f"{bucket}/theirs")
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
