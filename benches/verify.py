"""How fast is a large record file verified, and indexed?

Beside a loop over TensorFlow's iterator, which is the way there is without recordfs, and beside read(2) plus a CRC
pass, below which nothing that looks at every byte can go.
"""

from __future__ import annotations

from functools import partial

from benches.harness import AtLeast, Contestant, Row, Within
from benches.read import FLOOR, READ_AND_CHECKSUM, TENSORFLOW, make_file

VERIFY = """
from recordfs.records.verify import verify_file

def work():
    report = verify_file(path)
    assert report.sound
    return [report.records, report.payload_bytes]
"""

INDEX = """
from recordfs.records.index import build_index, read_index

def check():
    build_index(path)
    entries = read_index(path + ".idx")
    return [len(entries), sum(entry[1] - 16 for entry in entries)]

def work():
    build_index(path, verify_checksums=True)
"""


def rows(scale: float) -> list[Row]:
    """2 GB of 4 KB records."""
    size = 4_000
    count = max(1, int(500_000 * scale))
    workload = f"one plain file of {count:,} records of {size:,} random B, {count * (size + 16) / 1e9:.2f} GB"
    return [
        Row(
            title=f"{title} a file of {size:,} B records",
            workload=workload,
            items=count,
            item="record",
            make_files=partial(make_file, size=size, count=count),
            contestants=[
                Contestant("recordfs", ours),
                Contestant("TensorFlow", TENSORFLOW, peer="tensorflow"),
                Contestant(FLOOR, READ_AND_CHECKSUM),
            ],
            requirements=[AtLeast(5, over="TensorFlow"), Within(1.15, of=FLOOR)],
        )
        for title, ours in (("verify", VERIFY), ("verify and index", INDEX))
    ]
