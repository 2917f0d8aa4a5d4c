"""Does S3 through recordfs run at the store's speed?

Beside boto3, s3fs and obstore. The servers run on the same machine and cores, so a figure is what the client itself
costs, and the server takes its part of every one.
"""

from __future__ import annotations

import random
import struct
from functools import partial
from typing import TYPE_CHECKING, Any

from benches.harness import AtLeast, Below, Contestant, Requirement, Row, Within
from benches.object_stores import BOTO3, BUCKET, OBSTORE, RECORDFS, S3FS, s3_running

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20
SMALL = 4096
BATCH = 256

# Random reads. All ask for the same places, and answer with the sum of the first bytes and how much they read.

_IN_THREADS = """
from concurrent.futures import ThreadPoolExecutor

pool = ThreadPoolExecutor(32)

def work():
    found = list(pool.map(read, offsets))
    return [sum(piece[0] for piece in found), sum(map(len, found))]
"""

_IN_BATCHES = """
def work():
    first = length = 0
    for begin in range(0, len(offsets), 256):
        for piece in read_batch(offsets[begin : begin + 256]):
            first += piece[0]
            length += len(piece)
    return [first, length]
"""

RANDOM_OURS_BATCHES = f"""{RECORDFS}
file = store.new_random_access_file(f"s3://{{bucket}}/{{key}}")

def read_batch(places):
    return file.read_ranges([(place, size) for place in places])
{_IN_BATCHES}"""

RANDOM_OURS_THREADS = f"""{RECORDFS}
file = store.new_random_access_file(f"s3://{{bucket}}/{{key}}")

def read(place):
    return file.read(place, size)
{_IN_THREADS}"""

RANDOM_BOTO3 = f"""{BOTO3}
def read(place):
    return client.get_object(Bucket=bucket, Key=key, Range=f"bytes={{place}}-{{place + size - 1}}")["Body"].read()
{_IN_THREADS}"""

RANDOM_OBSTORE_THREADS = f"""{OBSTORE}
def read(place):
    return obstore.get_range(store, key, start=place, length=size)
{_IN_THREADS}"""

RANDOM_OBSTORE_RANGES = f"""{OBSTORE}
def read_batch(places):
    return obstore.get_ranges(store, key, starts=places, lengths=[size] * len(places), coalesce=0)
{_IN_BATCHES}"""

# The bytes that came over the network for one byte that was asked for.
FETCHED = f"""{RANDOM_OURS_BATCHES.replace("def work():", "def read_all():")}
def received():
    return sum(counts.bytes_received for counts in store.statistics().values())

def work():
    before = received()
    length = read_all()[1]
    return (received() - before) / length
"""

# Reading through an object: 4 MiB at a time where the client lets one choose.

_COUNT_PIECES = """
def work():
    length = 0
    for piece in pieces():
        length += len(piece)
    return length
"""

STREAM_OURS = f"""{RECORDFS}
def pieces():
    with store.new_random_access_file(f"s3://{{bucket}}/{{key}}") as file:
        position = 0
        while piece := file.read(position, 4 << 20):
            yield piece
            position += len(piece)
{_COUNT_PIECES}"""

STREAM_BOTO3 = f"""{BOTO3}
def pieces():
    body = client.get_object(Bucket=bucket, Key=key)["Body"]
    while piece := body.read(4 << 20):
        yield piece
{_COUNT_PIECES}"""

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

STREAM_S3FS = f"""{S3FS}
def pieces():
    with store.open(f"{{bucket}}/{{key}}", "rb", block_size=16 << 20) as file:
        while piece := file.read(4 << 20):
            yield piece
{_COUNT_PIECES}"""

STREAM_OBSTORE = f"""{OBSTORE}
def pieces():
    return obstore.get(store, key).stream(min_chunk_size=4 << 20)
{_COUNT_PIECES}"""

STREAM_OBSTORE_RANGES = f"""{OBSTORE}
from collections import deque
from concurrent.futures import ThreadPoolExecutor

pool = ThreadPoolExecutor(4)

def pieces():
    length = obstore.head(store, key)["size"]
    ahead = deque()
    for place in range(0, length, 4 << 20):
        ahead.append(pool.submit(obstore.get_range, store, key, start=place, end=min(place + (4 << 20), length)))
        if len(ahead) == 4:
            yield ahead.popleft().result()
    while ahead:
        yield ahead.popleft().result()
{_COUNT_PIECES}"""

# Writing a large object without a flush.

WRITE_OURS = f"""{RECORDFS}
def work():
    with store.new_writable_file(f"s3://{{bucket}}/recordfs") as file:
        for _ in range(times):
            file.append(data)
    return len(data) * times
"""

WRITE_BOTO3 = f"""{BOTO3}
class Stream:
    left = 0

    def read(self, count=-1):
        count = min(self.left, count if count >= 0 else self.left)
        self.left -= count
        return data * (count // len(data)) + data[: count % len(data)]

def work():
    stream = Stream()
    stream.left = len(data) * times
    client.upload_fileobj(stream, bucket, "boto3")
    return len(data) * times
"""

# Resident memory that the work adds at its peak, in MiB, after a first request has brought in what a client needs.
_GROWTH = """
def resident(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name)) / 1024

figures = []

def work():
    if not figures:  # what the first time has added stays, so only that counts
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # the peak begins anew
        before = resident("VmRSS")
        do()
        figures.append(resident("VmHWM") - before)
    return figures[0]
"""

