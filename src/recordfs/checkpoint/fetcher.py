"""Brings stretches of data files into memory: neighbours by one read, large ones in pieces, several at a time.

Every stretch has a checksum in the index. It is computed piece by piece right after the piece arrived, while the
processor's cache still holds it, and put together at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from recordfs._core import combine_crc32c, crc32c_of_still_memory, mask_crc32c, masked_crc32c
from recordfs.checkpoint.numpy_module import np
from recordfs.checkpoint.parallel import do_all, usable_cores
from recordfs.errors import DataLossError, OutOfRangeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from recordfs.checkpoint.data_files import DataFiles

__all__ = [
    "DIRECT_SIZE",
    "REMOTE_THREADS",
    "SMALL_TENSORS",
    "Stretch",
    "check_mapped",
    "fetch",
    "stream_check",
    "wrong_checksum",
]

DIRECT_SIZE = 256 << 10
"""From this many bytes on a tensor is read straight into its array; smaller ones are read with their neighbours."""

_LOCAL_PIECE = 2 << 20
"""Bytes of one read of a local file: few enough to be in the cache still when they are checked, and a whole huge page,
which two threads that share it would both clear."""

_REMOTE_PIECE = 16 << 20
"""Bytes of one request to a store: enough that the request's own cost hardly shows."""

_BLOCK = 4 << 20
"""Most bytes that small tensors are read together in."""

_COST_OF_A_CHECK = 4 << 10
"""Bytes that could be checked in the time that the call for a small stretch takes."""

_GAP = 64 << 10
"""Bytes that are read and thrown away rather than to read twice."""

SMALL_TENSORS = (DIRECT_SIZE, _GAP, _BLOCK)
"""How small tensors are put together: see ``BundleIndex.small_blocks``."""

REMOTE_THREADS = 4
"""Requests to a store that are under way at a time."""


class Stretch(NamedTuple):
    """Bytes of a data file that are wanted.

    Attributes:
        name: The tensor's name, for errors.
        shard: The number of the data file.
        offset: Where they begin.
        size: How many there are.
        crc: The masked checksum of all of them; None leaves them unchecked.
        target: Where they go, ``size`` bytes; None hands them to the caller instead.
    """

    name: str
    shard: int
    offset: int
    size: int
    crc: int | None
    target: memoryview | None = None


def fetch(files: DataFiles, stretches: Sequence[Stretch], take: Callable[[int, memoryview], object]) -> None:
    """Fetch stretches of data files, in any order.

    Args:
        files: The data files. The caller has checked that they are long enough.
        stretches: What is wanted.
        take: Called with the place in ``stretches`` and the bytes of each that has no target, perhaps from another
            thread. The memory is valid only during the call.

    Raises:
        DataLossError: A checksum is wrong, or a file is shorter than it was.
    """
    remote = any(files.is_remote(shard) for shard in {stretch.shard for stretch in stretches})
    tasks: list[Callable[[], None]] = [_BlockRead(files, block, stretches, take).read for block in _blocks(stretches)]
    for stretch in stretches:
        if stretch.target is not None:
            tasks.extend(_pieces(files, stretch, stretch.target, _REMOTE_PIECE if remote else _LOCAL_PIECE))
    do_all(lambda task: task(), tasks, REMOTE_THREADS if remote else usable_cores())


class _Block(NamedTuple):
    """A range of a data file and the stretches that lie in it."""

    shard: int
    start: int
    end: int
    members: list[int]


def _blocks(stretches: Sequence[Stretch]) -> Iterator[_Block]:
    """Put stretches without a target together with their neighbours."""
    places = [place for place, stretch in enumerate(stretches) if stretch.target is None]
    places.sort(key=lambda place: (stretches[place].shard, stretches[place].offset))
    block: _Block | None = None
    for place in places:
        _, shard, offset, size, _, _ = stretches[place]
        end = offset + size
        if block is not None:
            if shard == block.shard and offset - block.end <= _GAP and max(end, block.end) - block.start <= _BLOCK:
                block.members.append(place)
                if end > block.end:
                    block = block._replace(end=end)
                continue
            yield block
        block = _Block(shard, offset, end, [place])
    if block is not None:
        yield block


class _BlockRead(NamedTuple):
    """One read for several small stretches."""

    files: DataFiles
    block: _Block
    stretches: Sequence[Stretch]
    take: Callable[[int, memoryview], object]

    def read(self) -> None:
        """Read the block, check each stretch in it and hand it on."""
        shard, start, end, members = self.block
        room = np.empty(end - start, np.uint8).data
        done = self.files.file(shard).read_range_into(start, room)
        take = self.take
        with room[:done] as view:
            for place in members:
                stretch = self.stretches[place]
                offset = stretch.offset - start
                part = view[offset : offset + stretch.size]
                if len(part) < stretch.size:
                    raise cut_short(self.files, stretch, stretch.offset + len(part))
                if stretch.crc is not None:
                    computed = masked_crc32c(part)
                    if computed != stretch.crc:
                        raise wrong_checksum(self.files, stretch, computed)
                take(place, part)


