"""Deleting checkpoints, and what killed writers left, in an order that no crash can turn into a broken checkpoint."""

from __future__ import annotations

import math
import re
import time
from typing import TYPE_CHECKING, NamedTuple

from recordfs.checkpoint.file_names import MERGE_NOTE, data_path, index_path, merge_note_path, parse_file_name
from recordfs.checkpoint.index_file import read_bundle_index
from recordfs.checkpoint.replacement import delete_if_there
from recordfs.errors import (
    DataLossError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    UnimplementedError,
)
from recordfs.paths import basename, dirname, is_temporary_name, join
from recordfs.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from recordfs.checkpoint.file_names import BundleFile
    from recordfs.filesystem import DirectoryEntry, FileSystem
    from recordfs.paths import PathInput

    Options = Mapping[str, Any] | None

__all__ = [
    "Leftover",
    "data_files_of",
    "delete_checkpoint",
    "delete_directory_if_empty",
    "find_leftovers",
    "remove_leftovers",
]

DAY_SECONDS = 86_400.0

# What TensorFlow calls the files and directories of a save that is under way, and recordfs the parts of one.
_TEMPORARY_FILE = re.compile(r"\.tempstate\d+\Z")
_TEMPORARY_DIRECTORY = re.compile(r"_temp([-_]\w+)?\Z")
_FILE_OF_PART = re.compile(r"part-\d{5,}-of-\d{5,}\.(index|data-\d{5,}-of-\d{5,})(\.tempstate\d+)?\Z")


def data_files_of(file_system: FileSystem, prefix: str) -> list[str]:
    """Return the paths of all data files of a prefix, whatever number of them their names tell."""
    directory = dirname(prefix)
    found = []
    for entry in file_system.list_directory(directory or "."):
        parsed = parse_file_name(entry.name)
        if parsed is not None and parsed.shard is not None and parsed.prefix == basename(prefix):
            found.append(join(directory, entry.name) if directory else entry.name)
    return sorted(found)


def delete_checkpoint(prefix: PathInput, *, file_system: FileSystem | None = None, options: Options = None) -> None:
    """Delete a checkpoint: its index first, then its data, so that no index ever leads to nothing.

    Deletes a TF1 Saver's ``PREFIX.meta``, too. What is deleted already is not an error, if anything was there.

    Raises:
        NotFoundError: There is no file of that prefix.
    """
    file_system, text = resolve(prefix, file_system=file_system, options=options)
    data = data_files_of(file_system, text)
    deleted = [delete_if_there(file_system, path) for path in (index_path(text), *data, f"{text}.meta")]
    if not any(deleted):
        raise NotFoundError("there is no checkpoint of this prefix", path=text)


def delete_directory_if_empty(file_system: FileSystem, path: str) -> bool:
    """Delete a directory if nothing is in it; return whether it is gone.

    Implicit directories go with their last file, and what others put there is theirs.
    """
    try:
        file_system.delete_dir(path)
    except NotFoundError:
        return True
    except FailedPreconditionError:
        return False
    return True


class Leftover(NamedTuple):
    """Something that an unfinished save left.

    Attributes:
        path: A file, or a directory with all in it.
        is_directory: Which of the two.
        mtime_nsec: When it was last changed, in nanoseconds since 1970.
    """

    path: str
    is_directory: bool
    mtime_nsec: int


def find_leftovers(
    directory: PathInput,
    *,
    older_than_seconds: float = DAY_SECONDS,
    file_system: FileSystem | None = None,
    options: Options = None,
) -> list[Leftover]:
    """Return what unfinished saves left in a directory, if it is so old that none is still at work on it.

    That is temporary files, recordfs's and TensorFlow's, TensorFlow's temporary directories and those of writers of
    parts, data without an index, and data of another number of data files than the index beside them has. A directory
    with anything in it that no saver calls so is somebody else's. Data that a merge which was cut short may have moved
    there are left alone: while its note is there, and while an index in the directory lacks data files.

    Args:
        directory: Where checkpoints lie.
        older_than_seconds: Since its last change, or for a directory the last change below it. What has no time is
            never old enough.
        file_system: Serves the directory.
        options: For the filesystem of the directory.

    Raises:
        InvalidArgumentError: ``older_than_seconds`` is NaN.
        NotFoundError and others: As listing the directory.
    """
    file_system, top = resolve(directory, file_system=file_system, options=options)
    if math.isnan(older_than_seconds):
        raise InvalidArgumentError("older_than_seconds has to be a number, found nan", path=top)
    entries = list(file_system.list_directory(top or "."))
    survey = _Survey.of(file_system, top, entries)
    limit = (time.time() - older_than_seconds) * 1e9
    found = []
    for entry in entries:
        path = join(top, entry.name)
        if survey.is_leftover(path, entry):
            mtime_nsec = _mtime_nsec(file_system, path, entry)
            if mtime_nsec is not None and mtime_nsec <= limit:
                found.append(Leftover(path, entry.is_directory, mtime_nsec))
    if any(_is_data(leftover) for leftover in found) and survey.is_data_missing():
        found = [leftover for leftover in found if not _is_data(leftover)]
    return sorted(found)


