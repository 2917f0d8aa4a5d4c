"""Small files, read as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.errors import DataLossError

if TYPE_CHECKING:
    from recordfs.filesystem import FileSystem

__all__ = ["read_whole_file"]

_FIRST_READ = 1 << 20
"""Bytes that are asked for at once of a file whose size nobody knows."""


_LARGE = 16 << 20
"""From this many bytes on the end of a file is worth a look of its own."""


def read_whole_file(
    file_system: FileSystem, path: str, *, limit: int | None = None, ending: bytes | None = None
) -> bytes:
    """Return all bytes of a file, by one request where the store knows its size.

    Args:
        file_system: Serves it.
        path: The file.
        limit: The most bytes that make sense.
        ending: What a file of this kind ends with. A large one is read only if it does.

    Raises:
        NotFoundError: It is missing.
        DataLossError: It is larger than ``limit``, or large and has another ending.
    """
    with file_system.new_random_access_file(path) as file:
        known = file.read_ahead(0, 0)
        size = file.size() if known is None else known
        if limit is not None and size > limit:
            raise DataLossError(f"expected at most {limit} bytes, found {size}", path=path)
        if ending is not None and size > _LARGE:
            found = file.read(size - len(ending), len(ending))
            if found != ending:
                raise DataLossError(
                    f"expected a file that ends with {ending.hex(' ')}, found {found.hex(' ')}", path=path, offset=size
                )
        parts = [file.read(0, size if size > 0 else _FIRST_READ)]
        # Where a size cannot be had, a file ends where nothing more comes.
        while size <= 0 and parts[-1]:
            parts.append(file.read(sum(map(len, parts)), _FIRST_READ))
    return parts[0] if len(parts) == 1 else b"".join(parts)
