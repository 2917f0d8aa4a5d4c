"""What the clients of object stores do in the benchmarks, in parts that go behind each client's first lines.

A source is a client's part of ``object_stores``, then a function of its own, then one of these.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20
SMALL = 4096
DEFAULT_GAP = 65536
"""What read_ranges merges over if nothing else is said."""

# Random reads. All ask for the same places, and answer with the sum of the first bytes and how much they read.

IN_THREADS = """
from concurrent.futures import ThreadPoolExecutor

pool = ThreadPoolExecutor(32)

def work():
    found = list(pool.map(read, offsets))
    return [sum(piece[0] for piece in found), sum(map(len, found))]
"""

IN_BATCHES = """
def work():
    first = length = 0
    for begin in range(0, len(offsets), 256):
        for piece in read_batch(offsets[begin : begin + 256]):
            first += piece[0]
            length += len(piece)
    return [first, length]
"""

OBSTORE_RANGE = """
def read(place):
    return obstore.get_range(store, key, start=place, length=size)
"""

OBSTORE_RANGES = """
def read_batch(places):
    return obstore.get_ranges(store, key, starts=places, lengths=[size] * len(places), coalesce=0)
"""

RECORDFS_FILE = """
file = store.new_random_access_file(f"{scheme}://{bucket}/{key}")

def read(place):
    return file.read(place, size)

def read_batch(places):
    return file.read_ranges([(place, size) for place in places], max_gap=max_gap)
"""

# The bytes that came over the network for one byte that was asked for.
FETCHED = f"""{RECORDFS_FILE}{IN_BATCHES}
everything = work

def received():
    return sum(counts.bytes_received for counts in store.statistics().values())

def work():
    before = received()
    length = everything()[1]
    return (received() - before) / length
"""

# Reading through an object, 4 MiB at a time where the client lets one choose.

COUNT_PIECES = """
def work():
    length = 0
    for piece in pieces():
        length += len(piece)
    return length
"""

RECORDFS_PIECES = f"""
def pieces():
    with store.new_random_access_file(f"{{scheme}}://{{bucket}}/{{key}}") as file:
        position = 0
        while piece := file.read(position, 4 << 20):
            yield piece
            position += len(piece)
{COUNT_PIECES}"""

FSSPEC_PIECES = f"""
def pieces():
    with store.open(f"{{bucket}}/{{key}}", "rb", block_size=16 << 20) as file:
        while piece := file.read(4 << 20):
            yield piece
{COUNT_PIECES}"""

OBSTORE_STREAM = f"""
def pieces():
    return obstore.get(store, key).stream(min_chunk_size=4 << 20)
{COUNT_PIECES}"""

OBSTORE_AHEAD = f"""
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
{COUNT_PIECES}"""

# Writing a large object without a flush.

RECORDFS_WRITE = """
def work():
    with store.new_writable_file(f"{scheme}://{bucket}/recordfs") as file:
        for _ in range(times):
            file.append(data)
    return len(data) * times
"""

# A stream that a managed upload reads from.
STREAM = """
class Stream:
    def __init__(self, size):
        self.size = self.left = size

    def read(self, count=-1):
        count = min(self.left, count if count >= 0 else self.left)
        self.left -= count
        return data * (count // len(data)) + data[: count % len(data)]

    def tell(self):
        return self.size - self.left
"""

# Resident memory that the work adds at its peak, in MiB; the first request, which brings in what a client needs, has
# been made before.
GROWTH = """
everything, figures = work, []

def resident(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name)) / 1024

def work():
    if not figures:  # what the first time has added stays, so only that counts
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # the peak begins anew
        before = resident("VmRSS")
        everything()
        figures.append(resident("VmHWM") - before)
    return figures[0]
"""


class Repeated:
    """A stream of one block again and again, so that large objects need no memory here."""

    def __init__(self, size: int) -> None:
        self._block = random.Random(7).randbytes(MIB)
        self._size = self._left = size

    def read(self, count: int = -1) -> bytes:
        """Return the next bytes."""
        count = self._left if count < 0 else min(count, self._left)
        self._left -= count
        return self._block * (count // MIB) + self._block[: count % MIB]

    def tell(self) -> int:
        """Return how many bytes were read."""
        return self._size - self._left


def large_object(
    put: Callable[[Repeated], object], size: int, reads: int, max_gap: int = DEFAULT_GAP
) -> dict[str, Any]:
    """Have one large object put under the key "large", and choose distinct places in it for random reads."""
    put(Repeated(size))
    places = random.Random(11).sample(range(size // SMALL), reads) if reads else []
    return {"key": "large", "size": SMALL, "offsets": [place * SMALL for place in places], "max_gap": max_gap}


def pieces_to_write(count: int) -> Callable[[str], dict[str, Any]]:
    """Return what makes the variables of the sources that write: a piece of 1 MiB and how often it goes out."""
    return lambda _: {"data": random.Random(3).randbytes(MIB), "times": count}
