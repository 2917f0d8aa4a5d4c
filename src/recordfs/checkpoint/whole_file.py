"""Small files, read as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.errors import DataLossError

if TYPE_CHECKING:
    from recordfs.filesystem import FileSystem

__all__ = ["read_whole_file"]

_FIRST_READ = 1 << 20
"""Bytes that are asked for at once of a file whose size nobody knows."""


def read_whole_file(file_system: FileSystem, path: str, *, limit: int | None = None) -> bytes:
    """Return all bytes of a file, by one request where the store knows its size.

    Args:
        file_system: Serves it.
        path: The file.
        limit: The most bytes that make sense.

    Raises:
        NotFoundError: It is missing.
        DataLossError: It is larger than ``limit``.
    """
    with file_system.new_random_access_file(path) as file:
        known = file.read_ahead(0, 0)
        size = file.size() if known is None else known
        if limit is not None and size > limit:
            raise DataLossError(f"expected at most {limit} bytes, found {size}", path=path)
        parts = [file.read(0, size if size > 0 else _FIRST_READ)]
        # Where a size cannot be had, a file ends where nothing more comes.
        while size <= 0 and parts[-1]:
            parts.append(file.read(sum(map(len, parts)), _FIRST_READ))
    return parts[0] if len(parts) == 1 else b"".join(parts)
