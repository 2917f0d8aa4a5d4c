"""The steps of merging whole checkpoints: data files move to the names of one, and its index is published.

What is on disk at each step, where files can be renamed:

1. the sources, whole; what is wrong with them, or in the way, has been refused
2. a note beside the target, with the index that will be published, and the data files on their way: neither the sources
   nor the target can be read now, and the same merge, called again, goes on
3. the target's index: from this moment on the target is there, whole; the sources are garbage, as is the note

The note is what tells a file that this merge moved from one that others left there, and keeps ``remove_leftovers``
from taking data for garbage whose index lies in another directory. A store without a rename copies: its sources are
whole until the target is, so that nothing needs to be noted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from recordfs._core import merge_bundle_indexes
from recordfs.checkpoint.deletion import data_files_of, delete_directory_if_empty
from recordfs.checkpoint.file_names import data_path, index_path, merge_note_path, parse_file_name
from recordfs.checkpoint.index_file import read_bundle_index
from recordfs.checkpoint.publishing import publish
from recordfs.checkpoint.replacement import delete_if_there
from recordfs.checkpoint.whole_file import read_whole_file
from recordfs.errors import (
    DataLossError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    UnimplementedError,
)
from recordfs.paths import dirname

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from recordfs._core import BundleIndex
    from recordfs.filesystem import FileSystem

__all__ = ["CheckpointMerge", "merge_under_way", "merged_index", "replaced_data_files"]


def merged_index(
    parts: Sequence[BundleIndex], prefix: str, *, keep_numbers: bool
) -> tuple[list[tuple[int, int]], bytes]:
    """Return what ``merge_bundle_indexes`` does; its errors name the prefix."""
    try:
        return merge_bundle_indexes(list(parts), keep_numbers)
    except InvalidArgumentError as error:
        error.path = prefix
        raise


def replaced_data_files(file_system: FileSystem, prefix: str, num_shards: int) -> list[str]:
    """Return the data files to which the index of a prefix leads, and one of ``num_shards`` data files would not."""
    try:
        old = read_bundle_index(file_system, prefix).num_shards
    except (NotFoundError, DataLossError, UnimplementedError):
        return []  # what no index leads to may be another saver's; pruning looks after it
    if old == num_shards:
        return []
    found = []
    for path in data_files_of(file_system, prefix):
        parsed = parse_file_name(path)
        if parsed is not None and parsed.num_shards == old:
            found.append(path)
    return found


def merge_under_way(prefix: str) -> FailedPreconditionError:
    """Return the error for whoever would write where the data of another merge's sources lie."""
    return FailedPreconditionError(
        "a merge of other checkpoints into this prefix was cut short, and their data may lie here: call it again with "
        f"the same sources, or give them up by deleting {merge_note_path(prefix)!r}",
        path=prefix,
    )


def _read_if_there(file_system: FileSystem, path: str) -> bytes | None:
    try:
        return read_whole_file(file_system, path)
    except NotFoundError:
        return None


class _Move(NamedTuple):
    """A data file on its way.

    Attributes:
        source: Where it is.
        target: Where it goes.
        size: How many bytes it has at least, as the index tells.
    """

    source: str
    target: str
    size: int


