"""Which checkpoints lie in a directory, by what is in their files, because a name alone proves nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from recordfs.checkpoint.fetcher import REMOTE_THREADS
from recordfs.checkpoint.file_names import index_path, parse_file_name
from recordfs.checkpoint.index_file import read_bundle_index
from recordfs.checkpoint.parallel import do_all
from recordfs.errors import DataLossError, NotFoundError, RecordFSError, UnimplementedError
from recordfs.paths import join
from recordfs.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from recordfs.filesystem import DirectoryEntry, FileSystem
    from recordfs.paths import PathInput

__all__ = ["FoundCheckpoint", "Inventory", "find_checkpoints"]

Condition = Literal[
    "whole", "data missing", "data cut", "index damaged", "index unreadable", "later version", "no index"
]


class FoundCheckpoint(NamedTuple):
    """A prefix of a directory, and what its files are.

    Attributes:
        prefix: The checkpoint's path without a suffix.
        condition: ``"whole"``: the index can be read, and every data file to which it leads is there and long enough;
            or what is wrong. ``"no index"`` is what a writer at work or a killed one has. ``"later version"`` needs
            a later reader, so that nothing can be said of its data.
        size: Bytes of all its files.
        data_files: How many there are.
        num_shards: How many there are to be; None if no index tells.
        mtime_nsec: When the index was last changed, or without one the newest data file, in ns since 1970.
        error: Why the index cannot be read; None if it can, or is not there.
    """

    prefix: str
    condition: Condition
    size: int
    data_files: int
    num_shards: int | None
    mtime_nsec: int
    error: RecordFSError | None = None

    @property
    def has_index(self) -> bool:
        """Whether an index makes it a checkpoint, sound or not."""
        return self.condition != "no index"


class Inventory(NamedTuple):
    """What lies in a directory.

    Attributes:
        checkpoints: The checkpoints, in the order of their times.
        misnamed: Files that have the name of an index and are none, without a data file of that prefix.
    """

    checkpoints: list[FoundCheckpoint]
    misnamed: list[str]


class _Group:
    """The files of one prefix, as the directory lists them."""

    def __init__(self) -> None:
        self.index: DirectoryEntry | None = None
        # Length and time of each data file by its number and how many its name tells. A length may be negative, which
        # is unknown.
        self.data: dict[tuple[int, int], tuple[int, int]] = {}


def find_checkpoints(
    directory: PathInput, *, file_system: FileSystem | None = None, options: Mapping[str, Any] | None = None
) -> Inventory:
    """Look for the checkpoints of a directory, several at a time. Reads each index, and no data.

    Args:
        directory: Where they lie.
        file_system: Serves the directory.
        options: For the filesystem of the directory.

    Raises:
        NotFoundError: There is no such directory.
    """
    file_system, top = resolve(directory, file_system=file_system, options=options)
    groups: dict[str, _Group] = {}
    for entry in file_system.list_directory(top or "."):
        parsed = None if entry.is_directory else parse_file_name(entry.name)
        if parsed is None:
            continue
        group = groups.setdefault(join(top, parsed.prefix), _Group())
        if parsed.shard is None or parsed.num_shards is None:
            group.index = entry
        else:
            group.data[parsed.shard, parsed.num_shards] = _length_and_time(file_system, join(top, entry.name), entry)
    checkpoints: list[FoundCheckpoint] = []
    misnamed: list[str] = []

    def look(prefix: str) -> None:
        try:
            found = _look(file_system, prefix, groups[prefix])
        except NotFoundError:
            return  # deleted meanwhile
        if found is None:
            misnamed.append(index_path(prefix))
        else:
            checkpoints.append(found)

    do_all(look, list(groups), REMOTE_THREADS)
    return Inventory(sorted(checkpoints, key=lambda each: (each.mtime_nsec, each.prefix)), sorted(misnamed))


def _length_and_time(file_system: FileSystem, path: str, entry: DirectoryEntry) -> tuple[int, int]:
    length, mtime = entry.length, entry.mtime_nsec
    if length is None or mtime is None:
        statistics = file_system.stat(path)
        length, mtime = statistics.length, statistics.mtime_nsec
    return length, mtime


def _look(file_system: FileSystem, prefix: str, group: _Group) -> FoundCheckpoint | None:
    """Return what a prefix is; None if its index is none, and it has no data."""
    size = sum(max(length, 0) for length, _ in group.data.values())
    if group.index is None:
        newest = max(mtime for _, mtime in group.data.values())
        return FoundCheckpoint(prefix, "no index", size, len(group.data), None, newest)
    length, mtime = _length_and_time(file_system, index_path(prefix), group.index)

    def found(condition: Condition, num_shards: int | None, error: RecordFSError | None = None) -> FoundCheckpoint:
        return FoundCheckpoint(prefix, condition, size + max(length, 0), len(group.data), num_shards, mtime, error)

    try:
        index = read_bundle_index(file_system, prefix)
    except NotFoundError:
        raise
    except DataLossError as error:
        return found("index damaged", None, error) if group.data else None
    except UnimplementedError as error:
        return found("later version", None, error)
    except RecordFSError as error:
        return found("index unreadable", None, error)
    lengths = {shard: length for (shard, number), (length, _) in group.data.items() if number == index.num_shards}
    ends = index.data_ends()
    if any(shard not in lengths for shard in ends):
        return found("data missing", index.num_shards)
    is_cut = any(0 <= lengths[shard] < end for shard, end in ends.items())
    return found("data cut" if is_cut else "whole", index.num_shards)
