"""Reading a local file ahead: the next chunks arrive on other threads while the last one is looked at.

Copying a file out of the page cache takes several times as long as its checksums, and one thread does not use all of
the memory's speed.
"""

from __future__ import annotations

import threading
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING

from recordfs.errors import InternalError, UnimplementedError

if TYPE_CHECKING:
    from collections.abc import Generator

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

    Only those of the operating system's files, which have a descriptor: other stores read ahead by themselves, and
    know when to by reads that follow each other.
    """
    if length < SMALLEST:
        return False
    try:
        file.fileno()
    except UnimplementedError:
        return False
    return True


def chunks_ahead(file: RandomAccessFile, offset: int, end: int) -> Generator[memoryview]:
    """Yield the bytes of a file from ``offset`` to ``end``, or to where the file ends, in order.

    Holds 4 MiB. Close the generator when leaving it early: that ends its threads. Where no thread can be started, this
    one reads.

    Yields:
        Views, each usable until the next is asked for.

    Raises:
        InternalError: ``read_into`` returned what it cannot.
        Whatever reading raises, after all bytes before it.
    """
    spare = [bytearray(CHUNK) for _ in range(BUFFERS)]
    reads: deque[_Read] = deque()
    asked: SimpleQueue[_Read | None] = SimpleQueue()
    threads: list[threading.Thread] = []
    try:
        _start_threads(asked, threads)
        while True:
            while spare and offset < end:
                read = _Read(file, offset, spare.pop(), min(CHUNK, end - offset))
                reads.append(read)
                asked.put(read)
                offset += read.wanted
            if not reads:
                return
            read = reads.popleft()
            if not threads:
                read.run()
            read.done.wait()
            with memoryview(read.buffer) as whole, whole[: read.count] as chunk:
                yield chunk
            if read.error is not None:
                raise read.error
            if read.count < read.wanted:  # the file is shorter than it was
                return
            spare.append(read.buffer)
    finally:
        for read in reads:
            read.wanted = 0
        for _ in threads:
            asked.put(None)
        for thread in threads:
            if thread.is_alive():
                thread.join()


class _Read:
    """One chunk that is asked for, and what came of it once ``done`` is set."""

    def __init__(self, file: RandomAccessFile, offset: int, buffer: bytearray, wanted: int) -> None:
        self.file = file
        self.offset = offset
        self.buffer = buffer
        self.wanted = wanted
        self.count = 0
        self.error: BaseException | None = None
        self.done = threading.Event()

    def run(self) -> None:
        """Read it. Raises nothing, so that nobody waits in vain."""
        try:
            self.buffer, self.count, self.error = _fill(self.file, self.offset, self.buffer, self.wanted)
        except BaseException as error:  # noqa: BLE001  # it is raised when its turn comes
            self.error = error
        finally:
            self.done.set()


def _start_threads(asked: SimpleQueue[_Read | None], threads: list[threading.Thread]) -> None:
    """Start the threads that read what is asked for, as many as the system has left, and list them."""
    for number in range(THREADS):
        threads.append(threading.Thread(target=_work, args=(asked,), name=f"recordfs-scan_{number}", daemon=True))
        try:
            threads[-1].start()
        except RuntimeError:  # a limit on processes or memory is reached
            threads.pop()
            return


def _work(asked: SimpleQueue[_Read | None]) -> None:
    while (read := asked.get()) is not None:
        read.run()


def _fill(
    file: RandomAccessFile, offset: int, buffer: bytearray, wanted: int
) -> tuple[bytearray, int, Exception | None]:
    """Read until ``wanted`` bytes are there, the file ends, or reading fails.

    Returns:
        Where the bytes are, how many, and what failed after them.
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
