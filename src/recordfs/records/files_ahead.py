"""Opening the next files while one is read, where a store takes its time: their first bytes come meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordfs.per_process import PerProcess

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
"""Fetched of each file after it: who reads file after file wants them whole."""


class FilesAhead:
    """Opens files in order, and those after the one asked for on other threads if the store gains by it.

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
        # The threads of a parent, and what they were about to open, stay with it.
        self._pool = PerProcess(_make_pool)
        self._ahead: PerProcess[dict[int, Future[Any]]] = PerProcess(dict)

    def open(self, index: int, start: int) -> Any:
        """Return the file of an index, to be read from an offset.

        Raises:
            As opening it; the next call tries again.
        """
        ahead = self._ahead.get()
        found = ahead.pop(index, None)
        if found is not None:
            file = found.result()
        else:
            file = self._open_file(index)
            if not self._may_open_ahead(index) or file.read_ahead(start, FIRST_BYTES) is None:
                return file
        for following in range(index + 1, min(index + 1 + FILES, self._count)):
            if following not in ahead and self._may_open_ahead(following):
                ahead[following] = self._pool.get().submit(self._open_and_fetch, following)
        return file

    def close(self) -> None:
        """Close what was opened and never asked for."""
        for future in (self._ahead.take() or {}).values():
            if not future.cancel():
                future.add_done_callback(_close_result)
        pool = self._pool.take()
        if pool is not None:
            pool.shutdown(wait=False)

    def _open_and_fetch(self, index: int) -> Any:
        file = self._open_file(index)
        size = file.read_ahead(0, NEXT_BYTES)
        # The last one may be read on when it has grown.
        return file if size is None or index == self._count - 1 else _Snapshot(file, size)


def _make_pool() -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor  # slow to import, and most readers need none

    return ThreadPoolExecutor(FILES, thread_name_prefix="recordfs-open")


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
