"""How fast are records read by their number, in batches as a DataLoader asks for them?

Beside the loop that a program without recordfs writes over an index that it has in memory: pread(2) of each record, and
a CRC of it. (TensorFlow reads records in order only.)
"""

from __future__ import annotations

from functools import partial

from benches.harness import AtLeast, Contestant, Row
from benches.payloads import write_record_file

LOOP = "pread(2) + CRC"

_BATCHES = """
import random

chooser = random.Random(1)
if shuffled:
    batches = [[chooser.randrange(records) for _ in range(256)] for _ in range(count // 256)]
else:
    batches = [list(range(start, start + 256)) for start in range(0, count - 255, 256)]
"""

OURS = f"""
from recordfs import RecordFile
{_BATCHES}
file = RecordFile(path)

def work():
    return sum(len(record) for batch in batches for record in file.__getitems__(batch))
"""

BY_HAND = f"""
import os
from recordfs._core import masked_crc32c
{_BATCHES}
descriptor = os.open(path, os.O_RDONLY)
whole = size + 16

def read(number):
    record = os.pread(descriptor, whole, number * whole)
    payload = record[12:-4]
    assert masked_crc32c(payload) == int.from_bytes(record[-4:], "little")
    return payload

def work():
    return sum(len(record) for batch in batches for record in [read(number) for number in batch])
"""


def make_file(directory: str, size: int, count: int, *, shuffled: bool) -> dict[str, object]:
    """Write the file; the batches are chosen by the contestants, all of them alike."""
    path = write_record_file(directory, size, count)
    return {"path": path, "size": size, "records": count, "count": count, "shuffled": shuffled}


def rows(scale: float) -> list[Row]:
    """1 GB of 4 KB records in batches of 256: anywhere in the file, and one after the other."""
    size = 4_096
    count = max(256, int(250_000 * scale))
    return [
        Row(
            title=f"read records of {size:,} B by their number, {manner}",
            workload=f"batches of 256 of the {count:,} records of one plain file, {manner}, checksums verified",
            items=count // 256 * 256,
            item="record",
            make_files=partial(make_file, size=size, count=count, shuffled=shuffled),
            contestants=[Contestant("recordfs", OURS), Contestant(LOOP, BY_HAND)],
            requirements=[AtLeast(factor, over=LOOP)],
        )
        for manner, shuffled, factor in (("in random order", True, 1.2), ("one after the other", False, 2))
    ]
