"""Opening the next files while one is read, where a store takes its time: their first bytes come meanwhile."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future, ThreadPoolExecutor

    from typing_extensions import Buffer

    from recordfs.filesystem import RandomAccessFile

__all__ = ["FilesAhead"]

FILES = 3
"""Files opened ahead."""

FIRST_BYTES = 1 << 20
"""Fetched of the first file before it is asked for; who wants one record waits for no more."""

NEXT_BYTES = 8 << 20
"""Fetched of each file behind it: who reads file after file wants them whole."""


class FilesAhead:
    """Opens files in order, and those behind the one asked for on other threads if the store gains by it.

    One thread at a time.

    Args:
        open_file: Opens the file of an index.
        may_open_ahead: Whether that may be done before its turn.
        count: How many files there are.
    """

    def __init__(self, open_file: Callable[[int], Any], may_open_ahead: Callable[[int], bool], count: int) -> None:
        self._open_file = open_file
        self._may_open_ahead = may_open_ahead
        self._count = count
        self._process = os.getpid()
        self._pool: ThreadPoolExecutor | None = None
        self._ahead: dict[int, Future[Any]] = {}

    def open(self, index: int, start: int) -> Any:
        """Return the file of an index, to be read from an offset.

        Raises:
            As opening it; the next call tries again.
        """
        if self._process != os.getpid():
            self._ahead, self._pool, self._process = {}, None, os.getpid()  # the threads stayed with the parent
        found = self._ahead.pop(index, None)
        if found is not None:
            file = found.result()
        else:
            file = self._open_file(index)
            if not self._may_open_ahead(index) or file.read_ahead(start, FIRST_BYTES) is None:
                return file
        for following in range(index + 1, min(index + 1 + FILES, self._count)):
            if following not in self._ahead and self._may_open_ahead(following):
                self._ahead[following] = self._threads().submit(self._open_and_fetch, following)
        return file

    def close(self) -> None:
        """Close what was opened and never asked for."""
        ahead, self._ahead = self._ahead, {}
        for future in ahead.values():
            if not future.cancel():
                future.add_done_callback(_close_result)
        if self._pool is not None and self._process == os.getpid():
            self._pool.shutdown(wait=False)

    def _open_and_fetch(self, index: int) -> Any:
        file = self._open_file(index)
        size = file.read_ahead(0, NEXT_BYTES)
        # The last one may be read on when it has grown.
        return file if size is None or index == self._count - 1 else _Snapshot(file, size)

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor  # slow to import, and most readers need none

            self._pool = ThreadPoolExecutor(FILES, thread_name_prefix="recordfs-open")
        return self._pool


class _Snapshot:
    """A file that ends where it ended when it was opened: finding its end costs no request."""

    def __init__(self, file: RandomAccessFile, size: int) -> None:
        self._file = file
        self._size = size

    def size(self) -> int:
        return self._size

    def read_into(self, offset: int, buffer: Buffer) -> int:
        return self._file.read_into(offset, buffer) if offset < self._size else 0

    def close(self) -> None:
        self._file.close()


def _close_result(future: Future[Any]) -> None:
    if not future.cancelled() and future.exception() is None:
        future.result().close()