GROWTH_WRITING = f"""{WRITE_OURS.replace("def work():", "def do():")}
store.file_exists(f"s3://{{bucket}}/x")
{_GROWTH}"""
GROWTH_WRITING_BOTO3 = f"""{WRITE_BOTO3.replace("def work():", "def do():")}
client.list_objects_v2(Bucket=bucket, MaxKeys=1)
{_GROWTH}"""
GROWTH_READING = f"""{STREAM_OURS.replace("def work():", "def do():")}
store.file_exists(f"s3://{{bucket}}/x")
{_GROWTH}"""

# Many shards.

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


class _Repeated:
    """A stream of one block again and again, so that large objects need no memory here."""

    def __init__(self, size: int) -> None:
        self._block = random.Random(7).randbytes(MIB)
        self._left = size

    def read(self, count: int = -1) -> bytes:
        count = self._left if count < 0 else min(count, self._left)
        self._left -= count
        return self._block * (count // MIB) + self._block[: count % MIB]


def put_large(client: Any, size: int, reads: int) -> dict[str, Any]:
    """Put one large object, and choose distinct places in it for random reads."""
    client.upload_fileobj(_Repeated(size), BUCKET, "large")
    places = random.Random(11).sample(range(size // SMALL), reads) if reads else []
    return {"key": "large", "size": SMALL, "offsets": [place * SMALL for place in places]}


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
        *(row for server in ("SeaweedFS", "versitygw") for row in _random_rows(server, scale)),
        *(row for server in ("SeaweedFS", "versitygw") for row in _sequential_rows(server, scale)),
        *_memory_rows(scale),
    ]


def _random_rows(server: str, scale: float) -> list[Row]:
    size, reads = max(32, int(512 * scale)) * MIB, max(512, int(4096 * scale))
    workload = f"{reads:,} reads of 4 KiB at distinct places all over an object of {size // MIB} MiB, {server}"
    running = s3_running(server, partial(put_large, size=size, reads=reads))
    peers = [
        Contestant("boto3, 32 threads", RANDOM_BOTO3, peer="s3"),
        Contestant("obstore get_range, 32 threads", RANDOM_OBSTORE_THREADS, peer="s3"),
        Contestant("obstore get_ranges", RANDOM_OBSTORE_RANGES, peer="s3"),
    ]
    required: list[Requirement] = [
        AtLeast(4, over="boto3, 32 threads"),
        AtLeast(0.65, over="obstore get_range, 32 threads"),
        AtLeast(0.65, over="obstore get_ranges"),
    ]
    return [
        Row(
            title=f"4 KiB random reads in batches, {server}",
            workload=f"{workload}; read_ranges and get_ranges take 256 at a time",
            items=reads,
            item="read",
            running=running,
            contestants=[Contestant("recordfs read_ranges", RANDOM_OURS_BATCHES), *peers],
            requirements=required,
        ),
        Row(
            title=f"4 KiB random reads in threads, {server}",
            workload=workload,
            items=reads,
            item="read",
            running=running,
            contestants=[Contestant("recordfs read, 32 threads", RANDOM_OURS_THREADS), *peers],
            requirements=required[:2],
        ),
        Row(
            title=f"bytes fetched for a byte asked, {server}",
            workload=f"{workload}, 256 ranges a call",
            unit="bytes",
            rounds=1,
            running=running,
            contestants=[Contestant("recordfs read_ranges", FETCHED)],
            requirements=[Below(1.5)],
        ),
    ]


def _sequential_rows(server: str, scale: float) -> list[Row]:
    read_size, written, shards = max(64, int(1024 * scale)), max(64, int(512 * scale)), max(4, int(32 * scale))
    readers = {
        "boto3 get_object": (STREAM_BOTO3, "s3"),
        "boto3 download_fileobj": (STREAM_BOTO3_MANAGED, "s3"),
        "s3fs": (STREAM_S3FS, "s3fs"),
        "obstore stream": (STREAM_OBSTORE, "s3"),
        "obstore, 4 ranges ahead": (STREAM_OBSTORE_RANGES, "s3"),
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
                Contestant("recordfs", STREAM_OURS),
                *(Contestant(name, source, peer=peer) for name, (source, peer) in readers.items()),
            ],
            requirements=[Within(1.25, of=name) for name in readers],
        ),
        Row(
            title=f"write {written} MiB, {server}",
            workload=f"one object from 1 MiB pieces, without a flush; boto3 by its managed upload, {server}",
            items=written,
            item="MiB",
            rounds=3,
            make_files=lambda _: {"data": random.Random(3).randbytes(MIB), "times": written},
            running=s3_running(server),
            contestants=[Contestant("recordfs", WRITE_OURS), Contestant("boto3", WRITE_BOTO3, peer="s3")],
            requirements=[Within(1.25, of="boto3")],
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


def _memory_rows(scale: float) -> list[Row]:
    written, read_size = max(64, int(512 * scale)), max(64, int(1024 * scale))
    return [
        Row(
            title="memory that writing a large object adds",
            workload=f"{written} MiB from 1 MiB pieces, peak after the first request, SeaweedFS",
            unit="MiB",
            rounds=1,
            make_files=lambda _: {"data": random.Random(3).randbytes(MIB), "times": written},
            running=s3_running("SeaweedFS"),
            contestants=[
                Contestant("recordfs", GROWTH_WRITING),
                Contestant("boto3", GROWTH_WRITING_BOTO3, peer="s3"),
            ],
            requirements=[Below(40)],
        ),
        Row(
            title="memory that reading a large object adds",
            workload=f"{read_size} MiB in pieces of 4 MiB, peak after the first request, SeaweedFS",
            unit="MiB",
            rounds=1,
            running=s3_running("SeaweedFS", partial(put_large, size=read_size * MIB, reads=0)),
            contestants=[Contestant("recordfs", GROWTH_READING)],
        ),
    ]