class _DirectRead:
    """A large stretch on its way into its target, in pieces that arrive in any order."""

    def __init__(self, files: DataFiles, stretch: Stretch, target: memoryview, piece: int) -> None:
        self._files = files
        self._stretch = stretch
        self._target = target
        self._piece = piece
        self._checksums = [0] * -(-stretch.size // piece)
        # One entry for each piece that is there: a list can be added to by several threads without a lock.
        self._done: list[int] = []

    def __len__(self) -> int:
        return len(self._checksums)

    def read(self, number: int) -> None:
        """Read one piece; whoever reads the last one checks the whole."""
        stretch = self._stretch
        start = number * self._piece
        with self._target[start : start + self._piece] as view:
            self._fill(view, stretch.offset + start)
            if stretch.crc is None:
                return
            self._checksums[number] = crc32c_of_still_memory(view)
        self._done.append(number)
        # Of the threads that end at the same time more than one may see the last piece, which does no harm.
        if len(self._done) == len(self._checksums):
            _check_combined(self._files, stretch, self._checksums, self._piece)

    def _fill(self, view: memoryview, offset: int) -> None:
        done = self._files.file(self._stretch.shard).read_range_into(offset, view)
        if done < len(view):
            raise cut_short(self._files, self._stretch, offset + done)


def _pieces(files: DataFiles, stretch: Stretch, target: memoryview, piece: int) -> Iterator[Callable[[], None]]:
    """Yield the reads that fill a target."""
    read = _DirectRead(files, stretch, target, piece)
    for number in range(len(read)):
        yield lambda number=number: read.read(number)  # type: ignore[misc]


def stream_check(files: DataFiles, stretch: Stretch) -> None:
    """Read a stretch of any size and check it, with memory for a few pieces of it."""
    piece = _REMOTE_PIECE if files.is_remote(stretch.shard) else _BLOCK
    checksums = [0] * -(-stretch.size // piece)
    free: list[memoryview] = []  # memory that is in use costs less than fresh memory

    def check(number: int) -> None:
        start = number * piece
        length = min(piece, stretch.size - start)
        room = free.pop() if free else np.empty(min(piece, stretch.size), np.uint8).data
        done = files.file(stretch.shard).read_range_into(stretch.offset + start, room[:length])
        if done < length:
            raise cut_short(files, stretch, stretch.offset + start + done)
        checksums[number] = crc32c_of_still_memory(room[:length])
        free.append(room)

    do_all(check, range(len(checksums)), REMOTE_THREADS)
    _check_combined(files, stretch, checksums, piece)


def _check_combined(files: DataFiles, stretch: Stretch, checksums: Sequence[int], piece: int) -> None:
    """Compare the checksum of a whole with those of its pieces, all of one size but for the last."""
    whole = 0
    for number, checksum in enumerate(checksums):
        whole = combine_crc32c(whole, checksum, min(piece, stretch.size - number * piece))
    computed = mask_crc32c(whole)
    if computed != stretch.crc:
        raise wrong_checksum(files, stretch, computed)


def check_mapped(files: DataFiles, stretches: Sequence[Stretch]) -> None:
    """Check stretches of mapped data files, by several threads.

    Raises:
        DataLossError: A checksum is wrong, or a file is shorter than it was.
    """
    checksums = [[0] * -(-stretch.size // _BLOCK) for stretch in stretches]
    # Pieces of large stretches, and small ones together, so that a task is worth a thread's while.
    tasks: list[list[tuple[int, int]]] = []
    room = 0
    for place, stretch in enumerate(stretches):
        for number in range(len(checksums[place])):
            if room <= 0:
                tasks.append([])
                room = _BLOCK
            tasks[-1].append((place, number))
            room -= min(stretch.size - number * _BLOCK, _BLOCK) + _COST_OF_A_CHECK

    def check(task: list[tuple[int, int]]) -> None:
        for place, number in task:
            stretch = stretches[place]
            start = number * _BLOCK
            region = files.region(stretch.shard)
            try:
                assert region is not None, "the stretch lies in a mapped file"
                checksum = region.checksum(stretch.offset + start, min(_BLOCK, stretch.size - start))
            except OutOfRangeError:
                raise cut_short(files, stretch, files.stat_size(stretch.shard)) from None
            checksums[place][number] = checksum

    do_all(check, tasks, usable_cores())
    for stretch, pieces in zip(stretches, checksums, strict=True):
        _check_combined(files, stretch, pieces, _BLOCK)


def wrong_checksum(files: DataFiles, stretch: Stretch, computed: int) -> DataLossError:
    """Return the error for bytes that do not have the checksum that the index tells."""
    return DataLossError(
        f"tensor {stretch.name!r}: the checksum in the index is {stretch.crc:#010x}, but its {stretch.size} bytes give "
        f"{computed:#010x}: they are damaged, or of another save",
        path=files.path(stretch.shard),
        offset=stretch.offset,
    )


def cut_short(files: DataFiles, stretch: Stretch, end: int) -> DataLossError:
    """Return the error for a file that ends inside a stretch."""
    return DataLossError(
        f"tensor {stretch.name!r} has {stretch.size} bytes at offset {stretch.offset}, but the file ends at {end}",
        path=files.path(stretch.shard),
        offset=stretch.offset,
    )
