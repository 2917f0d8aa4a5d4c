"""``recordfs events tail``: values as they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_paths
from recordfs.cli.event_runs import show_event, tell_losses
from recordfs.errors import NotFoundError
from recordfs.events import EventFileReader, EventLog

if TYPE_CHECKING:
    import argparse

    from recordfs.cli.console import Console

DESCRIPTION = """\
Show the values of a live run as they are written: of an event file, or of the last one in a
directory, what is there and then what comes. Ends at Ctrl-C, or with --timeout. Damaged records,
and records that are no events, are told on standard error and passed over; the exit status is 1
then.
"""

EXAMPLES = """\
recordfs events tail logs/run
recordfs events tail --tag loss --timeout 60 s3://bucket/logs/run
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "path", help="an event file, or the directory of a run, whose last file is followed")
    parser.add_argument("--tag", action="append", metavar="TAG", help="only values of this tag; may be given again")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="end when no byte has come for so long")
    parser.add_argument("--json", action="store_true", help="print a JSON object for each value, one a line")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Print a line for each value, until no more come."""
    log = EventLog(arguments.path)
    files = [file for one in log.runs for file in log.files(one) if one == "."]
    if not files:
        raise NotFoundError("there is no event file in this directory; name the directory of one run", path=log.logdir)
    with EventFileReader(files[-1].path, follow=True, follow_timeout=arguments.timeout) as reader:
        for event in reader:
            if event.summary and show_event(event, ".", arguments, console):
                console.flush()
        report = reader.report
    return tell_losses(report.losses, report.loss_count, [files[-1].path] if report.truncated_tail else [], console)
