"""``recordfs events index``: indexes for event files that have none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_paths
from recordfs.cli.event_runs import over_runs
from recordfs.cli.formatting import format_size
from recordfs.cli.status import FAILED, OK
from recordfs.errors import RecordFSError

if TYPE_CHECKING:
    import argparse

    from recordfs.cli.console import Console
    from recordfs.events import EventLog

DESCRIPTION = """\
Write an index beside each event file that has none, such as those of torch and TensorFlow, so that
its curves open at once. Each file is read whole, once. A damaged file gets no index, because the
index would hide the damage. The name of an index does not look like an event file's, and only
recordfs reads it.
"""

EXAMPLES = """\
recordfs events index logs
recordfs events index s3://bucket/experiments
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "path", nargs="+", help="a log directory or an event file")
    parser.add_argument("--json", action="store_true", help="print a JSON object for each file, one a line")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Index each file of each run."""
    from recordfs.events.stored import index_file

    def work(log: EventLog, one: str) -> int:
        status = OK
        for file in log.files(one):
            try:
                done = index_file(file.path)
            except RecordFSError as error:
                status = max(status, console.failure(error))
                continue
            if arguments.json:
                console.print_json({"path": file.path} | done._asdict())
            elif not console.quiet:
                size = f", {format_size(done.index_bytes)} for {format_size(done.covered_bytes)}"
                console.print(f"{file.path}: {done.outcome}{size if done.index_bytes else ''}")
            if done.outcome == "damaged":
                console.error(
                    f"{file.path}: it has damage, which an index would hide; `recordfs events show` tells where"
                )
                status = FAILED
        return status

    return over_runs(arguments.path, console, work)
