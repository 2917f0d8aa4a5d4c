"""``recordfs follow``: the records of a growing file as they arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_paths, at_least, number_at_least
from recordfs.cli.record_lines import PREVIEW_LENGTH, record_cells, record_object
from recordfs.cli.status import OK
from recordfs.errors import TruncatedRecordError
from recordfs.records.reader import RecordReader

if TYPE_CHECKING:
    import argparse

    from recordfs.cli.console import Console

DESCRIPTION = """\
Show every record of a file, then wait for more and show each as soon as it is whole, as
`tail -f` does for lines. Ends at Ctrl-C, or with --timeout after so many seconds without a
new byte; a last record that is still half-written is an error then.

If the file is deleted, or replaced by another, that is an error; with --on-replaced restart
the next file is shown from its beginning, as `tail -F` does, and waited for if there is none.
A store that cannot be reached for a while is asked again.
"""

EXAMPLES = """\
recordfs follow logs/events.out.tfevents.1700000000.host
recordfs follow --timeout 60 --json s3://bucket/live.tfrecord
recordfs follow --on-replaced restart gs://bucket/live.tfrecord
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "path", help="a record file")
    parser.add_argument(
        "--timeout", type=number_at_least(0), metavar="SECONDS", help="end after so many seconds without a new byte"
    )
    parser.add_argument(
        "--on-replaced",
        choices=["raise", "restart"],
        default="raise",
        help="what to do when another file takes its place (default: raise an error)",
    )
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
    index = offset = restarts = 0
    with RecordReader(
        arguments.path, follow=True, follow_timeout=arguments.timeout, on_replaced=arguments.on_replaced
    ) as reader:
        for data in reader:
            if reader.report.restarts != restarts:
                restarts = reader.report.restarts
                index = offset = 0
                console.flush()
                console.remark(f"{arguments.path}: replaced by another file, which begins here")
            if arguments.json:
                console.print_json(record_object(arguments.path, index, offset, data))
            else:
                console.print("\t".join(record_cells(index, offset, data, arguments.width)))
            console.flush()
            index += 1
            offset = reader.tell().offset
        if reader.report.truncated_tail:
            return console.failure(
                TruncatedRecordError("the file ends inside a record", path=arguments.path, offset=offset)
            )
    return OK
