"""What the golden checkpoints hold. Imported by TensorFlow's side and by the tests; needs NumPy and ml_dtypes."""

import ml_dtypes
import numpy as np

NUMPY_TYPES = (
    "float32 float64 int32 uint8 int16 int8 complex64 int64 bool uint16 complex128 float16 uint32 uint64"
).split()
ML_DTYPES_TYPES = (
    "bfloat16 float8_e5m2 float8_e4m3fn float8_e4m3fnuz float8_e4m3b11fnuz float8_e5m2fnuz int4 uint4 int2 uint2 "
    "float4_e2m1fn"
).split()


def every_type():
    """A small tensor of every type that NumPy or ml_dtypes has, in the order in which they are saved."""
    tensors = {name: np.arange(6).reshape(2, 3).astype(name) for name in NUMPY_TYPES}
    for name in ML_DTYPES_TYPES:
        values = np.arange(6).reshape(2, 3) % 2  # what two bits can hold
        tensors[name] = values.astype(np.float32).astype(getattr(ml_dtypes, name))
    tensors["strings"] = np.array([[b"hi", b"", b"x" * 200], [b"\0\xff", "é".encode(), b"end"]], object)
    tensors["scalar"] = np.array(2.5, np.float32)
    tensors["scalar string"] = np.array(b"one", object)
    tensors["empty"] = np.zeros((0, 3), np.float32)
    tensors["empty strings"] = np.zeros((0,), object)
    return tensors


def quantized():
    """TensorFlow's quantized types with the integers that they are stored as."""
    names = {"qint8": "int8", "quint8": "uint8", "qint32": "int32", "qint16": "int16", "quint16": "uint16"}
    return {name: np.arange(6, dtype=plain) for name, plain in names.items()}


def partitioned():
    """A matrix and where it is cut, and a plain vector between its halves' names."""
    return {"kernel": np.arange(40, dtype=np.float32).reshape(10, 4), "bias": np.arange(4, dtype=np.int32)}


ROWS_OF_FIRST_PART = 3


def variables():
    """Attribute path to value, for the checkpoints of objects."""
    return {
        "model/kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
        "model/bias": np.arange(3, dtype=np.float32),
        "layers/0": np.array(3, np.int32),
        "layers/1": np.array([4, 5], np.int64),
        "named/a.b": np.array(b"dotted", object),
    }


def many_small():
    """Enough tensors for several blocks of an index."""
    return {f"layer_{number:05d}/kernel": np.full(4, number, np.float32) for number in range(20_000)}


LARGE = np.arange(10_000, dtype=np.float32)
"""What `MaxShardSizePolicy` cuts into several files of at most `LARGEST_SHARD` bytes."""

LARGEST_SHARD = 15_000


def keras_weights():
    """The weights of a dense layer of three inputs and two outputs."""
    return {"kernel": np.arange(6, dtype=np.float32).reshape(3, 2), "bias": np.array([0.5, -0.5], np.float32)}
