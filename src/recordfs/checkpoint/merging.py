"""Several checkpoints become one, and no tensor's bytes move through this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordfs._core import BundleIndex, merge_bundle_indexes
from recordfs.checkpoint.deletion import delete_directory_if_empty
from recordfs.checkpoint.file_names import check_prefix, data_path, index_path, part_index_path
from recordfs.checkpoint.publishing import publish
from recordfs.checkpoint.reader import read_bundle_index
from recordfs.checkpoint.replacement import delete_if_there
from recordfs.checkpoint.whole_file import read_whole_file
from recordfs.errors import (
    AlreadyExistsError,
    DataLossError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
)
from recordfs.paths import dirname
from recordfs.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from recordfs.filesystem import FileSystem
    from recordfs.paths import PathInput

    Options = Mapping[str, Any] | None

__all__ = ["merge_checkpoints", "merge_parts"]


def merge_parts(
    prefix: PathInput,
    num_parts: int,
    *,
    overwrite: bool = False,
    durable: bool = True,
    file_system: FileSystem | None = None,
    options: Options = None,
) -> str:
    """Make one checkpoint of what ``num_parts`` writers wrote, and return its prefix.

    One process does it when all ``CheckpointWriter(prefix, part=i, num_parts=num_parts)`` are closed. The data files
    lie under their final names already, so that only indexes are read, and one is written. A part may be empty.

    Args:
        prefix: As given to the writers.
        num_parts: As given to the writers.
        overwrite: Replace the index of a checkpoint of this prefix.
        durable: As in ``CheckpointWriter``.
        file_system: Serves the prefix.
        options: For the filesystem of the prefix.

    Raises:
        FailedPreconditionError: A part is not there: its writer is at work or died.
        InvalidArgumentError: Two parts have a tensor of the same name, or contradict each other, or slices do not cover
            their tensor.
        AlreadyExistsError: There is a checkpoint of this prefix.
    """
    system, text = resolve(prefix, file_system=file_system, options=options)
    check_prefix(text)
    if num_parts < 1:
        raise InvalidArgumentError(f"num_parts is at least 1, found {num_parts}", path=text)
    paths = [part_index_path(text, part, num_parts) for part in range(num_parts)]
    parts = []
    for number, path in enumerate(paths):
        try:
            parts.append(BundleIndex(read_whole_file(system, path), path))
        except NotFoundError as error:
            raise FailedPreconditionError(
                f"part {number} of {num_parts} is not there yet: its writer is at work or died", path=path
            ) from error
    _refuse_existing(system, text, overwrite)
    _, data = _merged(parts, text, keep_numbers=True)
    publish(system, index_path(text), [data], exclusive=not overwrite, durable=durable)
    for path in paths:
        delete_if_there(system, path)
    delete_directory_if_empty(system, dirname(paths[0]))
    return text


def merge_checkpoints(
    sources: Sequence[PathInput],
    prefix: PathInput,
    *,
    keep_sources: bool = False,
    overwrite: bool = False,
    durable: bool = True,
    file_system: FileSystem | None = None,
    options: Options = None,
) -> str:
    """Make one checkpoint of several with different tensors, or slices of the same, and return its prefix.

    Data files are renamed, or where a store has no rename, or ``keep_sources`` asks for it, copied by the store. If it
    is cut short, calling it again goes on. All paths are of one filesystem.

    Args:
        sources: Prefixes.
        prefix: Of the checkpoint to make.
        keep_sources: Copy the data files, so that the sources stay checkpoints.
        overwrite: Replace a checkpoint of this prefix; not one step, as in ``CheckpointWriter``.
        durable: As in ``CheckpointWriter``.
        file_system: Serves all paths.
        options: For the filesystem.

    Raises:
        InvalidArgumentError: Two sources have a tensor of the same name, or contradict each other, or slices do not
            cover their tensor, or a prefix is given twice in whatever spelling.
        AlreadyExistsError: There is a checkpoint of this prefix.
        NotFoundError: A source, or one of its data files, is missing. Nothing was moved.
        DataLossError: A source's index is damaged, or one of its data files is too short. Nothing was moved.
    """
    system, target = resolve(prefix, file_system=file_system, options=options)
    check_prefix(target)
    prefixes = [resolve(source, file_system=system)[1] for source in sources]
    files = {system.canonical_path(index_path(each)) for each in (target, *prefixes)}
    if len(files) != 1 + len(prefixes):
        raise InvalidArgumentError("the sources and the target of a merge are different prefixes", path=target)
    indexes = [read_bundle_index(system, source) for source in prefixes]
    _refuse_existing(system, target, overwrite)
    shards, data = _merged(indexes, target, keep_numbers=False)
    num_shards = max(len(shards), 1)
    goes_on = not keep_sources and _is_absent_or(system, index_path(target), data)
    ends = [index.data_ends() for index in indexes]
    moves = []
    for number, (part, shard) in enumerate(shards):  # all are looked at before the first is moved
        source = data_path(prefixes[part], shard, indexes[part].num_shards)
        made = data_path(target, number, num_shards)
        if not _is_moved(system, source, made, ends[part][shard], goes_on=goes_on):
            moves.append((source, made))
    directory = dirname(target)
    if directory and system.capabilities(directory).directories == "explicit":
        system.recursively_create_dir(directory)
    if overwrite:
        delete_if_there(system, index_path(target))
    for source, made in moves:
        _move(system, source, made, keep=keep_sources)
    if not shards:
        publish(system, data_path(target, 0, 1), [], durable=durable)
    publish(system, index_path(target), [data], exclusive=not overwrite, durable=durable)
    if not keep_sources:
        files = {index_path(target), *(data_path(target, number, num_shards) for number in range(num_shards))}
        own = {system.canonical_path(path) for path in files}
        for source, index in zip(prefixes, indexes, strict=True):
            moved = [data_path(source, shard, index.num_shards) for shard in range(index.num_shards)]
            for path in (index_path(source), *moved):
                if system.canonical_path(path) not in own:  # a link may lead to what was just made
                    delete_if_there(system, path)
    return target


def _merged(parts: list[BundleIndex], prefix: str, *, keep_numbers: bool) -> tuple[list[tuple[int, int]], bytes]:
    try:
        return merge_bundle_indexes(parts, keep_numbers)
    except InvalidArgumentError as error:
        error.path = prefix
        raise


def _refuse_existing(system: FileSystem, prefix: str, overwrite: bool) -> None:
    if not overwrite and system.file_exists(index_path(prefix)):
        raise AlreadyExistsError("there is a checkpoint of this prefix; pass overwrite=True to replace it", path=prefix)


def _is_absent_or(system: FileSystem, path: str, data: bytes) -> bool:
    """Tell whether there is no file of that path, or one with just these bytes."""
    try:
        return read_whole_file(system, path) == data
    except NotFoundError:
        return True


def _is_moved(system: FileSystem, source: str, target: str, size: int, *, goes_on: bool) -> bool:
    """Tell whether an earlier call moved a data file, of which an index needs ``size`` bytes, already.

    Args:
        system: Serves both.
        source: Where the file was.
        target: Where it goes.
        size: How many bytes it has at least.
        goes_on: Whether what lies at the target can come from an earlier call, and is no other checkpoint's.
    """
    try:
        found = system.stat(source).length
    except NotFoundError:
        if not goes_on or not system.file_exists(target) or 0 <= system.stat(target).length < size:
            raise
        return True
    if 0 <= found < size:
        raise DataLossError(
            f"the index needs {size} bytes of this data file, which ends at {found}: it was cut, or belongs to another "
            "save; nothing was moved",
            path=source,
        )
    return False


def _move(system: FileSystem, source: str, target: str, *, keep: bool) -> None:
    """Rename or copy a data file."""
    if keep or not system.capabilities(source).atomic_rename:
        system.copy_file(source, target)
    else:
        system.rename_file(source, target)
