"""Several checkpoints become one, and no tensor's bytes move through this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordfs._core import BundleIndex
from recordfs.checkpoint.checkpoint_merge import CheckpointMerge, merged_index, replaced_data_files
from recordfs.checkpoint.deletion import delete_directory_if_empty
from recordfs.checkpoint.file_names import check_prefix, index_path, part_index_path
from recordfs.checkpoint.publishing import publish
from recordfs.checkpoint.replacement import delete_if_there
from recordfs.checkpoint.whole_file import read_whole_file
from recordfs.errors import AlreadyExistsError, FailedPreconditionError, InvalidArgumentError, NotFoundError
from recordfs.paths import dirname
from recordfs.registry import resolve
from recordfs.whole_numbers import whole_number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

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
        overwrite: Replace a checkpoint of this prefix; the parts' writers have to be told so, too.
        durable: As in ``CheckpointWriter``.
        file_system: Serves the prefix.
        options: For the filesystem of the prefix.

    Raises:
        FailedPreconditionError: A part is not there: its writer is at work or died.
        TypeError: ``num_parts`` is not a whole number.
        InvalidArgumentError: Two parts have a tensor of the same name, or contradict each other, or slices do not cover
            their tensor.
        AlreadyExistsError: There is a checkpoint of this prefix.
    """
    file_system, text = resolve(prefix, file_system=file_system, options=options)
    check_prefix(text)
    num_parts = whole_number(num_parts, "num_parts", at_least=1, path=text)
    paths = [part_index_path(text, part, num_parts) for part in range(num_parts)]
    parts = []
    for number, path in enumerate(paths):
        try:
            parts.append(BundleIndex(read_whole_file(file_system, path), path))
        except NotFoundError as error:
            raise FailedPreconditionError(
                f"part {number} of {num_parts} is missing: its writer is still at work, or died", path=path
            ) from error
    _refuse_existing(file_system, text, overwrite)
    _, data = merged_index(parts, text, keep_numbers=True)
    old_data = replaced_data_files(file_system, text, num_parts) if overwrite else []
    publish(file_system, index_path(text), [data], exclusive=not overwrite, durable=durable)
    for path in (*old_data, *paths):
        delete_if_there(file_system, path)
    delete_directory_if_empty(file_system, dirname(paths[0]))
    return text


def merge_checkpoints(
    sources: Sequence[PathInput],
    prefix: PathInput,
    *,
    keep_sources: bool = False,
    overwrite: bool = False,
    durable: bool = True,
    progress: Callable[[int], object] | None = None,
    file_system: FileSystem | None = None,
    options: Options = None,
) -> str:
    """Make one checkpoint of several with different tensors, or slices of the same, and return its prefix.

    Data files are renamed, or where a store has no rename, or ``keep_sources`` asks for it, copied by the store. If it
    is cut short, calling it again goes on; until then neither the sources nor the target may be readable, and
    ``remove_leftovers`` leaves their data alone. All paths are of one filesystem.

    Args:
        sources: Prefixes.
        prefix: Of the checkpoint to make.
        keep_sources: Copy the data files, so that the sources stay checkpoints.
        overwrite: Replace a checkpoint of this prefix; not one step, as in ``CheckpointWriter``.
        durable: As in ``CheckpointWriter``.
        progress: Called with a number of bytes whenever a data file of so many was renamed or copied.
        file_system: Serves all paths.
        options: For the filesystem.

    Raises:
        InvalidArgumentError: Two sources have a tensor of the same name, or contradict each other, or slices do not
            cover their tensor, or a prefix is given twice in whatever spelling.
        AlreadyExistsError: There is a checkpoint of this prefix.
        NotFoundError: A source, or one of its data files, is missing. Nothing was moved.
        DataLossError: A source's index is damaged, or one of its data files is too short. Nothing was moved.
        FailedPreconditionError: A merge of other checkpoints into this prefix was cut short.
    """
    file_system, target = resolve(prefix, file_system=file_system, options=options)
    check_prefix(target)
    prefixes = [resolve(source, file_system=file_system)[1] for source in sources]
    files = {file_system.canonical_path(index_path(each)) for each in (target, *prefixes)}
    if len(files) != 1 + len(prefixes):
        raise InvalidArgumentError("the sources and the target of a merge are different prefixes", path=target)
    merge = CheckpointMerge(file_system, prefixes, target, keep_sources=keep_sources, durable=durable)
    _refuse_existing(file_system, target, overwrite)
    merge.run(overwrite=overwrite, progress=progress)
    return target


def _refuse_existing(file_system: FileSystem, prefix: str, overwrite: bool) -> None:
    if not overwrite and file_system.file_exists(index_path(prefix)):
        raise AlreadyExistsError(
            "there is a checkpoint of this prefix; overwrite=True (--overwrite) replaces it", path=prefix
        )
