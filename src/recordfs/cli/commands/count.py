"""``recordfs count``: how many records files hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_compression, add_paths, compression_of
from recordfs.cli.expansion import expand_record_files, total_length
from recordfs.cli.formatting import format_count
from recordfs.cli.parallel import add_jobs, do_in_parallel
from recordfs.cli.status import FAILED
from recordfs.cli.unfinished import say_if_unfinished
from recordfs.errors import RecordFSError
from recordfs.records.verify import Count, count_as_far_as_written

if TYPE_CHECKING:
    import argparse

    from recordfs.cli.console import Console

DESCRIPTION = """\
Count the records in record files. Checks the lengths of records and their checksums, but not the
data (`recordfs verify` does that); the data of large records is not even read. Prints the number
alone for one file, and a line for each and the total for several. A broken file is an error and
has no number. One that is compressed and has no end has one, and fails: records may be missing.
"""

EXAMPLES = """\
recordfs count train.tfrecord
recordfs count 's3://bucket/train/*.tfrecord'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "path", nargs="+", help="a record file or pattern")
    add_compression(parser)
    add_jobs(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON object for each file, one a line")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Count, going on after a file that is broken."""
    paths, status = expand_record_files(arguments.path, console)
    alone = len(paths) == 1 and len(arguments.path) == 1
    total = uncounted = 0

    def count(path: str) -> Count:
        return count_as_far_as_written(path, compression=compression_of(arguments), progress=progress.offsets(path))

    def show(path: str, outcome: Count | RecordFSError) -> None:
        nonlocal status, total, uncounted
        if isinstance(outcome, RecordFSError):
            console.failure(outcome)
            status = max(status, FAILED)
            uncounted += 1
            return
        total += outcome.records
        if arguments.json:
            console.print_json({"path": path, "records": outcome.records})
        else:
            console.print(str(outcome.records) if alone else f"{outcome.records}\t{path}")
        status = max(status, say_if_unfinished(outcome.unfinished_stream, [path], console))

    with console.progress("counting", total=total_length(paths, console)) as progress:
        do_in_parallel(count, paths, arguments.jobs, progress, show)
    if len(paths) > 1 and not arguments.json:
        missing = f" without {format_count(uncounted, 'file')} that could not be counted" if uncounted else ""
        console.print(f"{total}\ttotal{missing}")
    return status
