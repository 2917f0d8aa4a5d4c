"""Turns entries into arrays: allocates, fetches, decodes, and puts partitioned tensors together."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from recordfs._core import decode_bundle_strings, masked_crc32c
from recordfs.checkpoint.array_memory import byte_view_of, bytes_of_region, check_shape, empty_array
from recordfs.checkpoint.fetcher import (
    DIRECT_SIZE,
    Stretch,
    check_mapped,
    cut_short,
    fetch,
    wrong_checksum,
)
from recordfs.checkpoint.numpy_module import np
from recordfs.checkpoint.slicing import Box, byte_runs, intersection
from recordfs.checkpoint.tensor_types import STRING
from recordfs.errors import (
    DataLossError,
    InvalidArgumentError,
    MissingDependencyError,
    UnimplementedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from recordfs.checkpoint.data_files import DataFiles
    from recordfs.checkpoint.entries import StoredSlice, TensorEntry
    from recordfs.checkpoint.slicing import Selection

    Array = np.ndarray[Any, np.dtype[Any]]

__all__ = ["ArrayReader"]

_RUNS = 4096
_RUN_BYTES = 8 << 20
"""At most so many runs, and about so many bytes of them, are asked for at once."""


class ArrayReader:
    """Reads tensors of one checkpoint into arrays. Safe to use from many threads.

    Args:
        files: The data files.
        big_endian: Whether numbers in them have their high byte first.
        verify_checksums: Whether to compare every checksum.
    """

    def __init__(self, files: DataFiles, *, big_endian: bool, verify_checksums: bool) -> None:
        self._files = files
        self._big_endian = big_endian
        self._verify_checksums = verify_checksums
        self._numpy_types: dict[int, np.dtype[Any]] = {}

    def read_small(self, entry: TensorEntry) -> Array | None:
        """Read one small tensor of the processor's byte order, with as little ado as that takes; None for any other."""
        stored = entry.slices[0]
        size = stored.size
        if self._big_endian or entry.is_partitioned or entry.type is STRING or not 0 < size < DIRECT_SIZE:
            return None
        dtype = self._numpy_type(entry)
        check_shape(entry.name, entry.shape, dtype)
        data = self._files.file(stored.shard).read(stored.offset, size)
        if len(data) < size:
            raise cut_short(self._files, _stretch_of(entry, stored), stored.offset + len(data))
        if self._verify_checksums and masked_crc32c(data) != stored.crc:
            raise wrong_checksum(self._files, _stretch_of(entry, stored), masked_crc32c(data))
        array: Array = np.ndarray(entry.shape, dtype, data)
        return array.copy()

    def read(self, entries: Sequence[TensorEntry], out: Mapping[str, Array]) -> dict[str, Array]:
        """Read whole tensors.

        Args:
            entries: The tensors, each once.
            out: Arrays to fill, by name, of the tensors' shapes and types; the others are made.

        Returns:
            The arrays by name, in the order of ``entries``.
        """
        job = _ReadJob(self._files, big_endian=self._big_endian, verify_checksums=self._verify_checksums)
        for entry in entries:
            self._check_entry(entry, entry.shape)
            given = out.get(entry.name)
            if given is not None:
                _check_given(entry, given)
            job.add(entry, given)
        arrays = job.run()
        return {entry.name: arrays[entry.name] for entry in entries}

    def _numpy_type(self, entry: TensorEntry) -> np.dtype[Any]:
        """Return the type of a tensor's elements; an error that there is none names the tensor."""
        found = self._numpy_types.get(entry.type.number)
        if found is not None:
            return found
        try:
            found = self._numpy_types[entry.type.number] = entry.type.numpy_type()
        except (UnimplementedError, MissingDependencyError) as error:
            path = self._files.path(entry.slices[0].shard) if entry.slices else None
            raise type(error)(f"tensor {entry.name!r}: {error.message}", path=path) from error.__cause__
        return found

    def _check_entry(self, entry: TensorEntry, wanted: tuple[int, ...]) -> None:
        """Refuse what cannot be there before anything is allocated; ``wanted`` is the shape of what is asked for."""
        check_shape(entry.name, wanted, self._numpy_type(entry))
        for stored in entry.slices:
            self._files.check_range(entry.name, stored.shard, stored.offset, stored.size)
        if len(entry.slices) > 1:
            there = sum(self._files.size(shard) for shard in {stored.shard for stored in entry.slices})
            if entry.size > there:
                raise DataLossError(
                    f"tensor {entry.name!r}: its slices come to {entry.size} bytes, and their files to {there}",
                    path=self._files.path(entry.slices[0].shard),
                )

    def map(self, entries: Iterable[TensorEntry]) -> dict[str, Array]:
        """Return tensors as read-only views of their mapped files, without those that have to be read.

        These are tensors in slices, strings, numbers of the other byte order, and those that do not lie at a multiple
        of their items' alignment.
        """
        views: dict[str, Array] = {}
        stretches: list[Stretch] = []
        # Arrays keep these, and these the mapping. NumPy makes an array over a buffer without keeping the buffer, if it
        # is not an array itself.
        mapped: dict[int, Array | None] = {}
        for entry in entries:
            view = self._view(entry, mapped)
            if view is not None:
                views[entry.name] = view
                stretches.append(_stretch_of(entry, entry.slices[0]))
        if self._verify_checksums:
            check_mapped(self._files, stretches)
        return views

    def _view(self, entry: TensorEntry, mapped: dict[int, Array | None]) -> Array | None:
        """Return a view of a mapped file, unchecked; None for what has to be read.

        Args:
            entry: The tensor.
            mapped: The memory of each data file that was met, None if it cannot be mapped.
        """
        dtype = self._numpy_type(entry)
        if len(entry.slices) != 1 or entry.type is STRING or (self._big_endian and dtype.itemsize > 1):
            return None
        _, shape, shard, offset, size, _ = entry.slices[0]
        if shape != entry.shape or offset % dtype.alignment:
            return None
        check_shape(entry.name, shape, dtype)
        if shard not in mapped:
            region = self._files.region(shard)
            mapped[shard] = None if region is None else bytes_of_region(region)
        memory = mapped[shard]
        if memory is None:
            return None
        if offset + size > memory.size:
            raise cut_short(self._files, _stretch_of(entry, entry.slices[0]), memory.size)
        array: Array = np.ndarray(shape, dtype, memory, offset) if size else np.empty(shape, dtype)
        array.flags.writeable = False
        return array

    def read_box(self, entry: TensorEntry, selection: Selection) -> Array:
        """Read part of a tensor: those bytes only. A checksum is compared where a stored slice is read whole."""
        box = selection.box
        if entry.type is STRING:
            whole = self.read([entry], {})[entry.name][box.within(Box((0,) * len(entry.shape), entry.shape))]
            return np.asarray(whole[selection.inner])
        self._check_entry(entry, box.lengths)
        dtype = entry.type.numpy_type()
        result = empty_array(box.lengths, dtype)
        for stored in entry.slices:
            own = Box(stored.starts, stored.shape)
            common = intersection(own, box)
            if common is not None:
                result[common.within(box)] = self._read_part(entry, stored, common)
        if self._big_endian:
            _swap(result)
        part = result[selection.inner]
        # What a step left out is not kept, and a number stays an array.
        return np.asarray(part) if part.size == result.size else np.array(part)

    def _read_part(self, entry: TensorEntry, stored: StoredSlice, common: Box) -> Array:
        dtype = entry.type.numpy_type()
        array = empty_array(common.lengths, dtype)
        target = byte_view_of(array)
        if common.lengths == stored.shape:
            crc = stored.crc if self._verify_checksums else None
            fetch(self._files, [Stretch(entry.name, stored.shard, stored.offset, stored.size, crc, target)], _ignore)
            return array
        inside = Box(tuple(a - b for a, b in zip(common.starts, stored.starts, strict=True)), common.lengths)
        file = self._files.file(stored.shard)
        position = 0
        for ranges in _batches(byte_runs(inside, stored.shape, dtype.itemsize)):
            wanted = [(stored.offset + offset, length) for offset, length in ranges]
            for (offset, length), data in zip(wanted, file.read_ranges(wanted), strict=True):
                if len(data) < length:
                    raise cut_short(self._files, _stretch_of(entry, stored), offset + len(data))
                target[position : position + length] = data
                position += length
        return array


