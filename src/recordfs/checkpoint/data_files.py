"""The data files of one checkpoint, each opened or mapped when it is first needed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from recordfs.checkpoint.file_names import data_path
from recordfs.errors import ClosedFileError, DataLossError

if TYPE_CHECKING:
    from recordfs._core import ReadOnlyMemoryRegion
    from recordfs.filesystem import FileSystem, RandomAccessFile

__all__ = ["DataFiles"]


class DataFiles:
    """The data files of a checkpoint. Safe to use from many threads.

    Args:
        file_system: Serves them.
        prefix: The checkpoint's.
        num_shards: How many there are.
    """

    def __init__(self, file_system: FileSystem, prefix: str, num_shards: int) -> None:
        self._file_system = file_system
        self._prefix = prefix
        self._num_shards = num_shards
        self._lock = threading.Lock()
        self._files: dict[int, RandomAccessFile] = {}
        self._regions: dict[int, ReadOnlyMemoryRegion] = {}
        self._sizes: dict[int, int] = {}
        self._closed = False

    def path(self, shard: int) -> str:
        """Return the path of a data file."""
        return data_path(self._prefix, shard, self._num_shards)

    def file(self, shard: int) -> RandomAccessFile:
        """Return a data file, open.

        Raises:
            NotFoundError: It is missing.
        """
        found = self._files.get(shard)
        if found is not None:
            return found
        # Opening may take a request, so no lock is held; the loser of two threads closes its own.
        opened = self._file_system.new_random_access_file(self.path(shard))
        with self._lock:
            found = self._files.setdefault(shard, opened) if not self._closed else None
        if found is not opened:
            opened.close()
        if found is None:
            raise ClosedFileError("the checkpoint has been closed", path=self._prefix)
        return found

    def region(self, shard: int) -> ReadOnlyMemoryRegion | None:
        """Return a data file as mapped memory; None where the filesystem cannot map.

        The memory stays as long as an array over it lives, closed or not.
        """
        found = self._regions.get(shard)
        if found is not None:
            return found
        path = self.path(shard)
        if not self._file_system.capabilities(path).memory_region:
            return None
        mapped = self._file_system.new_read_only_memory_region_from_file(path)
        with self._lock:
            return self._regions.setdefault(shard, mapped)

    def size(self, shard: int) -> int:
        """Return the size of a data file in bytes, as it was when it was first asked for."""
        size = self._sizes.get(shard)
        if size is None:
            file = self.file(shard)
            # A store that reads ahead knows the size since it opened the file; asking again would be a request.
            known = file.read_ahead(0, 0)
            size = self._sizes[shard] = file.size() if known is None else known
        return size

    def stat_size(self, shard: int) -> int:
        """Return the size of a data file in bytes as it is now."""
        return self._file_system.stat(self.path(shard)).length

    def is_remote(self, shard: int) -> bool:
        """Tell whether each read of a data file is a request to a store that takes its time."""
        return self.file(shard).read_ahead(0, 0) is not None

    def check_range(self, name: str, shard: int, offset: int, size: int) -> None:
        """Refuse bytes that a data file does not have, before anything is allocated for them.

        Raises:
            DataLossError: The file ends before.
            NotFoundError: It is missing.
        """
        length = self.size(shard)
        if offset + size > length:
            raise DataLossError(
                f"tensor {name!r} has {size} bytes at offset {offset}, but the file ends at {length}: it was cut, or "
                "belongs to another save",
                path=self.path(shard),
                offset=offset,
            )

    def close(self) -> None:
        """Close what is open. Idempotent. Mapped memory stays as long as arrays over it do."""
        with self._lock:
            self._closed = True
            files, self._files = self._files, {}
            regions, self._regions = self._regions, {}
        for file in files.values():
            file.close()
        for region in regions.values():
            region.close()
