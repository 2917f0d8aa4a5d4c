"""What fsspec's filesystems tell of a file, each in words of its own, as recordfs says it."""

from __future__ import annotations

from typing import Any

from recordfs.filesystem import DirectoryEntry, FileStatistics

__all__ = ["entry_of", "statistics_of"]


def statistics_of(info: dict[str, Any]) -> FileStatistics:
    """Return what an ``info`` tells; a length of -1 where the store does not know it."""
    if info["type"] == "directory":
        return FileStatistics(0, _modified(info), True)
    size = info.get("size")
    return FileStatistics(-1 if size is None else size, _modified(info), False, _version(info))


def entry_of(name: str, info: dict[str, Any]) -> DirectoryEntry:
    """Return the row of a listing as that of a child."""
    is_directory = info["type"] == "directory"
    size = None if is_directory else info.get("size")
    return DirectoryEntry(name, is_directory, size, _modified(info) or None, bool(info.get("islink")), _version(info))


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
        if isinstance(value, int | float):
            return int(value * 1_000_000_000)
    return 0
