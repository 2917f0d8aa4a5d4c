"""``recordfs stat``: what is known about paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_paths
from recordfs.cli.expansion import for_each_path
from recordfs.cli.formatting import format_size, format_time
from recordfs.redaction import redact
from recordfs.registry import get_file_system

if TYPE_CHECKING:
    import argparse

    from recordfs.cli.console import Console

DESCRIPTION = """\
Show kind, size and time of modification of files and directories. Symbolic links are followed.
"""

EXAMPLES = """\
recordfs stat data.tfrecord
recordfs stat --json s3://bucket/train/part-00000.tfrecord
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "path", nargs="+", help="a file, directory or pattern")
    parser.add_argument("--json", action="store_true", help="print a JSON object for each path, one a line")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Print what is known."""

    def show(path: str) -> None:
        statistics = get_file_system(path).stat(path)
        if arguments.json:
            console.print_json({"path": redact(path), **statistics._asdict()})
            return
        console.print(f"path:     {redact(path)}")
        console.print(f"kind:     {'directory' if statistics.is_directory else 'file'}")
        if not statistics.is_directory:
            console.print(f"size:     {_size(statistics.length)}")
        console.print(f"modified: {format_time(statistics.mtime_nsec)}")

    return for_each_path(arguments.path, console, show)


def _size(length: int) -> str:
    """Return a size in bytes, and in a larger unit where that says more."""
    if length < 0:
        return "unknown"
    return f"{length} bytes" + (f" ({format_size(length)})" if length >= 1024 else "")
