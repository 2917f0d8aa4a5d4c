"""``recordfs cat``: the bytes of files on standard output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_paths
from recordfs.cli.expansion import for_each_path
from recordfs.registry import get_file_system

if TYPE_CHECKING:
    import argparse

    from recordfs.cli.console import Console

DESCRIPTION = """\
Write the bytes of files to standard output, one file after another, nothing between them.
To see the records in a record file, use `recordfs head`.
"""

EXAMPLES = """\
recordfs cat s3://bucket/labels.txt
recordfs cat 'gs://bucket/logs/*.txt' | wc -l
"""

_CHUNK = 1 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "path", nargs="+", help="a file or pattern")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Write the files."""

    def show(path: str) -> None:
        offset = 0
        with get_file_system(path).new_random_access_file(path) as file:
            while chunk := file.read(offset, _CHUNK):
                console.write(chunk)
                offset += len(chunk)

    return for_each_path(arguments.path, console, show)
