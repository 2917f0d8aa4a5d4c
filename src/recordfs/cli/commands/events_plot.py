"""``recordfs events plot``: curves in the terminal."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from recordfs.cli.arguments import add_paths, at_least
from recordfs.cli.curves import draw_curve
from recordfs.cli.event_runs import add_purge, over_runs, tell_report
from recordfs.cli.formatting import format_count
from recordfs.cli.status import FAILED

if TYPE_CHECKING:
    import argparse

    from recordfs.cli.console import Console
    from recordfs.events import EventLog
    from recordfs.events.columns import Column

DESCRIPTION = """\
Draw the curves of tags in the terminal, one for each run that has the tag: the largest and the
smallest value stand at the left, the first and the last step below. Damaged records, and records
that are not events, are skipped and reported on standard error; the exit status is 1 then.
"""

EXAMPLES = """\
recordfs events plot logs/run loss
recordfs events plot --height 20 s3://bucket/logs loss accuracy
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "path", help="a log directory or an event file")
    parser.add_argument("tag", nargs="+", help="the tags to draw")
    parser.add_argument("--width", type=at_least(10), metavar="N", help="characters (default: the terminal's width)")
    parser.add_argument("--height", type=at_least(3), default=12, metavar="N", help="lines a curve (default: 12)")
    add_purge(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON object with the points of each curve")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Draw each tag of each run."""
    width = arguments.width or shutil.get_terminal_size((80, 24)).columns
    drawn: set[str] = set()

    def work(log: EventLog, one: str) -> int:
        found = log.columns(one, arguments.tag, purge=arguments.purge)
        for tag, column in found.items():
            drawn.add(tag)
            if arguments.json:
                console.print_json(_curve_object(log.logdir, one, tag, column))
                continue
            console.print(f"{tag}, run {one}: {format_count(len(column.step), 'point')}")
            for line in draw_curve(column.step.tolist(), column.value.tolist(), width, arguments.height):
                console.print(line)
        return tell_report(found.report, console)

    status = over_runs([arguments.path], console, work)
    for tag in arguments.tag:
        if tag not in drawn:
            console.error(f"no run has the scalar {tag!r}; `recordfs events ls {arguments.path}` lists what there is")
            status = FAILED
    return status


def _curve_object(logdir: str, one: str, tag: str, column: Column) -> dict[str, Any]:
    """Return what is printed of a curve: its points as lists of one length."""
    points = {name: values.tolist() for name, values in column._asdict().items()}
    return {"logdir": logdir, "run": one, "tag": tag} | points
