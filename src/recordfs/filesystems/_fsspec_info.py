"""What fsspec's filesystems tell of a file, each in words of its own, as recordfs says it."""

from __future__ import annotations

from typing import Any

from recordfs.filesystem import DirectoryEntry, FileStatistics

__all__ = ["entry_of", "rows_of", "statistics_of"]


LARGEST_SIZE = 1 << 63

_LATEST = 1 << 40
"""Seconds; later times than anybody means."""


def rows_of(listing: Any) -> dict[str, dict[str, Any]]:
    """Return the rows of a listing by their full names, without slashes at the end.

    Raises:
        TypeError: It is none, or a row has no name.
    """
    if isinstance(listing, dict | str | bytes) or listing is None:
        raise TypeError(f"expected a listing in detail, found {type(listing).__name__}")
    rows: dict[str, dict[str, Any]] = {}
    for row in listing:
        if not isinstance(row, dict) or not isinstance(row.get("name"), str):
            raise TypeError(f"expected a row with a name in a listing, found {str(row)[:100]!r}")
        rows.setdefault(row["name"].rstrip("/"), row)
    return rows


def statistics_of(info: dict[str, Any]) -> FileStatistics:
    """Return what an ``info`` tells; a length of -1 where the store does not know it.

    Raises:
        TypeError: It tells no kind, or a size that is none.
    """
    if _is_directory(info):
        return FileStatistics(0, _modified(info), True)
    size = _size(info)
    return FileStatistics(-1 if size is None else size, _modified(info), False, _version(info))


def entry_of(name: str, info: dict[str, Any]) -> DirectoryEntry:
    """Return the row of a listing as that of a child; raises as ``statistics_of``."""
    is_directory = _is_directory(info)
    size = None if is_directory else _size(info)
    return DirectoryEntry(name, is_directory, size, _modified(info) or None, bool(info.get("islink")), _version(info))


def _is_directory(info: Any) -> bool:
    if not isinstance(info, dict) or not isinstance(info.get("type"), str):
        raise TypeError(f"expected what a store tells of a file, with its type, found {str(info)[:100]!r}")
    return bool(info["type"] == "directory")


def _size(info: dict[str, Any]) -> int | None:
    size = info.get("size")
    if isinstance(size, float) and size.is_integer():
        size = int(size)
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < LARGEST_SIZE):
        raise TypeError(f"expected the size of a file, found {str(size)[:100]!r}")
    return size


def _version(info: dict[str, Any]) -> str | None:
    """Return what the store says changes with the content, by the names that fsspec's filesystems have for it."""
    for key in ("ETag", "etag", "generation"):
        value = info.get(key)
        if value:
            return str(value)
    return None


def _modified(info: dict[str, Any]) -> int:
    """Return the time of the last modification in nanoseconds, or 0 if the store does not tell it."""
    from datetime import UTC, datetime

    for key in ("mtime", "LastModified", "last_modified", "updated", "modified"):
        value = info.get(key)
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                continue
        if isinstance(value, datetime):
            value = (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
        if isinstance(value, int | float) and -_LATEST < value < _LATEST:  # which a number that is none is not
            return int(value * 1_000_000_000)
    return 0
