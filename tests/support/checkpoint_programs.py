"""What TensorFlow does with a checkpoint of ours: snippets for `call_peer` that take ``golden`` and ``prefix``.

``golden`` is the directory of the golden files, whose contents the checkpoint has.
"""

__all__ = ["READ_EVERY_TYPE", "RESTORE"]

RESTORE = """
    import sys
    sys.path.append(golden)
    import checkpoint_contents as contents
    import tensorflow as tf
    values = {path: tf.Variable(tf.zeros_like(value)) for path, value in contents.variables().items()}
    model = tf.Module()
    model.kernel, model.bias = values["model/kernel"], values["model/bias"]
    root = tf.train.Checkpoint(
        model=model,
        layers=[values["layers/0"], values["layers/1"]],
        named={"a.b": values["named/a.b"]},
    )
    root.restore(prefix).assert_consumed().assert_existing_objects_matched()
    result = [path for path, value in contents.variables().items() if (values[path].numpy() != value).any()]
"""
"""Restores `variables` by attribute, and gives the paths of those that differ."""

READ_EVERY_TYPE = """
    import sys
    sys.path.append(golden)
    import checkpoint_contents as contents
    import numpy as np
    import tensorflow as tf
    types = tf.train.load_checkpoint(prefix).get_variable_to_dtype_map()
    result = []
    for name, expected in contents.every_type().items():
        [restored] = tf.raw_ops.RestoreV2(
            prefix=prefix, tensor_names=[name], shape_and_slices=[""], dtypes=[types[name]]
        )
        found = np.asarray(restored.numpy(), expected.dtype)
        strings = expected.dtype == object
        same = found.tolist() == expected.tolist() if strings else found.tobytes() == expected.tobytes()
        if not same or found.shape != expected.shape:
            result.append(name)
"""
"""Reads `every_type` by name, and gives the names of what differs."""
