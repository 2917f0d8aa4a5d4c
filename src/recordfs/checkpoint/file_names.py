"""What the files of a checkpoint are called: everything follows from its prefix."""

from __future__ import annotations

import re
from typing import NamedTuple

from recordfs.errors import InvalidArgumentError
from recordfs.paths import basename

__all__ = [
    "MERGE_NOTE",
    "BundleFile",
    "check_prefix",
    "data_path",
    "index_path",
    "merge_note_path",
    "parse_file_name",
    "part_index_path",
    "without_suffix",
]

MERGE_NOTE = "merge-under-way"
"""The name of the note of a merge in the temporary directory of its target."""

_DATA_SUFFIX = re.compile(r"\.data-(\d{5,})-of-(\d{5,})\Z")


class BundleFile(NamedTuple):
    """What the name of a file tells about it.

    Attributes:
        prefix: The checkpoint's.
        shard: The number of the data file; None for the index.
        num_shards: How many data files there are; None for the index.
    """

    prefix: str
    shard: int | None = None
    num_shards: int | None = None


def index_path(prefix: str) -> str:
    """Return the path of the index, whose being there makes a checkpoint."""
    return f"{prefix}.index"


def data_path(prefix: str, shard: int, num_shards: int) -> str:
    """Return the path of a data file."""
    return f"{prefix}.data-{shard:05d}-of-{num_shards:05d}"


def part_index_path(prefix: str, part: int, num_parts: int) -> str:
    """Return where one of several writers leaves the index of its part until all are one."""
    return f"{prefix}_temp/part-{part:05d}-of-{num_parts:05d}.index"


def merge_note_path(prefix: str) -> str:
    """Return where a merge of checkpoints notes that it has begun."""
    return f"{prefix}_temp/{MERGE_NOTE}"


def parse_file_name(path: str) -> BundleFile | None:
    """Return what a path says if it is named like a file of a checkpoint, else None."""
    if path.endswith(".index"):
        return BundleFile(path.removesuffix(".index"))
    match = _DATA_SUFFIX.search(path)
    return BundleFile(path[: match.start()], int(match[1]), int(match[2])) if match else None


def without_suffix(path: str) -> str:
    """Return the prefix, also where somebody named one of the files instead."""
    parsed = parse_file_name(path)
    return path if parsed is None else parsed.prefix


def check_prefix(prefix: str) -> None:
    """Refuse to write where nothing could be found again.

    Raises:
        InvalidArgumentError: The prefix names a directory or a file of a checkpoint, or TensorFlow would take it for a
            pattern.
    """
    if basename(prefix) in ("", ".", ".."):
        raise InvalidArgumentError("a checkpoint's prefix ends with a name, and this is a directory", path=prefix)
    parsed = parse_file_name(basename(prefix))
    if parsed is not None:
        raise InvalidArgumentError(
            f"this is the name of a file of the checkpoint {parsed.prefix!r}: give the prefix, without a suffix",
            path=prefix,
        )
    wild = sorted(set(basename(prefix)) & set("*?[\\"))
    if wild:
        raise InvalidArgumentError(
            f"TensorFlow looks for checkpoints by patterns and would not find one with {' '.join(wild)} in its name",
            path=prefix,
        )
