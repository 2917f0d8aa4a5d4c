"""What does a checkpoint on S3 cost: a small part of a large one, and all of one?

Beside a loop over obstore that was tuned by hand. Float32 matrices of 16 MiB; checksums are verified.
"""

from __future__ import annotations

import contextlib
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from tools.servers import VersityGateway

from benches.harness import Below, Contestant, Row, Within
from benches.object_stores import BUCKET, OBSTORE, RECORDFS, s3_client, s3_running, s3_variables
from benches.object_work import GROWTH

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20
_SIDE = 2048

OURS = f"""{RECORDFS}
from recordfs.checkpoint import CheckpointReader
"""

RESTORE_S3 = f"""{OURS}
def work():
    with CheckpointReader(f"s3://{{bucket}}/ckpt") as reader:
        return sum(array.nbytes for array in reader.get_many().values())
"""

# What one row of a matrix takes, from opening the checkpoint on. Both figures leave out what the first use of a store
# asks for once.
SLICE = f"""{OURS}
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
    return [*_slice_rows(), *_restore_rows(max(2, round(64 * scale)))]


def _slice_rows() -> list[Row]:
    """What a small part of a large checkpoint on S3 takes."""
    row = partial(
        Row,
        workload="one row of a matrix of a checkpoint of 10 GiB, 640 matrices of 16 MiB, on versitygw",
        rounds=1,
        running=_large_checkpoint_on_s3,
    )
    return [
        row(
            title="requests for 4 KB of a large checkpoint on S3",
            unit="requests",
            contestants=[Contestant("recordfs", source=SLICE_REQUESTS)],
            requirements=[Below(4.5)],
        ),
        row(
            title="bytes beyond the index for 4 KB of a large checkpoint on S3",
            unit="kB",
            contestants=[Contestant("recordfs", source=SLICE_BYTES)],
            requirements=[Below(300)],
        ),
    ]


def _restore_rows(count: int) -> list[Row]:
    """A whole checkpoint from S3."""
    place = f"{count * 16} MiB in {count} tensors on SeaweedFS on the same machine"
    row = partial(Row, running=s3_running("SeaweedFS", partial(_put_checkpoint, count)))
    return [
        row(
            title="restore a checkpoint from S3",
            workload=f"{place}, checksums verified",
            items=count,
            item="tensor of 16 MiB",
            contestants=[
                Contestant("recordfs", source=RESTORE_S3),
                Contestant("obstore, by hand", source=RESTORE_OBSTORE),
            ],
            requirements=[Within(1.25, of="obstore, by hand")],
        ),
        row(
            title="memory beyond the tensors that restoring from S3 adds",
            workload=f"{place}, the peak after the first request",
            unit="MiB",
            rounds=1,
            contestants=[Contestant("recordfs", source=RESTORE_GROWTH)],
            requirements=[Below(64)],
        ),
    ]


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
    """Put a checkpoint into the bucket, of bytes that do not compress.

    Others SeaweedFS stores compressed, and takes as much time again to expand as the contestants take for their part.
    """
    import tempfile

    import numpy as np

    from recordfs.checkpoint import save_checkpoint

    matrix = np.random.default_rng(1).random((_SIDE, _SIDE), np.float32)
    tensors = {f"layer_{number:06d}/kernel": matrix for number in range(count)}

    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as directory:
        save_checkpoint(os.path.join(directory, "ckpt"), tensors, durable=False)
        for name in sorted(os.listdir(directory)):
            client.upload_file(os.path.join(directory, name), BUCKET, name)
    return {"tensors_mib": count * 16}
