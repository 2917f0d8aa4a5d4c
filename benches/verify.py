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


def rows(scale: float) -> list[Row]:
    """2 GB of 4 KB records."""
    size = 4_000
    count = max(1, int(500_000 * scale))
    return [
        Row(
            title="verify a file of 4,000 B records",
            workload=f"one plain file of {count:,} records of {size:,} random B, {count * (size + 16) / 1e9:.2f} GB",
            items=count,
            item="record",
            make_files=partial(make_file, size=size, count=count),
            contestants=[
                Contestant("recordfs", VERIFY),
                Contestant("TensorFlow", TENSORFLOW, peer="tensorflow"),
                Contestant(FLOOR, READ_AND_CHECKSUM),
            ],
            requirements=[AtLeast(5, over="TensorFlow"), Within(1.15, of=FLOOR)],
        ),
    ]