class CheckpointMerge:
    """A merge of checkpoints of one filesystem into another checkpoint. For one thread, and once.

    Args:
        file_system: Serves all of them.
        sources: Their prefixes.
        target: The prefix to make.
        keep_sources: Copy the data files, so that the sources stay.
        durable: Go on after each step only when it would survive a power cut.

    Raises:
        InvalidArgumentError: The sources do not go together.
        DataLossError: A source's index is damaged.
        NotFoundError: A source has no index.
    """

    def __init__(
        self, file_system: FileSystem, sources: Sequence[str], target: str, *, keep_sources: bool, durable: bool
    ) -> None:
        self._file_system = file_system
        self._sources = sources
        self._target = target
        self._keeps_sources = keep_sources
        self._durable = durable
        self._indexes = [read_bundle_index(file_system, source) for source in sources]
        self._shards, self._index = merged_index(self._indexes, target, keep_numbers=False)
        self._num_shards = max(len(self._shards), 1)
        self._index_path = index_path(target)
        self._note_path = merge_note_path(target)
        self._renames = not keep_sources and file_system.capabilities(target).atomic_rename

    def run(self, *, overwrite: bool, progress: Callable[[int], object] | None = None) -> None:
        """Merge.

        Args:
            overwrite: Replace a checkpoint of the target's prefix.
            progress: Called with a number of bytes whenever a data file of so many is where it belongs.

        Raises:
            NotFoundError: A data file is missing. Nothing was moved.
            DataLossError: One is too short. Nothing was moved.
            FailedPreconditionError: Another merge into this prefix was cut short.
        """
        moves = self._moves()
        old_data = replaced_data_files(self._file_system, self._target, self._num_shards) if overwrite else []
        self._make_directory(self._target)
        if self._renames:
            self._make_directory(self._note_path)
            publish(self._file_system, self._note_path, [self._index], durable=self._durable)
        if overwrite:
            delete_if_there(self._file_system, self._index_path)
        for move in moves:
            self._move(move)
            if progress is not None:
                progress(move.size)
        if not self._shards:
            publish(self._file_system, data_path(self._target, 0, 1), [], durable=self._durable)
        publish(self._file_system, self._index_path, [self._index], exclusive=not overwrite, durable=self._durable)
        for path in old_data:
            delete_if_there(self._file_system, path)
        if self._renames:
            delete_if_there(self._file_system, self._note_path)
            delete_directory_if_empty(self._file_system, dirname(self._note_path))
        if not self._keeps_sources:
            self._delete_sources()

    def _moves(self) -> list[_Move]:
        """Look at every data file, before any is moved, and return those that still have to be."""
        goes_on = self._was_begun() and not self._keeps_sources
        ends = [index.data_ends() for index in self._indexes]
        moves = []
        for number, (part, shard) in enumerate(self._shards):
            source = data_path(self._sources[part], shard, self._indexes[part].num_shards)
            move = _Move(source, data_path(self._target, number, self._num_shards), ends[part][shard])
            if not self._is_moved(move, goes_on=goes_on):
                moves.append(move)
        return moves

    def _was_begun(self) -> bool:
        """Tell whether this merge was called before: its note is there, or its index."""
        noted, published = (_read_if_there(self._file_system, path) for path in (self._note_path, self._index_path))
        if noted not in (None, self._index):
            raise merge_under_way(self._target)
        return self._index in (noted, published)

    def _is_moved(self, move: _Move, *, goes_on: bool) -> bool:
        """Tell whether an earlier call of this merge, if there was one, moved a data file already."""
        try:
            found = self._file_system.stat(move.source).length
        except NotFoundError:
            if not goes_on or not self._file_system.file_exists(move.target):
                raise
            if 0 <= self._file_system.stat(move.target).length < move.size:
                raise
            return True
        if 0 <= found < move.size:
            raise DataLossError(
                f"the index needs {move.size} bytes of this data file, which ends at {found}: it was cut, or belongs "
                "to another save; nothing was moved",
                path=move.source,
            )
        return False

    def _make_directory(self, path: str) -> None:
        directory = dirname(path)
        if directory and self._file_system.capabilities(directory).directories == "explicit":
            self._file_system.recursively_create_dir(directory)

    def _move(self, move: _Move) -> None:
        if self._renames:
            self._file_system.rename_file(move.source, move.target)
        else:
            self._file_system.copy_file(move.source, move.target)

    def _delete_sources(self) -> None:
        """Delete the sources: what is left of each, its index first."""
        made = [
            self._index_path,
            *(data_path(self._target, number, self._num_shards) for number in range(self._num_shards)),
        ]
        own = {self._file_system.canonical_path(path) for path in made}
        for source, index in zip(self._sources, self._indexes, strict=True):
            data = [data_path(source, shard, index.num_shards) for shard in range(index.num_shards)]
            for path in (index_path(source), *data):
                if self._file_system.canonical_path(path) not in own:  # a link may lead to what was just made
                    delete_if_there(self._file_system, path)
