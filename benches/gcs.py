"""Does Google Cloud Storage through recordfs run at the store's speed?

Beside google-cloud-storage and obstore. The server is fake-gcs-server, which keeps objects in memory and runs on the
same machine and cores: a figure is what the client itself costs, and the server takes its part of every one. Not beside
gcsfs, whose ranges take that server a second each.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from benches import object_work as work
from benches.harness import AtLeast, Below, Contestant, Row
from benches.object_stores import BUCKET, GCS_OBSTORE, GCS_RECORDFS, GOOGLE, gcs_running
from benches.object_work import MIB

RANDOM_GOOGLE = f"""{GOOGLE}
blob = client.bucket(bucket).blob(key)

def read(place):
    return blob.download_as_bytes(start=place, end=place + size - 1, checksum=None)
{work.IN_THREADS}"""

STREAM_GOOGLE = f"""{GOOGLE}
def pieces():
    with client.bucket(bucket).blob(key).open("rb", chunk_size=16 << 20) as file:
        while piece := file.read(4 << 20):
            yield piece
{work.COUNT_PIECES}"""

WRITE_GOOGLE = f"""{GOOGLE}{work.STREAM}
def work():
    size = len(data) * times
    client.bucket(bucket).blob("google").upload_from_file(Stream(size), size=size)
    return size
"""

FIRST_REQUEST = """
store.file_exists(f"{scheme}://{bucket}/x")
"""

FIRST_REQUEST_GOOGLE = """
client.bucket(bucket).blob("x").exists()
"""


def put_large(client: Any, size: int, reads: int) -> dict[str, Any]:
    """Put one large object; see ``large_object``."""
    blob = client.bucket(BUCKET).blob("large")
    return work.large_object(lambda stream: blob.upload_from_file(stream, size=size), size, reads)


def rows(scale: float) -> list[Row]:
    """Random and sequential reads, writes, and the memory that they take."""
    return [*_random_rows(scale), *_sequential_rows(scale)]


def _random_rows(scale: float) -> list[Row]:
    size, reads = max(32, int(512 * scale)) * MIB, max(512, int(4096 * scale))
    workload = f"{reads:,} reads of 4 KiB at distinct places all over an object of {size // MIB} MiB, fake-gcs-server"
    running = gcs_running(partial(put_large, size=size, reads=reads))
    google = Contestant("google-cloud-storage, 32 threads", RANDOM_GOOGLE, peer="gcs")
    threads = Contestant(
        "obstore get_range, 32 threads", GCS_OBSTORE + work.OBSTORE_RANGE + work.IN_THREADS, peer="gcs"
    )
    ranges = Contestant("obstore get_ranges", GCS_OBSTORE + work.OBSTORE_RANGES + work.IN_BATCHES, peer="gcs")
    return [
        Row(
            title="4 KiB random reads in batches, GCS",
            workload=f"{workload}; read_ranges and get_ranges take 256 at a time",
            items=reads,
            item="read",
            running=running,
            contestants=[
                Contestant("recordfs read_ranges", GCS_RECORDFS + work.RECORDFS_FILE + work.IN_BATCHES),
                google,
                threads,
                ranges,
            ],
            requirements=[AtLeast(8, over=google.name), *(AtLeast(0.65, over=bare.name) for bare in (threads, ranges))],
        ),
        Row(
            title="bytes fetched for a byte asked, GCS",
            workload=f"{workload}, 256 ranges a call",
            unit="bytes",
            rounds=1,
            running=running,
            contestants=[Contestant("recordfs read_ranges", GCS_RECORDFS + work.FETCHED)],
            requirements=[Below(1.5)],
        ),
    ]


def _sequential_rows(scale: float) -> list[Row]:
    read_size, written = max(64, int(1024 * scale)), max(64, int(512 * scale))
    readers = {
        "google-cloud-storage": STREAM_GOOGLE,
        "obstore stream": GCS_OBSTORE + work.OBSTORE_STREAM,
        "obstore, 4 ranges ahead": GCS_OBSTORE + work.OBSTORE_AHEAD,
    }
    return [
        Row(
            title=f"read {read_size} MiB from front to back, GCS",
            workload="one object, its bytes looked at in order and let go, fake-gcs-server",
            items=read_size,
            item="MiB",
            rounds=3,
            running=gcs_running(partial(put_large, size=read_size * MIB, reads=0)),
            contestants=[
                Contestant("recordfs", GCS_RECORDFS + work.RECORDFS_PIECES),
                *(Contestant(name, source, peer="gcs") for name, source in readers.items()),
            ],
        ),
        Row(
            title=f"write {written} MiB, GCS",
            workload="one object from 1 MiB pieces, without a flush; google-cloud-storage by a resumable upload, "
            "fake-gcs-server",
            items=written,
            item="MiB",
            rounds=3,
            make_files=work.pieces_to_write(written),
            running=gcs_running(),
            contestants=[
                Contestant("recordfs", GCS_RECORDFS + work.RECORDFS_WRITE),
                Contestant("google-cloud-storage", WRITE_GOOGLE, peer="gcs"),
            ],
        ),
        Row(
            title="memory that writing a large object adds, GCS",
            workload=f"{written} MiB from 1 MiB pieces, peak after the first request, fake-gcs-server",
            unit="MiB",
            rounds=1,
            make_files=work.pieces_to_write(written),
            running=gcs_running(),
            contestants=[
                Contestant("recordfs", GCS_RECORDFS + FIRST_REQUEST + work.RECORDFS_WRITE + work.GROWTH),
                Contestant("google-cloud-storage", WRITE_GOOGLE + FIRST_REQUEST_GOOGLE + work.GROWTH, peer="gcs"),
            ],
            requirements=[Below(40)],
        ),
        Row(
            title="memory that reading a large object adds, GCS",
            workload=f"{read_size} MiB in pieces of 4 MiB, peak after the first request, fake-gcs-server",
            unit="MiB",
            rounds=1,
            running=gcs_running(partial(put_large, size=read_size * MIB, reads=0)),
            contestants=[
                Contestant("recordfs", GCS_RECORDFS + FIRST_REQUEST + work.RECORDFS_PIECES + work.GROWTH),
            ],
        ),
    ]
