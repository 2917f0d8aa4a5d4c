"""``recordfs events tail``: values as they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_paths, number_at_least
from recordfs.cli.event_runs import open_log, show_event, tell_losses
from recordfs.errors import NotFoundError

if TYPE_CHECKING:
    import argparse

    from recordfs.cli.console import Console

DESCRIPTION = """\
Show the values of a live run as they are written: first what is there, then what comes. Follows an
event file, or the last one of a directory and those that the run begins later. Ends at Ctrl-C, or
with --timeout. Damaged records, and records that are not events, are skipped and reported on
standard error; the exit status is 1 then.
"""

EXAMPLES = """\
recordfs events tail logs/run
recordfs events tail --tag loss --timeout 60 s3://bucket/logs/run
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "path", help="an event file, or the directory of a run, whose last file is followed")
    parser.add_argument("--tag", action="append", metavar="TAG", help="only values of this tag; may be given again")
    parser.add_argument(
        "--timeout", type=number_at_least(0), metavar="SECONDS", help="end after so many seconds without a new event"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object for each value, one a line")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Print a line for each value, until no more come."""
    log = open_log(arguments.path, console)
    if "." not in log.runs:
        raise NotFoundError("there is no event file in this directory; name the directory of one run", path=log.logdir)
    with log.follow(".", arguments.timeout) as follower:
        for event in follower:
            if event.summary and show_event(event, ".", arguments, console):
                console.flush()
        reports = follower.reports
    losses = [loss for _, report in reports for loss in report.losses]
    truncated = [path for path, report in reports if report.truncated_tail]
    return tell_losses(losses, sum(report.loss_count for _, report in reports), truncated, console)
