"""``recordfs ls``: list directories."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from recordfs.cli.arguments import add_paths
from recordfs.cli.expansion import for_each_path
from recordfs.cli.formatting import format_size, format_time
from recordfs.errors import NotFoundError
from recordfs.operations.walking import TreeEntry, entries_below
from recordfs.paths import join
from recordfs.registry import get_file_system

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from recordfs.cli.console import Console
    from recordfs.filesystem import FileSystem

DESCRIPTION = """\
List what is in directories, sorted by name. A directory is marked by a slash after its name.
A file lists itself. Hidden names are shown. With several paths, names come with their directory.
"""

EXAMPLES = """\
recordfs ls
recordfs ls -l s3://bucket/train/
recordfs ls 's3://bucket/train/*.tfrecord'
recordfs ls -R --json /data | jq .path
"""


class _Item(NamedTuple):
    """One line of a listing; ``shown`` is the name as printed."""

    path: str
    shown: str
    length: int
    mtime_nsec: int
    is_directory: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "path", nargs="*", default=["."], help="a directory, file or pattern (default: .)")
    parser.add_argument("-l", "--long", action="store_true", help="show size and time of modification (UTC) too")
    parser.add_argument(
        "-d", "--directory", action="store_true", help="list directories themselves, not what is in them"
    )
    parser.add_argument("-R", "--recursive", action="store_true", help="list everything below as well")
    parser.add_argument("--json", action="store_true", help="print a JSON object for each entry, one a line")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Print the listings."""
    details = arguments.long or arguments.json
    with_directory = len(arguments.path) > 1

    def show(path: str) -> None:
        items = _items(path, arguments, details=details, with_directory=with_directory)
        if arguments.json:
            for item in items:
                fields = item._asdict()
                del fields["shown"]
                console.print_json(fields)
        elif arguments.long:
            console.print_table(
                (">size", "modified", "name"),
                (
                    ("-" if item.is_directory else _size(item, console), format_time(item.mtime_nsec), item.shown)
                    for item in items
                ),
            )
        else:
            for item in items:
                console.print(item.shown)

    return for_each_path(arguments.path, console, show)


def _size(item: _Item, console: Console) -> str:
    """Return a size for a person, or in bytes for a program."""
    return format_size(item.length) if console.stdout_is_terminal else str(item.length)


def _items(path: str, arguments: argparse.Namespace, *, details: bool, with_directory: bool) -> Iterator[_Item]:
    """Yield what one path lists."""
    file_system = get_file_system(path)
    statistics = file_system.stat(path)
    if arguments.directory or not statistics.is_directory:
        shown = path + "/" if statistics.is_directory and not path.endswith("/") else path
        yield _Item(path, shown, statistics.length, statistics.mtime_nsec, statistics.is_directory)
        return
    prefix = join(path, "") if with_directory else ""
    if arguments.recursive:
        below = entries_below(file_system, path)
    else:
        entries = sorted(file_system.list_directory(path), key=lambda entry: entry.name)
        below = (TreeEntry(join(path, entry.name), entry.name, entry) for entry in entries)
    for found in below:
        yield _item_of(file_system, found, prefix, details=details)


def _item_of(file_system: FileSystem, found: TreeEntry, prefix: str, *, details: bool) -> _Item:
    """Return the line of one entry."""
    path, name, entry = found
    length, mtime_nsec = entry.length, entry.mtime_nsec
    if details and not entry.is_directory and (length is None or mtime_nsec is None):
        try:
            statistics = file_system.stat(path)
            length, mtime_nsec = statistics.length, statistics.mtime_nsec
        except NotFoundError:
            # A link that leads nowhere has no size; what was deleted since needs no line, but does no harm.
            length, mtime_nsec = 0, 0
    shown = f"{prefix}{name}{'/' if entry.is_directory else ''}"
    return _Item(path, shown, length or 0, mtime_nsec or 0, entry.is_directory)
