"""The data that the record benchmarks write and read: always the same bytes, of a stated size and kind."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Payloads repeat after this many bytes, so that a process need not hold a whole file's worth of them.
_POOL_BYTES = 64_000_000

_WORDS = [
    "".join(random.Random(number).choices("etaoinshrdlucmfwypvbgkjqxz", k=2 + number % 9)) for number in range(2000)
]

# Defines `payloads` (a list of `count` bytes objects of `size` bytes) from the variables `size`, `count`, `pool_bytes`.
MAKE_PAYLOADS = """
import random
distinct = max(1, min(count, pool_bytes // size))
source = random.Random(1).randbytes(distinct * size)
payloads = [source[start : start + size] for start in range(0, distinct * size, size)]
payloads = (payloads * (count // distinct + 1))[:count]
del source
"""


def payload_variables(size: int, count: int) -> dict[str, int]:
    """The variables that MAKE_PAYLOADS needs."""
    return {"size": size, "count": count, "pool_bytes": _POOL_BYTES}


def make_payloads(size: int, count: int) -> list[bytes]:
    """`count` payloads of `size` random bytes, the ones MAKE_PAYLOADS makes."""
    variables: dict[str, object] = dict(payload_variables(size, count))
    exec(MAKE_PAYLOADS, variables)
    payloads = variables["payloads"]
    assert isinstance(payloads, list)
    return payloads


def text_payloads(size: int, count: int) -> Iterator[bytes]:
    """`count` payloads of `size` bytes of words and numbers, which deflate to about a third."""
    generator = random.Random(2)
    for _ in range(count):
        words: list[str] = []
        length = 0
        while length < size:
            word = generator.choice(_WORDS) if generator.random() < 0.9 else str(generator.randrange(10_000))
            words.append(word)
            length += len(word) + 1
        yield " ".join(words).encode()[:size].ljust(size)


def write_record_file(directory: str, size: int, count: int) -> str:
    """Writes `count` records of `size` random bytes and returns the file's path."""
    from recordfs import RecordWriter

    path = os.path.join(directory, f"{count}x{size}.tfrecord")
    with RecordWriter(path) as writer:
        payloads = make_payloads(size, min(count, max(1, _POOL_BYTES // size)))
        written = 0
        while written < count:
            batch = payloads[: count - written]
            writer.write_batch(batch)
            written += len(batch)
    return path