class _Survey(NamedTuple):
    """A directory of checkpoints.

    Attributes:
        file_system: Serves it.
        directory: Its path.
        names: Of the files in it.
        mixed: The prefixes whose data files disagree on how many they are.
    """

    file_system: FileSystem
    directory: str
    names: frozenset[str]
    mixed: frozenset[str]

    @classmethod
    def of(cls, file_system: FileSystem, directory: str, entries: Iterable[DirectoryEntry]) -> _Survey:
        """Return the survey of a directory that was listed."""
        names = frozenset(entry.name for entry in entries if not entry.is_directory)
        numbers: dict[str, int | None] = {}
        mixed = set()
        for parsed in map(parse_file_name, names):
            if parsed is None or parsed.shard is None:
                continue
            if numbers.setdefault(parsed.prefix, parsed.num_shards) != parsed.num_shards:
                mixed.add(parsed.prefix)
        return cls(file_system, directory, names, frozenset(mixed))

    def is_leftover(self, path: str, entry: DirectoryEntry) -> bool:
        """Tell whether something in the directory is what savers leave that did not finish."""
        if entry.is_symbolic_link:
            return False
        if entry.is_directory:
            if _TEMPORARY_DIRECTORY.search(entry.name) is None:
                return False
            # The note of a merge is of use until there is an index.
            is_merged = index_path(_TEMPORARY_DIRECTORY.sub("", entry.name)) in self.names
            children = self.file_system.list_directory(path)
            return all(_is_of_part(child) or (is_merged and child.name == MERGE_NOTE) for child in children)
        if _TEMPORARY_FILE.search(entry.name) or is_temporary_name(entry.name):
            return True
        parsed = parse_file_name(entry.name)
        return parsed is not None and parsed.shard is not None and self._leads_nowhere(parsed)

    def _leads_nowhere(self, data: BundleFile) -> bool:
        """Tell whether no index leads to a data file, or will when a merge goes on."""
        if index_path(data.prefix) not in self.names:
            return not self.file_system.file_exists(merge_note_path(join(self.directory, data.prefix)))
        return data.prefix in self.mixed and self._num_shards(data.prefix) not in (None, data.num_shards)

    def _num_shards(self, prefix: str) -> int | None:
        """Return how many data files a checkpoint has; None if its index does not tell."""
        try:
            return read_bundle_index(self.file_system, join(self.directory, prefix)).num_shards
        except (DataLossError, NotFoundError, UnimplementedError):
            return None

    def is_data_missing(self) -> bool:
        """Tell whether a checkpoint in the directory lacks a data file that its index needs."""
        for name in sorted(self.names):
            parsed = parse_file_name(name)
            if parsed is None or parsed.shard is not None:
                continue
            try:
                index = read_bundle_index(self.file_system, join(self.directory, parsed.prefix))
            except (DataLossError, NotFoundError, UnimplementedError):
                continue  # no checkpoint that a merge could have taken anything of, or deleted meanwhile
            if any(data_path(parsed.prefix, shard, index.num_shards) not in self.names for shard in index.data_ends()):
                return True
        return False


def _is_of_part(entry: DirectoryEntry) -> bool:
    """Tell whether something in a temporary directory is what a saver calls the files of a part."""
    named = _FILE_OF_PART.match(entry.name) is not None or is_temporary_name(entry.name)
    return named and not entry.is_directory and not entry.is_symbolic_link


def _is_data(leftover: Leftover) -> bool:
    parsed = None if leftover.is_directory else parse_file_name(leftover.path)
    return parsed is not None and parsed.shard is not None


def _mtime_nsec(file_system: FileSystem, path: str, entry: DirectoryEntry) -> int | None:
    """Return when something was last changed; of a directory, the newest of what is in it. None: nobody knows."""
    if not entry.is_directory:
        mtime_nsec = entry.mtime_nsec
        return (file_system.stat(path).mtime_nsec if mtime_nsec is None else mtime_nsec) or None
    newest = 0
    for child in _files_below(file_system, path):
        mtime_nsec = _mtime_nsec(file_system, *child)
        if mtime_nsec is None:
            return None
        newest = max(newest, mtime_nsec)
    return max(newest, file_system.stat(path).mtime_nsec) or None


def _files_below(file_system: FileSystem, directory: str) -> Iterator[tuple[str, DirectoryEntry]]:
    for entry in file_system.list_directory(directory):
        path = join(directory, entry.name)
        if entry.is_directory and not entry.is_symbolic_link:
            yield from _files_below(file_system, path)
        elif not entry.is_symbolic_link:
            yield path, entry


def remove_leftovers(
    directory: PathInput,
    *,
    older_than_seconds: float = DAY_SECONDS,
    file_system: FileSystem | None = None,
    options: Options = None,
) -> list[Leftover]:
    """Delete what ``find_leftovers`` finds, and return what is gone.

    A directory into which something else came meanwhile stays, with just that in it.

    Args:
        directory: As in ``find_leftovers``, and so are the others.
        older_than_seconds: As there.
        file_system: As there.
        options: As there.

    Raises:
        RecordFSError: As ``find_leftovers``, and what deleting raises; what was deleted before stays deleted.
    """
    file_system, top = resolve(directory, file_system=file_system, options=options)
    leftovers = find_leftovers(top, older_than_seconds=older_than_seconds, file_system=file_system)
    return [leftover for leftover in leftovers if _remove(file_system, leftover)]


def _remove(file_system: FileSystem, leftover: Leftover) -> bool:
    """Delete a leftover; return whether it is gone."""
    try:
        if not leftover.is_directory:
            file_system.delete_file(leftover.path)
            return True
        for child in list(file_system.list_directory(leftover.path)):
            if _is_of_part(child) or child.name == MERGE_NOTE:
                delete_if_there(file_system, join(leftover.path, child.name))
        return delete_directory_if_empty(file_system, leftover.path)
    except NotFoundError:
        return True  # somebody else removed it
