"""TensorFlow on ``s3://``, which it has no more itself: recordfs's filesystem in it, against a real server."""

import sysconfig

import pytest

from support.peers import peer_process
from support.servers import ACCESS_KEY, SECRET_KEY

pytestmark = [pytest.mark.peer, pytest.mark.service]

PROGRAM = """
    import sys
    sys.path.append(packages)  # the clients for S3, which TensorFlow's environment has not
    import tensorflow as tf
    from recordfs.interop.tensorflow import register

    register("s3", options=options)
    gfile = tf.io.gfile
    result = {}

    gfile.makedirs(f"{root}/a/b")
    with gfile.GFile(f"{root}/a/f", "w") as file:
        file.write("text")
    gfile.copy(f"{root}/a/f", f"{root}/a/g")
    gfile.rename(f"{root}/a/g", f"{root}/a/h")
    result["listed"] = [sorted(gfile.listdir(f"{root}/a")), sorted(gfile.glob(f"{root}/a/*"))]
    result["read"] = gfile.GFile(f"{root}/a/h").read()

    names = [f"{root}/records/{shard}" for shard in range(4)]
    for name in names:
        with tf.io.TFRecordWriter(name) as writer:
            for number in range(500):
                writer.write(b"%d" % number * 50)
    parallel = tf.data.TFRecordDataset(names, num_parallel_reads=4)
    interleaved = tf.data.Dataset.from_tensor_slices(names).interleave(
        tf.data.TFRecordDataset, cycle_length=4, num_parallel_calls=4
    )
    result["records"] = [sum(1 for _ in dataset) for dataset in (parallel, interleaved)]

    variable = tf.Variable(tf.random.normal([100, 100]))
    saved = variable.numpy()
    path = tf.train.Checkpoint(variable=variable).save(f"{root}/checkpoints/c")
    variable.assign(tf.zeros_like(variable))
    tf.train.Checkpoint(variable=variable).restore(path)
    module = tf.Module()
    module.variable = variable
    module.double = tf.function(lambda x: 2.0 * x, input_signature=[tf.TensorSpec([], tf.float32)])
    tf.saved_model.save(module, f"{root}/model")
    loaded = tf.saved_model.load(f"{root}/model")
    result["saved"] = [bool((kept.numpy() == saved).all()) for kept in (variable, loaded.variable)]
    result["doubled"] = float(loaded.double(4.0))

    summaries = tf.summary.create_file_writer(f"{root}/summaries")
    with summaries.as_default():
        for step in range(10):
            tf.summary.scalar("loss", 1.0, step=step)
    summaries.close()
    [name] = gfile.listdir(f"{root}/summaries")
    result["summaries"] = sum(1 for _ in tf.compat.v1.train.summary_iterator(f"{root}/summaries/{name}"))

    numbers = tf.data.Dataset.range(100)
    cached = numbers.cache(f"{root}/cache/data")
    result["cached"] = [len(list(cached)), len(list(cached))]
    numbers.save(f"{root}/dataset")
    result["loaded"] = len(list(tf.data.Dataset.load(f"{root}/dataset")))

    gfile.rmtree(f"{root}/a")
    result["after"] = gfile.exists(f"{root}/a")
    try:
        gfile.GFile(f"{root}/missing").read()
    except tf.errors.NotFoundError:
        result["missing"] = True
"""


@pytest.mark.parametrize("s3_server", ["versitygw"], indirect=True)
def test_tensorflow_does_all_on_s3_that_it_does_on_local_files(s3_server, root):
    options = {
        "endpoint_url": s3_server.endpoint,
        "aws_access_key_id": ACCESS_KEY,
        "aws_secret_access_key": SECRET_KEY,
        "region_name": "us-east-1",
    }
    with peer_process("tensorflow", recordfs=True) as process:
        found = process.call(PROGRAM, root=root, options=options, packages=sysconfig.get_paths()["purelib"])
    assert found == {
        "listed": [["b", "f", "h"], [f"{root}/a/b", f"{root}/a/f", f"{root}/a/h"]],
        "read": "text",
        "records": [2000, 2000],
        "saved": [True, True],
        "doubled": 8.0,
        "summaries": 11,  # the version comes first
        "cached": [100, 100],
        "loaded": 100,
        "after": False,
        "missing": True,
    }
