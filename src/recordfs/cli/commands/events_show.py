"""``recordfs events show``: events one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_paths, at_least
from recordfs.cli.event_runs import over_runs, show_event, tell_losses
from recordfs.cli.status import FAILED, OK
from recordfs.events import EventFileReader

if TYPE_CHECKING:
    import argparse

    from recordfs.cli.console import Console
    from recordfs.events import EventLog

DESCRIPTION = """\
Show events one by one: run, step, time, tag, kind of the value, and the value. Damaged records, and
records that are not events, are skipped and reported on standard error; the exit status is 1 then.
"""

EXAMPLES = """\
recordfs events show logs/run --tag loss -n 20
recordfs events show --json s3://bucket/logs/events.out.tfevents.1700000000.host
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "path", nargs="+", help="a log directory or an event file")
    parser.add_argument("-n", "--events", type=at_least(0), metavar="N", help="the first N of each run (default: all)")
    parser.add_argument("--tag", action="append", metavar="TAG", help="only values of this tag; may be given again")
    parser.add_argument("--json", action="store_true", help="print a JSON object for each value, one a line")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Print a line for each value."""
    shown = 0

    def work(log: EventLog, one: str) -> int:
        nonlocal shown
        status, left = OK, arguments.events
        for file in log.files(one):
            with EventFileReader(file.path) as reader:
                for event in reader:
                    if left == 0:
                        break
                    if show_event(event, one, arguments, console):
                        shown += 1
                        left = None if left is None else left - 1
                report = reader.report
            truncated = [file.path] if report.truncated_tail else []
            status = max(status, tell_losses(report.losses, report.loss_count, truncated, console))
        return status

    status = over_runs(arguments.path, console, work)
    if arguments.tag and not shown and arguments.events != 0 and status == OK:
        tags = ", ".join(map(repr, arguments.tag))
        console.error(
            f"there is no value of the tag {tags}; `recordfs events ls {arguments.path[0]}` lists what there is"
        )
        return FAILED
    return status
