"""Reading a local file ahead: the next chunks arrive on other threads while the last one is looked at.

Copying a file out of the page cache takes several times as long as its checksums, and one thread does not use all of
the memory's speed.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from recordfs.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Generator
    from concurrent.futures import Future

    from recordfs.filesystem import RandomAccessFile

__all__ = ["chunks_ahead", "is_exported", "pays"]

CHUNK = 1 << 20
"""Bytes a read: with less, handing chunks from thread to thread shows."""

BUFFERS = 4
"""Chunks on their way, waiting or looked at; more are no faster."""

THREADS = 2
"""Threads that read; a third is slower on two cores."""

SMALLEST = 8 << 20
"""Bytes below which starting threads is not worth it."""


def pays(file: RandomAccessFile, length: int) -> bool:
    """Tell whether ``length`` bytes of a file arrive sooner by reading ahead.

    Only those of the operating system's files, which have a ``fileno``: other stores read ahead by themselves, and
    know when to by reads that follow each other.
    """
    return length >= SMALLEST and hasattr(file, "fileno")


def chunks_ahead(file: RandomAccessFile, offset: int, end: int) -> Generator[memoryview]:
    """Yield the bytes of a file from ``offset`` to ``end``, or to where the file ends, in order.

    Holds 4 MiB. Close the generator when leaving it early: that ends its threads.

    Yields:
        Views, each usable until the next is asked for.

    Raises:
        InternalError: ``read_into`` returned what it cannot.
        Whatever reading raises, behind all bytes before it.
    """
    from concurrent.futures import ThreadPoolExecutor  # slow to import, and small files do without

    spare = [bytearray(CHUNK) for _ in range(BUFFERS)]
    reads: deque[tuple[int, Future[tuple[bytearray, int, Exception | None]]]] = deque()
    with ThreadPoolExecutor(THREADS, thread_name_prefix="recordfs-scan") as pool:
        try:
            while True:
                while spare and offset < end:
                    wanted = min(CHUNK, end - offset)
                    reads.append((wanted, pool.submit(_fill, file, offset, spare.pop(), wanted)))
                    offset += wanted
                if not reads:
                    return
                wanted, read = reads.popleft()
                buffer, count, error = read.result()
                with memoryview(buffer) as whole, whole[:count] as chunk:
                    yield chunk
                if error is not None:
                    raise error
                if count < wanted:  # the file is shorter than it was
                    return
                spare.append(buffer)
        finally:
            for _, read in reads:
                read.cancel()


def _fill(
    file: RandomAccessFile, offset: int, buffer: bytearray, wanted: int
) -> tuple[bytearray, int, Exception | None]:
    """Read until ``wanted`` bytes are there, the file ends, or reading fails.

    Returns:
        Where the bytes are, how many, and what failed behind them.
    """
    count = 0
    try:
        while count < wanted:
            place = memoryview(buffer)[count:wanted]
            got = file.read_into(offset + count, place)
            if not 0 <= got <= len(place):
                raise InternalError(
                    f"read_into of {len(place)} bytes returned {got}", path=file.name, offset=offset + count
                )
            del place
            if got == 0:
                break
            count += got
    except Exception as error:  # noqa: BLE001  # it is raised when its turn comes
        return buffer, count, error
    if is_exported(buffer):
        # The file kept a view, against the contract, and may still write there: leave it the memory.
        buffer = bytearray(buffer)
    return buffer, count, None


def is_exported(buffer: bytearray) -> bool:
    """Tell whether somebody holds a view of a buffer: only then it refuses to change its size."""
    try:
        buffer.append(buffer.pop())
    except BufferError:
        return True
    return False
