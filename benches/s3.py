"""Does S3 through recordfs run at the store's speed?

Beside boto3, s3fs and obstore. The servers run on the same machine and cores, so a figure is what the client itself
costs, and the server takes its part of every one.
"""

from __future__ import annotations

import random
import struct
from functools import partial
from typing import TYPE_CHECKING, Any

from benches import object_work as work
from benches.harness import AtLeast, Below, Contestant, Row, Within
from benches.object_stores import BOTO3, BUCKET, OBSTORE, RECORDFS, S3FS, s3_running
from benches.object_work import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVERS = ("SeaweedFS", "versitygw")

RANDOM_BOTO3 = f"""{BOTO3}
def read(place):
    return client.get_object(Bucket=bucket, Key=key, Range=f"bytes={{place}}-{{place + size - 1}}")["Body"].read()
{work.IN_THREADS}"""

STREAM_BOTO3 = f"""{BOTO3}
def pieces():
    body = client.get_object(Bucket=bucket, Key=key)["Body"]
    while piece := body.read(4 << 20):
        yield piece
{work.COUNT_PIECES}"""

STREAM_BOTO3_MANAGED = f"""{BOTO3}
class Sink:
    length = 0

    def write(self, piece):
        self.length += len(piece)

def work():
    sink = Sink()
    client.download_fileobj(bucket, key, sink)
    return sink.length
"""

WRITE_BOTO3 = f"""{BOTO3}{work.STREAM}
def work():
    client.upload_fileobj(Stream(len(data) * times), bucket, "boto3")
    return len(data) * times
"""

FIRST_REQUEST = """
store.file_exists(f"{scheme}://{bucket}/x")
"""

FIRST_REQUEST_BOTO3 = """
client.list_objects_v2(Bucket=bucket, MaxKeys=1)
"""

SHARDS_OURS = f"""{RECORDFS}
def check():
    with recordfs.RecordReader(f"s3://{{bucket}}/shards/*") as reader:
        records = list(map(len, reader))
    return [len(records), sum(records)]

def work():
    with recordfs.RecordReader(f"s3://{{bucket}}/shards/*") as reader:
        for record in reader:
            pass
"""

SHARDS_OBSTORE = f"""{OBSTORE}
import struct
from collections import deque
from concurrent.futures import ThreadPoolExecutor

pool = ThreadPoolExecutor(4)

def fetch(key):
    return obstore.get(store, key).bytes()

def read():
    keys = sorted(item["path"] for page in obstore.list(store, "shards") for item in page)
    ahead = deque(pool.submit(fetch, key) for key in keys[:4])
    for number in range(len(keys)):
        content = memoryview(ahead.popleft().result())
        if number + 4 < len(keys):
            ahead.append(pool.submit(fetch, keys[number + 4]))
        position, end = 0, len(content)
        while position < end:
            (length,) = struct.unpack_from("<Q", content, position)
            yield bytes(content[position + 12 : position + 12 + length])
            position += length + 16

def check():
    records = list(map(len, read()))
    return [len(records), sum(records)]

def work():
    for record in read():
        pass
"""


def put_large(client: Any, size: int, reads: int, max_gap: int = work.DEFAULT_GAP) -> dict[str, Any]:
    """Put one large object; see ``large_object``."""
    return work.large_object(lambda stream: client.upload_fileobj(stream, BUCKET, "large"), size, reads, max_gap)