def _stretch_of(entry: TensorEntry, stored: StoredSlice) -> Stretch:
    return Stretch(entry.name, stored.shard, stored.offset, stored.size, stored.crc)


def _ignore(place: int, data: memoryview) -> None:
    """Stretches with a target are not handed on."""


def _batches(runs: Iterable[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Yield runs in lists that are small enough to be read at once; long ones are cut."""
    batch: list[tuple[int, int]] = []
    total = 0
    for offset, length in runs:
        for start in range(0, length, _RUN_BYTES):
            size = min(_RUN_BYTES, length - start)
            batch.append((offset + start, size))
            total += size
            if total >= _RUN_BYTES or len(batch) >= _RUNS:
                yield batch
                batch, total = [], 0
    if batch:
        yield batch


def _check_given(entry: TensorEntry, given: Array) -> None:
    """Refuse an array that the tensor does not fit into."""
    if not isinstance(given, np.ndarray):
        raise InvalidArgumentError(
            f"tensor {entry.name!r} is read into an array of NumPy's, found {type(given).__name__}"
        )
    if given.shape != entry.shape or given.dtype != entry.type.numpy_type():
        raise InvalidArgumentError(
            f"tensor {entry.name!r} is {entry.dtype} {list(entry.shape)}, and the array given for it {given.dtype} "
            f"{list(given.shape)}"
        )
    if not given.flags.writeable:
        raise InvalidArgumentError(f"the array given for tensor {entry.name!r} is read-only")


def _swap(array: Array) -> None:
    """Turn numbers with their high byte first into the processor's own."""
    # What ml_dtypes has is of one or two bytes and swapped as whole numbers; complex ones NumPy swaps by halves.
    if array.dtype.itemsize > 1:
        (array.view(np.uint16) if array.dtype.itemsize == 2 else array).byteswap(inplace=True)


class _ReadJob:
    """The stretches of several tensors, and what becomes of each."""

    def __init__(self, files: DataFiles, *, big_endian: bool, verify_checksums: bool) -> None:
        self._files = files
        self._big_endian = big_endian
        self._verify_checksums = verify_checksums
        self._arrays: dict[str, Array] = {}
        self._stretches: list[Stretch] = []
        self._takers: list[Callable[[memoryview], None]] = []
        self._finishers: list[Callable[[], None]] = []

    def run(self) -> dict[str, Array]:
        """Fetch everything and return the arrays by name."""
        takers = self._takers
        fetch(self._files, self._stretches, lambda place, data: takers[place](data))
        for finish in self._finishers:
            finish()
        return self._arrays

    def _want(self, stretch: Stretch, take: Callable[[memoryview], None]) -> None:
        self._stretches.append(stretch)
        self._takers.append(take)

    def add(self, entry: TensorEntry, given: Array | None) -> None:
        """Take note of one tensor."""
        if entry.type is STRING:
            self._add_strings(entry, given)
        elif not entry.is_partitioned:
            self._add_plain(entry, given)
        else:
            self._add_partitioned(entry, given)

    def _add_plain(self, entry: TensorEntry, given: Array | None) -> None:
        name, dtype, shape = entry.name, entry.type.numpy_type(), entry.shape
        stored = entry.slices[0]
        direct = stored.size >= DIRECT_SIZE
        array = given if given is not None else empty_array(shape, dtype) if direct else None
        if direct and array is not None and array.flags.c_contiguous:
            self._arrays[name] = array
            self._want(self._stretch(name, stored, byte_view_of(array)), lambda _: None)
            self._swap_at_end(array)
            return

        def take(data: memoryview) -> None:
            found: Array = np.ndarray(shape, dtype, data) if stored.size else np.empty(shape, dtype)
            if array is None:
                self._arrays[name] = made = found.copy()
                if self._big_endian:
                    _swap(made)
            else:
                array[...] = found
                if self._big_endian:
                    array[...] = _swapped(array)

        if array is not None:
            self._arrays[name] = array
        self._want(self._stretch(name, stored), take)

    def _stretch(self, name: str, stored: StoredSlice, target: memoryview | None = None) -> Stretch:
        crc = stored.crc if self._verify_checksums else None
        return Stretch(name, stored.shard, stored.offset, stored.size, crc, target)

    def _swap_at_end(self, array: Array) -> None:
        if self._big_endian:
            self._finishers.append(lambda: _swap(array))

    def _add_partitioned(self, entry: TensorEntry, given: Array | None) -> None:
        dtype = entry.type.numpy_type()
        array = self._arrays[entry.name] = empty_array(entry.shape, dtype) if given is None else given
        whole = Box((0,) * len(entry.shape), entry.shape)
        for stored in entry.slices:
            part = array[Box(stored.starts, stored.shape).within(whole)]
            if part.flags.c_contiguous and stored.size >= DIRECT_SIZE:
                self._want(self._stretch(entry.name, stored, byte_view_of(part)), lambda _: None)
            else:
                self._want(self._stretch(entry.name, stored), _filler(part, stored.shape, dtype))
        if self._big_endian:
            self._finishers.append(lambda: array.__setitem__(Ellipsis, _swapped(array)))

    def _add_strings(self, entry: TensorEntry, given: Array | None) -> None:
        array: Array = np.empty(entry.shape, object) if given is None else given
        self._arrays[entry.name] = array
        whole = Box((0,) * len(entry.shape), entry.shape)
        for stored in entry.slices:
            part = array[Box(stored.starts, stored.shape).within(whole)] if entry.shape else array
            stretch = self._stretch(entry.name, stored)
            # The checksum of strings is not that of their bytes, so it is left to the decoder.
            self._want(stretch._replace(crc=None), self._decoder(stretch, stored, part))

    def _decoder(self, stretch: Stretch, stored: StoredSlice, part: Array) -> Callable[[memoryview], None]:
        path, big_endian = self._files.path(stretch.shard), self._big_endian

        def decode(data: memoryview) -> None:
            count = math.prod(stored.shape)
            elements = decode_bundle_strings(bytes(data), count, stretch.crc, big_endian, stretch.name, path)
            decoded: Array = np.empty(count, object)
            decoded[:] = elements
            part[...] = decoded.reshape(stored.shape)

        return decode


def _filler(part: Array, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Callable[[memoryview], None]:
    def fill(data: memoryview) -> None:
        if part.size:
            part[...] = np.ndarray(shape, dtype, data)

    return fill


def _swapped(array: Array) -> Array:
    copy = array.copy()
    _swap(copy)
    return copy
