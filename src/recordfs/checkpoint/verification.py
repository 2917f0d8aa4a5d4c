"""Is every tensor of a checkpoint whole, and if not, which is broken and how?"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from recordfs._core import check_bundle_variants
from recordfs.checkpoint.fetcher import DIRECT_SIZE, Stretch, fetch, stream_check
from recordfs.checkpoint.reader import CheckpointReader
from recordfs.checkpoint.tensor_types import STRING, VARIANT
from recordfs.errors import DataLossError, IsADirectoryError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from recordfs.checkpoint.data_files import DataFiles
    from recordfs.checkpoint.entries import TensorEntry
    from recordfs.errors import RecordFSError
    from recordfs.filesystem import FileSystem
    from recordfs.paths import PathInput

__all__ = ["BrokenTensor", "CheckpointReport", "verify_checkpoint"]

_BATCH = 64 << 20
"""Bytes of small tensors that are checked together."""


_SAYS_BROKEN = (DataLossError, NotFoundError, IsADirectoryError)
"""Errors that tell of the checkpoint; any other tells of the way to it. The last is of a directory as a data file."""


class BrokenTensor(NamedTuple):
    """A tensor that cannot be read as it was written.

    Attributes:
        name: Its name.
        error: What is wrong: damaged bytes, a missing file, an entry that makes no sense.
    """

    name: str
    error: RecordFSError


class CheckpointReport(NamedTuple):
    """What ``verify_checkpoint`` found.

    Attributes:
        prefix: The checkpoint.
        tensors: How many tensors its index has.
        num_shards: How many data files.
        size: The bytes that all tensors take in data files, as far as the index tells.
        broken: The tensors that are not whole.
    """

    prefix: str
    tensors: int
    num_shards: int
    size: int
    broken: tuple[BrokenTensor, ...]

    @property
    def sound(self) -> bool:
        """Whether all are whole."""
        return not self.broken


def verify_checkpoint(
    prefix: PathInput,
    *,
    progress: Callable[[int], object] | None = None,
    file_system: FileSystem | None = None,
    options: Mapping[str, Any] | None = None,
) -> CheckpointReport:
    """Read every tensor of a checkpoint and compare all checksums, with memory for a few at a time.

    Goes on after a broken tensor. What could not be read is not called broken: such an error ends it.

    Args:
        prefix: The checkpoint.
        progress: Called with a number of bytes whenever so many more have been checked.
        file_system: Serves the prefix.
        options: For the filesystem of the prefix.

    Raises:
        NotFoundError: There is no checkpoint of that prefix.
        DataLossError: Its index is damaged, so that nothing can be said of its tensors.
        UnavailableError: The store does not answer, so that nothing can be said of what is left to read; likewise
            PermissionDeniedError and others.
    """
    with CheckpointReader(prefix, file_system=file_system, options=options) as reader:
        entries: list[TensorEntry] = []
        broken: list[BrokenTensor] = []
        for name in reader:
            try:
                entries.append(reader.entry(name))
            except DataLossError as error:
                broken.append(BrokenTensor(name, error))
        entries.sort(key=lambda entry: entry.slices[0][2:4])
        check = _Check(reader.data_files, big_endian=reader.big_endian, report=progress or (lambda _: None))
        for batch in _batches(entries):
            broken += check.all_of(batch)
        size = sum(entry.size for entry in entries)
        return CheckpointReport(reader.prefix, len(reader), reader.num_shards, size, tuple(sorted(broken)))


def _batches(entries: list[TensorEntry]) -> list[list[TensorEntry]]:
    """Put small tensors together; a large one stands alone."""
    batches: list[list[TensorEntry]] = []
    size = 0
    for entry in entries:
        if not batches or size + entry.size > _BATCH or entry.size >= DIRECT_SIZE:
            batches.append([])
            size = 0
        batches[-1].append(entry)
        size += entry.size if entry.size < DIRECT_SIZE else _BATCH
    return batches


class _Check(NamedTuple):
    """Checks tensors of one checkpoint."""

    files: DataFiles
    big_endian: bool
    report: Callable[[int], object]

    def all_of(self, entries: list[TensorEntry]) -> list[BrokenTensor]:
        """Check tensors together, and one by one if something is wrong with any."""
        try:
            self._check(entries)
        except _SAYS_BROKEN as error:
            if len(entries) == 1:
                self.report(entries[0].size)
                return [BrokenTensor(entries[0].name, error)]
            return [found for entry in entries for found in self.all_of([entry])]
        self.report(sum(entry.size for entry in entries))
        return []

    def _check(self, entries: list[TensorEntry]) -> None:
        small: list[Stretch] = []
        for entry in entries:
            for stored in entry.slices:
                self.files.check_range(entry.name, stored.shard, stored.offset, stored.size)
                stretch = Stretch(entry.name, stored.shard, stored.offset, stored.size, stored.crc)
                if entry.type in (STRING, VARIANT):
                    self._check_elements(entry, stretch, stored.elements)
                elif stored.size >= DIRECT_SIZE:
                    stream_check(self.files, stretch)
                else:
                    small.append(stretch)
        fetch(self.files, small, lambda place, data: None)

    def _check_elements(self, entry: TensorEntry, stretch: Stretch, count: int) -> None:
        """Check elements of any length, whose checksum is not that of their bytes."""
        from recordfs._core import decode_bundle_strings

        def take(_: int, data: memoryview) -> None:
            path = self.files.path(stretch.shard)
            check = decode_bundle_strings if entry.type is STRING else check_bundle_variants
            check(bytes(data), count, stretch.crc or 0, self.big_endian, entry.name, path)

        fetch(self.files, [stretch._replace(crc=None)], take)
