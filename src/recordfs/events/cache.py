"""ColumnCache: indexes of event files that have none, on the local disk, so that these are read whole only once."""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import TYPE_CHECKING

from recordfs.errors import DataLossError
from recordfs.events.stored_index import StoredIndex

if TYPE_CHECKING:
    from recordfs.filesystem import FileStatistics

__all__ = ["ColumnCache", "cache_directory"]


def cache_directory() -> str:
    """Return where the cache is: ``$RECORDFS_CACHE_DIR``, else ``recordfs`` in the user's directory for caches."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(os.environ.get("RECORDFS_CACHE_DIR") or os.path.join(base, "recordfs"), "events")


class ColumnCache:
    """Indexes by path, version or time of modification, and size of the event file that each is of.

    What cannot be read or written costs time and nothing else: an entry is used only if it is whole. Many threads
    may use one cache, and many processes one directory.

    Args:
        directory: Where it is; ``cache_directory()``, if None.
        max_bytes: The most that it holds; the entries that were used longest ago go first.
    """

    def __init__(self, directory: str | None = None, max_bytes: int = 1 << 30) -> None:
        self.directory = directory or cache_directory()
        self.max_bytes = max_bytes
        # The first entry has the directory looked at, which others may have filled.
        self._untrimmed_bytes = max_bytes
        self._told = False

    def _entry(self, path: str, statistics: FileStatistics) -> str:
        key = f"{path}\0{statistics.version or statistics.mtime_nsec}\0{statistics.length}"
        name = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
        return os.path.join(self.directory, f"{name}.index")

    def get(self, path: str, statistics: FileStatistics) -> StoredIndex | None:
        """Return the index of a file; None if there is none."""
        name = self._entry(path, statistics)
        try:
            with open(name, "rb") as file:
                index = StoredIndex.decode(file.read())
            os.utime(name)
        except (OSError, DataLossError):
            return None
        return index if index.covered <= statistics.length else None

    def put(self, path: str, statistics: FileStatistics, index: StoredIndex) -> None:
        """Keep the index of a file."""
        if len(index.record) > self.max_bytes:
            return
        self._write(self._entry(path, statistics), index)

    def section_path(self, path: str, begin: int) -> str:
        """Return where the index is, or would be, of the events of a file from an offset on.

        It says itself how far it goes, and of which bytes it is; so it outlives that the file grows.
        """
        name = hashlib.sha256(f"{path}\0section\0{begin}".encode("utf-8", "surrogateescape")).hexdigest()
        return os.path.join(self.directory, f"{name}.section")

    def put_section(self, path: str, begin: int, index: StoredIndex) -> bool:
        """Keep the index of the events of a file from an offset on; return whether it is kept now."""
        return len(index.record) <= self.max_bytes and self._write(self.section_path(path, begin), index)

    def _write(self, name: str, index: StoredIndex) -> bool:
        """Write an entry, whole or not at all; return whether it is there."""
        temporary = f"{name}.{os.getpid()}.{os.urandom(4).hex()}.new"
        try:
            # Nobody else is to read what the logs hold.
            os.makedirs(self.directory, mode=0o700, exist_ok=True)
            with open(temporary, "wb") as file:
                self._untrimmed_bytes += file.write(index.encode())
            os.replace(temporary, name)
            if self._untrimmed_bytes > self.max_bytes // 64:
                self._untrimmed_bytes = 0
                self._trim()
        except OSError as error:
            if not self._told:  # once: a directory that takes no file takes none of the next thousand
                import logging

                self._told = True
                logging.getLogger("recordfs").warning("%s: the cache of event files cannot be written: %s", name, error)
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            return False
        return True

    def _trim(self) -> None:
        entries = []
        with os.scandir(self.directory) as found:
            for entry in found:
                with contextlib.suppress(FileNotFoundError):
                    status = entry.stat()
                    entries.append((status.st_mtime_ns, status.st_size, entry.path))
        total = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if total <= self.max_bytes:
                break
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            total -= size
