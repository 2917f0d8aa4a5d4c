"""How fast are checkpoints read and written?

Beside TensorFlow's ops and its reader, and safetensors. Large: float32 matrices of 16 MiB. Small: vectors of 64 bytes,
100,000 of them. Checksums are verified on our side and TensorFlow's; safetensors has none, so a pass of CRC-32C over
what it read is added. The first round, which is not counted, warms every cache.
"""

from __future__ import annotations

import contextlib
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from tools.servers import VersityGateway

from benches.harness import AtLeast, Below, Contestant, Row, Within
from benches.object_stores import BUCKET, OBSTORE, RECORDFS, s3_client, s3_running, s3_variables
from benches.object_work import GROWTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MIB = 1 << 20
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

RESTORE_S3 = f"""{RECORDFS}{OURS}
def work():
    with CheckpointReader(f"s3://{{bucket}}/ckpt") as reader:
        return sum(array.nbytes for array in reader.get_many().values())
"""

# What one row of a matrix takes, from opening the checkpoint on. Both figures leave out what the first use of a store
# asks for once.
SLICE = f"""{RECORDFS}{OURS}
def asked():
    counts = store.statistics().values()
    return sum(each.requests for each in counts), sum(each.bytes_received for each in counts)

def work():
    store.file_exists(f"s3://{{bucket}}/nothing")
    before = asked()
    with CheckpointReader(f"s3://{{bucket}}/ckpt") as reader:
        part = reader.get_slice("layer_000300/kernel", 1000)
    assert part.nbytes == row_bytes and not part.any()
    requests, received = (now - then for now, then in zip(asked(), before))
    return figure(requests, received)
"""

SLICE_REQUESTS = f"""{SLICE}
def figure(requests, received):
    return requests
"""

SLICE_BYTES = f"""{SLICE}
def figure(requests, received):
    return (received - index_bytes) / 1000
"""

# Beyond the tensors themselves: the answer is at least as large as they are.
RESTORE_GROWTH = f"""{RESTORE_S3}
store.file_exists(f"s3://{{bucket}}/nothing")
{GROWTH}
grown = work

def work():
    return grown() - tensors_mib
"""

# The fastest loop that was found by hand: four requests under way, each copied to its place and checked there.
RESTORE_OBSTORE = f"""{OBSTORE}
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from recordfs._core import crc32c_of_still_memory

piece = 8 << 20
pool = ThreadPoolExecutor(4)

def work():
    size = obstore.head(store, "ckpt.data-00000-of-00001")["size"]
    target = np.empty(size, np.uint8)

    def fetch(start):
        data = obstore.get_range(store, "ckpt.data-00000-of-00001", start=start, length=min(piece, size - start))
        part = target[start : start + piece]
        part[:] = np.frombuffer(data, np.uint8)
        crc32c_of_still_memory(part)

    list(pool.map(fetch, range(0, size, piece)))
    return target.nbytes
"""


