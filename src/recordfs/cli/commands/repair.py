"""``recordfs repair``: cut off what a writer that died left after the last whole record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from recordfs.cli.arguments import add_paths
from recordfs.cli.expansion import expand_record_files, for_each_path
from recordfs.cli.formatting import format_count
from recordfs.records.repair import check_tail, refuse_uncuttable, repair_tail, torn_bytes
from recordfs.registry import get_file_system

if TYPE_CHECKING:
    import argparse

    from recordfs.cli.console import Console

DESCRIPTION = """\
Cut off the half-written record that a writer left at the end of a record file when it died. Only
bytes after the last whole record are cut, and only if no sound record follows them; any other
break is reported and left alone. Nobody may be writing to the file. A sound file is not touched.
A file of less than 12 bytes, which could be anything, is cut only with --force. Objects in object
stores cannot be truncated; that is an error, in a dry run too.
"""

EXAMPLES = """\
recordfs repair --dry-run events.tfrecord
recordfs repair 'runs/*/events.tfrecord'
"""

_SOUND = "nothing to cut off, it ends with a whole record"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "path", nargs="+", help="a record file or pattern")
    parser.add_argument("--dry-run", action="store_true", help="say what would be cut, and cut nothing")
    parser.add_argument(
        "--full", action="store_true", help="look at a large remote file from its beginning, not at its last 16 MiB"
    )
    parser.add_argument("--force", action="store_true", help="cut files too that are shorter than a record's header")
    parser.add_argument("--json", action="store_true", help="print a JSON object for each file, one a line")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Repair the files, going on after one that cannot be."""
    check: Literal["auto", "full"] = "full" if arguments.full else "auto"
    would = "would " if arguments.dry_run else ""

    def repair(path: str) -> None:
        if arguments.dry_run:
            cut = torn_bytes(check_tail(path, check=check), force=arguments.force)
            if cut:
                refuse_uncuttable(get_file_system(path), path)
        else:
            cut = repair_tail(path, check=check, force=arguments.force)
        if arguments.json:
            console.print_json({"path": path, "cut_bytes": cut, "dry_run": arguments.dry_run})
        else:
            console.print(f"{path}: " + (f"{would}cut off {format_count(cut, 'byte')}" if cut else _SOUND))

    return for_each_path(arguments.path, console, repair, expand=expand_record_files)
