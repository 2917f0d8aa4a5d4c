"""What an fsspec filesystem says that it did, held against what is there afterwards.

Many implementations pass a request on and look at no answer: webhdfs's ``mv`` onto a file does nothing and says
nothing, ``rmdir`` does nothing where a class has none. fsspec gives no other way to know than to look.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from recordfs.errors import (
    DataLossError,
    NotADirectoryError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
    UnimplementedError,
)
from recordfs.filesystems._fsspec_errors import fsspec_errors

if TYPE_CHECKING:
    from recordfs.filesystems._fsspec_clients import FsspecClients

__all__ = ["CannotLookError", "WrittenFileCheck", "info_now", "same_bytes"]

_READ_SIZE = 4 << 20

CannotLookError = (PermissionDeniedError, UnauthenticatedError, UnimplementedError)
"""What looking raises where it is not possible, so that the store's word has to do."""


def info_now(clients: FsspecClients, path: str) -> dict[str, Any] | None:
    """Return what fsspec tells of a path as it is now, past the listing cache of an instance; None if it is missing."""
    file_system, inside = clients.resolve(path)
    try:
        with fsspec_errors(path):
            file_system.invalidate_cache(file_system._parent(inside))
            info: dict[str, Any] = file_system.info(inside)
    except (NotFoundError, NotADirectoryError):
        return None
    return info


def same_bytes(clients: FsspecClients, first: str, second: str, size: int) -> bool:
    """Tell whether two files hold the same, which the store says have this size."""
    checksum = _checksum(clients, first, 0, size)
    return checksum is not None and checksum == _checksum(clients, second, 0, size)


def _checksum(clients: FsspecClients, path: str, start: int, size: int) -> int | None:
    """Return the CRC-32 of a file's ``size`` bytes from an offset on; None where other than so many come."""
    file_system, inside = clients.resolve(path)
    checksum, left = 0, size
    with fsspec_errors(path), file_system.open(inside, "rb", cache_type="none") as file:
        if start:
            file.seek(start)
        while left >= 0 and (block := file.read(min(_READ_SIZE, left + 1))):  # one more, to see the end
            checksum = zlib.crc32(block, checksum)
            left -= len(block)
    return None if left else checksum


class WrittenFileCheck:
    """Knows what a file has to hold once its writer is closed.

    Args:
        clients: Where the fsspec instance comes from.
        path: The full path.
        before: What stood there when it was opened, as ``info_now`` tells it.
        start: How many bytes of that stay.
    """

    def __init__(self, clients: FsspecClients, path: str, before: dict[str, Any] | None, start: int) -> None:
        self._clients = clients
        self._path = path
        self._before = before
        self._start = start
        self._checksum = 0

    def add(self, block: bytes) -> None:
        """Take note of bytes that the file was given."""
        self._checksum = zlib.crc32(block, self._checksum)

    def run(self, length: int) -> None:
        """Raise unless the store has a file of that length, which is not the one that stood there before.

        Raises:
            DataLossError: The store has something else, though it reported no error.
        """
        try:
            info = info_now(self._clients, self._path)
            found = None if info is None else info.get("size")
            if info is None or (found is not None and found != length):
                raise DataLossError(
                    f"{length} bytes were written and closed without an error, and the store has "
                    f"{'no file' if info is None else f'{found} bytes'}",
                    path=self._path,
                )
            # The same to every sign as before: only the bytes tell whether it was written at all.
            if info == self._before and self._checksum != _checksum(
                self._clients, self._path, self._start, length - self._start
            ):
                raise DataLossError(
                    "the file was written and closed without an error, and the store still has the old one: can it "
                    "replace files? Delete it first, and declare what it cannot (capabilities=)",
                    path=self._path,
                )
        except CannotLookError:
            return