def put_shards(client: Any, count: int, size: int, record_size: int) -> dict[str, Any]:
    """Put files of records."""
    content = b"".join(_frames(size // (record_size + 16), record_size))
    for number in range(count):
        client.put_object(Bucket=BUCKET, Key=f"shards/part-{number:05d}", Body=content)
    return {}


def _frames(count: int, size: int) -> Iterator[bytes]:
    from recordfs._core import masked_crc32c

    source = random.Random(13)
    header = struct.pack("<Q", size)
    header += struct.pack("<I", masked_crc32c(header))
    for _ in range(count):
        payload = source.randbytes(size)
        yield header + payload + struct.pack("<I", masked_crc32c(payload))


def rows(scale: float) -> list[Row]:
    """Random and sequential reads, writes, shards, and the memory that they take."""
    return [
        *_random_rows(scale),
        *(row for server in SERVERS for row in _sequential_rows(server, scale)),
        *_distant_rows(scale),
        *_memory_rows(scale),
    ]


def _random_rows(scale: float) -> list[Row]:
    """On SeaweedFS, and an object that it keeps in its cache.

    Else a small range takes these servers so long that obstore itself is only twice as fast as boto3.
    """
    reads, places = max(512, int(4096 * scale)), "reads of 4 KiB at distinct places all over an object of"
    size, larger = 128 * MIB, max(128, int(512 * scale)) * MIB
    workload = f"{reads:,} {places} 128 MiB, which SeaweedFS keeps in its cache"
    running = s3_running("SeaweedFS", partial(put_large, size=size, reads=reads, max_gap=4 * work.SMALL))
    boto3 = Contestant("boto3, 32 threads", RANDOM_BOTO3, peer="s3")
    threads = Contestant("obstore get_range, 32 threads", OBSTORE + work.OBSTORE_RANGE + work.IN_THREADS, peer="s3")
    ranges = Contestant("obstore get_ranges", OBSTORE + work.OBSTORE_RANGES + work.IN_BATCHES, peer="s3")
    return [
        Row(
            title="4 KiB random reads in batches, S3",
            workload=f"{workload}; read_ranges with max_gap=16384 and get_ranges take 256 at a time",
            items=reads,
            item="read",
            running=running,
            contestants=[
                Contestant("recordfs read_ranges", RECORDFS + work.RECORDFS_FILE + work.IN_BATCHES),
                boto3,
                threads,
                ranges,
            ],
            requirements=[AtLeast(4, over=boto3.name), *(AtLeast(0.65, over=bare.name) for bare in (threads, ranges))],
        ),
        Row(
            title="4 KiB random reads in threads, S3",
            workload=workload,
            items=reads,
            item="read",
            running=running,
            contestants=[
                Contestant("recordfs read, 32 threads", RECORDFS + work.RECORDFS_FILE + work.IN_THREADS),
                boto3,
                threads,
            ],
            requirements=[AtLeast(0.65, over=threads.name)],
        ),
        Row(
            title="bytes fetched for a byte asked, S3",
            workload=f"{reads:,} {places} {larger // MIB} MiB, 256 ranges a call, SeaweedFS",
            unit="bytes",
            rounds=1,
            running=s3_running("SeaweedFS", partial(put_large, size=larger, reads=reads)),
            contestants=[Contestant("recordfs read_ranges", RECORDFS + work.FETCHED)],
            requirements=[Below(1.5)],
        ),
    ]


def _sequential_rows(server: str, scale: float) -> list[Row]:
    read_size, written, shards = max(64, int(1024 * scale)), max(64, int(512 * scale)), max(4, int(32 * scale))
    readers = {
        "boto3 get_object": (STREAM_BOTO3, "s3"),
        "boto3 download_fileobj": (STREAM_BOTO3_MANAGED, "s3"),
        "s3fs": (S3FS + work.FSSPEC_PIECES, "s3fs"),
        "obstore stream": (OBSTORE + work.OBSTORE_STREAM, "s3"),
        "obstore, 4 ranges ahead": (OBSTORE + work.OBSTORE_AHEAD, "s3"),
    }
    return [
        Row(
            title=f"read {read_size} MiB from front to back, {server}",
            workload=f"one object, its bytes looked at in order and let go, {server}",
            items=read_size,
            item="MiB",
            rounds=3,
            running=s3_running(server, partial(put_large, size=read_size * MIB, reads=0)),
            contestants=[
                Contestant("recordfs", RECORDFS + work.RECORDFS_PIECES),
                *(Contestant(name, source, peer=peer) for name, (source, peer) in readers.items()),
            ],
            requirements=[Within(1.1, of=name) for name in readers],
        ),
        Row(
            title=f"write {written} MiB, {server}",
            workload=f"one object from 1 MiB pieces, without a flush; boto3 by its managed upload, {server}",
            items=written,
            item="MiB",
            rounds=3,
            make_files=work.pieces_to_write(written),
            running=s3_running(server),
            contestants=[
                Contestant("recordfs", RECORDFS + work.RECORDFS_WRITE),
                Contestant("boto3", WRITE_BOTO3, peer="s3"),
            ],
            requirements=[Within(1.1, of="boto3")],
        ),
        Row(
            title=f"read {shards} shards, {server}",
            workload=f"{shards} files of 8 MiB with records of 16 KiB; RecordReader verifies checksums, the loop over "
            f"obstore, which has four files on their way, does not, {server}",
            items=shards,
            item="shard",
            running=s3_running(server, partial(put_shards, count=shards, size=8 * MIB, record_size=16_384)),
            contestants=[
                Contestant("recordfs", SHARDS_OURS),
                Contestant("obstore by hand", SHARDS_OBSTORE, peer="s3"),
            ],
            requirements=[Within(1.25, of="obstore by hand")],
        ),
    ]


def _distant_rows(scale: float) -> list[Row]:
    """Where every request takes as long as to a store in another place; the proxy that waits is part of each figure."""
    size, written = max(64, int(1024 * scale)), max(64, int(128 * scale))
    there = "versitygw behind a proxy by which each request waits 30 ms"
    readers = {"boto3 get_object": STREAM_BOTO3, "obstore stream": OBSTORE + work.OBSTORE_STREAM}
    return [
        Row(
            title=f"read {size} MiB from front to back at 30 ms a request",
            workload=f"one object, its bytes looked at in order and let go, {there}",
            items=size,
            item="MiB",
            rounds=3,
            running=s3_running("versitygw", partial(put_large, size=size * MIB, reads=0), latency_seconds=0.03),
            contestants=[
                Contestant("recordfs", RECORDFS + work.RECORDFS_PIECES),
                *(Contestant(name, source, peer="s3") for name, source in readers.items()),
            ],
            requirements=[Within(1.1, of=name) for name in readers],
        ),
        Row(
            title=f"write {written} MiB at 30 ms a request",
            workload=f"one object from 1 MiB pieces, without a flush; boto3 by its managed upload, {there}",
            items=written,
            item="MiB",
            rounds=3,
            make_files=work.pieces_to_write(written),
            running=s3_running("versitygw", latency_seconds=0.03),
            contestants=[
                Contestant("recordfs", RECORDFS + work.RECORDFS_WRITE),
                Contestant("boto3", WRITE_BOTO3, peer="s3"),
            ],
            requirements=[Within(1.1, of="boto3")],
        ),
    ]


def _memory_rows(scale: float) -> list[Row]:
    written, read_size = max(64, int(512 * scale)), max(64, int(1024 * scale))
    return [
        Row(
            title="memory that writing a large object adds, S3",
            workload=f"{written} MiB from 1 MiB pieces, peak after the first request, SeaweedFS",
            unit="MiB",
            rounds=1,
            make_files=work.pieces_to_write(written),
            running=s3_running("SeaweedFS"),
            contestants=[
                Contestant("recordfs", RECORDFS + FIRST_REQUEST + work.RECORDFS_WRITE + work.GROWTH),
                Contestant("boto3", WRITE_BOTO3 + FIRST_REQUEST_BOTO3 + work.GROWTH, peer="s3"),
            ],
            requirements=[Below(40)],
        ),
        Row(
            title="memory that reading a large object adds, S3",
            workload=f"{read_size} MiB in pieces of 4 MiB, peak after the first request, SeaweedFS",
            unit="MiB",
            rounds=1,
            running=s3_running("SeaweedFS", partial(put_large, size=read_size * MIB, reads=0)),
            contestants=[
                Contestant("recordfs", RECORDFS + FIRST_REQUEST + work.RECORDFS_PIECES + work.GROWTH),
                Contestant("s3fs", S3FS + work.FSSPEC_PIECES + work.GROWTH, peer="s3fs"),
            ],
        ),
    ]