def rows(scale: float) -> list[Row]:
    """The rows of this benchmark."""
    count = max(2, round(64 * scale))
    large = {"count": count, "shape": [_SIDE, _SIDE]}
    number = max(100, round(100_000 * scale))
    many = {"count": number, "shape": [16]}
    mib = f"{count * 16} MiB in {count} tensors"
    small = f"{number:,} tensors of 64 bytes"
    part = "one row of a matrix of a checkpoint of 10 GiB, 640 matrices of 16 MiB, on versitygw"
    return [
        Row(
            title="read a checkpoint into fresh arrays",
            workload=f"{mib}, checksums verified, each round in new processes",
            items=count,
            item="tensor of 16 MiB",
            make_files=_make_files(large),
            contestants=[
                Contestant("recordfs", source=READ_OURS),
                Contestant("TensorFlow get_tensor", source=READ_GET_TENSOR, peer="tensorflow"),
                Contestant("TensorFlow RestoreV2", source=READ_RESTORE, peer="tensorflow"),
            ],
            requirements=[AtLeast(1.7, over="TensorFlow get_tensor")],
            new_processes=True,
        ),
        Row(
            title="read a checkpoint into memory in use",
            workload=f"{mib}, checksums verified; ours into out=, TensorFlow's by its allocator, which keeps it",
            items=count,
            item="tensor of 16 MiB",
            make_files=_make_files(large),
            contestants=[
                Contestant("recordfs", source=READ_GIVEN),
                Contestant("TensorFlow get_tensor", source=READ_GET_TENSOR, peer="tensorflow"),
            ],
            requirements=[AtLeast(1.7, over="TensorFlow get_tensor")],
        ),
        Row(
            title="read a checkpoint as mapped views",
            workload=f"{mib}, checksums verified, each round in new processes",
            items=count,
            item="tensor of 16 MiB",
            make_files=_make_files(large, safetensors=True),
            contestants=[
                Contestant("recordfs", source=MAP_OURS),
                Contestant("TensorFlow get_tensor", source=READ_GET_TENSOR, peer="tensorflow"),
                Contestant("safetensors and a CRC pass", source=READ_SAFETENSORS),
            ],
            requirements=[
                AtLeast(5.0, over="TensorFlow get_tensor"),
                Within(1.0, of="safetensors and a CRC pass"),
            ],
            new_processes=True,
        ),
        Row(
            title="write a checkpoint",
            workload=f"{mib}, nothing synced",
            items=count,
            item="tensor of 16 MiB",
            make_files=_only_names(large),
            contestants=[
                Contestant("recordfs", source=WRITE_OURS),
                Contestant("TensorFlow SaveV2", source=WRITE_SAVE, peer="tensorflow"),
            ],
            requirements=[AtLeast(1.4, over="TensorFlow SaveV2")],
        ),
        Row(
            title="open and list many small tensors",
            workload=small,
            items=number,
            item="tensor",
            make_files=_make_files(many),
            contestants=[
                Contestant("recordfs", source=LIST_OURS),
                Contestant("TensorFlow list_variables", source=LIST_THEIRS, peer="tensorflow"),
            ],
            requirements=[AtLeast(3.0, over="TensorFlow list_variables")],
        ),
        Row(
            title="read many small tensors",
            workload=f"{small}, checksums verified",
            items=number,
            item="tensor",
            make_files=_make_files(many),
            contestants=[
                Contestant("recordfs", source=READ_OURS),
                Contestant("TensorFlow get_tensor", source=READ_GET_TENSOR, peer="tensorflow"),
                Contestant("TensorFlow RestoreV2", source=READ_RESTORE, peer="tensorflow"),
            ],
            requirements=[AtLeast(2.0, over="TensorFlow get_tensor"), AtLeast(2.0, over="TensorFlow RestoreV2")],
            rounds=2,
        ),
        Row(
            title="write many small tensors",
            workload=f"{small}, nothing synced",
            items=number,
            item="tensor",
            make_files=_only_names(many),
            contestants=[
                Contestant("recordfs", source=WRITE_OURS),
                Contestant("TensorFlow SaveV2", source=WRITE_SAVE, peer="tensorflow"),
            ],
            requirements=[AtLeast(2.0, over="TensorFlow SaveV2")],
            rounds=2,
        ),
        Row(
            title="what save_async makes the caller wait",
            workload=f"{mib}, from the second save of a manager on",
            items=count,
            item="tensor of 16 MiB",
            make_files=_only_names(large),
            contestants=[
                Contestant("recordfs", source=SNAPSHOT_OURS),
                Contestant("NumPy copy into memory in use", source=MEMCPY),
            ],
            requirements=[Within(1.2, of="NumPy copy into memory in use")],
        ),
        Row(
            title="requests for 4 KB of a large checkpoint on S3",
            workload=part,
            unit="requests",
            rounds=1,
            running=_large_checkpoint_on_s3,
            contestants=[Contestant("recordfs", source=SLICE_REQUESTS)],
            requirements=[Below(4.5)],
        ),
        Row(
            title="bytes beyond the index for 4 KB of a large checkpoint on S3",
            workload=part,
            unit="kB",
            rounds=1,
            running=_large_checkpoint_on_s3,
            contestants=[Contestant("recordfs", source=SLICE_BYTES)],
            requirements=[Below(300)],
        ),
        Row(
            title="restore a checkpoint from S3",
            workload=f"{mib} on SeaweedFS on the same machine, checksums verified",
            items=count,
            item="tensor of 16 MiB",
            running=s3_running("SeaweedFS", partial(_put_checkpoint, count)),
            contestants=[
                Contestant("recordfs", source=RESTORE_S3),
                Contestant("obstore, by hand", source=RESTORE_OBSTORE),
            ],
            requirements=[Within(1.25, of="obstore, by hand")],
        ),
        Row(
            title="memory beyond the tensors that restoring from S3 adds",
            workload=f"{mib} on SeaweedFS on the same machine, the peak after the first request",
            unit="MiB",
            rounds=1,
            running=s3_running("SeaweedFS", partial(_put_checkpoint, count)),
            contestants=[Contestant("recordfs", source=RESTORE_GROWTH)],
            requirements=[Below(64)],
        ),
    ]


def _tensors(count: int, shape: list[int]) -> dict[str, Any]:
    import numpy as np

    return {f"layer_{number:06d}/kernel": np.full(shape, number, np.float32) for number in range(count)}


def _make_files(size: dict[str, Any], *, safetensors: bool = False) -> Callable[[str], dict[str, Any]]:
    """Return what writes a checkpoint, and the same tensors for safetensors."""

    def make(directory: str) -> dict[str, Any]:
        from recordfs.checkpoint import convert_checkpoint, save_checkpoint

        prefix = save_checkpoint(os.path.join(directory, "ckpt"), _tensors(**size), durable=False)
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


@contextlib.contextmanager
def _large_checkpoint_on_s3(directory: str) -> Iterator[dict[str, Any]]:
    """Run a store that has a checkpoint of 10 GiB of zeros, whose data file is one of its own with a hole in it."""
    from recordfs._core import BundleIndexBuilder, masked_crc32c

    count, shape, size = 640, (4096, 1024), 16 * MIB
    checksum = masked_crc32c(bytes(size))
    builder = BundleIndexBuilder()
    for number in range(count):
        builder.add(f"layer_{number:06d}/kernel", 1, shape, (0, number * size, size, checksum))
    index = builder.finish(1)
    with VersityGateway(directory) as server:
        client = s3_client(server.endpoint)
        client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key="ckpt.index", Body=index)
        name = "ckpt.data-00000-of-00001"
        client.put_object(Bucket=BUCKET, Key=name, Body=b"")
        os.truncate(os.path.join(directory, "data", BUCKET, name), count * size)
        yield s3_variables(server.endpoint) | {"index_bytes": len(index), "row_bytes": 4 * shape[1]}


def _put_checkpoint(count: int, client: Any) -> dict[str, Any]:
    """Put a checkpoint into the bucket."""
    import tempfile

    from recordfs.checkpoint import save_checkpoint

    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as directory:
        save_checkpoint(os.path.join(directory, "ckpt"), _tensors(count, [_SIDE, _SIDE]), durable=False)
        for name in sorted(os.listdir(directory)):
            client.upload_file(os.path.join(directory, name), BUCKET, name)
    return {"tensors_mib": count * 16}
