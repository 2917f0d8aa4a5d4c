"""How fast are checkpoints read and written on local files?

Beside TensorFlow's ops and its reader, and safetensors. Large: float32 matrices of 16 MiB. Small: vectors of 64 bytes,
100,000 of them. Checksums are verified on our side and TensorFlow's; safetensors has none, so a pass of CRC-32C over
what it read is added. The first round, which is not counted, warms every cache.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from benches.harness import AtLeast, Contestant, Row, Within

if TYPE_CHECKING:
    from collections.abc import Callable

_SIDE = 2048

OURS = """
import numpy as np
from recordfs.checkpoint import CheckpointReader, Snapshots, list_variables, save_checkpoint
"""

THEIRS = """
import os
import numpy as np
import tensorflow as tf

def names_of(prefix):
    return sorted(tf.train.load_checkpoint(prefix).get_variable_to_shape_map())
"""

_ANSWER = """
def answer(arrays):
    return [len(arrays), sum(int(array.nbytes) for array in arrays), float(sum(array.flat[0] for array in arrays))]
"""

READ_OURS = f"""{OURS}{_ANSWER}
def work():
    with CheckpointReader(prefix) as reader:
        return answer(list(reader.get_many().values()))
"""

MAP_OURS = f"""{OURS}{_ANSWER}
def work():
    with CheckpointReader(prefix) as reader:
        return answer(list(reader.get_many(mapped=True).values()))
"""

READ_GET_TENSOR = f"""{THEIRS}{_ANSWER}
def work():
    reader = tf.train.load_checkpoint(prefix)
    return answer([reader.get_tensor(name) for name in names_of(prefix)])
"""

READ_GIVEN = f"""{OURS}{_ANSWER}
with CheckpointReader(prefix) as reader:
    given = reader.get_many()

def work():
    with CheckpointReader(prefix) as reader:
        return answer(list(reader.get_many(out=given).values()))
"""

READ_RESTORE = f"""{THEIRS}{_ANSWER}
names = names_of(prefix)

def work():
    tensors = tf.raw_ops.RestoreV2(
        prefix=prefix, tensor_names=names, shape_and_slices=[""] * len(names), dtypes=[tf.float32] * len(names)
    )
    return answer([tensor.numpy() for tensor in tensors])
"""

READ_SAFETENSORS = f"""{_ANSWER}
import numpy as np
from recordfs._core import crc32c_of_still_memory
from safetensors.numpy import load_file

def work():
    arrays = load_file(safetensors)
    for array in arrays.values():
        crc32c_of_still_memory(array.reshape(-1).view(np.uint8))
    return answer(list(arrays.values()))
"""

_SIZE = """
def size_of(prefix):
    import os
    return os.path.getsize(prefix + ".data-00000-of-00001")
"""

_MAKE = """
tensors = {f"layer_{number:06d}/kernel": np.full(shape, number, np.float32) for number in range(count)}
"""

WRITE_OURS = f"""{OURS}{_SIZE}{_MAKE}
def work():
    save_checkpoint(prefix + "-ours", tensors, overwrite=True, durable=False)
    return size_of(prefix + "-ours")
"""

WRITE_SAVE = f"""{THEIRS}{_SIZE}{_MAKE}
names, values = list(tensors), [tf.constant(array) for array in tensors.values()]

def work():
    tf.raw_ops.SaveV2(
        prefix=prefix + "-theirs", tensor_names=names, shape_and_slices=[""] * len(names), tensors=values
    )
    return size_of(prefix + "-theirs")
"""

LIST_OURS = f"""{OURS}
def work():
    return len(list_variables(prefix))
"""

LIST_THEIRS = f"""{THEIRS}
def work():
    return len(tf.train.list_variables(prefix))
"""

SNAPSHOT_OURS = f"""{OURS}{_MAKE}
snapshots = Snapshots()

def work():
    return sum(copy.nbytes for copy in snapshots.take(tensors).values())
"""

MEMCPY = f"""
import numpy as np
{_MAKE}
copies = {{name: np.empty_like(array) for name, array in tensors.items()}}

def work():
    for name, array in tensors.items():
        np.copyto(copies[name], array)
    return sum(copy.nbytes for copy in copies.values())
