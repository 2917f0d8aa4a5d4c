"""A pool of worker processes that read files as a DataLoader's workers do, forked or spawned, with a time limit.

The parent reads first, so that its clients are made and their threads run, and goes on reading in two threads while
the workers start: a fork then finds locks held that nobody in the child will ever let go of.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import threading
from typing import TYPE_CHECKING, Any

from recordfs import get_file_system
from recordfs.gfile import GFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

METHODS = ("fork", "spawn")


def read_in_every_way(file: GFile, options: Mapping[str, Any] | None) -> tuple[str, int, str]:
    """Read a file by lines and at offsets in two threads; return what is the same in every process."""
    whole = hashlib.sha256()
    lines = 0
    with file:
        for line in file:
            whole.update(line)
            lines += 1
    pieces: dict[int, bytes] = {}
    with get_file_system(file.name, options=options).new_random_access_file(str(file.name)) as reader:
        size = reader.size()
        step = max(size // 7, 1)

        def read_from(start: int) -> None:
            for offset in range(start, size, 2 * step):
                pieces[offset] = reader.read(offset, 1000)

        threads = [threading.Thread(target=read_from, args=(start,)) for start in (0, step)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return whole.hexdigest(), lines, hashlib.sha256(b"".join(pieces[key] for key in sorted(pieces))).hexdigest()


def _work(job: tuple[GFile, Mapping[str, Any] | None]) -> tuple[str, int, str]:
    return read_in_every_way(*job)


def check_workers_read_the_same(
    method: str, paths: Sequence[str], options: Mapping[str, Any] | None = None, *, seconds: float = 60
) -> None:
    """Read every file here and by three workers, twice each, and compare.

    Args:
        method: "fork" or "spawn".
        paths: Files in binary.
        options: Of their filesystem.
        seconds: How long the workers may take altogether; then multiprocessing.TimeoutError.
    """
    expected = [read_in_every_way(GFile(path, "rb", options=options), options) for path in paths]
    stop = threading.Event()

    def go_on_reading() -> None:
        while not stop.is_set():
            for path in paths:
                read_in_every_way(GFile(path, "rb", options=options), options)

    readers = [threading.Thread(target=go_on_reading) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        pool = multiprocessing.get_context(method).Pool(3)
        try:
            jobs = [(GFile(path, "rb", options=options), options) for path in (*paths, *paths)]
            results = pool.map_async(_work, jobs, chunksize=1).get(seconds)
        finally:
            pool.terminate()
            pool.join()
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert results == expected * 2
