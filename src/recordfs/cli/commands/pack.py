"""``recordfs pack``: a folder of files becomes record files."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_paths, at_least
from recordfs.cli.file_records import (
    MAX_FILE_LENGTH,
    MOST_SHARDS,
    FoundFile,
    assign_shards,
    encode_file,
    find_files,
    shard_names,
    shard_pattern,
)
from recordfs.cli.formatting import format_count, format_duration, format_rate, format_size
from recordfs.cli.status import OK
from recordfs.errors import AlreadyExistsError, InvalidArgumentError, NotFoundError
from recordfs.records.writer import RecordWriter
from recordfs.registry import get_file_system

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from recordfs.cli.console import Console
    from recordfs.cli.progress import Progress
    from recordfs.errors import FailedPreconditionError

DESCRIPTION = """\
Pack every file below a directory into record files. Each file becomes one record: a
tf.train.Example with the bytes features `path` (relative to the directory) and `content`, so that
any reader of TFRecord files can use it, and `recordfs unpack` restores the files.

With --shards N the records go into N files of about the same size, NAME-00000-of-0000N.EXTENSION.
A record file appears whole or not at all where the store can do that. Links to directories are not
followed: each is named, and the exit status is 1, unless --exclude leaves it out. Permissions, times
and empty directories are not kept.
"""

EXAMPLES = """\
recordfs pack images/ images.tfrecord
recordfs pack images/ s3://bucket/train/images.tfrecord --shards 16
recordfs pack src/ src.tfrecord --exclude __pycache__ --exclude '*.o' --compression GZIP
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "directory", help="the directory to pack")
    add_paths(parser, "target", help="the record file to write, or the name that the shards are numbered from")
    parser.add_argument(
        "--shards",
        type=at_least(1, at_most=MOST_SHARDS),
        default=1,
        metavar="N",
        help="write N record files (default: 1)",
    )
    parser.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="NAME",
        help="leave out files and directories of this name, at any depth; may be a pattern, may be given again",
    )
    parser.add_argument("--compression", choices=["GZIP", "ZLIB"], help="compress the record files")
    parser.add_argument("--index", action="store_true", help="write an index beside each record file, as NAME.idx")
    parser.add_argument("--overwrite", action="store_true", help="replace record files of the same names")
    parser.add_argument("--json", action="store_true", help="print what was done as a JSON object")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Pack the directory and say what came of it."""
    began = time.perf_counter()
    names = shard_names(arguments.target, arguments.shards)
    statuses: list[int] = []
    files = _files_to_pack(arguments, on_link=lambda error: statuses.append(console.failure(error)))
    shards = assign_shards(files, arguments.shards)
    _check_target(arguments.target, names, overwrite=arguments.overwrite)
    total = sum(file.length for file in files)
    with console.progress("packing", total=total) as progress:
        packed = sum(_write_shard(name, shard, arguments, progress) for name, shard in zip(names, shards, strict=True))
    seconds = time.perf_counter() - began
    if arguments.json:
        summary = {"files": len(files), "bytes": packed, "seconds": round(seconds, 6), "record_files": names}
        console.print_json(summary)
    elif not console.quiet:
        console.print(
            f"packed {format_count(len(files), 'file')} ({format_size(packed)}) into "
            f"{format_count(len(names), 'record file')} in {format_duration(seconds)} ({format_rate(packed, seconds)})"
        )
    return max(statuses, default=OK)


def _files_to_pack(
    arguments: argparse.Namespace, on_link: Callable[[FailedPreconditionError], object]
) -> list[FoundFile]:
    """Return the files below the directory, without the record files that an earlier packing left in it.

    Raises:
        NotFoundError: The directory is missing, or holds no file.
        InvalidArgumentError: A file is too large for a record.
    """
    directory, target = arguments.directory, arguments.target
    file_system = get_file_system(directory)
    target_system = get_file_system(target)
    outputs: set[str] = set()
    if target_system is file_system:
        written = [target, *target_system.get_matching_paths(shard_pattern(target))]
        outputs = {file_system.canonical_path(path) for path in written}
    found = find_files(file_system, directory, arguments.exclude, on_link)
    files = [file for file in found if file_system.canonical_path(file.path) not in outputs]
    if not files:
        raise NotFoundError("there is no file to pack in this directory", path=directory)
    for file in files:
        if file.length > MAX_FILE_LENGTH:
            raise InvalidArgumentError(
                f"a packed file can have {MAX_FILE_LENGTH} bytes, and this has {file.length}: it fits in no "
                "tf.train.Example",
                path=file.path,
            )
    return files


def _check_target(target: str, names: list[str], *, overwrite: bool) -> None:
    """Refuse to replace record files unasked, and ever to leave the shards of two packings side by side.

    Raises:
        AlreadyExistsError: There are such files.
    """
    file_system = get_file_system(target)
    existing = [name for name in names if file_system.file_exists(name)]
    if existing and not overwrite:
        raise AlreadyExistsError("this exists; --overwrite replaces it", path=existing[0])
    strangers = [] if len(names) == 1 else set(file_system.get_matching_paths(shard_pattern(target))).difference(names)
    if strangers:
        raise AlreadyExistsError(
            f"this is a shard of a set with another number of shards than {len(names)}, and readers of the pattern "
            "would mix the two; delete it first",
            path=min(strangers),
        )


def _write_shard(name: str, files: list[FoundFile], arguments: argparse.Namespace, progress: Progress) -> int:
    """Write one record file and return how many bytes of content went into it."""
    packed = 0
    atomic = get_file_system(name).capabilities(name).atomic_write
    with RecordWriter(name, compression=arguments.compression, index=arguments.index, atomic=atomic) as writer:
        for file in files:
            with get_file_system(file.path).new_random_access_file(file.path) as opened:
                content = opened.read(0, opened.size())
            writer.write(encode_file(file.name, content))
            packed += len(content)
            progress.advance(len(content), file.name)
    return packed