"""

GET_TENSOR = Contestant("TensorFlow get_tensor", source=READ_GET_TENSOR, peer="tensorflow")
RESTORE_V2 = Contestant("TensorFlow RestoreV2", source=READ_RESTORE, peer="tensorflow")
SAVE_V2 = Contestant("TensorFlow SaveV2", source=WRITE_SAVE, peer="tensorflow")


def rows(scale: float) -> list[Row]:
    """The rows of this benchmark."""
    return [*_large_rows(max(2, round(64 * scale))), *_small_rows(max(100, round(100_000 * scale)))]


def _large_rows(count: int) -> list[Row]:
    """Tensors of 16 MiB on the local disk."""
    size = {"count": count, "shape": [_SIDE, _SIDE]}
    mib = f"{count * 16} MiB in {count} tensors"
    row = partial(Row, items=count, item="tensor of 16 MiB")
    return [
        row(
            title="read a checkpoint into fresh arrays",
            workload=f"{mib}, checksums verified, each round in new processes",
            make_files=_make_files(size),
            contestants=[Contestant("recordfs", source=READ_OURS), GET_TENSOR, RESTORE_V2],
            requirements=[AtLeast(1.7, over=GET_TENSOR.name)],
            new_processes=True,
        ),
        row(
            title="read a checkpoint into memory in use",
            workload=f"{mib}, checksums verified; ours into out=, TensorFlow's by its allocator, which keeps it",
            make_files=_make_files(size),
            contestants=[Contestant("recordfs", source=READ_GIVEN), GET_TENSOR],
            requirements=[AtLeast(1.7, over=GET_TENSOR.name)],
        ),
        row(
            title="read a checkpoint as mapped views",
            workload=f"{mib}, checksums verified, each round in new processes",
            make_files=_make_files(size, safetensors=True),
            contestants=[
                Contestant("recordfs", source=MAP_OURS),
                GET_TENSOR,
                Contestant("safetensors and a CRC pass", source=READ_SAFETENSORS),
            ],
            requirements=[AtLeast(5.0, over=GET_TENSOR.name), Within(1.0, of="safetensors and a CRC pass")],
            new_processes=True,
        ),
        row(
            title="write a checkpoint",
            workload=f"{mib}, nothing synced",
            make_files=_only_names(size),
            contestants=[Contestant("recordfs", source=WRITE_OURS), SAVE_V2],
            requirements=[AtLeast(1.4, over=SAVE_V2.name)],
        ),
        row(
            title="what save_async makes the caller wait",
            workload=f"{mib}, from the second save of a manager on",
            make_files=_only_names(size),
            contestants=[
                Contestant("recordfs", source=SNAPSHOT_OURS),
                Contestant("NumPy copy into memory in use", source=MEMCPY),
            ],
            requirements=[Within(1.2, of="NumPy copy into memory in use")],
        ),
    ]


def _small_rows(count: int) -> list[Row]:
    """Many tensors of 64 bytes on the local disk."""
    size = {"count": count, "shape": [16]}
    small = f"{count:,} tensors of 64 bytes"
    row = partial(Row, items=count, item="tensor")
    list_variables = Contestant("TensorFlow list_variables", source=LIST_THEIRS, peer="tensorflow")
    return [
        row(
            title="open and list many small tensors",
            workload=small,
            make_files=_make_files(size),
            contestants=[Contestant("recordfs", source=LIST_OURS), list_variables],
            requirements=[AtLeast(3.0, over=list_variables.name)],
        ),
        row(
            title="read many small tensors",
            workload=f"{small}, checksums verified",
            make_files=_make_files(size),
            contestants=[Contestant("recordfs", source=READ_OURS), GET_TENSOR, RESTORE_V2],
            requirements=[AtLeast(2.0, over=GET_TENSOR.name), AtLeast(2.0, over=RESTORE_V2.name)],
            rounds=2,
        ),
        row(
            title="write many small tensors",
            workload=f"{small}, nothing synced",
            make_files=_only_names(size),
            contestants=[Contestant("recordfs", source=WRITE_OURS), SAVE_V2],
            requirements=[AtLeast(2.0, over=SAVE_V2.name)],
            rounds=2,
        ),
    ]


def tensors_of(count: int, shape: list[int]) -> dict[str, Any]:
    """Float32 tensors of one shape, each full of its own number."""
    import numpy as np

    return {f"layer_{number:06d}/kernel": np.full(shape, number, np.float32) for number in range(count)}


def _make_files(size: dict[str, Any], *, safetensors: bool = False) -> Callable[[str], dict[str, Any]]:
    """Return what writes a checkpoint, and the same tensors for safetensors."""

    def make(directory: str) -> dict[str, Any]:
        from recordfs.checkpoint import convert_checkpoint, save_checkpoint

        prefix = save_checkpoint(os.path.join(directory, "ckpt"), tensors_of(**size), durable=False)
        path = os.path.join(directory, "weights.safetensors")
        if safetensors:
            convert_checkpoint(prefix, path)
        return {"prefix": prefix, "safetensors": path, **size}

    return make


def _only_names(size: dict[str, Any]) -> Callable[[str], dict[str, Any]]:
    """Return what names the files that the contestants write."""

    def make(directory: str) -> dict[str, Any]:
        return {"prefix": os.path.join(directory, "ckpt"), **size}

    return make
