"""Reads small tensors that lie together: each block of them by one read and one check."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from recordfs.checkpoint.array_memory import bytes_of_region
from recordfs.checkpoint.fetcher import REMOTE_THREADS, Stretch, cut_short
from recordfs.checkpoint.numpy_module import np
from recordfs.checkpoint.parallel import do_all, usable_cores
from recordfs.checkpoint.tensor_types import type_numbered
from recordfs.errors import MissingDependencyError, OutOfRangeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recordfs._core import BundleBlock, ReadOnlyMemoryRegion
    from recordfs.checkpoint.array_memory import Array
    from recordfs.checkpoint.data_files import DataFiles

__all__ = ["BlockReader"]


class BlockReader:
    """Reads blocks of one checkpoint of the processor's byte order. Safe to use from many threads.

    Args:
        files: The data files.
        verify_checksums: Whether to compare every checksum.
    """

    def __init__(self, files: DataFiles, *, verify_checksums: bool) -> None:
        self._files = files
        self._verify_checksums = verify_checksums
        self._numpy_types: dict[int, np.dtype[Any]] = {}

    def read(self, blocks: Sequence[BundleBlock]) -> dict[str, Array]:
        """Read tensors into arrays of their own memory."""
        arrays: dict[str, Array] = {}

        def read(block: BundleBlock) -> None:
            data = self._files.file(block.shard).read_ranges([(block.start, block.size)])[0]
            block.check(data, self._files.path(block.shard), self._verify_checksums)
            types = self._numpy_types
            for name, number, shape, offset in block.members():
                dtype = types.get(number) or self._known_type(name, number)
                arrays[name] = np.ndarray(shape, dtype, data, offset).copy()

        remote = any(self._files.is_remote(shard) for shard in {block.shard for block in blocks})
        do_all(read, blocks, REMOTE_THREADS if remote else usable_cores())
        return arrays

    def map(self, blocks: Sequence[BundleBlock]) -> dict[str, Array] | None:
        """Return tensors as read-only views of the mapped files; None where files cannot be mapped.

        Those that do not lie at a multiple of their items' alignment are copied.
        """
        regions: dict[int, ReadOnlyMemoryRegion] = {}
        for shard in {block.shard for block in blocks}:
            region = self._files.region(shard)
            if region is None:
                return None
            regions[shard] = region
        memories = {shard: bytes_of_region(region) for shard, region in regions.items()}
        arrays: dict[str, Array] = {}
        types = self._numpy_types

        def view(block: BundleBlock) -> None:
            memory = memories[block.shard]
            self._check_end(block, memory.size)
            if self._verify_checksums:
                try:
                    block.check_mapped(regions[block.shard], self._files.path(block.shard))
                except OutOfRangeError:
                    self._check_end(block, self._files.stat_size(block.shard))
                    raise
            for name, number, shape, offset in block.members():
                dtype = types.get(number) or self._known_type(name, number)
                place = block.start + offset
                array: Array = np.ndarray(shape, dtype, memory, place)
                if place % dtype.alignment:
                    array = array.copy()
                    array.flags.writeable = False
                arrays[name] = array

        do_all(view, blocks, usable_cores())
        return arrays

    def _check_end(self, block: BundleBlock, end: int) -> None:
        """Refuse a block of which the file lacks bytes; the error names a tensor that is cut."""
        if block.start + block.size <= end:
            return
        for name, number, shape, offset in block.members():
            start = block.start + offset
            size = math.prod(shape) * self._known_type(name, number).itemsize
            if start + size > end:
                raise cut_short(self._files, Stretch(name, block.shard, start, size, None), end)

    def _known_type(self, name: str, number: int) -> np.dtype[Any]:
        """Return a type that was not met before."""
        try:
            found = self._numpy_types[number] = type_numbered(number).numpy_type()
        except MissingDependencyError as error:
            raise MissingDependencyError(f"tensor {name!r}: {error.message}") from error.__cause__
        return found
