"""``recordfs mkdir``: make directories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_paths
from recordfs.errors import RecordFSError
from recordfs.registry import get_file_system

if TYPE_CHECKING:
    import argparse

    from recordfs.cli.console import Console

DESCRIPTION = """\
Make directories. On object stores, which have none, this writes an empty marker object.
"""

EXAMPLES = """\
recordfs mkdir /data/run-17
recordfs mkdir -p hdfs://namenode/user/me/a/b/c
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "path", nargs="+", help="a directory to make")
    parser.add_argument(
        "-p", "--parents", action="store_true", help="make missing parents too; existing directories are fine"
    )


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Make the directories, going on after a failure."""
    status = 0
    for path in arguments.path:
        try:
            file_system = get_file_system(path)
            if arguments.parents:
                file_system.recursively_create_dir(path)
            else:
                file_system.create_dir(path)
        except RecordFSError as error:
            status = max(status, console.failure(error))
    return status
