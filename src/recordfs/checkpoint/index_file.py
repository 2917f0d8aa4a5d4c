"""The index of a checkpoint, read from its file: where it can be read, there is a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs._core import BundleIndex
from recordfs.checkpoint.file_names import index_path
from recordfs.checkpoint.whole_file import read_whole_file
from recordfs.errors import NotFoundError, UnimplementedError

if TYPE_CHECKING:
    from recordfs.filesystem import FileSystem

__all__ = ["read_bundle_index"]

_INDEX_ENDING = 0xDB4775248B80FB57.to_bytes(8, "little")
"""The magic number of tables. Source: ``tensorflow/core/lib/io/format.h``."""


def read_bundle_index(file_system: FileSystem, prefix: str) -> BundleIndex:
    """Read the index of a checkpoint.

    Raises:
        NotFoundError: There is no checkpoint of that prefix.
        UnimplementedError: It is of the format before, V1, or needs a later reader.
        DataLossError: The index is damaged.
    """
    path = index_path(prefix)
    try:
        data = read_whole_file(file_system, path, ending=_INDEX_ENDING)
    except NotFoundError as error:
        found = file_system.file_exists(prefix)
        if found and file_system.is_directory(prefix):
            raise NotFoundError(
                "this is a directory, and a checkpoint is named by a prefix in one: `load_checkpoint` opens the "
                "newest, if a state file tells it; `find_checkpoints` and `recordfs checkpoint ls` list all",
                path=prefix,
            ) from error
        if found and _is_table(file_system, prefix):
            raise UnimplementedError(
                "this is a V1 checkpoint, which keeps its tensors in one file: load it with TensorFlow and "
                "save it again",
                path=prefix,
            ) from error
        raise NotFoundError(
            f"there is no checkpoint of this prefix: its index {path!r} is missing", path=prefix
        ) from error
    return BundleIndex(data, path)


def _is_table(file_system: FileSystem, path: str) -> bool:
    """Tell whether a file ends as tables do, whose format V1 checkpoints have as well."""
    with file_system.new_random_access_file(path) as file:
        return file.read(max(file.size() - len(_INDEX_ENDING), 0), len(_INDEX_ENDING)) == _INDEX_ENDING
