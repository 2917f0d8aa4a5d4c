"""Writes the golden checkpoints; see README.md."""

import os
import sys

from checkpoint_contents import (
    LARGE,
    LARGEST_SHARD,
    ROWS_OF_FIRST_PART,
    every_type,
    many_small,
    partitioned,
    quantized,
    variables,
)

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import tensorflow as tf


def save(prefix, tensors):
    names = list(tensors)
    tf.raw_ops.SaveV2(prefix=prefix, tensor_names=names, shape_and_slices=[""] * len(names), tensors=list(tensors.values()))


def make_by_name(directory):
    save(f"{directory}/every_type", {name: tf.constant(value) for name, value in every_type().items()})
    save(f"{directory}/quantized", {name: tf.constant(value, getattr(tf, name)) for name, value in quantized().items()})
    whole = partitioned()
    rows, columns = whole["kernel"].shape
    cut = ROWS_OF_FIRST_PART
    tf.raw_ops.SaveV2(
        prefix=f"{directory}/partitioned",
        tensor_names=["kernel", "kernel", "bias"],
        shape_and_slices=[f"{rows} {columns} 0,{cut}:-", f"{rows} {columns} {cut},{rows - cut}:-", ""],
        tensors=[whole["kernel"][:cut], whole["kernel"][cut:], whole["bias"]],
    )


def make_variant(directory):
    dataset = tf.data.Dataset.range(3)
    iterator = iter(dataset)
    next(iterator)
    tf.train.Checkpoint(iterator=iterator, number=tf.Variable(7)).write(f"{directory}/variant")


def make_of_objects(directory):
    values = {path: tf.Variable(value, name=path.replace("/", "_")) for path, value in variables().items()}
    model = tf.Module()
    model.kernel, model.bias = values["model/kernel"], values["model/bias"]
    root = tf.train.Checkpoint(
        model=model,
        layers=[values["layers/0"], values["layers/1"]],
        named={"a.b": values["named/a.b"]},
    )
    root.save(f"{directory}/objects")
    os.remove(f"{directory}/checkpoint")


def make_several_shards(directory):
    options = tf.train.CheckpointOptions(
        experimental_sharding_callback=tf.train.experimental.MaxShardSizePolicy(max_shard_size=LARGEST_SHARD)
    )
    tf.train.Checkpoint(large=tf.Variable(LARGE), small=tf.Variable(1)).write(f"{directory}/shards", options)


def make_of_tf1(directory):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for path, value in variables().items():
            if value.dtype != object:
                tf.compat.v1.get_variable(path, initializer=value, use_resource=True)
        session.run(tf.compat.v1.global_variables_initializer())
        saver = tf.compat.v1.train.Saver(save_relative_paths=True)
        saver.save(session, f"{directory}/tf1", global_step=12, write_meta_graph=False)
        saver.save(session, f"{directory}/tf1", global_step=13, write_meta_graph=False)
        v1 = tf.compat.v1.train.Saver(write_version=tf.compat.v1.train.SaverDef.V1)
        v1.save(session, f"{directory}/of_v1", write_meta_graph=False, write_state=False)


if __name__ == "__main__":
    golden = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__)))
    os.makedirs(f"{golden}/checkpoints", exist_ok=True)
    for make in (make_by_name, make_variant, make_of_objects, make_several_shards, make_of_tf1):
        make(f"{golden}/checkpoints")
