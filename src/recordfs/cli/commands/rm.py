"""``recordfs rm``: delete files and directories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_paths
from recordfs.cli.expansion import expand
from recordfs.cli.formatting import format_count
from recordfs.errors import InvalidArgumentError, IsADirectoryError, NotFoundError, RecordFSError
from recordfs.paths import basename
from recordfs.registry import get_file_system

if TYPE_CHECKING:
    import argparse

    from recordfs.cli.console import Console

DESCRIPTION = """\
Delete files, and with -r directories with everything in them. A symbolic link is deleted, never
what it points to. There is no question and no way back. The root of the local filesystem, `.` and
`..` are never deleted.
"""

EXAMPLES = """\
recordfs rm s3://bucket/old.tfrecord
recordfs rm -r gs://bucket/run-17
recordfs rm -f '/tmp/part-*'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "path", nargs="+", help="a file, directory or pattern")
    parser.add_argument("-r", "--recursive", action="store_true", help="delete directories and everything in them")
    parser.add_argument("-f", "--force", action="store_true", help="ignore what is missing")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Delete what the arguments mean, going on after a failure."""
    status = deleted = 0
    for argument in arguments.path:
        try:
            for path in expand(argument):
                try:
                    _delete(path, recursive=arguments.recursive)
                    deleted += 1
                except NotFoundError as error:
                    if not arguments.force:
                        status = max(status, console.failure(error))
                except RecordFSError as error:
                    status = max(status, console.failure(error))
        except NotFoundError as error:
            if not arguments.force:
                status = max(status, console.failure(error))
        except RecordFSError as error:
            status = max(status, console.failure(error))
    console.remark(f"deleted {format_count(deleted, 'path')}")
    return status


def _delete(path: str, *, recursive: bool) -> None:
    """Delete one file, or one tree."""
    file_system = get_file_system(path)
    if basename(path.rstrip("/")) in (".", "..") or file_system.canonical_path(path) == "/":
        raise InvalidArgumentError("the root, '.' and '..' are never deleted", path=path)
    try:
        file_system.delete_file(path)
    except IsADirectoryError as error:
        if not recursive:
            raise IsADirectoryError("this is a directory; -r deletes directories", path=path) from error
        file_system.delete_recursively(path)
