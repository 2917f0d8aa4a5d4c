"""``recordfs follow``: the records of a growing file as they arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_paths, at_least
from recordfs.cli.record_lines import PREVIEW_LENGTH, record_cells, record_object
from recordfs.cli.status import FAILED, OK
from recordfs.records.reader import RecordReader

if TYPE_CHECKING:
    import argparse

    from recordfs.cli.console import Console

DESCRIPTION = """\
Show every record of a file, then wait for more and show each as soon as it is whole, as
`tail -f` does for lines. A record that is still being written is waited for. Ends at Ctrl-C, or
with --timeout when no byte has come for so long; then a half-written last record is an error.
"""

EXAMPLES = """\
recordfs follow logs/events.out.tfevents.1700000000.host
recordfs follow --timeout 60 --json s3://bucket/live.tfrecord
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "path", help="a record file")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="end when no byte has come for so long")
    parser.add_argument(
        "--width",
        type=at_least(1),
        default=PREVIEW_LENGTH,
        metavar="N",
        help=f"show at most N characters of each record's data (default: {PREVIEW_LENGTH})",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object for each record, its data in base64")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Print records until the user or the timeout ends it."""
    offset = 0
    with RecordReader(arguments.path, follow=True, follow_timeout=arguments.timeout) as reader:
        for index, data in enumerate(reader):
            if arguments.json:
                console.print_json(record_object(arguments.path, index, offset, data))
            else:
                console.print("\t".join(record_cells(index, offset, data, arguments.width)))
            console.flush()
            offset = reader.tell().offset
        if reader.report.truncated_tail:
            console.error(f"{arguments.path}: the file ends inside a record (at byte {offset})")
            return FAILED
    return OK
